//! Changing record sets, the same way forth and back: look, put the intent on record, send one change a zone, wait until
//! it is everywhere, read it back.
//!
//! `change_id` of a record names the change that makes its newest intent true. It is cleared with a new intent and when
//! the effect is over, so a step that is repeated knows: with a change id its change was accepted; without one, and with
//! its intent on record already, the answer may have been lost. An UPSERT has no second effect, so it is then sent again,
//! for an id to ask after.

use crate::deps::Deps;
use crate::step::Step;
use crate::table::{Stored, Write};
use jiff::{SignedDuration, Timestamp};
use landfall_domain::StepError;
use landfall_domain::decide::{Change, upserts};
use landfall_domain::ids::HostedZoneId;
use landfall_domain::record::{DnsRecord, RecordSet};
use landfall_domain::report::DnsState;
use landfall_domain::text::few;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Elements of one change batch, an UPSERT counting double.
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html>
const ELEMENTS_MAX: usize = 1000;

/// Characters of all values of one change batch, an UPSERT counting double. The same page.
const CHARACTERS_MAX: usize = 32_000;

/// Readings of a change inside one invocation: five, two seconds apart, are eight seconds of waiting. A function may
/// wait for ten.
const READINGS_MAX: usize = 5;

/// Between two readings.
const READING_EVERY: Duration = Duration::from_secs(2);

/// Record sets of one zone that cannot be read before the zone is given up: each costs a reading of its own.
const UNREADABLE_MAX: usize = 20;

/// A record and what was found of it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The record.
    pub record: Stored<DnsRecord>,
    /// Its sets, none when the name does not exist; or why they are nothing that Landfall can handle.
    pub found: Result<Vec<RecordSet>, String>,
}

/// A record, and what its sets are to become.
#[derive(Debug, Clone)]
pub struct Aim {
    /// The record.
    pub record: Stored<DnsRecord>,
    /// What its sets are to become.
    pub wanted: Vec<RecordSet>,
    /// What has still to be sent for it; nothing when it was sent and accepted.
    pub changes: Vec<Change>,
    /// True when the intent is to be put on record first.
    pub new: bool,
}

impl Aim {
    /// Aims at `wanted`, from what was found.
    pub fn at(record: Stored<DnsRecord>, found: &[RecordSet], wanted: Vec<RecordSet>) -> Self {
        // What was restored is prepared anew, whatever was intended before.
        let new = record.ours.last() != Some(&wanted) || record.state == DnsState::Restored;
        let changes = match (&record.change_id, found == wanted) {
            (Some(_), _) if !new => Vec::new(),
            (_, true) if new => Vec::new(),
            (_, true) => wanted.iter().cloned().map(Change::Upsert).collect(),
            (_, false) => upserts(found, &wanted),
        };
        Self {
            record,
            wanted,
            changes,
            new,
        }
    }

    /// Notes what the sets will be, as the newest of what Landfall made of them.
    pub fn intend(&mut self) {
        self.record.ours.retain(|made| made != &self.wanted);
        self.record.value.intend(self.wanted.clone());
        self.record.change_id = None;
        self.new = false;
    }
}

/// The problem of a record, with its name.
pub fn sentence(record: &DnsRecord, problem: impl Into<String>) -> String {
    let held = StepError::RecordSetHeld {
        zone: record.hosted_zone_id.to_string(),
        name: record.name.clone(),
        record_type: record.record_type.clone(),
        problem: problem.into(),
    };
    held.to_string()
}

/// Notes that a record is left alone, and says why with its name.
pub fn hold(record: &mut DnsRecord, problem: impl Into<String>) -> String {
    let problem = problem.into();
    record.state = DnsState::Held;
    record.held = Some(problem.clone());
    sentence(record, problem)
}

/// Leaves records alone, each for its problem: those that were recorded before are held for a person. `what` says in the
/// audit trail what was not done. Gives the reasons.
pub async fn leave_alone(
    deps: &Deps,
    step: &Step,
    refused: Vec<(Stored<DnsRecord>, String)>,
    what: &str,
) -> Result<Vec<String>, StepError> {
    let mut reasons = Vec::new();
    let mut writes = Vec::new();
    for (mut record, problem) in refused {
        if record.original.is_some() {
            reasons.push(hold(&mut record, problem));
            writes.push(Write::save(&mut record)?);
        } else {
            reasons.push(sentence(&record, problem));
        }
    }
    let reasons = few(reasons);
    writes.push(step.log(deps, format!("{what}: {}", reasons.join("; ")))?);
    step.write(deps, writes).await?;
    Ok(reasons)
}

