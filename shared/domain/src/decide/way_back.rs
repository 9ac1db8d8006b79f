//! What a rollback costs now.

use super::is_switched;
use crate::plan::database::FailBack;
use crate::record::{DatabaseRecord, DatabaseState, DnsRecord, ReplicationFacts, ServerRecord, WaveRecord};
use crate::report::{DnsState, WayBack, WayBackKind};
use jiff::{SignedDuration, Timestamp};

/// Decides what a rollback costs, from what is on record. An intent counts like the deed: whether it took effect may
/// not be known.
pub fn way_back_kind(
    wave: &WaveRecord,
    servers: &[ServerRecord],
    databases: &[DatabaseRecord],
    dns: &[DnsRecord],
) -> WayBackKind {
    if wave.finalize_intent_at.is_some() {
        return WayBackKind::TrafficOnly;
    }
    if wave.open_to_writes_at.is_some() || databases.iter().any(loses_writes) {
        return WayBackKind::LosesWrites;
    }
    let touched = servers.iter().any(|server| {
        let launched =
            |facts: &crate::record::LaunchFacts| facts.intended_at.is_some() && facts.terminated_at.is_none();
        server.mark_intended_at.is_some()
            || launched(&server.test)
            || launched(&server.cutover)
            || (server.quiesce.stop.intended_at.is_some() && server.quiesce.restarted_at.is_none())
    });
    let changed = dns
        .iter()
        .any(|record| !matches!(record.state, DnsState::Recorded | DnsState::Restored));
    if touched || changed || databases.iter().any(is_touched) {
        WayBackKind::Free
    } else {
        WayBackKind::NothingToUndo
    }
}

/// Whether what a rollback loses is accepted in the plan: for the whole wave, or for each database that loses writes
/// while no server does.
pub fn loss_is_planned(wave: &WaveRecord, databases: &[DatabaseRecord]) -> bool {
    let accepted = |database: &DatabaseRecord| matches!(database.plan.fail_back, Some(FailBack::AcceptLoss(_)));
    let servers_lose = wave.finalize_intent_at.is_some() || wave.open_to_writes_at.is_some();
    wave.rollback.accept_write_loss.is_some()
        || (!servers_lose && databases.iter().filter(|database| loses_writes(database)).all(accepted))
}

/// True when applications may have written on the target and nothing carries that back to the source. Once the way back
/// itself is on record, nothing more is lost.
fn loses_writes(database: &DatabaseRecord) -> bool {
    let back = &database.fail_back;
    let carried_back = back.running_at.is_some() && back.task.may_exist();
    is_switched(database.state) && database.state != DatabaseState::Returning && !carried_back
}

/// True when a database is not as it was found: something was made for it, or it is, or may be, closed or switched.
pub(super) fn is_touched(database: &DatabaseRecord) -> bool {
    let ReplicationFacts {
        instance,
        source_endpoint,
        target_endpoint,
        task,
        fence_table,
        assessment,
        ..
    } = &database.replication;
    let back = &database.fail_back;
    let made = [
        instance,
        source_endpoint,
        target_endpoint,
        task,
        fence_table,
        assessment,
        &back.source_endpoint,
        &back.target_endpoint,
        &back.task,
    ];
    let exists = database.retired_at.is_none() && made.iter().any(|resource| resource.may_exist());
    let closed = database.source_closing.may_be_closed();
    let target_closed = database.retired_at.is_none() && database.target_closing.may_be_closed();
    let left = database.retired_at.is_none() && !database.left.is_empty();
    exists || closed || target_closed || left || database.state != DatabaseState::OnSource
}

/// Since when there may be writes on AWS that a rollback loses.
fn written_since(wave: &WaveRecord, databases: &[DatabaseRecord]) -> Option<Timestamp> {
    let lost = databases.iter().filter(|database| loses_writes(database));
    let opened = lost.filter_map(|database| database.cutover.committed_at);
    wave.open_to_writes_at.into_iter().chain(opened).min()
}

