//! The function `rollback-dns`: makes record sets again what they were when they were recorded, in every member, if they
//! are as Landfall left them. What others changed since is left alone, and held for a person.
//!
//! No undo: it is the undo of `prepare-dns` and `switch-dns`.

use landfall_aws::dns_change::{Aim, Seen, by_zone, deadline, everywhere, hold, lasts, look, read_back, send_zone};
use landfall_aws::table::{Key, Stored, Write};
use landfall_aws::waiting::{self, Wait};
use landfall_aws::{Callback, Deps, Step};
use landfall_domain::StepError;
use landfall_domain::decide::{Change, Restore, restore};
use landfall_domain::ids::{HostedZoneId, WaveId};
use landfall_domain::record::{Direction, DnsRecord};
use landfall_domain::report::DnsState;
use landfall_domain::text::{count, few};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The wait, by the name under which its beginning is in the table.
const WAIT: &str = "ROLLBACK_DNS";

/// The wait for what was sent to be everywhere. It begins later than the rollback where Route 53 was busy.
const IN_SYNC: &str = "ROLLBACK_DNS_IN_SYNC";

/// What the function is called with.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The wave.
    pub wave_id: WaveId,
    /// The epoch of the rollback.
    pub epoch: u64,
    /// The task that waits.
    pub callback: Callback,
}

/// How the record sets stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Restored {
    /// All are as they were recorded, on all authoritative servers.
    Restored,
    /// All but those that the reasons name.
    Held,
}

/// The token's output.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// How the record sets stand.
    pub outcome: Restored,
    /// What could not be restored, a sentence a record.
    pub reasons: Vec<String>,
}

/// Restores the record sets of a wave, and completes the task. Errors: those of [`Step::begin`], of the table and of
/// Route 53, once every zone that could be changed was.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Value, StepError> {
    let step = Step::begin(&deps, &input.wave_id, input.epoch, Direction::Rollback).await?;
    let wait = Wait::poll(
        format!("POLL#{}#{WAIT}", input.wave_id),
        &input.wave_id,
        input.epoch,
        &input.callback,
    );
    waiting::wait(&deps, wait, restore_all(&deps, step)).await
}

/// What a rollback of several zones comes to.
#[derive(Default)]
struct Progress {
    aims: Vec<Aim>,
    reasons: Vec<String>,
    /// The records that the reasons are about.
    held: BTreeSet<Key>,
    /// A service that was busy: the step is to be repeated, after the other zones.
    again: Option<StepError>,
}

async fn restore_all(deps: &Deps, mut step: Step) -> Result<Option<Outcome>, StepError> {
    let mut records = deps.table.dns(&step.wave.wave_id).await?;
    records.retain(|record| record.original.is_some() && record.state != DnsState::Restored);
    if records.is_empty() {
        return Ok(Some(Outcome {
            outcome: Restored::Restored,
            reasons: Vec::new(),
        }));
    }
    let first = begin(deps, &mut step, &mut records).await?;
    let mut progress = Progress::default();
    for (zone, records) in by_zone(records) {
        match restore_zone(deps, &step, &zone, &records, first, &mut progress).await {
            Ok(()) => {}
            Err(error) if lasts(&error) => leave(deps, &step, &records, &error, &mut progress).await?,
            // Nothing more is changed for a wave that has moved on.
            Err(error @ StepError::EpochSuperseded { .. }) => return Err(error),
            Err(error) => progress.again = Some(error),
        }
    }
    let over = finish(deps, &mut step, &mut progress).await?;
    match progress.again {
        Some(error) => Err(error),
        None if !over => Ok(None),
        None => {
            let outcome = if progress.reasons.is_empty() {
                Restored::Restored
            } else {
                Restored::Held
            };
            Ok(Some(Outcome {
                outcome,
                reasons: few(progress.reasons),
            }))
        }
    }
}

/// Begins the rollback of the record sets: changes that the way forward sent are of no interest any more. Their ids are
/// taken off the records before the beginning is put on record, so that afterwards every id is one of the rollback.
/// True when it had not begun before, so that nothing can have been sent yet.
async fn begin(deps: &Deps, step: &mut Step, records: &mut [Stored<DnsRecord>]) -> Result<bool, StepError> {
    if step.wave.waits.contains_key(&format!("{WAIT}@{}", step.guard.epoch)) {
        return Ok(false);
    }
    let mut writes = Vec::new();
    for record in records.iter_mut().filter(|record| record.change_id.is_some()) {
        record.change_id = None;
        writes.push(Write::save(record)?);
    }
    let text = format!(
        "{} record sets are restored next, where they are not as they were",
        records.len()
    );
    writes.push(step.log(deps, text)?);
    step.write(deps, writes).await?;
    step.wait_began(deps, WAIT).await?;
    Ok(true)
}

