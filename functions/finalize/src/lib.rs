//! Finalizes and archives the servers of a batch: the point of no return. A wave without servers is finalized as batch 0,
//! which has none: the gates stand before the retiring of its databases' replication all the same.
//!
//! No undo: MGN discards what it replicated and the agent uninstalls itself; going back would need a new agent and a
//! full copy. So it re-reads everything first, and runs only after the checks passed, traffic moved, the bake time is
//! over and a person said so. <https://docs.aws.amazon.com/mgn/latest/APIReference/API_FinalizeCutover.html>

mod gates;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::SignedDuration;
use landfall_aws::table::{Stored, Write};
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::ids::{SourceServerId, WaveId};
use landfall_domain::observe::Lifecycle;
use landfall_domain::record::{Direction, Phase, ServerRecord};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Servers of one turn: their records fit into one transaction.
const SERVERS_PER_TURN: usize = 49;

/// Calls under way at once; MGN publishes no rate limit.
const CALLS_AT_ONCE: usize = 8;

/// After this long a new invocation goes on; a function has 60 seconds.
const TIME_BUDGET: SignedDuration = SignedDuration::from_secs(30);

/// The batch that a wave without servers is finalized as. Batches begin at 1.
const WITHOUT_SERVERS: u32 = 0;

/// What the function takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The wave.
    pub wave_id: WaveId,
    /// Its epoch.
    pub epoch: u64,
    /// The batch; 0 for a wave that has no servers.
    pub batch: u32,
}

/// What it answers.
#[derive(Debug, Serialize)]
pub struct Output {
    /// `FINALIZED`, or `MORE` when another invocation has to go on.
    pub outcome: &'static str,
}

/// Finalizes servers turn by turn until all are, or the time is up.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Output, StepError> {
    let mut step = Step::begin(&deps, &input.wave_id, input.epoch, Direction::Forward).await?;
    step.enter(&deps, Phase::Finalize).await?;
    let mut servers = deps.table.servers(&input.wave_id, Some(input.batch)).await?;
    servers.retain(|server| server.takes_part() && server.archived_at.is_none());
    if servers.is_empty() && input.batch != WITHOUT_SERVERS {
        return Ok(Output { outcome: "FINALIZED" });
    }
    gates::check(&deps, &step, &servers).await?;
    if step.wave.finalize_intent_at.is_none() {
        let now = step.now;
        step.change_wave(&deps, |wave| wave.finalize_intent_at = Some(now))
            .await?;
    }
    for turn in servers.chunks_mut(SERVERS_PER_TURN) {
        if deps.now().duration_since(step.now) > TIME_BUDGET {
            return Ok(Output { outcome: "MORE" });
        }
        finalize(&deps, &step, turn).await?;
    }
    Ok(Output { outcome: "FINALIZED" })
}

async fn finalize(deps: &Deps, step: &Step, servers: &mut [Stored<ServerRecord>]) -> Result<(), StepError> {
    note(deps, step, servers, "about to be finalized", |server| {
        server.finalize_intended_at.get_or_insert(step.now);
    })
    .await?;
    let ids: Vec<SourceServerId> = servers.iter().map(|server| server.source_server_id.clone()).collect();
    let views = deps.mgn.source_servers(&ids).await?;
    let open = ids.iter().filter(|id| {
        views
            .get(*id)
            .is_some_and(|view| view.lifecycle == Lifecycle::CuttingOver)
    });
    stream::iter(open)
        .map(|id| finalize_one(deps, id))
        .buffer_unordered(CALLS_AT_ONCE)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    note(deps, step, servers, "finalized", |server| {
        server.finalized_at.get_or_insert(step.now);
    })
    .await?;
    let unarchived = ids
        .iter()
        .filter(|id| !views.get(*id).is_some_and(|view| view.archived));
    stream::iter(unarchived)
        .map(|id| deps.mgn.mark_as_archived(id))
        .buffer_unordered(CALLS_AT_ONCE)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    note(deps, step, servers, "archived", |server| {
        server.archived_at.get_or_insert(step.now);
    })
    .await
}

/// Finalizes a server. When MGN refuses, the state is read: the first of two attempts of the SDK may have done it.
async fn finalize_one(deps: &Deps, id: &SourceServerId) -> Result<(), StepError> {
    let refusal = match deps.mgn.finalize_cutover(id).await {
        Err(error @ StepError::ServiceRefused { .. }) => error,
        other => return other,
    };
    let views = deps.mgn.source_servers(std::slice::from_ref(id)).await?;
    match views.get(id) {
        Some(view) if view.lifecycle == Lifecycle::Cutover => Ok(()),
        _ => Err(refusal),
    }
}

async fn note(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    what: &str,
    change: impl Fn(&mut ServerRecord),
) -> Result<(), StepError> {
    let mut writes = vec![step.log(deps, format!("{} servers are {what}", servers.len()))?];
    for server in servers.iter_mut() {
        change(server);
        writes.push(Write::save(server)?);
    }
    step.write(deps, writes).await
}
