//! The function `switch-dns`: points the record sets of a move group at AWS, and after the finalization gives all sets
//! their old TTLs back.
//!
//! Undone by `rollback-dns`, for as long as the wave is not finalized.

mod settle;
mod switch;

use landfall_aws::waiting::{self, Wait};
use landfall_aws::{Callback, Deps, Step};
use landfall_domain::StepError;
use landfall_domain::ids::WaveId;
use landfall_domain::record::{AwaitKind, Direction};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    /// Point the record sets of one move group at AWS.
    Switch,
    /// Raise the TTLs of all record sets to what they were.
    Settle,
}

/// What the function is called with.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The wave.
    pub wave_id: WaveId,
    /// The epoch that the step belongs to.
    pub epoch: u64,
    /// What is to be done.
    pub mode: Mode,
    /// The move group; with `SWITCH` only.
    #[serde(default)]
    pub group: Option<String>,
    /// The task that waits.
    pub callback: Callback,
}

/// How the record sets stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Switched {
    /// Those of the group point at AWS, on all authoritative servers.
    Switched,
    /// All have their old TTLs back, but for those that the reasons name.
    Settled,
    /// They do not all point at AWS.
    Failed,
}

/// The token's output.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// How the record sets stand.
    pub outcome: Switched,
    /// What went otherwise than planned, a sentence a record.
    pub reasons: Vec<String>,
}

/// Switches a move group, or settles the wave, and completes the task. Errors: those of [`Step::begin`], of the table,
/// of EC2 and Route 53, and `GateClosed` when a server of the group is not what may be switched to.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Value, StepError> {
    let step = Step::begin(&deps, &input.wave_id, input.epoch, Direction::Forward).await?;
    let wait = |resource: String| Wait {
        resource,
        kind: AwaitKind::Poll,
        wave_id: &input.wave_id,
        epoch: input.epoch,
        callback: &input.callback,
        input: Value::Null,
    };
    match input.mode {
        Mode::Switch => {
            let group = group(&input, &step.wave.move_groups)?;
            let resource = format!("POLL#{}#{}#{group}", input.wave_id, switch::WAIT);
            waiting::wait(&deps, wait(resource), switch::switch(&deps, step, group)).await
        }
        Mode::Settle => {
            let resource = format!("POLL#{}#{}", input.wave_id, settle::WAIT);
            waiting::wait(&deps, wait(resource), settle::settle(&deps, step)).await
        }
    }
}

fn group<'a>(input: &'a Input, known: &[String]) -> Result<&'a str, StepError> {
    match input.group.as_deref() {
        Some(group) if known.iter().any(|name| name == group) => Ok(group),
        Some(group) => Err(StepError::invalid(
            "$.group",
            group,
            format!("one of {}", known.join(", ")),
        )),
        None => Err(StepError::invalid("$.group", "absent", "required with mode SWITCH")),
    }
}
