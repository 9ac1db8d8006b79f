//! Waits for an MGN job of a batch and records what became of each of its servers. Changes nothing at MGN: nothing to
//! undo.

use landfall_aws::read::job::{self, JobRead, JobReading};
use landfall_aws::waiting::{self, Wait};
use landfall_aws::{Callback, Deps};
use landfall_domain::StepError;
use landfall_domain::ids::WaveId;
use landfall_domain::record::{AwaitKind, Direction, JobPhase};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// What the function takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The wave.
    pub wave_id: WaveId,
    /// Its epoch.
    pub epoch: u64,
    /// Which way the wave moves.
    pub direction: Direction,
    /// The batch.
    pub batch: u32,
    /// What the job is for.
    pub phase: JobPhase,
    /// The task that waits.
    pub callback: Callback,
}

/// Records the token under the job, reads it, and completes the token when the job is over.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Value, StepError> {
    let read = JobRead {
        wave_id: input.wave_id.clone(),
        epoch: input.epoch,
        direction: input.direction,
        batch: input.batch,
        phase: input.phase,
    };
    let batch = deps.table.batch(&input.wave_id, input.batch).await?;
    let job = batch.job(input.phase).and_then(|intent| intent.job_id.as_ref());
    let wait = Wait {
        // A batch without a job is over at the first reading; nothing will be looked up under this name.
        resource: job.map_or_else(
            || format!("NO-JOB#{}#{}", input.wave_id, input.batch),
            ToString::to_string,
        ),
        kind: AwaitKind::Job,
        wave_id: &input.wave_id,
        epoch: input.epoch,
        callback: &input.callback,
        input: json!(read),
    };
    waiting::wait(&deps, wait, async {
        Ok(match job::read(&deps, &read).await? {
            JobReading::Running => None,
            JobReading::Over(outcome) => Some(outcome),
        })
    })
    .await
}
