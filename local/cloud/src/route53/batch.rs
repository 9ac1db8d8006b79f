//! A change batch: all of it or none of it.

use std::collections::{BTreeMap, BTreeSet};

use super::record::{RecordKey, RecordSet, RoutingPolicy};

/// Most `ResourceRecord` elements in a batch; those of an UPSERT count twice ("Quotas" in the developer guide).
const RECORDS_MAX: usize = 1_000;
/// Most characters in all `Value` elements of a batch; those of an UPSERT count twice.
const CHARACTERS_MAX: usize = 32_000;

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The set must not exist.
    Create,
    /// Creates or replaces.
    Upsert,
    /// The set must exist and be repeated in every field.
    Delete,
}

impl Action {
    /// The word on the wire, if it is one.
    pub fn parse(word: &str) -> Option<Action> {
        match word {
            "CREATE" => Some(Action::Create),
            "UPSERT" => Some(Action::Upsert),
            "DELETE" => Some(Action::Delete),
            _ => None,
        }
    }

    /// An UPSERT counts double in limits and in the change bucket, for it may be a DELETE and a CREATE.
    pub(crate) fn cost(self) -> usize {
        if self == Action::Upsert { 2 } else { 1 }
    }
}

/// One change of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it does.
    pub action: Action,
    /// To which set.
    pub record: RecordSet,
}

/// One change as it was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedChange {
    /// What it did.
    pub action: Action,
    /// The set it carried.
    pub record: RecordSet,
    /// The set that was stored before.
    pub previous: Option<RecordSet>,
}

/// What a batch is applied to.
pub(crate) struct Target<'a> {
    pub zone_name: &'a str,
    pub records: &'a BTreeMap<RecordKey, RecordSet>,
    /// Names and types that refuse changes.
    pub protected: &'a BTreeSet<(String, String)>,
}

/// The records after a batch, and what each change replaced.
pub(crate) type Applied = (BTreeMap<RecordKey, RecordSet>, Vec<AppliedChange>);

/// Applies a whole batch, or says everything that is wrong with it.
pub(crate) fn apply(target: &Target<'_>, changes: &[Change]) -> Result<Applied, Vec<String>> {
    let mut problems = limit_problems(changes);
    let mut records = target.records.clone();
    let mut applied = Vec::new();
    let mut seen: BTreeMap<RecordKey, Vec<Action>> = BTreeMap::new();
    for change in changes {
        let record = &change.record;
        let actions = seen.entry(record.key()).or_default();
        actions.push(change.action);
        if actions.len() > 1 && actions[..] != [Action::Delete, Action::Create] {
            problems.push(format!(
                "The request contains an invalid set of changes for a resource record set '{} {}'",
                record.record_type, record.name
            ));
            continue;
        }
        match apply_one(target, &mut records, change) {
            Ok(previous) => {
                applied.push(AppliedChange {
                    action: change.action,
                    record: record.clone(),
                    previous,
                });
            }
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        problems = consistency_problems(target.zone_name, &records, changes);
    }
    if problems.is_empty() {
        Ok((records, applied))
    } else {
        Err(problems)
    }
}

/// Applies one change to `records` and returns what was there before.
fn apply_one(
    target: &Target<'_>,
    records: &mut BTreeMap<RecordKey, RecordSet>,
    change: &Change,
) -> Result<Option<RecordSet>, Vec<String>> {
    let record = &change.record;
    let mut problems = Vec::new();
    let zone = target.zone_name;
    if record.name != zone && !record.name.ends_with(&format!(".{zone}")) {
        problems.push(format!(
            "RRSet with DNS name {} is not permitted in zone {zone}",
            record.name
        ));
    }
    if target
        .protected
        .contains(&(record.name.clone(), record.record_type.clone()))
    {
        problems.push(format!(
            "RRSet with DNS name {}, type {} is protected",
            record.name, record.record_type
        ));
    }
    if change.action != Action::Delete {
        problems.extend(record.problems());
    }
    let previous = records.get(&record.key()).cloned();
    let described = record.described();
    match (change.action, &previous) {
        (Action::Create, Some(_)) => {
            problems.push(format!(
                "Tried to create resource record set {described} but it already exists"
            ));
        }
        (Action::Delete, None) => {
            problems.push(format!(
                "Tried to delete resource record set {described} but it was not found"
            ));
        }
        (Action::Delete, Some(stored)) if !record.repeats(stored) => problems.push(format!(
            "Tried to delete resource record set {described} but the values provided do not match the current values"
        )),
        _ => {}
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    match change.action {
        Action::Delete => records.remove(&record.key()),
        Action::Create | Action::Upsert => records.insert(record.key(), record.clone()),
    };
    Ok(previous)
}

fn limit_problems(changes: &[Change]) -> Vec<String> {
    let count = |size: fn(&RecordSet) -> usize| -> usize {
        changes
            .iter()
            .map(|change| change.action.cost() * size(&change.record))
            .sum()
    };
    let records = count(|record| record.values.len());
    let characters = count(|record| record.values.iter().map(|value| value.chars().count()).sum());
    let mut problems = Vec::new();
    if records > RECORDS_MAX {
        problems.push(format!("Number of records limit of {RECORDS_MAX} exceeded"));
    }
    if characters > CHARACTERS_MAX {
        problems.push(format!("Number of characters limit of {CHARACTERS_MAX} exceeded"));
    }
    problems
}

/// Rules between sets, checked on the outcome, so that one batch can replace a simple set by weighted ones.
fn consistency_problems(zone: &str, records: &BTreeMap<RecordKey, RecordSet>, changes: &[Change]) -> Vec<String> {
    let names: BTreeSet<&str> = changes.iter().map(|change| change.record.name.as_str()).collect();
    let mut problems = Vec::new();
    for name in names {
        let mut groups: BTreeMap<&str, Vec<&RecordSet>> = BTreeMap::new();
        for record in records.values().filter(|record| record.name == name) {
            groups.entry(&record.record_type).or_default().push(record);
        }
        for (record_type, members) in &groups {
            problems.extend(group_problems(name, record_type, members));
        }
        if groups.contains_key("CNAME") && (groups.len() > 1 || name == zone) {
            problems.push(format!(
                "RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other records \
                 with the same DNS name in zone {zone}"
            ));
        }
        let apex_incomplete = !groups.contains_key("NS") || !groups.contains_key("SOA");
        if name == zone && apex_incomplete {
            problems.push(format!(
                "A HostedZone must contain one SOA and one NS record at its name {zone}"
            ));
        }
    }
    problems
}

/// What keeps sets of one name and type from standing together.
fn group_problems(name: &str, record_type: &str, members: &[&RecordSet]) -> Vec<String> {
    let policies: BTreeSet<RoutingPolicy> = members.iter().map(|record| record.policy()).collect();
    if policies.len() > 1 {
        return vec![format!(
            "RRSet with DNS name {name}, type {record_type} cannot be created as sets with another routing policy \
             exist with the same name and type"
        )];
    }
    let ttls: BTreeSet<u32> = members.iter().filter_map(|record| record.ttl).collect();
    if policies.contains(&RoutingPolicy::Weighted) && ttls.len() > 1 {
        return vec![format!(
            "RRSets with DNS name {name}, type {record_type} must all have the same TTL"
        )];
    }
    Vec::new()
}
