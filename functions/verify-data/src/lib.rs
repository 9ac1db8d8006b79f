//! Finds out, after the fence, whether both sides are equal: every table loaded, compared and in no error; nothing that
//! could not be applied; tables without a key the same by count and checksum; the schema as it was. Changes nothing:
//! nothing to undo.

mod equal;

use jiff::{SignedDuration, Timestamp};
use landfall_aws::Deps;
use landfall_aws::database_step::{DatabaseStep, names};
use landfall_domain::StepError;
use landfall_domain::decide::{TaskStanding, Verification, is_switched, table_reports, task_standing, verification};
use landfall_domain::ids::{DatabaseId, WaveId};
use landfall_domain::observe_dms::TableView;
use landfall_domain::record::{DatabaseRecord, DatabaseState, Direction};
use landfall_domain::text::few;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// How often DMS is asked. Its budget is four calls a second for the whole Region.
const POLL: Duration = Duration::from_secs(1);

/// How often it is asked at first about what it has not compared yet: applications wait, and it is seldom more than a
/// moment. Two calls each; the Region's bucket holds a hundred.
/// <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Limits.html>
const POLL_SOON: Duration = Duration::from_millis(400);

/// So many looks are such.
const LOOKS_SOON: u32 = 8;

/// What is left of the deadline for making the target ready, and for opening the source again.
const RESERVE: SignedDuration = SignedDuration::from_secs(8);

/// How long one invocation looks. A function has 60 s.
const LOOK: SignedDuration = SignedDuration::from_secs(50);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    /// Behind the fence, while applications are shut out.
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
    /// Which way the wave moves.
    #[serde(default = "forward")]
    pub direction: Direction,
}

fn forward() -> Direction {
    Direction::Forward
}

/// The outcome.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// `VERIFIED`, `FAILED`, or `AGAIN` when there is time for another look.
    pub outcome: &'static str,
    /// Why not, the first five.
    pub reasons: Vec<String>,
}

/// Looks until everything is equal, something is not, or the time is over.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Outcome, StepError> {
    let Mode::Fence = input.mode;
    let mut step = DatabaseStep::begin(
        &deps,
        &input.wave_id,
        input.epoch,
        input.direction,
        &input.database,
        &input.execution_arn,
    )
    .await?;
    if let Some(outcome) = known(&step.database) {
        return Ok(outcome);
    }
    let end = end(&step.database, deps.now());
    let until = end.min(deps.now() + LOOK);
    let (mut was_clean, mut looks) = (false, 0);
    let pending = loop {
        let (verdict, tables) = look(&deps, &step).await?;
        looks += 1;
        match verdict {
            Verification::Failed(reasons) => return failed(&deps, &mut step, reasons, &tables).await,
            // Statistics lag behind, and a table can be found different again: twice in a row, with everything else
            // looked at in between.
            Verification::Clean if was_clean => return verified(&deps, &mut step, &tables).await,
            Verification::Clean => {
                let left = until.duration_since(deps.now()).max(SignedDuration::ZERO);
                let left = Duration::try_from(left).unwrap_or_default();
                let unequal = match tokio::time::timeout(left, equal::differences(&deps, &step, &tables)).await {
                    Ok(differences) => differences?,
                    Err(_) => vec!["counts and checksums were not added up in time".to_owned()],
                };
                if !unequal.is_empty() {
                    return failed(&deps, &mut step, unequal, &tables).await;
                }
                was_clean = true;
            }
            Verification::Pending(reasons) => {
                was_clean = false;
                if deps.now() >= until {
                    break (reasons, tables);
                }
            }
        }
        if deps.now() >= until {
            break (vec!["there was no time to look a second time".to_owned()], tables);
        }
        let soon = !was_clean && looks <= LOOKS_SOON;
        tokio::time::sleep(if soon { POLL_SOON } else { POLL }).await;
    };
    if until < end {
        return Ok(Outcome {
            outcome: "AGAIN",
            reasons: Vec::new(),
        });
    }
    let (mut reasons, tables) = pending;
    reasons.insert(0, format!("not everything was found equal until {until}"));
    failed(&deps, &mut step, reasons, &tables).await
}

