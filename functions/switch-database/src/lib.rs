//! The function `switch-database`: puts the switch on record, opens the target to applications and points them at it;
//! restarts them; and, for a rollback, does the same the other way round.
//!
//! SWITCH_COMMITTED is one conditional write, Frozen → Switching: it and the opening of the source exclude each other.
//! Before it nothing here has an effect; after it there is only forward, or a hold. The target is opened after it and
//! never before. Undone by `RETURN`.

mod forward;
mod give_back;
mod restart;
mod return_fence;
#[cfg(test)]
mod samples;

use landfall_aws::database_step::DatabaseStep;
use landfall_aws::waiting::{self, Wait};
use landfall_aws::{Callback, Deps};
use landfall_domain::StepError;
use landfall_domain::ids::{DatabaseId, WaveId};
use landfall_domain::record::{DatabaseRecord, Direction};
use landfall_domain::text::few;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    /// Open the target and point applications at it.
    Switch,
    /// Restart applications, so that they look again.
    Restart,
    /// Close the target, open the source, point applications back.
    Return,
}

/// What the function is called with.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// What is to be done.
    pub mode: Mode,
    /// The wave.
    pub wave_id: WaveId,
    /// The epoch.
    pub epoch: u64,
    /// FORWARD unless given; ROLLBACK with `RETURN`.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// The database.
    pub database: DatabaseId,
    /// The execution that works on it.
    pub execution_arn: String,
    /// The task that waits; not with `SWITCH`.
    #[serde(default)]
    pub callback: Option<Callback>,
}

/// How the database stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stands {
    /// Applications write on the target.
    Switched,
    /// The source is being opened, or is open: the switch is not on record, and nothing was done.
    TooLate,
    /// Applications are restarted.
    Restarted,
    /// The plan names nothing that restarts them.
    NotPlanned,
    /// Applications write on the source.
    Returned,
    /// It was never switched, and applications write on the source.
    NothingToReturn,
    /// What the reasons name; nothing is opened on both sides.
    Failed,
}

/// What it answers, and the token's output.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// How the database stands.
    pub outcome: Stands,
    /// Why, or what is left, each a sentence, the first five.
    pub reasons: Vec<String>,
}

impl Outcome {
    fn new(outcome: Stands, reasons: Vec<String>) -> Self {
        Self {
            outcome,
            reasons: few(reasons),
        }
    }
}

/// Switches, restarts or returns. Errors: those of [`DatabaseStep::begin`], of the table and of the services, and
/// `DatabaseUnreachable`; `GateClosed` when a switch is asked for that was not verified.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Value, StepError> {
    let given = match input.mode {
        Mode::Return => Direction::Rollback,
        Mode::Switch | Mode::Restart => Direction::Forward,
    };
    let direction = input.direction.unwrap_or(given);
    let (wave, database) = (&input.wave_id, &input.database);
    let step = DatabaseStep::begin(&deps, wave, input.epoch, direction, database, &input.execution_arn).await?;
    let what = match input.mode {
        Mode::Switch => {
            let outcome = forward::switch(&deps, step).await?;
            return serde_json::to_value(outcome)
                .map_err(|error| StepError::Corrupt(format!("an answer cannot be written: {error}")));
        }
        Mode::Restart => "RESTART",
        Mode::Return => "RETURN",
    };
    let callback = input.callback.as_ref();
    let callback = callback.ok_or_else(|| StepError::invalid("$.callback", "absent", "required with this mode"))?;
    let resource = format!("POLL#{wave}#{what}#{database}");
    let wait = Wait::poll(resource, wave, input.epoch, callback);
    match input.mode {
        Mode::Return => waiting::wait(&deps, wait, give_back::advance(&deps, step)).await,
        _ => waiting::wait(&deps, wait, restart::advance(&deps, step)).await,
    }
}

/// A line of the audit trail about this database.
fn line(database: &DatabaseRecord, text: impl std::fmt::Display) -> Option<String> {
    Some(format!("database {}: {text}", database.database_id))
}

/// Puts on record why it is no success.
async fn fail(deps: &Deps, step: &mut DatabaseStep, reasons: Vec<String>) -> Result<Outcome, StepError> {
    let outcome = Outcome::new(Stands::Failed, reasons);
    let text = outcome.reasons.join("; ");
    step.database.cutover.failure = Some(text.clone());
    let line = line(&step.database, text);
    step.save(deps, line).await?;
    Ok(outcome)
}
