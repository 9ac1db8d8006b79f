//! The function `prepare-dns`: before the window it records the record sets as they are, once and for all, lowers their
//! TTLs, and says when the old TTLs have run out in resolvers' caches.
//!
//! Undone by `rollback-dns`, which restores what is recorded here.

use jiff::{SignedDuration, Timestamp};
use landfall_aws::dns_change::{
    Aim, Seen, deadline, everywhere, foreign, leave_alone, look_everywhere, read_back, send,
};
use landfall_aws::table::{Stored, Write};
use landfall_aws::waiting::{self, Wait};
use landfall_aws::{Callback, Deps, Step};
use landfall_domain::StepError;
use landfall_domain::decide::lowered;
use landfall_domain::ids::WaveId;
use landfall_domain::record::{Direction, DnsRecord, Phase, RecordSet};
use landfall_domain::report::DnsState;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// The wait, by the name under which its beginning is in the table.
const WAIT: &str = "PREPARE_DNS";

/// What the function is called with.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The wave.
    pub wave_id: WaveId,
    /// The epoch that the step belongs to.
    pub epoch: u64,
    /// The task that waits.
    pub callback: Callback,
}

/// Whether traffic can be switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Prepared {
    /// It can, from `ready_at` on.
    Prepared,
    /// It cannot; nothing points elsewhere than before.
    Failed,
}

/// The token's output.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Whether traffic can be switched.
    pub outcome: Prepared,
    /// When the old TTLs have run out. Without a lowered TTL: now.
    pub ready_at: Timestamp,
    /// Why not, a sentence a record.
    pub reasons: Vec<String>,
}

/// Prepares the record sets of a wave, and completes the task when they are prepared or cannot be. Errors: those of
/// [`Step::begin`], of the table and of Route 53.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Value, StepError> {
    let step = Step::begin(&deps, &input.wave_id, input.epoch, Direction::Forward).await?;
    let wait = Wait::poll(
        format!("POLL#{}#{WAIT}", input.wave_id),
        &input.wave_id,
        input.epoch,
        &input.callback,
    );
    waiting::wait(&deps, wait, prepare(&deps, step)).await
}

async fn prepare(deps: &Deps, mut step: Step) -> Result<Option<Outcome>, StepError> {
    step.enter(deps, Phase::PrepareTraffic).await?;
    let records = deps.table.dns(&step.wave.wave_id).await?;
    let (mut done, open): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| is_prepared(record));
    let seen = look_everywhere(deps, open).await?;
    let mut aims = match aims(seen) {
        Ok(aims) => aims,
        Err(refused) => return fail(deps, &step, refused).await,
    };
    record_intents(deps, &step, &mut aims).await?;
    send(deps, &step, &mut aims, "lower TTLs before the cutover").await?;
    if !everywhere(deps, &aims).await? {
        let deadline = deadline(deps, &mut step, WAIT).await?;
        if deps.now() < deadline {
            return Ok(None);
        }
        let late = format!("the lowered TTLs were to be on all authoritative servers by {deadline} and are not");
        step.write(deps, vec![step.log(deps, late.clone())?]).await?;
        return Ok(Some(failed(deps, vec![late])));
    }
    let wrong = read_back(deps, &aims).await?;
    if !wrong.is_empty() {
        let refused = wrong
            .into_iter()
            .map(|(index, problem)| (aims[index].record.clone(), problem));
        return fail(deps, &step, refused.collect()).await;
    }
    let prepared = record_outcomes(deps, &step, aims).await?;
    done.extend(prepared);
    let ready_at = done
        .iter()
        .filter_map(|record| ready_at(record))
        .max()
        .unwrap_or_else(|| deps.now());
    Ok(Some(Outcome {
        outcome: Prepared::Prepared,
        ready_at,
        reasons: Vec::new(),
    }))
}