/// What can be answered from the record: equal since this fence, or not behind a fence at all.
fn known(database: &DatabaseRecord) -> Option<Outcome> {
    let seen = database.counting_fence().seen_at;
    let equal = database.cutover.verified_at;
    if equal.is_some_and(|equal| seen.is_some_and(|seen| equal >= seen)) {
        return Some(Outcome {
            outcome: "VERIFIED",
            reasons: Vec::new(),
        });
    }
    let why = match (database.state, seen) {
        (DatabaseState::Frozen, Some(_)) => return None,
        (DatabaseState::Frozen, None) => "no fence was read on the target".to_owned(),
        (state, _) if is_switched(state) => "the switch is on record, and no verification of it".to_owned(),
        (state, _) => format!("applications can write on the source: the database is {state:?}"),
    };
    Some(Outcome {
        outcome: "FAILED",
        reasons: vec![why],
    })
}

/// Until when it has to be equal: the plan's budget behind the fence, and the deadline.
fn end(database: &DatabaseRecord, now: Timestamp) -> Timestamp {
    let budget = SignedDuration::from_secs(i64::from(database.plan.verify.budget_seconds));
    let seen = database.counting_fence().seen_at.unwrap_or(now);
    let end = seen + budget;
    match database.source_closing.deadline {
        Some(deadline) => end.min(deadline - RESERVE),
        None => end,
    }
}

/// One look at the task and at all tables.
async fn look(deps: &Deps, step: &DatabaseStep) -> Result<(Verification, Vec<TableView>), StepError> {
    let identifier = names::task(&step.database);
    let Some(task) = deps.dms.task(&identifier).await? else {
        let why = format!("DMS knows no task {identifier}");
        return Ok((Verification::Failed(vec![why]), Vec::new()));
    };
    let tables = deps.dms.tables(&task.arn).await?;
    let verdict = match task_standing(&task) {
        TaskStanding::Runs => verification(&step.database.plan, &tables),
        TaskStanding::Waits => Verification::Pending(vec![format!("the task is {}", task.status)]),
        TaskStanding::Stopped => Verification::Failed(vec!["the task is stopped".to_owned()]),
        TaskStanding::Failed(why) => Verification::Failed(vec![why]),
    };
    Ok((verdict, tables))
}

async fn verified(deps: &Deps, step: &mut DatabaseStep, tables: &[TableView]) -> Result<Outcome, StepError> {
    let database = &mut step.database.value;
    database.tables = table_reports(&database.plan, tables, true);
    database.mismatches.clear();
    database.cutover.verified_at = Some(deps.now());
    let text = format!("both sides of database {} were found equal", database.database_id);
    step.save(deps, Some(text)).await?;
    Ok(Outcome {
        outcome: "VERIFIED",
        reasons: Vec::new(),
    })
}

/// Puts on record why not, with the rows that differ.
async fn failed(
    deps: &Deps,
    step: &mut DatabaseStep,
    mut reasons: Vec<String>,
    tables: &[TableView],
) -> Result<Outcome, StepError> {
    // The source is to be opened soon: rows that cannot be read now are not worth the deadline.
    let mismatches = match tokio::time::timeout(POLL * 3, equal::mismatches(deps, step)).await {
        Ok(Ok(mismatches)) => mismatches,
        Ok(Err(error)) => {
            reasons.push(format!("the rows that differ could not be read: {error}"));
            Vec::new()
        }
        Err(_) => {
            reasons.push("the rows that differ could not be read in time".to_owned());
            Vec::new()
        }
    };
    let reasons = few(reasons);
    let text = format!("the sides were not found equal: {}", reasons.join("; "));
    let database = &mut step.database.value;
    if !tables.is_empty() {
        database.tables = table_reports(&database.plan, tables, false);
    }
    database.mismatches = mismatches;
    database.cutover.failure = Some(text.clone());
    let log = format!("database {}: {text}", database.database_id);
    step.save(deps, Some(log)).await?;
    Ok(Outcome {
        outcome: "FAILED",
        reasons,
    })
}
