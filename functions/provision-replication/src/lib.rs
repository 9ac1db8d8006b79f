//! Makes everything that replicates a database, as far as it can be made without anything being loaded: replication
//! instance, endpoints, tables for fences, the task, its assessment; and closes the target to applications. Entered again
//! and again, it reads the record and goes on from there.
//!
//! Undone by `retire-replication`.

mod assessment;
mod conversion;
mod guards;
mod instance;
mod preflight;
mod task;

use jiff::{SignedDuration, Timestamp};
use landfall_aws::database::DatabaseError;
use landfall_aws::database_step::DatabaseStep;
use landfall_aws::read::replication::{Doing, ReplicationRead, resource};
use landfall_aws::waiting::{self, Wait};
use landfall_aws::{Callback, Deps};
use landfall_domain::StepError;
use landfall_domain::decide::is_switched;
use landfall_domain::ids::{DatabaseId, WaveId};
use landfall_domain::record::{AwaitKind, Closing, DatabaseRecord, DatabaseState, Direction, ReplicationFacts};
use landfall_domain::text::few;
use serde::{Deserialize, Serialize};
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
    /// The database.
    pub database: DatabaseId,
    /// The execution that works on the database.
    pub execution_arn: String,
    /// Which way the wave moves; provisioning goes forward only.
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
    /// `PROVISIONED`, `CONVERSION_TO_APPROVE`, `HELD` or `FAILED`.
    pub outcome: &'static str,
    /// Why it is not provisioned, the first five.
    pub reasons: Vec<String>,
}

/// Why a stage goes no further now.
pub(crate) enum Stop {
    /// There is something to wait for.
    Wait,
    /// It is over.
    End(Outcome),
    /// Something unexpected.
    Error(StepError),
}

impl From<StepError> for Stop {
    fn from(error: StepError) -> Self {
        Self::Error(error)
    }
}

impl From<DatabaseError> for Stop {
    fn from(error: DatabaseError) -> Self {
        Self::Error(error.into())
    }
}

/// Records the token, moves on as far as it goes, and completes the token at the end.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Value, StepError> {
    if input.direction != Direction::Forward {
        let value = format!("{:?}", input.direction);
        return Err(StepError::invalid("$.direction", value, "FORWARD"));
    }
    let read = ReplicationRead {
        wave_id: input.wave_id.clone(),
        epoch: input.epoch,
        direction: input.direction,
        database: input.database.clone(),
        mode: Doing::Provision,
        again: input.again,
    };
    let wait = Wait {
        resource: resource(&input.wave_id, &input.database),
        kind: AwaitKind::Replication,
        wave_id: &input.wave_id,
        epoch: input.epoch,
        callback: &input.callback,
        input: json!(read),
    };
    waiting::wait(&deps, wait, advance(&deps, &input)).await
}

/// Moves on through every stage that has nothing to wait for. [`None`]: there is more to wait for.
async fn advance(deps: &Deps, input: &Input) -> Result<Option<Outcome>, StepError> {
    let (wave, database) = (&input.wave_id, &input.database);
    let begun = DatabaseStep::begin(deps, wave, input.epoch, input.direction, database, &input.execution_arn);
    let mut step = begun.await?;
    match stages(deps, &mut step).await {
        Ok(()) => Ok(Some(Outcome {
            outcome: "PROVISIONED",
            reasons: Vec::new(),
        })),
        Err(Stop::Wait) => Ok(None),
        Err(Stop::End(outcome)) => Ok(Some(outcome)),
        Err(Stop::Error(error)) => Err(error),
    }
}

async fn stages(deps: &Deps, step: &mut DatabaseStep) -> Result<(), Stop> {
    if is_in_use(&step.database) {
        return Ok(());
    }
    begin_anew(&mut step.database);
    preflight::run(deps, step).await?;
    conversion::run(deps, step).await?;
    instance::make(deps, step).await?;
    instance::make_endpoints(deps, step).await?;
    instance::test_connections(deps, step).await?;
    guards::make_fence_table(deps, step).await?;
    guards::close_target(deps, step).await?;
    task::make(deps, step).await?;
    assessment::run(deps, step).await?;
    task::rests(deps, step).await?;
    if step.database.replication.failure.take().is_some() {
        let text = format!(
            "the replication of database {} is provisioned",
            step.database.database_id
        );
        step.save(deps, Some(text)).await?;
    }
    Ok(())
}

/// True when the task was started, or the database has moved: there is nothing left to provision, and the target must not
/// be closed any more.
fn is_in_use(database: &DatabaseRecord) -> bool {
    let started = database.replication.start_intended_at.is_some() && database.retired_at.is_none();
    started || is_switched(database.state) || database.state != DatabaseState::OnSource
}

/// A replication that was retired is made anew. A target that stayed closed stays so, under the closing that it has. It is
/// saved with whatever is next put on record.
fn begin_anew(database: &mut DatabaseRecord) {
    if database.retired_at.take().is_none() {
        return;
    }
    database.replication = ReplicationFacts::default();
    database.fail_back = Default::default();
    database.cutover = Default::default();
    database.mismatches.clear();
    database.tables.clear();
    database.left.clear();
    if !database.target_closing.may_be_closed() {
        database.target_closing = Closing::default();
    }
}

/// Puts on record why it is no success, once.
pub(crate) async fn fail(deps: &Deps, step: &mut DatabaseStep, reasons: Vec<String>) -> Stop {
    stop(deps, step, "FAILED", reasons).await
}

/// Puts on record what a person has to mend, once.
pub(crate) async fn hold(deps: &Deps, step: &mut DatabaseStep, reasons: Vec<String>) -> Stop {
    stop(deps, step, "HELD", reasons).await
}

async fn stop(deps: &Deps, step: &mut DatabaseStep, outcome: &'static str, reasons: Vec<String>) -> Stop {
    let reasons = few(reasons);
    let text = reasons.join("; ");
    if step.database.replication.failure.as_ref() != Some(&text) {
        let line = format!(
            "the replication of database {} is not provisioned: {text}",
            step.database.database_id
        );
        step.database.replication.failure = Some(text);
        if let Err(error) = step.save(deps, Some(line)).await {
            return Stop::Error(error);
        }
    }
    Stop::End(Outcome { outcome, reasons })
}

/// True when an intent belongs to this attempt at the wave: what failed in an earlier one is tried again.
pub(crate) fn is_of_this_attempt(step: &DatabaseStep, intended_at: Option<Timestamp>) -> bool {
    intended_at.is_some_and(|at| at >= step.step.wave.planned_at)
}

/// Waits, or fails once this attempt has waited for so many minutes since the intent.
pub(crate) async fn wait_or_fail(
    deps: &Deps,
    step: &mut DatabaseStep,
    intended_at: Option<Timestamp>,
    minutes: i64,
    what: &str,
) -> Stop {
    let now = deps.now();
    let began = intended_at.unwrap_or(now).max(step.step.wave.planned_at);
    if now < began + SignedDuration::from_mins(minutes) {
        return Stop::Wait;
    }
    let text = format!("{what} within {minutes} minutes");
    fail(deps, step, vec![text]).await
}
