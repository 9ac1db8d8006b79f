//! What record sets become, and how they become again what they were.

use crate::record::{DnsRecord, RecordSet};

/// What Route 53 is asked to do with one set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Create it, or replace it.
    Upsert(RecordSet),
    /// Delete it; Route 53 wants every stored value repeated.
    Delete(RecordSet),
}

/// The sets with the TTL of the cutover, the lowest that any target asks for. All members of a group share one TTL, so
/// it is lowered on all of them; a TTL that is lower already stays.
pub fn lowered(record: &DnsRecord, original: &[RecordSet]) -> Vec<RecordSet> {
    let asked = record
        .targets
        .iter()
        .map(|target| i64::from(target.plan.cutover_ttl_seconds))
        .min();
    original
        .iter()
        .map(|set| RecordSet {
            ttl: asked.map_or(set.ttl, |ttl| set.ttl.min(ttl)),
            ..set.clone()
        })
        .collect()
}

/// The sets after a switch: `values_of` gives the new values for a target's set identifier, and [`None`] for a member
/// that stays as it is.
pub fn switched(present: &[RecordSet], values_of: &dyn Fn(&Option<String>) -> Option<Vec<String>>) -> Vec<RecordSet> {
    present
        .iter()
        .map(|set| match values_of(&set.set_identifier) {
            Some(values) => RecordSet { values, ..set.clone() },
            None => set.clone(),
        })
        .collect()
}

/// The switched sets with the TTL they had before the wave.
pub fn settled(present: &[RecordSet], original: &[RecordSet]) -> Vec<RecordSet> {
    present
        .iter()
        .map(|set| {
            let before = original.iter().find(|old| old.set_identifier == set.set_identifier);
            RecordSet {
                ttl: before.map_or(set.ttl, |old| old.ttl),
                ..set.clone()
            }
        })
        .collect()
}

/// The upserts that make `wanted` of `present`; none for a set that is so already.
pub fn upserts(present: &[RecordSet], wanted: &[RecordSet]) -> Vec<Change> {
    wanted
        .iter()
        .filter(|set| !present.contains(set))
        .cloned()
        .map(Change::Upsert)
        .collect()
}

/// How to restore the recorded sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restore {
    /// They are as they were recorded.
    Nothing,
    /// These changes restore them, in one batch.
    Changes(Vec<Change>),
    /// Somebody else changed them: they are left alone.
    Foreign(String),
}

/// Decides how to restore the recorded sets, from those that are found now.
pub fn restore(record: &DnsRecord, found: &[RecordSet]) -> Restore {
    let Some(original) = &record.original else {
        return Restore::Nothing;
    };
    if found == original.as_slice() {
        return Restore::Nothing;
    }
    if !record.is_ours(found) {
        let shown = found.iter().map(RecordSet::to_string).collect::<Vec<_>>().join("; ");
        return Restore::Foreign(format!(
            "it was changed by somebody else and now is [{shown}]; it was left alone: decide whether it should be [{}] again",
            original.iter().map(RecordSet::to_string).collect::<Vec<_>>().join("; ")
        ));
    }
    let gone = found
        .iter()
        .filter(|set| !original.iter().any(|old| old.set_identifier == set.set_identifier));
    let mut changes: Vec<Change> = gone.cloned().map(Change::Delete).collect();
    changes.extend(upserts(found, original));
    Restore::Changes(changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{HostedZoneId, SourceServerId, WaveId};
    use crate::plan::DnsRecordPlan;
    use crate::record::DnsTarget;
    use crate::report::DnsState;

    fn set(member: Option<&str>, value: &str, ttl: i64) -> RecordSet {
        RecordSet {
            name: "web.example.com.".into(),
            record_type: "A".into(),
            ttl,
            values: vec![value.into()],
            set_identifier: member.map(str::to_owned),
            weight: member.map(|_| 10),
            health_check_id: None,
        }
    }

    fn record(original: Vec<RecordSet>) -> DnsRecord {
        let plan: DnsRecordPlan = serde_json::from_value(serde_json::json!({
            "hostedZoneId": "Z1", "name": "web.example.com", "type": "A",
            "sourceServerId": "s-00000000000000001", "address": "PRIVATE_IP"
        }))
        .unwrap();
        let server = SourceServerId::parse("s-00000000000000001").unwrap();
        DnsRecord {
            wave_id: WaveId::parse("w").unwrap(),
            hosted_zone_id: HostedZoneId::parse("Z1").unwrap(),
            name: "web.example.com.".into(),
            record_type: "A".into(),
            targets: vec![DnsTarget {
                plan,
                move_group: "all".into(),
                source_server_id: server,
            }],
            original: Some(original),
            ours: Vec::new(),
            state: DnsState::Recorded,
            change_id: None,
            prepared_at: None,
            held: None,
        }
    }

    #[test]
    fn all_members_of_a_group_get_one_ttl() {
        let original = vec![set(Some("a"), "10.0.0.1", 300), set(Some("b"), "10.0.0.2", 300)];
        let lowered = lowered(&record(original.clone()), &original);
        assert!(lowered.iter().all(|set| set.ttl == 60));
        let short = vec![set(None, "10.0.0.1", 30)];
        assert_eq!(super::lowered(&record(short.clone()), &short), short);
    }

    #[test]
    fn what_others_changed_is_left_alone() {
        let original = vec![set(None, "10.0.0.1", 300)];
        let mut record = record(original.clone());
        let ours = vec![set(None, "172.31.0.9", 60)];
        record.intend(ours.clone());
        assert_eq!(restore(&record, &original), Restore::Nothing);
        assert_eq!(
            restore(&record, &ours),
            Restore::Changes(vec![Change::Upsert(original[0].clone())])
        );
        assert!(matches!(
            restore(&record, &[set(None, "172.31.0.10", 60)]),
            Restore::Foreign(_)
        ));
        assert!(matches!(restore(&record, &[]), Restore::Foreign(_)));
    }

    #[test]
    fn a_settled_set_points_at_aws_with_its_old_ttl() {
        let original = vec![set(None, "10.0.0.1", 300)];
        let present = vec![set(None, "172.31.0.9", 60)];
        assert_eq!(settled(&present, &original), vec![set(None, "172.31.0.9", 300)]);
    }
}
