//! What must come before what: I1, I2, I13.

use super::Findings;
use crate::evidence::Evidence;
use landfall_cloud::fleet::{InitiatedBy, JobView, SourceServerView};
use landfall_domain::plan::WaivedRule;
use landfall_domain::record::{ApprovalKind, Decision, Direction, ServerRecord, WaveRecord};

/// I1: no server is cut over in a wave that did not test it, unless the plan waives it.
pub(super) fn tested_before_cutover(evidence: &Evidence, findings: &mut Findings) {
    for job in evidence
        .jobs
        .iter()
        .filter(|job| job.initiated_by == InitiatedBy::StartCutover)
    {
        for (id, ..) in &job.servers {
            let Some(record) = evidence.records.server(id) else {
                findings.add("I1", format!("{id} was cut over by {} and belongs to no wave", job.id));
                continue;
            };
            let waived = record
                .waivers
                .iter()
                .any(|waiver| waiver.rule == WaivedRule::UntestedCutover);
            if let Some(why) = (!waived).then(|| untested(evidence, record, job)).flatten() {
                findings.add("I1", format!("{id} was cut over by {} although {why}", job.id));
            }
        }
    }
}

fn untested(evidence: &Evidence, record: &ServerRecord, cutover: &JobView) -> Option<&'static str> {
    let id = record.source_server_id.as_str();
    let launched = evidence.jobs.iter().any(|job| {
        job.initiated_by == InitiatedBy::StartTest
            && job.ended_at.is_some_and(|ended| ended <= cutover.created_at)
            && job
                .servers
                .iter()
                .any(|(server, _, instance)| server == id && instance.is_some())
    });
    if !launched {
        return Some("no test instance of it was launched before");
    }
    if record.test.validated_at.is_none_or(|at| at > cutover.created_at) {
        return Some("its test had not passed");
    }
    // A rollback takes the mark back, in MGN and on record.
    let wave = evidence.records.wave(record.wave_id.as_str())?;
    let unmarked = record.marked_ready_at.is_none_or(|at| at > cutover.created_at);
    (wave.direction == Direction::Forward && unmarked).then_some("it was not marked ready for cutover")
}

/// I2: what cannot be undone comes after validation, the switch, the bake time and a person's word.
pub(super) fn finalized_last(evidence: &Evidence, findings: &mut Findings) {
    for server in evidence
        .servers
        .iter()
        .filter(|server| server.finalized_at.is_some() || server.archived)
    {
        let record = evidence.records.server(&server.id);
        let wave = record.and_then(|record| evidence.records.wave(record.wave_id.as_str()));
        let (Some(record), Some(wave)) = (record, wave) else {
            findings.add("I2", format!("{} was finalized and belongs to no wave", server.id));
            continue;
        };
        for missing in too_early(evidence, server, record, wave) {
            findings.add("I2", format!("{} was finalized although {missing}", server.id));
        }
    }
}

fn too_early(
    evidence: &Evidence,
    server: &SourceServerView,
    record: &ServerRecord,
    wave: &WaveRecord,
) -> Vec<&'static str> {
    let mut missing = Vec::new();
    let Some(at) = server.finalized_at else {
        return vec!["MGN knows no finalization, and archived it all the same"];
    };
    let before = |instant: Option<jiff::Timestamp>| instant.is_some_and(|instant| instant <= at);
    if !before(record.cutover.validated_at) {
        missing.push("its checks on the cutover instance had not passed");
    }
    let in_dns = evidence.records.dns_of(&wave.wave_id).any(|dns| {
        dns.targets
            .iter()
            .any(|target| target.source_server_id == record.source_server_id)
    });
    if in_dns && !before(record.switched_at) {
        missing.push("its traffic had not moved");
    }
    if !before(record.validated_after_switch_at) {
        missing.push("its checks after the switch had not passed");
    }
    if !before(wave.bake_until) {
        missing.push("the bake time was not over");
    }
    let approved = wave.approvals.get(ApprovalKind::Finalize.as_str());
    if !approved.is_some_and(|asked| asked.decision == Some(Decision::Approved) && before(asked.at)) {
        missing.push("nobody had approved it");
    }
    if record.excluded.is_some() {
        missing.push("the wave had left it out");
    }
    missing
}

/// I13: no cutover launch from a source that writes, and none without its last write is opened to clients.
pub(super) fn no_write_is_missing(evidence: &Evidence, findings: &mut Findings) {
    for launch in &evidence.launches {
        let (server, instance) = (&launch.server, &launch.instance);
        if launch.source_was_writing {
            findings.add(
                "I13",
                format!("{instance} was launched from {server} while its source was writing"),
            );
        }
        let record = evidence.records.server(server);
        let serves = record.is_some_and(|record| {
            let current = record
                .cutover
                .instance_id
                .as_ref()
                .is_some_and(|id| id.as_str() == instance);
            current && record.switched_at.is_some()
        });
        if launch.writes_missing && serves {
            findings.add(
                "I13",
                format!("{instance} serves clients without the last writes of {server}"),
            );
        }
    }
}
