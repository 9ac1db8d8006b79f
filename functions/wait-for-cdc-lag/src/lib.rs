//! The lag of a replication: the gate before a freeze, which measures it with canaries, and the fence after it, which
//! proves that everything before it has arrived. Changes nothing but rows of the fence table: nothing to undo.

mod canaries;
mod fence;
mod gate;

use landfall_aws::database_step::DatabaseStep;
use landfall_aws::waiting::{self, Wait};
use landfall_aws::{Callback, Deps};
use landfall_domain::StepError;
use landfall_domain::ids::{DatabaseId, WaveId};
use landfall_domain::record::Direction;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How often the other side is asked whether a marker has arrived.
const POLL: Duration = Duration::from_millis(200);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    /// Wait until the lag is small, before anything is frozen.
    Gate,
    /// Write the fence and wait for it, while applications are shut out.
    Fence,
}

/// What the function takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The wave.
    pub wave_id: WaveId,
    /// Its epoch.
    pub epoch: u64,
    /// The database.
    pub database: DatabaseId,
    /// The execution that works on the database.
    pub execution_arn: String,
    /// What is to be done.
    pub mode: Mode,
    /// FORWARD: written on the source, read on the target. ROLLBACK: the other way.
    #[serde(default = "forward")]
    pub direction: Direction,
    /// The task that waits, with the mode GATE.
    #[serde(default)]
    pub callback: Option<Callback>,
}

fn forward() -> Direction {
    Direction::Forward
}

/// The outcome.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// `OPEN`, `REFUSED` or, when an earlier attempt has switched, `SWITCHED`; `ARRIVED`, `LATE`, or
    /// `AGAIN` when there is time for another look.
    pub outcome: &'static str,
    /// Why not, the first five.
    pub reasons: Vec<String>,
}

/// Waits for the gate, or for the fence.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Value, StepError> {
    match (input.mode, &input.callback) {
        (Mode::Gate, Some(callback)) => {
            let name = format!("POLL#{}#GATE#{}", input.wave_id, input.database);
            let wait = Wait::poll(name, &input.wave_id, input.epoch, callback);
            waiting::wait(&deps, wait, async {
                let mut step = begin(&deps, &input).await?;
                gate::advance(&deps, &mut step).await
            })
            .await
        }
        (Mode::Gate, None) => Err(StepError::invalid(
            "$.callback",
            "absent",
            "given with the mode GATE, which waits for a token",
        )),
        (Mode::Fence, _) => {
            let mut step = begin(&deps, &input).await?;
            let outcome = fence::cross(&deps, &mut step).await?;
            serde_json::to_value(outcome)
                .map_err(|error| StepError::Corrupt(format!("an outcome cannot be written: {error}")))
        }
    }
}

async fn begin(deps: &Deps, input: &Input) -> Result<DatabaseStep, StepError> {
    DatabaseStep::begin(
        deps,
        &input.wave_id,
        input.epoch,
        input.direction,
        &input.database,
        &input.execution_arn,
    )
    .await
}
