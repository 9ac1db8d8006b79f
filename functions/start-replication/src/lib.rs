//! Starts a database's replication and waits until everything is loaded and compared; stops it after the switch; and
//! starts the replication back, when the plan asks for one.
//!
//! START is undone by `retire-replication`. STOP is undone by nothing: after a switch the forward task must not run again.
//! REVERSE is undone by `retire-replication`, or used by the return of `switch-database`.

mod back;
mod endpoints;
mod reverse;
mod start;
mod stop;

use landfall_aws::database_step::DatabaseStep;
use landfall_aws::read::replication;
use landfall_aws::waiting::{self, Wait};
use landfall_aws::{Callback, Deps};
use landfall_domain::StepError;
use landfall_domain::ids::{DatabaseId, WaveId};
use landfall_domain::record::{AwaitKind, Direction};
use landfall_domain::text::few;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    /// Start the task, and wait until every table is loaded and compared.
    Start,
    /// Stop the task, after the switch.
    Stop,
    /// Start the replication back, after the task has stopped.
    Reverse,
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
    /// Which way the wave moves.
    #[serde(default = "forward")]
    pub direction: Direction,
    /// Whether the state that waits enters its task again upon the outcome `AGAIN`.
    #[serde(default)]
    pub again: bool,
    /// The task that waits.
    pub callback: Callback,
}

fn forward() -> Direction {
    Direction::Forward
}

/// The outcome.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// `RUNNING`, `STOPPED`, `REVERSED`, `NOT_PLANNED` or `FAILED`.
    pub outcome: &'static str,
    /// Why it failed, a sentence a table or a thing, the first five.
    pub reasons: Vec<String>,
}

impl Outcome {
    fn good(outcome: &'static str) -> Self {
        Self {
            outcome,
            reasons: Vec::new(),
        }
    }
}

/// Records the token, moves on as far as it goes, and completes the token at the end.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Value, StepError> {
    let wait = Wait {
        resource: replication::resource(&input.wave_id, &input.database),
        kind: AwaitKind::Replication,
        wave_id: &input.wave_id,
        epoch: input.epoch,
        callback: &input.callback,
        input: json!({
            "waveId": input.wave_id,
            "epoch": input.epoch,
            "database": input.database,
            "executionArn": input.execution_arn,
            "mode": input.mode,
            "direction": input.direction,
            "again": input.again,
        }),
    };
    waiting::wait(&deps, wait, async {
        let mut step = DatabaseStep::begin(
            &deps,
            &input.wave_id,
            input.epoch,
            input.direction,
            &input.database,
            &input.execution_arn,
        )
        .await?;
        match input.mode {
            Mode::Start => start::advance(&deps, &mut step).await,
            Mode::Stop => stop::advance(&deps, &mut step).await,
            Mode::Reverse => reverse::advance(&deps, &mut step).await,
        }
    })
    .await
}

/// Puts on record why it is no success. Reading the same again adds no second line to the audit trail.
async fn failed(
    deps: &Deps,
    step: &mut DatabaseStep,
    what: &str,
    reasons: Vec<String>,
) -> Result<Option<Outcome>, StepError> {
    let reasons = few(reasons);
    let text = format!("{what}: {}", reasons.join("; "));
    if step.database.replication.failure.as_ref() != Some(&text) {
        step.database.replication.failure = Some(text.clone());
        let log = format!("database {}: {text}", step.database.database_id);
        step.save(deps, Some(log)).await?;
    }
    Ok(Some(Outcome {
        outcome: "FAILED",
        reasons,
    }))
}
