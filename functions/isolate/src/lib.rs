//! Stops the cutover instances of a batch, at the beginning of a rollback: from then on nothing writes on them, and
//! their disks are evidence. Instances that a job launched and nobody noted are put on record first. No undo: a rollback
//! terminates them later.

use landfall_aws::table::Write;
use landfall_aws::{Deps, Step, launched};
use landfall_domain::StepError;
use landfall_domain::ids::{InstanceId, WaveId};
use landfall_domain::record::Direction;
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
    /// How many instances were asked to stop.
    pub stopped: usize,
    /// Of how many servers it could not be read whether they have an instance. Their launch stays open on record.
    pub unread: usize,
}

/// Stops the instances; stopping one twice is no second effect.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Output, StepError> {
    let (wave, batch) = deps.table.wave_and_batch(&input.wave_id, input.batch).await?;
    let step = Step::at(&deps, wave, input.epoch, Direction::Rollback)?;
    let mut servers = deps.table.servers(&input.wave_id, Some(input.batch)).await?;
    let unread = launched::note(&deps, &step, &batch, &mut servers).await?;
    servers.retain(|server| {
        // A finalized server lives on AWS: its instance is its only home.
        server.finalize_intended_at.is_none()
            && server.cutover.instance_id.is_some()
            && server.cutover.terminated_at.is_none()
            && server.isolated_at.is_none()
    });
    let instances: Vec<InstanceId> = servers
        .iter()
        .filter_map(|server| server.cutover.instance_id.clone())
        .collect();
    if instances.is_empty() {
        return Ok(Output {
            stopped: 0,
            unread: unread.len(),
        });
    }
    let list = instances.iter().map(InstanceId::as_str).collect::<Vec<_>>().join(", ");
    step.write(&deps, vec![step.log(&deps, format!("about to stop {list}"))?])
        .await?;
    deps.ec2.stop(&instances).await?;
    let mut writes = vec![step.log(&deps, format!("stopped {list}"))?];
    for server in &mut servers {
        server.isolated_at = Some(step.now);
        writes.push(Write::save(server)?);
    }
    step.write(&deps, writes).await?;
    Ok(Output {
        stopped: instances.len(),
        unread: unread.len(),
    })
}
