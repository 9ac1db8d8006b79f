//! Stopping the sources, and waiting for the snapshot.

use crate::command::{self, STOP};
use crate::{Input, Outcome, WATCH_PAUSE, WATCH_TURNS};
use jiff::{SignedDuration, Timestamp};
use landfall_aws::jobs::take_lease;
use landfall_aws::table::{Stored, Write};
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::decide::{LaunchGate, launch_gate};
use landfall_domain::ids::SourceServerId;
use landfall_domain::record::{ApprovalKind, Decision, Direction, Phase, ServerRecord};
use landfall_domain::text::few;
use std::collections::BTreeSet;

/// Moves the batch on. [`None`]: there is more to wait for.
pub async fn advance(deps: &Deps, input: &Input) -> Result<Option<Outcome>, StepError> {
    let (wave, mut batch) = deps.table.wave_and_batch(&input.wave_id, input.batch).await?;
    let mut step = Step::at(deps, wave, input.epoch, Direction::Forward)?;
    step.enter(deps, Phase::CutOver).await?;
    take_lease(deps, &step, &mut batch, &input.execution_arn, step.now).await?;
    let mut servers = deps.table.servers(&input.wave_id, Some(input.batch)).await?;
    servers.retain(|server| server.takes_part() && server.cutover.launched_at.is_none());
    if servers.is_empty() {
        return Ok(Some(Outcome {
            outcome: "QUIESCED",
            reasons: Vec::new(),
        }));
    }
    may_stop(&step, &servers)?;
    let began = step.wait_began(deps, &format!("QUIESCE-{}", input.batch)).await?;
    let deadline = began + SignedDuration::from_mins(i64::from(step.wave.deadlines.quiesce_minutes));
    let mut news = News::default();
    let mut outcome = Ok(None);
    for turn in 0..=WATCH_TURNS {
        step.now = deps.now();
        outcome = look(deps, &step, &mut servers, deadline, &mut news).await;
        if !matches!(outcome, Ok(None)) || turn == WATCH_TURNS {
            break;
        }
        tokio::time::sleep(WATCH_PAUSE).await;
    }
    save(deps, &step, &mut servers, news).await?;
    outcome
}

/// What an invocation has seen and not saved yet.
#[derive(Default)]
struct News {
    /// The servers that changed, by their place.
    changed: BTreeSet<usize>,
    /// The hosts that were seen to be stopped.
    stopped: Vec<String>,
}

/// One look at everything: stops what is not stopped, and asks for the snapshots. [`None`]: there is more to wait for.
async fn look(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    deadline: Timestamp,
    news: &mut News,
) -> Result<Option<Outcome>, StepError> {
    stop(deps, step, servers, news).await?;
    let failures: Vec<String> = servers
        .iter()
        .filter_map(|server| {
            server
                .quiesce
                .failure
                .as_ref()
                .map(|why| format!("{}: {why}", server.plan.hostname))
        })
        .collect();
    if !failures.is_empty() {
        return Ok(Some(Outcome {
            outcome: "FAILED",
            reasons: few(failures),
        }));
    }
    let waiting = snapshots(deps, step, servers, news).await?;
    if waiting.is_empty() {
        return Ok(Some(Outcome {
            outcome: "QUIESCED",
            reasons: Vec::new(),
        }));
    }
    if step.now >= deadline {
        return Ok(Some(Outcome {
            outcome: "FAILED",
            reasons: few(waiting),
        }));
    }
    Ok(None)
}

/// Saves what an invocation has seen, once: what is lost with a crash is seen again, later, and a stop that is dated later
/// only asks for a later snapshot.
async fn save(deps: &Deps, step: &Step, servers: &mut [Stored<ServerRecord>], news: News) -> Result<(), StepError> {
    let mut writes = Vec::new();
    for index in news.changed {
        writes.push(Write::save(&mut servers[index])?);
    }
    if !news.stopped.is_empty() {
        let text = format!("the services of {} are stopped", news.stopped.join(", "));
        writes.push(step.log(deps, text)?);
    }
    step.write(deps, writes).await
}

/// Applications go down here, so the reasons are looked at once more.
fn may_stop(step: &Step, servers: &[Stored<ServerRecord>]) -> Result<(), StepError> {
    let closed = |gate, observed: String| Err(StepError::GateClosed { gate, observed });
    if step.wave.decision(ApprovalKind::Cutover) != Some(Decision::Approved) {
        return closed("approval", "nobody has approved the cutover in this epoch".to_owned());
    }
    if let Some(window) = &step.wave.window
        && step.now > window.not_after
    {
        return closed(
            "window",
            format!("it is {}, after the window's end {}", step.now, window.not_after),
        );
    }
    match servers.iter().find(|server| server.marked_ready_at.is_none()) {
        Some(server) => closed(
            "test",
            format!("{} is not marked as ready for cutover", server.source_server_id),
        ),
        None => Ok(()),
    }
}

async fn stop(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    news: &mut News,
) -> Result<(), StepError> {
    let ended = command::run(deps, step, servers, STOP).await?;
    let mut writes = Vec::new();
    for (index, result) in ended {
        let server = &mut servers[index];
        match result {
            Ok(()) => {
                server.quiesce.stopped_at = Some(step.now);
                news.stopped.push(server.plan.hostname.clone());
            }
            Err(why) => {
                writes.push(step.log(deps, format!("{} could not be stopped: {why}", server.plan.hostname))?);
                server.quiesce.failure = Some(why);
            }
        }
        news.changed.insert(index);
    }
    step.write(deps, writes).await
}

/// Looks for snapshots later than the stops; says what is still missing.
async fn snapshots(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    news: &mut News,
) -> Result<Vec<String>, StepError> {
    let mut waiting: Vec<String> = servers
        .iter()
        .filter(|server| server.quiesce.stopped_at.is_none())
        .map(|server| format!("the services of {} are not known to be stopped", server.plan.hostname))
        .collect();
    if !waiting.is_empty() {
        return Ok(waiting);
    }
    let ids: Vec<SourceServerId> = servers
        .iter()
        .filter(|server| server.quiesce.snapshot_at.is_none())
        .map(|server| server.source_server_id.clone())
        .collect();
    if ids.is_empty() {
        return Ok(waiting);
    }
    let views = deps.mgn.source_servers(&ids).await?;
    for (index, server) in servers.iter_mut().enumerate() {
        if server.quiesce.snapshot_at.is_some() {
            continue;
        }
        let Some(view) = views.get(&server.source_server_id) else {
            waiting.push(format!("MGN does not know {} any more", server.source_server_id));
            continue;
        };
        let stopped_at = server.quiesce.stopped_at.unwrap_or(step.now);
        match launch_gate(view, stopped_at)? {
            LaunchGate::Open { snapshot_at } => {
                server.quiesce.snapshot_at = Some(snapshot_at);
                news.changed.insert(index);
            }
            LaunchGate::Closed(why) => waiting.push(why),
        }
    }
    Ok(waiting)
}