/// True when a repetition cannot help, while other zones can still be changed: a refusal, and not a service that is busy.
pub fn lasts(error: &StepError) -> bool {
    matches!(
        error,
        StepError::ServiceRefused { .. }
            | StepError::AccessDenied { .. }
            | StepError::UnknownValue { .. }
            | StepError::RecordSetHeld { .. }
    )
}

/// What is wrong with sets that are not what Landfall left.
pub fn foreign(found: &[RecordSet]) -> String {
    if found.is_empty() {
        return "it was deleted by somebody else; it was left alone".to_owned();
    }
    format!(
        "it was changed by somebody else and now is [{}]; it was left alone",
        shown(found)
    )
}

/// The sets in words.
pub fn shown(sets: &[RecordSet]) -> String {
    sets.iter().map(RecordSet::to_string).collect::<Vec<_>>().join("; ")
}

/// The records by zone.
pub fn by_zone(records: Vec<Stored<DnsRecord>>) -> BTreeMap<HostedZoneId, Vec<Stored<DnsRecord>>> {
    let mut zones: BTreeMap<HostedZoneId, Vec<Stored<DnsRecord>>> = BTreeMap::new();
    for record in records {
        zones.entry(record.hosted_zone_id.clone()).or_default().push(record);
    }
    zones
}

/// Reads the sets of a zone's records. One that cannot be handled does not hide the others.
pub async fn look(deps: &Deps, zone: &HostedZoneId, records: Vec<Stored<DnsRecord>>) -> Result<Vec<Seen>, StepError> {
    let key = |record: &DnsRecord| (record.name.clone(), record.record_type.clone());
    let mut wanted: BTreeSet<(String, String)> = records.iter().map(|record| key(record)).collect();
    let mut unreadable = BTreeMap::new();
    let mut sets = loop {
        if wanted.is_empty() {
            break BTreeMap::new();
        }
        let answer = deps.route53.record_sets(zone, &wanted).await;
        match answer {
            Ok(sets) => break sets,
            Err(StepError::RecordSetHeld {
                name,
                record_type,
                problem,
                ..
            }) if unreadable.len() < UNREADABLE_MAX && wanted.remove(&(name.clone(), record_type.clone())) => {
                unreadable.insert((name, record_type), problem);
            }
            Err(error) => return Err(error),
        }
    };
    let seen = records.into_iter().map(|record| {
        let found = match unreadable.remove(&key(&record)) {
            Some(problem) => Err(problem),
            None => Ok(sets.remove(&key(&record)).unwrap_or_default()),
        };
        Seen { record, found }
    });
    Ok(seen.collect())
}

/// Reads the sets of all records, zone after zone.
pub async fn look_everywhere(deps: &Deps, records: Vec<Stored<DnsRecord>>) -> Result<Vec<Seen>, StepError> {
    let mut seen = Vec::new();
    for (zone, records) in by_zone(records) {
        seen.extend(look(deps, &zone, records).await?);
    }
    Ok(seen)
}

/// Sends what has still to be sent, one change a zone, and puts each change's id on record. `what` says for Route 53's
/// own history what it is for.
pub async fn send(deps: &Deps, step: &Step, aims: &mut [Aim], what: &str) -> Result<(), StepError> {
    let zones: BTreeSet<HostedZoneId> = aims.iter().map(|aim| aim.record.hosted_zone_id.clone()).collect();
    for zone in &zones {
        send_zone(deps, step, zone, aims, what).await?;
    }
    Ok(())
}

