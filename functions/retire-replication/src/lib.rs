//! Ends what replicates a database: tasks, endpoints, replication instance, schedules, and what they left on both
//! databases. After a finalization it is the point of no return for the way back; after a rollback it puts the target back
//! to what it was.
//!
//! No undo: what is deleted here is made anew by `provision-replication`, with a full load. So it re-reads first.

mod databases;
mod gates;
mod resources;

use jiff::SignedDuration;
use landfall_aws::database_step::DatabaseStep;
use landfall_aws::read::replication::{Doing, ReplicationRead, resource};
use landfall_aws::waiting::{self, Wait};
use landfall_aws::{Callback, Deps};
use landfall_domain::StepError;
use landfall_domain::ids::{DatabaseId, WaveId};
use landfall_domain::record::{AwaitKind, Direction};
use landfall_domain::text::few;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// How long DMS may take to end everything. Its own waiters wait for 15 minutes a thing.
const RETIRED_WITHIN: SignedDuration = SignedDuration::from_mins(60);

/// How long a database that cannot be reached, or refuses, is tried again.
const DATABASES_WITHIN: SignedDuration = SignedDuration::from_mins(5);

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
    /// Why it is retired: FORWARD after the finalization, ROLLBACK when the wave is taken back. As the direction, when it
    /// is given.
    #[serde(default)]
    pub mode: Option<Direction>,
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
    /// `RETIRED`; `PARTIAL` when something could not be ended; `FAILED` when nothing was because it must not be.
    pub outcome: &'static str,
    /// Why not, or what is to be known, the first five.
    pub reasons: Vec<String>,
    /// What could not be ended, each a sentence with its remedy, the first five; all of them are on record.
    pub left: Vec<String>,
}

/// Records the token, moves on as far as it goes, and completes the token at the end.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Value, StepError> {
    if let Some(mode) = input.mode.filter(|mode| *mode != input.direction) {
        let value = format!("{mode:?}");
        return Err(StepError::invalid("$.mode", value, "the direction, or nothing"));
    }
    let read = ReplicationRead {
        wave_id: input.wave_id.clone(),
        epoch: input.epoch,
        direction: input.direction,
        database: input.database.clone(),
        mode: Doing::Retire,
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

/// Ends what can be ended now. [`None`]: there is more to wait for.
async fn advance(deps: &Deps, input: &Input) -> Result<Option<Outcome>, StepError> {
    let (wave, database) = (&input.wave_id, &input.database);
    let begun = DatabaseStep::begin(deps, wave, input.epoch, input.direction, database, &input.execution_arn);
    let mut step = begun.await?;
    if step.database.retired_at.is_some() {
        return Ok(Some(retired(&step, input.direction)));
    }
    let closed = gates::closed(deps, &step, input.direction).await?;
    if !closed.is_empty() {
        return refuse(deps, &mut step, few(closed)).await.map(Some);
    }
    let began = step
        .step
        .wait_began(deps, &format!("RETIRE-{}", input.database))
        .await?;
    let left = resources::end(deps, &mut step).await?;
    if !left.is_empty() {
        if deps.now() < began + RETIRED_WITHIN {
            return Ok(None);
        }
        // The databases are left as they are: what still exists may still write to them.
        let untouched = "the databases are not cleaned, because what still exists may write to them: slots, publications, tables of replication and of fences, and locked logins of the target are as they were";
        let left = left.into_iter().chain([untouched.to_owned()]).collect();
        return partial(deps, &mut step, left).await.map(Some);
    }
    let ended = step
        .step
        .wait_began(deps, &format!("RETIRE-{}-DATABASES", input.database))
        .await?;
    let left = databases::clean(deps, &mut step, input.direction).await?;
    if !left.is_empty() {
        if deps.now() < ended + DATABASES_WITHIN {
            return Ok(None);
        }
        return partial(deps, &mut step, left).await.map(Some);
    }
    step.database.retired_at = Some(deps.now());
    step.database.left.clear();
    let text = format!("everything that replicated database {} is gone", input.database);
    step.save(deps, Some(text)).await?;
    Ok(Some(retired(&step, input.direction)))
}

fn retired(step: &DatabaseStep, direction: Direction) -> Outcome {
    Outcome {
        outcome: "RETIRED",
        reasons: databases::to_be_known(&step.database, direction),
        left: Vec::new(),
    }
}

/// Puts on record why nothing is ended, once.
async fn refuse(deps: &Deps, step: &mut DatabaseStep, reasons: Vec<String>) -> Result<Outcome, StepError> {
    let text = reasons.join("; ");
    if step.database.replication.failure.as_ref() != Some(&text) {
        step.database.replication.failure = Some(text.clone());
        let line = format!(
            "the replication of database {} is not retired: {text}",
            step.database.database_id
        );
        step.save(deps, Some(line)).await?;
    }
    Ok(Outcome {
        outcome: "FAILED",
        reasons,
        left: Vec::new(),
    })
}

/// Puts on record what is left for a person.
async fn partial(deps: &Deps, step: &mut DatabaseStep, left: Vec<String>) -> Result<Outcome, StepError> {
    if step.database.left != left {
        let text = format!("database {}: {}", step.database.database_id, left.join("; "));
        step.database.left = left.clone();
        step.save(deps, Some(text)).await?;
    }
    let left = few(left);
    Ok(Outcome {
        outcome: "PARTIAL",
        reasons: left.clone(),
        left,
    })
}
