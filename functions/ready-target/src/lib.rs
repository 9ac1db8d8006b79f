//! The function `ready-target`: gives the target what replication does not carry, and proves that applications can work
//! on it. Nothing to undo: a sequence that is further than it had to be does no harm.
//!
//! `READY` works before the switch, through Landfall's own login: applications' logins are locked on the target until the
//! switch is on record. So the smoke test through an application's login cannot come before it: it is `CHECK`, right
//! after, and what it finds holds the wave.

mod check;
mod ready;

use landfall_aws::Deps;
use landfall_aws::database_step::DatabaseStep;
use landfall_domain::StepError;
use landfall_domain::ids::{DatabaseId, WaveId};
use landfall_domain::record::Direction;
use landfall_domain::text::few;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    /// Sequences, triggers, foreign keys, statistics: before the switch.
    Ready,
    /// A smoke test through an application's login: after the switch.
    Check,
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
    /// FORWARD unless given.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// The database.
    pub database: DatabaseId,
    /// The execution that works on it.
    pub execution_arn: String,
}

/// How the target stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stands {
    /// It has what replication does not carry.
    Ready,
    /// An application's login can work on it.
    Checked,
    /// What the reasons name is missing.
    Failed,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// How the target stands.
    pub outcome: Stands,
    /// What is missing, each a sentence, the first five.
    pub reasons: Vec<String>,
}

impl Outcome {
    fn good(outcome: Stands) -> Self {
        Self {
            outcome,
            reasons: Vec::new(),
        }
    }
}

/// Makes the target ready, or checks it. Errors: those of [`DatabaseStep::begin`], of the table, of DMS and of Secrets
/// Manager, and `DatabaseUnreachable`.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Outcome, StepError> {
    let direction = input.direction.unwrap_or(Direction::Forward);
    let (wave, database) = (&input.wave_id, &input.database);
    let step = DatabaseStep::begin(&deps, wave, input.epoch, direction, database, &input.execution_arn).await?;
    match input.mode {
        Mode::Ready => ready::ready(&deps, step).await,
        Mode::Check => check::check(&deps, step).await,
    }
}

/// Puts on record why it is no success.
async fn fail(deps: &Deps, mut step: DatabaseStep, reasons: Vec<String>) -> Result<Outcome, StepError> {
    let reasons = few(reasons);
    let text = reasons.join("; ");
    step.database.cutover.failure = Some(text.clone());
    step.save(deps, Some(format!("database {}: {text}", step.database.database_id)))
        .await?;
    Ok(Outcome {
        outcome: Stands::Failed,
        reasons,
    })
}