/// The same for one zone; aims in other zones are passed over.
pub async fn send_zone(
    deps: &Deps,
    step: &Step,
    zone: &HostedZoneId,
    aims: &mut [Aim],
    what: &str,
) -> Result<(), StepError> {
    let comment = format!("Landfall wave {}: {what}", step.wave.wave_id);
    for part in parts(zone, aims) {
        let changes: Vec<Change> = part.iter().flat_map(|index| aims[*index].changes.clone()).collect();
        let change_id = deps.route53.change(zone, &changes, &comment).await?;
        let mut writes = Vec::new();
        for index in &part {
            let aim = &mut aims[*index];
            aim.changes.clear();
            aim.record.change_id = Some(change_id.clone());
            writes.push(Write::save(&mut aim.record)?);
        }
        let text = format!(
            "{what}: {change_id} changes {} record sets in zone {zone}",
            changes.len()
        );
        writes.push(step.log(deps, text)?);
        step.write(deps, writes).await?;
    }
    Ok(())
}

/// Cuts what is to be sent to a zone where Route 53's limits ask for it, never inside a record: the members of a group
/// share a TTL, so they change together. Gives indices of `aims`.
fn parts(zone: &HostedZoneId, aims: &[Aim]) -> Vec<Vec<usize>> {
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let (mut elements, mut characters) = (0, 0);
    for (index, aim) in aims.iter().enumerate() {
        if &aim.record.hosted_zone_id != zone || aim.changes.is_empty() {
            continue;
        }
        let (more_elements, more_characters) = weight(&aim.changes);
        (elements, characters) = (elements + more_elements, characters + more_characters);
        match parts.last_mut() {
            Some(part) if elements <= ELEMENTS_MAX && characters <= CHARACTERS_MAX => part.push(index),
            _ => {
                parts.push(vec![index]);
                (elements, characters) = (more_elements, more_characters);
            }
        }
    }
    parts
}

/// Elements and characters of changes, as Route 53 counts them.
fn weight(changes: &[Change]) -> (usize, usize) {
    changes.iter().fold((0, 0), |(elements, characters), change| {
        let (times, set) = match change {
            Change::Upsert(set) => (2, set),
            Change::Delete(set) => (1, set),
        };
        let length: usize = set.values.iter().map(|value| value.chars().count()).sum();
        (elements + times * set.values.len(), characters + times * length)
    })
}

/// Waits, for eight seconds at most, until all changes that the records name are on all authoritative servers.
pub async fn everywhere(deps: &Deps, aims: &[Aim]) -> Result<bool, StepError> {
    let mut pending: BTreeSet<&String> = aims.iter().filter_map(|aim| aim.record.change_id.as_ref()).collect();
    for reading in 1..=READINGS_MAX {
        for change_id in pending.clone() {
            if deps.route53.in_sync(change_id).await? {
                pending.remove(change_id);
            }
        }
        if pending.is_empty() {
            return Ok(true);
        }
        if reading < READINGS_MAX {
            tokio::time::sleep(READING_EVERY).await;
        }
    }
    Ok(false)
}

/// Reads all records again; gives those that are not what was aimed at, by their place in `aims`, with what is wrong.
pub async fn read_back(deps: &Deps, aims: &[Aim]) -> Result<Vec<(usize, String)>, StepError> {
    let records: Vec<Stored<DnsRecord>> = aims.iter().map(|aim| aim.record.clone()).collect();
    let seen = look_everywhere(deps, records).await?;
    let mut wrong = Vec::new();
    for (index, aim) in aims.iter().enumerate() {
        let found = seen
            .iter()
            .find(|seen| seen.record.key == aim.record.key)
            .map(|seen| &seen.found);
        match found {
            Some(Ok(found)) if found == &aim.wanted => {}
            Some(Ok(found)) => wrong.push((index, foreign(found))),
            Some(Err(problem)) => wrong.push((index, problem.clone())),
            None => wrong.push((index, "it was not found again".to_owned())),
        }
    }
    Ok(wrong)
}

