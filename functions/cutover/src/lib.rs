//! Starts one MGN job that launches the cutover instances of a batch. Undone by `terminate`.
//!
//! Every gate is checked again, immediately before the call: a server that was ready a minute ago may be scanning its
//! disks again now, and what is not in the snapshot of the launch is lost.

mod gates;

use landfall_aws::jobs;
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::ids::WaveId;
use landfall_domain::record::{Direction, JobPhase};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What the function takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The wave.
    pub wave_id: WaveId,
    /// Its epoch.
    pub epoch: u64,
    /// The batch.
    pub batch: u32,
}

/// What it answers.
#[derive(Debug, Serialize)]
pub struct Output {
    /// How many servers are in the job; 0: there is no job.
    pub servers: usize,
}

/// Checks the gates and starts the job, or finds the one that an earlier try has started.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Output, StepError> {
    let step = Step::begin(&deps, &input.wave_id, input.epoch, Direction::Forward).await?;
    let mut batch = deps.table.batch(&input.wave_id, input.batch).await?;
    let mut servers = deps.table.servers(&input.wave_id, Some(input.batch)).await?;
    servers.retain(|server| {
        let launched = server.cutover.launched_at.is_some() && server.cutover.terminated_at.is_none();
        server.takes_part() && !launched
    });
    if servers.is_empty() {
        return Ok(Output { servers: 0 });
    }
    let called = batch
        .job(JobPhase::Cutover)
        .is_some_and(|intent| intent.closed_at.is_none());
    if !called {
        gates::check(&deps, &step, &servers).await?;
    }
    jobs::start(&deps, &step, &mut batch, JobPhase::Cutover, &mut servers).await?;
    Ok(Output { servers: servers.len() })
}
