//! Starting the sources again: exactly what ran before, as each host recorded it.

use crate::command::{self, RESTART};
use crate::{Input, Outcome, WATCH_PAUSE, WATCH_TURNS};
use jiff::SignedDuration;
use landfall_aws::table::{Stored, Write};
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::record::{Direction, ServerRecord};
use landfall_domain::text::few;

/// How long a source may take to start its services before somebody has to look.
const RESTART_MINUTES_MAX: i64 = 30;

/// Moves the batch on. [`None`]: there is more to wait for. A source that cannot be started does not stop the others.
pub async fn advance(deps: &Deps, input: &Input) -> Result<Option<Outcome>, StepError> {
    let mut step = Step::begin(deps, &input.wave_id, input.epoch, Direction::Rollback).await?;
    let mut servers = deps.table.servers(&input.wave_id, Some(input.batch)).await?;
    servers.retain(|server| server.quiesce.stop.intended_at.is_some() && server.quiesce.restarted_at.is_none());
    if servers.is_empty() {
        return Ok(Some(Outcome {
            outcome: "RESTARTED",
            reasons: Vec::new(),
        }));
    }
    let began = step.wait_began(deps, &format!("RESTART-{}", input.batch)).await?;
    let deadline = began + SignedDuration::from_mins(RESTART_MINUTES_MAX);
    let mut reasons = Vec::new();
    for turn in 0..=WATCH_TURNS {
        step.now = deps.now();
        start(deps, &step, &mut servers, &mut reasons).await?;
        servers.retain(|server| server.quiesce.restarted_at.is_none() && server.quiesce.failure.is_none());
        if servers.is_empty() {
            break;
        }
        if step.now >= deadline {
            reasons.extend(
                servers
                    .iter()
                    .map(|server| unstarted(server, "it did not answer in time")),
            );
            break;
        }
        if turn == WATCH_TURNS || !RESTART.under_way(&servers) {
            return Ok(None);
        }
        tokio::time::sleep(WATCH_PAUSE).await;
    }
    let outcome = if reasons.is_empty() { "RESTARTED" } else { "PARTIAL" };
    Ok(Some(Outcome {
        outcome,
        reasons: few(reasons),
    }))
}

async fn start(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    reasons: &mut Vec<String>,
) -> Result<(), StepError> {
    forget_older_failures(servers, step);
    let ended = command::run(deps, step, servers, RESTART).await?;
    let (mut writes, mut started) = (Vec::new(), Vec::new());
    for (index, result) in ended {
        let server = &mut servers[index];
        match result {
            Ok(()) => {
                server.quiesce.restarted_at = Some(step.now);
                started.push(server.plan.hostname.clone());
            }
            Err(why) => {
                let text = unstarted(server, &why);
                writes.push(step.log(deps, text.clone())?);
                server.quiesce.failure = Some(text.clone());
                reasons.push(text);
            }
        }
        writes.push(Write::save(server)?);
    }
    if !started.is_empty() {
        writes.push(step.log(
            deps,
            format!("the services of {} are started again", started.join(", ")),
        )?);
    }
    step.write(deps, writes).await
}

/// A failure to stop says nothing about starting; and what failed in an earlier rollback is tried again.
fn forget_older_failures(servers: &mut [Stored<ServerRecord>], step: &Step) {
    for server in servers.iter_mut() {
        let restart = &server.quiesce.restart;
        let tried_now = restart.intended_at.is_some_and(|at| at >= rollback_began(step));
        if !tried_now {
            server.quiesce.failure = None;
            server.quiesce.restart = Default::default();
        }
    }
}

fn rollback_began(step: &Step) -> jiff::Timestamp {
    let rollback = step
        .wave
        .phases
        .iter()
        .rev()
        .find(|phase| phase.phase == landfall_domain::record::Phase::RollBack);
    rollback.map_or(step.now, |phase| phase.at)
}

fn unstarted(server: &ServerRecord, why: &str) -> String {
    format!(
        "the services of {} are not started again: {why}; {} powers the host on if it is off; then start its services by hand",
        server.plan.hostname, server.plan.quiesce.power_on_by
    )
}