/// Until when a change may take to be everywhere: the wave's deadline, from the first time that it was waited for.
pub async fn deadline(deps: &Deps, step: &mut Step, name: &str) -> Result<Timestamp, StepError> {
    let began = step.wait_began(deps, name).await?;
    Ok(began + SignedDuration::from_mins(i64::from(step.wave.deadlines.dns_minutes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Key;
    use landfall_domain::ids::WaveId;

    fn set(value: &str, ttl: i64) -> RecordSet {
        RecordSet {
            name: "web.example.com.".into(),
            record_type: "A".into(),
            ttl,
            values: vec![value.into()],
            set_identifier: None,
            weight: None,
            health_check_id: None,
        }
    }

    fn record(zone: &str, ours: Vec<Vec<RecordSet>>, change_id: Option<&str>) -> Stored<DnsRecord> {
        let wave_id = WaveId::parse("w").unwrap();
        let hosted_zone_id = HostedZoneId::parse(zone).unwrap();
        let key = Key::dns(&wave_id, &hosted_zone_id, "web.example.com.", "A");
        let record = DnsRecord {
            wave_id,
            hosted_zone_id,
            name: "web.example.com.".into(),
            record_type: "A".into(),
            targets: Vec::new(),
            original: Some(vec![set("10.0.0.1", 300)]),
            ours,
            state: DnsState::Recorded,
            change_id: change_id.map(str::to_owned),
            prepared_at: None,
            held: None,
        };
        Stored::new(key, record)
    }

    fn sending(zone: &str, values: usize, length: usize) -> Aim {
        let mut wanted = set("x", 60);
        wanted.values = vec!["x".repeat(length); values];
        Aim::at(record(zone, Vec::new(), None), &[], vec![wanted])
    }

    #[test]
    fn a_change_is_cut_only_at_the_limits_of_route_53_and_never_inside_a_record() {
        let zone = HostedZoneId::parse("Z1").unwrap();
        let small: Vec<Aim> = (0..500).map(|_| sending("Z1", 1, 1)).collect();
        assert_eq!(
            parts(&zone, &small).len(),
            1,
            "500 UPSERTs of one value are 1,000 elements"
        );
        let many: Vec<Aim> = (0..501).map(|_| sending("Z1", 1, 1)).collect();
        let cut = parts(&zone, &many);
        assert_eq!((cut.len(), cut[0].len(), cut[1].len()), (2, 500, 1));
        let long = [sending("Z1", 4, 2000), sending("Z1", 4, 2000), sending("Z1", 1, 1)];
        assert_eq!(
            parts(&zone, &long),
            vec![vec![0, 1], vec![2]],
            "16,000 characters count as 32,000"
        );
        let huge = [sending("Z1", 1, 1), sending("Z1", 600, 1), sending("Z1", 1, 1)];
        assert_eq!(parts(&zone, &huge), vec![vec![0], vec![1], vec![2]]);
        let zones = [sending("Z1", 1, 1), sending("Z2", 1, 1)];
        assert_eq!(parts(&zone, &zones), vec![vec![0]]);
    }

    #[test]
    fn a_change_whose_answer_was_lost_is_sent_again_and_one_that_was_accepted_is_not() {
        let (old, new) = (vec![set("10.0.0.1", 300)], vec![set("10.0.0.1", 60)]);
        let first = Aim::at(record("Z1", Vec::new(), None), &old, new.clone());
        assert!(first.new);
        assert_eq!(first.changes, vec![Change::Upsert(new[0].clone())]);
        let lost = Aim::at(record("Z1", vec![new.clone()], None), &new, new.clone());
        assert!(!lost.new);
        assert_eq!(lost.changes, vec![Change::Upsert(new[0].clone())]);
        let accepted = Aim::at(record("Z1", vec![new.clone()], Some("C1")), &new, new.clone());
        assert_eq!(accepted.changes, Vec::new());
        let nothing_to_do = Aim::at(record("Z1", Vec::new(), None), &new, new.clone());
        assert_eq!(nothing_to_do.changes, Vec::new());
    }

    #[test]
    fn the_newest_intent_is_the_last_and_has_no_change_yet() {
        let (lowered, switched) = (vec![set("10.0.0.1", 60)], vec![set("172.31.0.9", 60)]);
        let ours = vec![lowered.clone(), switched.clone()];
        let mut again = Aim::at(record("Z1", ours, Some("C1")), &lowered, lowered.clone());
        assert!(again.new, "another effect has been on record since");
        again.intend();
        assert_eq!(again.record.ours, vec![switched, lowered]);
        assert_eq!(again.record.change_id, None);
    }
}
