//! I8: repeating a step, after any crash, adds no second effect.

use super::Findings;
use crate::evidence::Evidence;
use landfall_aws::quota::INTENT_TAG;
use landfall_cloud::fleet::{CostKind, InitiatedBy, Purpose};
use std::collections::BTreeMap;

/// A server has one job for each phase of an attempt, and an intent one job.
pub(super) fn one_job_for_each_intent(evidence: &Evidence, findings: &mut Findings) {
    let mut by_intent: BTreeMap<&str, &str> = BTreeMap::new();
    let mut by_phase: BTreeMap<(String, &str), &str> = BTreeMap::new();
    for job in evidence
        .jobs
        .iter()
        .filter(|job| job.initiated_by != InitiatedBy::Diagnostic)
    {
        let Some(intent) = job.tags.get(INTENT_TAG) else {
            findings.add("I8", format!("{} carries no intent: nobody can find it again", job.id));
            continue;
        };
        if let Some(first) = by_intent.insert(intent, &job.id) {
            findings.add(
                "I8",
                format!("{first} and {} were started for the same intent {intent}", job.id),
            );
        }
        let tag = |name: &str| job.tags.get(name).map(String::as_str).unwrap_or_default();
        let phase = [tag("landfall:wave"), tag("landfall:epoch"), tag("landfall:phase")].join(" ");
        for (server, ..) in &job.servers {
            if let Some(first) = by_phase.insert((phase.clone(), server), &job.id) {
                findings.add("I8", format!("{server} was in {first} and in {} for {phase}", job.id));
            }
        }
    }
}

/// What cannot be undone took effect once for each server.
pub(super) fn irreversible_calls_take_effect_once(evidence: &Evidence, findings: &mut Findings) {
    let finalized = evidence
        .servers
        .iter()
        .filter(|server| server.finalized_at.is_some())
        .count();
    let effects = evidence.effects("mgn", "FinalizeCutover");
    if effects != finalized {
        findings.add(
            "I8",
            format!("FinalizeCutover took effect {effects} times on {finalized} servers"),
        );
    }
}

/// A rolled-back instance is snapshotted once.
pub(super) fn evidence_is_taken_once(evidence: &Evidence, findings: &mut Findings) {
    for server in &evidence.servers {
        let of_server =
            |cost: &&landfall_cloud::fleet::CostItem| cost.kind == CostKind::Snapshot && cost.server == server.id;
        let snapshots = evidence.costs.iter().filter(of_server).count();
        let launched = evidence
            .instances
            .iter()
            .filter(|instance| instance.server == server.id && instance.purpose == Purpose::Cutover)
            .count();
        // Every server of a world has one disk.
        if snapshots > launched {
            let name = &server.hostname;
            findings.add(
                "I8",
                format!("{name} has {snapshots} evidence snapshots of {launched} cutover instances"),
            );
        }
    }
}