/// Sends what restores the records of a zone.
async fn restore_zone(
    deps: &Deps,
    step: &Step,
    zone: &HostedZoneId,
    records: &[Stored<DnsRecord>],
    first: bool,
    progress: &mut Progress,
) -> Result<(), StepError> {
    let mut aims = Vec::new();
    let mut writes = Vec::new();
    for Seen { mut record, found } in look(deps, zone, records.to_vec()).await? {
        let decision = match &found {
            Ok(found) => restore(&record, found),
            Err(problem) => Restore::Foreign(problem.clone()),
        };
        let changes = match decision {
            Restore::Foreign(problem) => {
                writes.extend(held(&mut record, &problem, progress)?);
                continue;
            }
            Restore::Nothing if first => {
                settle(&mut record);
                writes.push(Write::save(&mut record)?);
                continue;
            }
            Restore::Nothing => again(&record),
            Restore::Changes(changes) => changes,
        };
        let wanted = record.original.clone().unwrap_or_default();
        aims.push(Aim {
            record,
            wanted,
            changes,
            new: false,
        });
    }
    if !writes.is_empty() {
        step.write(deps, writes).await?;
    }
    send_zone(deps, step, zone, &mut aims, "restore what was recorded").await?;
    progress.aims.extend(aims);
    Ok(())
}

/// The sets are as they were recorded, and a change may have been sent whose answer was lost: it is sent again, for an
/// id to ask after. With an id there is nothing to send.
fn again(record: &DnsRecord) -> Vec<Change> {
    match &record.change_id {
        Some(_) => Vec::new(),
        None => record.original.iter().flatten().cloned().map(Change::Upsert).collect(),
    }
}

fn settle(record: &mut DnsRecord) {
    record.state = DnsState::Restored;
    record.change_id = None;
    record.held = None;
}

/// Holds a record, with nothing to write when it is held for the same reason already.
fn held(record: &mut Stored<DnsRecord>, problem: &str, progress: &mut Progress) -> Result<Option<Write>, StepError> {
    let known = record.state == DnsState::Held && record.held.as_deref() == Some(problem);
    progress.reasons.push(hold(record, problem));
    progress.held.insert(record.key.clone());
    if known { Ok(None) } else { Write::save(record).map(Some) }
}

/// Notes that Route 53 refused a whole zone.
async fn leave(
    deps: &Deps,
    step: &Step,
    records: &[Stored<DnsRecord>],
    error: &StepError,
    progress: &mut Progress,
) -> Result<(), StepError> {
    let mut writes = vec![step.log(deps, format!("record sets could not be restored: {error}"))?];
    for record in records {
        // Some were written since they were read, and some have a reason of their own already.
        let Some(mut record) = deps.table.get::<DnsRecord>(&record.key).await? else {
            continue;
        };
        if record.state != DnsState::Restored && !progress.held.contains(&record.key) {
            writes.extend(held(
                &mut record,
                &format!("it could not be restored: {error}"),
                progress,
            )?);
        }
    }
    step.write(deps, writes).await
}

/// Waits until what was sent is everywhere, reads it back and notes it. False: it is not everywhere, and there is time.
async fn finish(deps: &Deps, step: &mut Step, progress: &mut Progress) -> Result<bool, StepError> {
    if progress.aims.is_empty() {
        return Ok(true);
    }
    let late = if everywhere(deps, &progress.aims).await? {
        None
    } else {
        let deadline = deadline(deps, step, IN_SYNC).await?;
        if deps.now() < deadline {
            return Ok(false);
        }
        Some(format!(
            "it is restored, but was to be on all authoritative servers by {deadline} and is not"
        ))
    };
    let aims = std::mem::take(&mut progress.aims);
    let wrong = read_back(deps, &aims).await?;
    let mut writes = Vec::new();
    let mut restored = 0;
    for (index, Aim { mut record, .. }) in aims.into_iter().enumerate() {
        let problem = wrong
            .iter()
            .find(|(place, _)| *place == index)
            .map(|(_, problem)| problem);
        match problem.or(late.as_ref()) {
            Some(problem) => writes.extend(held(&mut record, problem, progress)?),
            None => {
                settle(&mut record);
                restored += 1;
                writes.push(Write::save(&mut record)?);
            }
        }
    }
    writes.push(step.log(deps, summary(restored, progress.reasons.len()))?);
    step.write(deps, writes).await?;
    Ok(true)
}

fn summary(restored: usize, held: usize) -> String {
    let restored = format!("{} restored as recorded", count(restored, "record set"));
    match held {
        0 => restored,
        held => format!("{restored}, {held} held for a person"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_summary_speaks_of_what_is_held_only_where_something_is() {
        assert_eq!(summary(5, 0), "5 record sets restored as recorded");
        assert_eq!(summary(1, 2), "1 record set restored as recorded, 2 held for a person");
    }

    fn record(change_id: Option<&str>) -> DnsRecord {
        serde_json::from_value(json!({
            "waveId": "w", "hostedZoneId": "Z1", "name": "web.example.com.", "recordType": "A", "targets": [],
            "original": [{ "name": "web.example.com.", "recordType": "A", "ttl": 300, "values": ["10.0.0.1"] }],
            "state": "PREPARED", "changeId": change_id
        }))
        .unwrap()
    }

    #[test]
    fn a_restoring_change_whose_answer_was_lost_is_sent_again_and_one_that_was_accepted_is_not() {
        let lost = record(None);
        let original = lost.original.clone().unwrap();
        assert_eq!(again(&lost), vec![Change::Upsert(original[0].clone())]);
        assert_eq!(again(&record(Some("C1"))), Vec::new());
    }
}
