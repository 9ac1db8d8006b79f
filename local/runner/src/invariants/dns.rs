//! Record sets: I3, and I8 as far as it speaks of them.

use super::Findings;
use crate::evidence::Evidence;
use landfall_cloud::route53::RecordSet;
use landfall_domain::record::{DnsRecord, WaveRecord};
use landfall_domain::report::{DnsState, WaveOutcome};

/// I3: after a rollback every record set is the one that was recorded, in every field.
pub(super) fn restored_after_rollback(evidence: &Evidence, findings: &mut Findings) {
    for (original, now) in evidence.originals.iter().zip(&evidence.sets_now) {
        let wave = evidence.records.wave(&original.wave_id);
        let rolled_back = wave.is_some_and(|wave| wave.outcome == Some(WaveOutcome::RolledBack));
        let untouched = wave.is_none();
        let record = wave.and_then(|wave| find(evidence, wave, &original.set));
        // A set that others changed since is left alone, and held.
        let held = record.is_some_and(|record| record.state == DnsState::Held);
        if (rolled_back || untouched) && !held && now.as_ref() != Some(&original.set) {
            let set = &original.set;
            let now = now.as_ref().map_or_else(|| "gone".to_owned(), described);
            let sentence = format!(
                "{} {} is {now} after wave {} ended, and was {} before",
                set.name,
                set.record_type,
                original.wave_id,
                described(set)
            );
            findings.add("I3", sentence);
        }
    }
}

fn find<'a>(evidence: &'a Evidence, wave: &'a WaveRecord, set: &RecordSet) -> Option<&'a DnsRecord> {
    evidence
        .records
        .dns_of(&wave.wave_id)
        .find(|record| record.name == set.name && record.record_type == set.record_type)
}

fn described(set: &RecordSet) -> String {
    let ttl = set.ttl.map(|ttl| format!(" ttl {ttl}")).unwrap_or_default();
    format!("{}{ttl}", set.values.join(", "))
}

/// I8: a set takes each value once in an attempt; only the original comes a second time, by a rollback. A value that
/// comes back otherwise is a late or repeated step.
pub(super) fn each_state_once(evidence: &Evidence, findings: &mut Findings) {
    for original in &evidence.originals {
        let attempts = evidence
            .executions_of("migrate-wave")
            .filter(|execution| execution.input["waveId"] == original.wave_id.as_str())
            .count();
        let mut states: Vec<&RecordSet> = vec![&original.set];
        let mine = evidence
            .dns_changes
            .iter()
            .filter(|change| change.hosted_zone_id == original.hosted_zone_id);
        for set in mine.filter_map(|change| change.set.as_ref()) {
            let same = set.name == original.set.name
                && set.record_type == original.set.record_type
                && set.set_identifier == original.set.set_identifier;
            if same && states.last() != Some(&set) {
                states.push(set);
            }
        }
        for (index, state) in states.iter().enumerate() {
            let before = states[..index].iter().filter(|other| *other == state).count();
            let allowed = attempts.max(1) - 1 + usize::from(*state == &original.set);
            if before > allowed {
                let (name, value) = (&state.name, described(state));
                findings.add("I8", format!("{name} became {value} once more than its wave was tried"));
            }
        }
    }
}