/// The way back as the report shows it.
pub fn way_back(
    wave: &WaveRecord,
    servers: &[ServerRecord],
    databases: &[DatabaseRecord],
    dns: &[DnsRecord],
) -> WayBack {
    let kind = way_back_kind(wave, servers, databases, dns);
    let start = format!("Start rollback-wave with {{\"waveId\": \"{}\"}}", wave.wave_id);
    let sentence = match kind {
        WayBackKind::NothingToUndo => "There is nothing to undo.".to_owned(),
        WayBackKind::Free if databases.iter().any(|database| is_switched(database.state)) => {
            format!("It loses nothing: what was written on the targets is replicated back first. {start}.")
        }
        WayBackKind::Free => format!("Free: no client has written on AWS. {start}."),
        WayBackKind::LosesWrites => {
            let since = written_since(wave, databases)
                .map(|at| at.to_string())
                .unwrap_or_default();
            let why = match wave.open_to_writes_at {
                Some(_) => "MGN does not replicate back",
                None => "nothing replicates them back",
            };
            let asks = match loss_is_planned(wave, databases) {
                true => "the plan accepts that",
                false => "it asks for an explicit acceptance first",
            };
            format!("It loses what was written on AWS since {since}: {why}. {start}; {asks}.")
        }
        WayBackKind::TrafficOnly if servers.is_empty() => format!(
            "Replication has ended, the one back too: applications can be pointed at the sources as they were when they were frozen; what was written on the targets since stays there. {start}; it asks for an explicit acceptance first."
        ),
        WayBackKind::TrafficOnly => format!(
            "Replication has ended: traffic can be pointed back and the sources started as they were when they stopped; what was written on AWS since stays on AWS. {start}; it asks for an explicit acceptance first."
        ),
    };
    let days = SignedDuration::from_hours(24 * i64::from(wave.retain_source_days));
    let until = match kind {
        WayBackKind::TrafficOnly => wave.finalize_intent_at.map(|at| at + days),
        WayBackKind::LosesWrites | WayBackKind::Free | WayBackKind::NothingToUndo => None,
    };
    WayBack { kind, sentence, until }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::ending;
    use crate::plan::database::tests_support;
    use crate::record::Resource;
    use crate::report::WaveOutcome;
    use serde_json::json;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    fn wave(direction: &str) -> WaveRecord {
        let planned = "2026-01-10T00:00:00Z";
        serde_json::from_value(json!({
            "waveId": "shop", "epoch": 1, "direction": direction, "status": "OPEN", "executionArn": "arn",
            "plannedAt": planned, "claimingSince": planned, "planDigest": "x", "batches": 0, "servers": 0,
            "moveGroups": ["all"], "failuresAllowed": 0, "maxConcurrentBatches": 5, "retainSourceDays": 30,
            "approvalsPlan": {}, "bakeMinutes": 60, "deadlines": {}, "rollback": {}, "phases": [], "approvals": {}
        }))
        .expect("a wave")
    }

    /// Replicated; on the given side.
    fn database(state: DatabaseState) -> DatabaseRecord {
        let plan = tests_support::plan();
        let mut database = DatabaseRecord::new(wave("FORWARD").wave_id, "all".to_owned(), plan);
        database.state = state;
        database.replication.task = made();
        database
    }

    fn made() -> Resource {
        Resource {
            intended_at: Some(at("2026-01-10T00:00:00Z")),
            ..Resource::default()
        }
    }

    fn kind(database: &DatabaseRecord) -> WayBackKind {
        way_back_kind(&wave("FORWARD"), &[], std::slice::from_ref(database), &[])
    }

    #[test]
    fn a_switched_database_loses_writes_unless_something_carries_them_back() {
        let mut database = database(DatabaseState::OnSource);
        assert_eq!(kind(&database), WayBackKind::Free);
        database.state = DatabaseState::Switching;
        assert_eq!(kind(&database), WayBackKind::LosesWrites);
        assert!(!loss_is_planned(&wave("FORWARD"), std::slice::from_ref(&database)));
        database.fail_back.running_at = Some(at("2026-01-10T01:00:00Z"));
        database.fail_back.task = made();
        assert_eq!(kind(&database), WayBackKind::Free);
        // What carried it back is gone.
        database.fail_back.task.ended_at = Some(at("2026-01-10T02:00:00Z"));
        assert_eq!(kind(&database), WayBackKind::LosesWrites);
        let given = json!({ "acceptLoss": { "acceptedBy": "Ada", "reason": "a copy of a catalogue" } });
        database.plan.fail_back = serde_json::from_value(given).expect("an acceptance");
        assert!(loss_is_planned(&wave("FORWARD"), std::slice::from_ref(&database)));
    }

    #[test]
    fn a_wave_is_completed_when_its_databases_are_on_their_targets_and_what_replicated_them_is_ended_or_named() {
        let end = |database: &DatabaseRecord| ending(&wave("FORWARD"), &[], std::slice::from_ref(database), &[], None);
        let mut database = database(DatabaseState::OnTarget);
        assert_eq!(end(&database).outcome, WaveOutcome::NeedsOperator);
        database.left = vec!["the slot landfall is held".to_owned()];
        let named = end(&database);
        assert_eq!(named.outcome, WaveOutcome::Completed);
        assert!(named.left[0].contains("the slot landfall is held") && named.next.is_some());
        database.left.clear();
        database.retired_at = Some(at("2026-01-13T00:00:00Z"));
        assert_eq!(end(&database).outcome, WaveOutcome::Completed);
        database.state = DatabaseState::Switching;
        assert_eq!(end(&database).outcome, WaveOutcome::NeedsOperator);
    }

    #[test]
    fn a_wave_is_rolled_back_when_its_databases_are_open_on_their_sources_and_nothing_replicates_them() {
        let end = |database: &DatabaseRecord| ending(&wave("ROLLBACK"), &[], std::slice::from_ref(database), &[], None);
        let mut database = database(DatabaseState::OnSource);
        let running = end(&database);
        assert_eq!(running.outcome, WaveOutcome::NeedsOperator, "{running:?}");
        database.replication.task.ended_at = Some(at("2026-01-11T00:00:00Z"));
        database.retired_at = Some(at("2026-01-11T00:00:00Z"));
        assert_eq!(end(&database).outcome, WaveOutcome::RolledBack);
        database.source_closing.intended_at = Some(at("2026-01-10T03:00:00Z"));
        assert_eq!(end(&database).outcome, WaveOutcome::NeedsOperator);
        database.source_closing.opened_at = Some(at("2026-01-10T03:01:00Z"));
        database.state = DatabaseState::OnTarget;
        assert_eq!(end(&database).outcome, WaveOutcome::NeedsOperator);
    }
}
