//! Brings replication and launch settings to what the plan wants: a difference, applied and recorded. Undo: the previous
//! settings are on record at each server; settings harm nothing while nothing is launched.

use futures::{StreamExt, TryStreamExt, stream};
use jiff::SignedDuration;
use landfall_aws::table::{Stored, Write};
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::ids::{SourceServerId, WaveId};
use landfall_domain::plan::{LaunchSettings, ReplicationSettings};
use landfall_domain::record::{Direction, Phase, ServerRecord};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Servers of one turn: their records fit into one transaction.
const SERVERS_PER_TURN: usize = 49;

/// Calls under way at once; MGN publishes no rate limit.
const CALLS_AT_ONCE: usize = 8;

/// After this long a new invocation goes on; a function has 60 seconds.
const TIME_BUDGET: SignedDuration = SignedDuration::from_secs(30);

/// What the function takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The wave.
    pub wave_id: WaveId,
    /// Its epoch.
    pub epoch: u64,
}

/// What it answers.
#[derive(Debug, Serialize)]
pub struct Output {
    /// `CONFIGURED`, or `MORE` when another invocation has to go on.
    pub outcome: &'static str,
}

/// What a server has, and what of the plan differs.
struct Difference {
    launch: LaunchSettings,
    replication: ReplicationSettings,
    launch_change: Option<LaunchSettings>,
    replication_change: Option<ReplicationSettings>,
}

/// Configures servers turn by turn until all are, or the time is up.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Output, StepError> {
    let mut step = Step::begin(&deps, &input.wave_id, input.epoch, Direction::Forward).await?;
    step.enter(&deps, Phase::Configure).await?;
    let mut servers = deps.table.servers(&input.wave_id, None).await?;
    servers.retain(|server| server.configured_at.is_none() && server.takes_part());
    for turn in servers.chunks_mut(SERVERS_PER_TURN) {
        if deps.now().duration_since(step.now) > TIME_BUDGET {
            return Ok(Output { outcome: "MORE" });
        }
        configure(&deps, &step, turn).await?;
    }
    Ok(Output { outcome: "CONFIGURED" })
}

async fn configure(deps: &Deps, step: &Step, servers: &mut [Stored<ServerRecord>]) -> Result<(), StepError> {
    let differences: BTreeMap<SourceServerId, Difference> = stream::iter(servers.iter())
        .map(|server| async { Ok::<_, StepError>((server.source_server_id.clone(), difference(deps, server).await?)) })
        .buffer_unordered(CALLS_AT_ONCE)
        .try_collect()
        .await?;
    record_previous(deps, step, servers, &differences).await?;
    stream::iter(&differences)
        .map(|(id, difference)| apply(deps, id, difference))
        .buffer_unordered(CALLS_AT_ONCE)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    let mut writes = Vec::new();
    for server in servers.iter_mut() {
        server.configured_at = Some(step.now);
        writes.push(Write::save(server)?);
    }
    let changed = differences.values().filter(|difference| difference.changes()).count();
    writes.push(step.log(
        deps,
        format!("{} servers are configured, {changed} of them changed", servers.len()),
    )?);
    step.write(deps, writes).await
}

impl Difference {
    fn changes(&self) -> bool {
        self.launch_change.is_some() || self.replication_change.is_some()
    }
}

async fn difference(deps: &Deps, server: &ServerRecord) -> Result<Difference, StepError> {
    let id = &server.source_server_id;
    let launch = deps.mgn.launch_settings(id).await?;
    let replication = deps.mgn.replication_settings(id).await?;
    let launch_change = server.plan.launch.difference(&launch);
    let replication_change = server.plan.replication.difference(&replication);
    Ok(Difference {
        launch,
        replication,
        launch_change,
        replication_change,
    })
}

/// The settings before any change, once and for all: a repeat must not record our own change as the previous setting.
async fn record_previous(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    differences: &BTreeMap<SourceServerId, Difference>,
) -> Result<(), StepError> {
    let mut writes = Vec::new();
    for server in servers.iter_mut() {
        let Some(difference) = differences
            .get(&server.source_server_id)
            .filter(|difference| difference.changes())
        else {
            continue;
        };
        if server.previous_launch.is_none() {
            server.previous_launch = Some(difference.launch.clone());
            server.previous_replication = Some(difference.replication.clone());
            writes.push(Write::save(server)?);
        }
    }
    step.write(deps, writes).await
}

async fn apply(deps: &Deps, id: &SourceServerId, difference: &Difference) -> Result<(), StepError> {
    if let Some(change) = &difference.launch_change {
        deps.mgn.update_launch_settings(id, change).await?;
    }
    if let Some(change) = &difference.replication_change {
        deps.mgn.update_replication_settings(id, change).await?;
    }
    Ok(())
}
