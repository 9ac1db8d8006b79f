//! Waits until every server of a wave can be tested. Changes nothing: nothing to undo.

use landfall_aws::read::readiness::{self, ReadinessRead};
use landfall_aws::waiting::{self, Wait};
use landfall_aws::{Callback, Deps, Step};
use landfall_domain::StepError;
use landfall_domain::ids::WaveId;
use landfall_domain::record::{AwaitKind, Direction, Phase};
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
    /// The task that waits.
    pub callback: Callback,
}

/// Records the token, reads, and completes it when all servers are ready or the wait is over.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Value, StepError> {
    let mut step = Step::begin(&deps, &input.wave_id, input.epoch, Direction::Forward).await?;
    step.enter(&deps, Phase::AwaitReadiness).await?;
    let read = ReadinessRead {
        wave_id: input.wave_id.clone(),
        epoch: input.epoch,
    };
    let wait = Wait {
        resource: readiness::resource(&input.wave_id),
        kind: AwaitKind::Readiness,
        wave_id: &input.wave_id,
        epoch: input.epoch,
        callback: &input.callback,
        input: json!(read),
    };
    waiting::wait(&deps, wait, readiness::read(&deps, &read)).await
}
