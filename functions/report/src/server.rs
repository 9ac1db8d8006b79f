//! The report of one server.

use jiff::Timestamp;
use landfall_domain::record::{ServerRecord, WaveRecord};
use landfall_domain::report::{Milestones, ServerOutcome, ServerReport};

/// Everything about a server.
pub fn report(wave: &WaveRecord, server: &ServerRecord) -> ServerReport {
    let outcome = outcome(wave, server);
    let (downtime_seconds, down_now) = downtime(server);
    ServerReport {
        source_server_id: server.source_server_id.clone(),
        hostname: server.plan.hostname.clone(),
        batch: server.batch,
        move_group: server.move_group.clone(),
        outcome,
        sentence: sentence(server, outcome),
        milestones: Milestones {
            tested_at: server.test.validated_at,
            quiesced_at: server.quiesce.stopped_at,
            cut_over_at: server.cutover.launched_at,
            validated_at: server.cutover.validated_at,
            switched_at: server.switched_at,
            finalized_at: server.finalized_at,
            source_restarted_at: server.quiesce.restarted_at,
        },
        downtime_seconds,
        down_now,
        test_instance_id: server.test.instance_id.clone(),
        cutover_instance_id: server.cutover.instance_id.clone(),
        cutover_job_id: server.cutover.job_id.clone(),
        checks: server.checks.clone(),
    }
}

fn outcome(wave: &WaveRecord, server: &ServerRecord) -> ServerOutcome {
    use landfall_domain::record::{Direction, WaveStatus};
    if server.finalized_at.is_some() {
        return ServerOutcome::Finalized;
    }
    if server.excluded.is_some() {
        return ServerOutcome::Excluded;
    }
    if wave.direction == Direction::Rollback {
        let back = server.quiesce.stop.intended_at.is_none() || server.quiesce.restarted_at.is_some();
        let gone = server.cutover.intended_at.is_none() || server.cutover.terminated_at.is_some();
        return if back && gone {
            ServerOutcome::RolledBack
        } else {
            ServerOutcome::Held
        };
    }
    if wave.status == WaveStatus::Held {
        return ServerOutcome::Held;
    }
    if server.switched_at.is_some() {
        return ServerOutcome::Switched;
    }
    if server.quiesce.stop.intended_at.is_some() || server.cutover.intended_at.is_some() {
        return ServerOutcome::CuttingOver;
    }
    match (server.marked_ready_at, server.test.intended_at) {
        (Some(_), _) => ServerOutcome::Tested,
        (None, Some(_)) => ServerOutcome::Testing,
        (None, None) => ServerOutcome::Waiting,
    }
}

fn sentence(server: &ServerRecord, outcome: ServerOutcome) -> String {
    let failure = [
        &server.after_switch_failure,
        &server.cutover.failure,
        &server.quiesce.failure,
        &server.test.failure,
    ]
    .into_iter()
    .find_map(|failure| failure.as_ref());
    let because = failure.map(|why| format!(": {why}")).unwrap_or_default();
    match outcome {
        ServerOutcome::Finalized => "It runs on AWS; its replication has ended.".to_owned(),
        ServerOutcome::Excluded => format!("It was left out{because}."),
        ServerOutcome::RolledBack if server.cutover.intended_at.is_some() => {
            format!("It runs on its source again{because}.")
        }
        ServerOutcome::RolledBack => format!("It runs on its source, and was not cut over{because}."),
        ServerOutcome::Held => format!("It waits for a person{because}."),
        ServerOutcome::Switched => format!("Its traffic goes to AWS{because}."),
        ServerOutcome::CuttingOver => format!("It is being cut over{because}."),
        ServerOutcome::Tested => "It passed its test.".to_owned(),
        ServerOutcome::Testing => format!("It is being tested{because}."),
        ServerOutcome::Waiting => "Nothing was launched for it yet.".to_owned(),
    }
}

/// How long clients were without the server, and whether they still are.
fn downtime(server: &ServerRecord) -> (Option<u64>, bool) {
    let Some(stopped) = server.quiesce.stop.intended_at else {
        return (None, false);
    };
    let ends: Vec<Timestamp> = [server.switched_at, server.quiesce.restarted_at]
        .into_iter()
        .flatten()
        .collect();
    match ends.into_iter().min() {
        Some(end) => (u64::try_from(end.duration_since(stopped).as_secs()).ok(), false),
        None => (None, true),
    }
}
