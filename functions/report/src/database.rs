//! The report of one database.

mod words;

use jiff::Timestamp;
use landfall_domain::record::{DatabaseRecord, DatabaseState, Direction, Resource, WaveRecord, WaveStatus};
use landfall_domain::report::{DatabaseDowntime, DatabaseOutcome, DatabaseReport, RunningThing, milliseconds};

/// Everything about a database.
pub fn report(wave: &WaveRecord, database: &DatabaseRecord, now: Timestamp) -> DatabaseReport {
    let outcome = outcome(wave, database);
    let (source, cutover) = (&database.source_closing, &database.cutover);
    let frozen = database.state == DatabaseState::Frozen;
    DatabaseReport {
        database_id: database.database_id.to_string(),
        source_engine: database.plan.source.engine.as_str().to_owned(),
        target_engine: database.plan.target.engine.as_str().to_owned(),
        move_group: database.move_group.clone(),
        outcome,
        writes_on: writes_on(database).to_owned(),
        sentence: words::sentence(wave, database, now),
        load_percent: database.replication.load_percent,
        loaded_at: database.replication.loaded_at,
        frozen_at: source.intended_at,
        closed_since: closed_since(database),
        opens_at: source.deadline.filter(|_| frozen),
        committed_at: cutover.committed_at,
        switched_at: cutover.switched_at,
        reopened_at: source.opened_at,
        downtime: DatabaseDowntime::of(database),
        attempt_downtime_ms: attempt_downtime_ms(database),
        lag_ms: lag_ms(database),
        tables: database.tables.clone(),
        mismatches: database.mismatches.clone(),
        findings: database.findings.clone(),
        waivers: database.plan.waivers.iter().map(words::waiver).collect(),
        fail_back: words::fail_back(database),
        left: left(database),
    }
}

fn outcome(wave: &WaveRecord, database: &DatabaseRecord) -> DatabaseOutcome {
    let (source, replication) = (&database.source_closing, &database.replication);
    if database.state == DatabaseState::OnTarget && database.retired_at.is_some() {
        return DatabaseOutcome::Finalized;
    }
    let open_source = database.state == DatabaseState::OnSource && !source.may_be_closed();
    if wave.direction == Direction::Rollback && open_source && left(database).is_empty() {
        let gone = database.retired_at.is_some() || !database.replication.task.may_exist();
        if gone {
            return DatabaseOutcome::RolledBack;
        }
    }
    if wave.status == WaveStatus::Held {
        return DatabaseOutcome::Held;
    }
    match database.state {
        DatabaseState::OnTarget => DatabaseOutcome::Switched,
        DatabaseState::OnSource if source.opened_at.is_some() || database.cutover.failure.is_some() => {
            DatabaseOutcome::TakenBack
        }
        DatabaseState::OnSource if replication.failure.is_some() => DatabaseOutcome::Held,
        DatabaseState::OnSource => match (replication.loaded_at, replication.instance.intended_at) {
            (Some(_), _) => DatabaseOutcome::Replicating,
            (None, Some(_)) => DatabaseOutcome::Loading,
            (None, None) => DatabaseOutcome::Waiting,
        },
        DatabaseState::Frozen
        | DatabaseState::Unfreezing
        | DatabaseState::Switching
        | DatabaseState::ReturnFrozen
        | DatabaseState::Returning => DatabaseOutcome::CuttingOver,
    }
}

/// Where applications can write. What may be closed counts as closed.
fn writes_on(database: &DatabaseRecord) -> &'static str {
    match database.state {
        DatabaseState::OnSource => "SOURCE",
        DatabaseState::OnTarget => "TARGET",
        DatabaseState::Switching if database.cutover.target_open_at.is_some() => "TARGET",
        DatabaseState::Frozen
        | DatabaseState::Unfreezing
        | DatabaseState::Switching
        | DatabaseState::ReturnFrozen
        | DatabaseState::Returning => "NOWHERE",
    }
}

fn closed_since(database: &DatabaseRecord) -> Option<Timestamp> {
    match database.state {
        DatabaseState::OnSource | DatabaseState::OnTarget => None,
        DatabaseState::Frozen | DatabaseState::Unfreezing | DatabaseState::Switching => {
            database.source_closing.intended_at
        }
        DatabaseState::ReturnFrozen | DatabaseState::Returning => database.target_closing.intended_at,
    }
}

fn attempt_downtime_ms(database: &DatabaseRecord) -> Option<u64> {
    let opened = database.source_closing.opened_at?;
    let closed = if database.cutover.switched_at.is_some() {
        database.target_closing.intended_at
    } else {
        database.source_closing.intended_at
    };
    closed.map(|closed| milliseconds(closed, opened))
}

/// The slowest of the canaries that arrived.
fn lag_ms(database: &DatabaseRecord) -> Option<u64> {
    let arrived = database
        .cutover
        .canaries
        .iter()
        .filter_map(|canary| Some(milliseconds(canary.written_at, canary.seen_at?)));
    arrived.max()
}

/// What has to be ended or restored by hand.
fn left(database: &DatabaseRecord) -> Vec<String> {
    let closings = [&database.source_closing, &database.target_closing];
    let of_closings = closings.into_iter().flat_map(|closing| &closing.left);
    of_closings.chain(&database.left).cloned().collect()
}

/// What runs and costs money because of a database.
pub fn running(wave: &WaveRecord, database: &DatabaseRecord) -> Vec<RunningThing> {
    let (replication, back) = (&database.replication, &database.fail_back);
    let note = match (wave.is_open(), database.state) {
        (true, DatabaseState::OnTarget) => "ends when the wave is finalized",
        (true, _) => "ends when the wave is finalized or rolled back",
        (false, _) => "goes on although the wave has ended: end it in the DMS console",
    };
    let thing = |what: &str, resource: &Resource| {
        resource.may_exist().then(|| RunningThing {
            what: format!("{what} of database {}", database.database_id),
            id: resource
                .arn
                .clone()
                .or_else(|| resource.identifier.clone())
                .unwrap_or_else(|| "no id known".to_owned()),
            since: resource.ready_at.or(resource.intended_at),
            note: note.to_owned(),
        })
    };
    [
        thing("replication instance", &replication.instance),
        thing("replication task", &replication.task),
        thing("reverse replication task", &back.task),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests;
