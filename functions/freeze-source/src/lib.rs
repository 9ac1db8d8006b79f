//! The function `freeze-source`: shuts applications out of a source, proves it, and sets a deadline at which the source
//! opens again by itself unless the switch is on record. Undone by itself: `UNFREEZE` restores exactly what was there.
//!
//! The order is what makes it safe. First the schedule of the dead man's switch, then the intent with everything that
//! will be changed, in one conditional write, then the change. Whoever dies in between leaves a source that opens again.
//! A closing that comes late, from a function that outlived its task, is refused by the database itself.

mod deadline;
mod freeze;
#[cfg(test)]
mod samples;
mod unfreeze;

use jiff::Timestamp;
use landfall_aws::Deps;
use landfall_aws::database_step::DatabaseStep;
use landfall_aws::freeze::Opened;
use landfall_domain::StepError;
use landfall_domain::ids::{DatabaseId, WaveId};
use landfall_domain::record::Direction;
use landfall_domain::text::few;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    /// Shut applications out.
    Freeze,
    /// Let them in again, unless the switch is on record.
    Unfreeze,
    /// The same at the deadline: called by Scheduler, for one closing, in no epoch and by no execution.
    Deadline,
}

/// What the function is called with.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// What is to be done.
    pub mode: Mode,
    /// The wave.
    pub wave_id: WaveId,
    /// The database.
    pub database: DatabaseId,
    /// The epoch; not with `DEADLINE`.
    #[serde(default)]
    pub epoch: Option<u64>,
    /// FORWARD unless given.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// The execution that works on the database; not with `DEADLINE`.
    #[serde(default)]
    pub execution_arn: Option<String>,
    /// The closing; with `DEADLINE` only.
    #[serde(default)]
    pub closing_id: Option<String>,
    /// When it opens again: Scheduler is precise to a minute, so it calls early and the function waits.
    #[serde(default)]
    pub deadline: Option<Timestamp>,
}

/// How the source stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stands {
    /// Closed, and proven to be.
    Frozen,
    /// Not closed: nothing was changed, or everything is as it was but for what the reasons name.
    Failed,
    /// Open, as it was recorded.
    Unfrozen,
    /// Open but for what `left` names.
    Partial,
    /// Closed for good: the switch is on record.
    Switched,
    /// There was nothing to open.
    Nothing,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// How the source stands.
    pub outcome: Stands,
    /// Why, each a sentence, the first five.
    pub reasons: Vec<String>,
    /// What is not as it was, each a sentence with its remedy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
    /// When the source opens again by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
}

impl Outcome {
    fn new(outcome: Stands, reasons: Vec<String>) -> Self {
        Self {
            outcome,
            reasons: few(reasons),
            left: Vec::new(),
            deadline: None,
        }
    }

    /// The outcome of an opening.
    fn opened(opened: Opened) -> Self {
        match opened {
            Opened::AsRecorded | Opened::Nothing => Self::new(Stands::Unfrozen, Vec::new()),
            Opened::Switched => Self::new(Stands::Switched, Vec::new()),
            Opened::Partial(left) => Self {
                left: few(left.clone()),
                ..Self::new(Stands::Partial, left)
            },
        }
    }
}

/// Freezes, unfreezes, or looks at the deadline. Errors: those of [`DatabaseStep::begin`], of the table and of Secrets
/// Manager, and `DatabaseUnreachable` when it is not known how the source stands, so that the step is repeated.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Outcome, StepError> {
    match input.mode {
        Mode::Deadline => {
            let closing = given("$.closingId", input.closing_id.as_ref())?;
            deadline::open(&deps, &input, closing).await
        }
        Mode::Freeze => freeze::freeze(&deps, begin(&deps, &input, Direction::Forward).await?).await,
        Mode::Unfreeze => {
            let direction = input.direction.unwrap_or(Direction::Forward);
            unfreeze::unfreeze(&deps, begin(&deps, &input, direction).await?).await
        }
    }
}

async fn begin(deps: &Deps, input: &Input, direction: Direction) -> Result<DatabaseStep, StepError> {
    let epoch = *given("$.epoch", input.epoch.as_ref())?;
    let execution = given("$.executionArn", input.execution_arn.as_ref())?;
    DatabaseStep::begin(deps, &input.wave_id, epoch, direction, &input.database, execution).await
}

fn given<'a, T>(path: &str, value: Option<&'a T>) -> Result<&'a T, StepError> {
    value.ok_or_else(|| StepError::invalid(path, "absent", "required with this mode"))
}