/// A record is prepared when it was seen to be. One that was restored since is prepared anew.
fn is_prepared(record: &DnsRecord) -> bool {
    let later = matches!(
        record.state,
        DnsState::Prepared | DnsState::Switched | DnsState::Settled
    );
    later && record.prepared_at.is_some()
}

/// A record that cannot be prepared, and why.
type Refused = (Stored<DnsRecord>, String);

/// What the sets are to become; or which of them cannot be prepared, so that none is changed.
fn aims(seen: Vec<Seen>) -> Result<Vec<Aim>, Vec<Refused>> {
    let mut aims = Vec::new();
    let mut refused = Vec::new();
    for Seen { record, found } in seen {
        match found.and_then(|found| problem(&record, &found).map_or(Ok(found), Err)) {
            Ok(found) => aims.push(aim(record, found)),
            Err(problem) => refused.push((record, problem)),
        }
    }
    if refused.is_empty() { Ok(aims) } else { Err(refused) }
}

fn aim(mut record: Stored<DnsRecord>, found: Vec<RecordSet>) -> Aim {
    // Once and for all: a TTL that is lowered already must never pass for the original.
    let original = record.original.get_or_insert_with(|| found.clone()).clone();
    let wanted = lowered(&record, &original);
    Aim::at(record, &found, wanted)
}

/// Why the sets found cannot be prepared.
fn problem(record: &DnsRecord, found: &[RecordSet]) -> Option<String> {
    if record.original.is_some() {
        return (!record.is_ours(found)).then(|| foreign(found));
    }
    if found.is_empty() {
        return Some(
            "it does not exist; it must exist so that it can be restored: create it, or leave it out of the plan"
                .to_owned(),
        );
    }
    record.targets.iter().find_map(|target| {
        let member = &target.plan.set_identifier;
        if found.iter().any(|set| &set.set_identifier == member) {
            return None;
        }
        let members = found
            .iter()
            .map(|set| set.set_identifier.as_deref().unwrap_or("a simple set"));
        let members = members.collect::<Vec<_>>().join(", ");
        Some(match member {
            Some(member) => format!("it has no member {member}, only {members}; name one of these in the plan"),
            None => format!("it is a group of {members}; say in the plan which member setIdentifier means"),
        })
    })
}

/// Puts originals and intents on record, before the first change.
async fn record_intents(deps: &Deps, step: &Step, aims: &mut [Aim]) -> Result<(), StepError> {
    let mut writes = Vec::new();
    for aim in aims.iter_mut().filter(|aim| aim.new) {
        aim.record.held = None;
        if aim.changes.is_empty() {
            // Its TTL is low already: there is nothing to wait for.
            aim.record.state = DnsState::Prepared;
            aim.record.prepared_at = Some(step.now);
            aim.record.change_id = None;
        } else {
            aim.record.state = DnsState::Recorded;
            aim.record.prepared_at = None;
            aim.intend();
        }
        writes.push(Write::save(&mut aim.record)?);
    }
    if writes.is_empty() {
        return Ok(());
    }
    let text = format!(
        "{} record sets are recorded as they are; their TTLs are lowered next",
        writes.len()
    );
    writes.push(step.log(deps, text)?);
    step.write(deps, writes).await
}

/// Notes that the sets are prepared, on all authoritative servers as from now.
async fn record_outcomes(deps: &Deps, step: &Step, aims: Vec<Aim>) -> Result<Vec<Stored<DnsRecord>>, StepError> {
    let at = deps.now();
    let mut records = Vec::new();
    let mut writes = Vec::new();
    for Aim { mut record, .. } in aims {
        record.state = DnsState::Prepared;
        record.prepared_at = Some(at);
        record.change_id = None;
        record.held = None;
        writes.push(Write::save(&mut record)?);
        records.push(record);
    }
    if !writes.is_empty() {
        writes.push(step.log(deps, format!("{} record sets are prepared", records.len()))?);
        step.write(deps, writes).await?;
    }
    Ok(records)
}

