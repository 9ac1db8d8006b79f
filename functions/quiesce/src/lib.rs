//! Stops the sources of a batch and waits for a snapshot that holds everything they wrote. Undone by itself with the
//! direction ROLLBACK, which starts exactly what ran before.
//!
//! Not optional: after a cutover launch replication goes on into the staging area, not into the instance, so what a
//! source writes after the snapshot of the launch is lost.
//! <https://docs.aws.amazon.com/mgn/latest/ug/launch-cutover.html>

mod backward;
mod command;
mod forward;

use landfall_aws::waiting::{self, Wait};
use landfall_aws::{Callback, Deps};
use landfall_domain::StepError;
use landfall_domain::ids::WaveId;
use landfall_domain::record::{AwaitKind, Direction};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How often one invocation looks at commands that are under way.
const WATCH_TURNS: usize = 4;

/// The pause between two looks.
const WATCH_PAUSE: Duration = Duration::from_secs(2);

/// What the function takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The wave.
    pub wave_id: WaveId,
    /// Its epoch.
    pub epoch: u64,
    /// FORWARD stops, ROLLBACK starts again.
    pub direction: Direction,
    /// The batch.
    pub batch: u32,
    /// The execution that works on the batch.
    pub execution_arn: String,
    /// The task that waits.
    pub callback: Callback,
}

/// The outcome.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// `QUIESCED` or `FAILED`; backwards `RESTARTED` or `PARTIAL`.
    pub outcome: &'static str,
    /// What holds it up, a sentence a server, the first five.
    pub reasons: Vec<String>,
}

/// Records the token, moves on as far as it goes, and completes the token at the end.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Value, StepError> {
    let wait = Wait {
        resource: format!("POLL#{}#QUIESCE-{:?}#{}", input.wave_id, input.direction, input.batch),
        kind: AwaitKind::Poll,
        wave_id: &input.wave_id,
        epoch: input.epoch,
        callback: &input.callback,
        input: Value::Null,
    };
    waiting::wait(&deps, wait, async {
        match input.direction {
            Direction::Forward => forward::advance(&deps, &input).await,
            Direction::Rollback => backward::advance(&deps, &input).await,
        }
    })
    .await
}