/// When the old TTL of a prepared record has run out; [`None`] when it was not lowered. The members of a group share
/// one TTL, so the largest is that of all.
fn ready_at(record: &DnsRecord) -> Option<Timestamp> {
    let original = record.original.as_deref()?;
    let now = lowered(record, original);
    let old = original
        .iter()
        .zip(&now)
        .filter(|(old, new)| new.ttl < old.ttl)
        .map(|(old, _)| old.ttl);
    Some(record.prepared_at? + SignedDuration::from_secs(old.max()?))
}

async fn fail(deps: &Deps, step: &Step, refused: Vec<Refused>) -> Result<Option<Outcome>, StepError> {
    let reasons = leave_alone(deps, step, refused, "traffic cannot be prepared").await?;
    Ok(Some(failed(deps, reasons)))
}

fn failed(deps: &Deps, reasons: Vec<String>) -> Outcome {
    Outcome {
        outcome: Prepared::Failed,
        ready_at: deps.now(),
        reasons,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_domain::record::DnsTarget;
    use serde_json::json;

    fn set(member: Option<&str>, ttl: i64) -> RecordSet {
        RecordSet {
            name: "web.example.com.".into(),
            record_type: "A".into(),
            ttl,
            values: vec!["10.0.0.1".into()],
            set_identifier: member.map(str::to_owned),
            weight: member.map(|_| 10),
            health_check_id: None,
        }
    }

    fn record(member: Option<&str>, original: Option<Vec<RecordSet>>) -> DnsRecord {
        let mut plan = json!({
            "hostedZoneId": "Z1", "name": "web.example.com", "type": "A",
            "sourceServerId": "s-00000000000000001", "address": "PRIVATE_IP"
        });
        if let Some(member) = member {
            plan["setIdentifier"] = json!(member);
        }
        let target = json!({ "plan": plan, "moveGroup": "all", "sourceServerId": "s-00000000000000001" });
        let target: DnsTarget = serde_json::from_value(target).unwrap();
        let record = json!({
            "waveId": "w", "hostedZoneId": "Z1", "name": "web.example.com.", "recordType": "A",
            "targets": [target], "state": "RECORDED"
        });
        let mut record: DnsRecord = serde_json::from_value(record).unwrap();
        record.original = original;
        record
    }

    #[test]
    fn a_name_that_does_not_exist_cannot_be_restored_and_so_is_not_switched() {
        let why = problem(&record(None, None), &[]).unwrap();
        assert!(why.contains("does not exist"), "{why}");
        assert_eq!(problem(&record(None, None), &[set(None, 300)]), None);
    }

    #[test]
    fn the_member_that_the_plan_means_has_to_exist() {
        let group = [set(Some("blue"), 300), set(Some("green"), 300)];
        assert_eq!(problem(&record(Some("blue"), None), &group), None);
        let why = problem(&record(Some("red"), None), &group).unwrap();
        assert!(why.contains("no member red, only blue, green"), "{why}");
        assert!(problem(&record(None, None), &group).unwrap().contains("setIdentifier"));
    }

    #[test]
    fn what_is_neither_the_original_nor_ours_is_refused() {
        let recorded = record(None, Some(vec![set(None, 300)]));
        assert_eq!(problem(&recorded, &[set(None, 300)]), None);
        assert!(problem(&recorded, &[set(None, 299)]).unwrap().contains("somebody else"));
        assert!(problem(&recorded, &[]).unwrap().contains("deleted"));
    }

    #[test]
    fn traffic_is_ready_when_the_largest_ttl_that_was_lowered_has_run_out() {
        let at: Timestamp = "2026-01-10T02:00:00Z".parse().unwrap();
        let mut lowered = record(None, Some(vec![set(None, 3600)]));
        lowered.prepared_at = Some(at);
        assert_eq!(ready_at(&lowered), Some("2026-01-10T03:00:00Z".parse().unwrap()));
        let mut short = record(None, Some(vec![set(None, 60)]));
        short.prepared_at = Some(at);
        assert_eq!(ready_at(&short), None);
    }
}
