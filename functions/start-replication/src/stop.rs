//! Stopping the task after the switch. A stop drains nothing: everything that counts was read on the target before, which
//! the fence has proved.

use crate::{Outcome, failed};
use jiff::SignedDuration;
use landfall_aws::Deps;
use landfall_aws::database_step::{DatabaseStep, names};
use landfall_domain::StepError;
use landfall_domain::decide::{TaskStanding, is_switched, task_standing};
use landfall_domain::observe_dms::TaskStatus;

/// What cannot be done, for the sentence of a failure.
const WHAT: &str = "the task is not stopped";

/// How long a task may take to stop before somebody has to look. DMS's own waiter asks for fifteen minutes.
const STOP_MINUTES_MAX: i64 = 15;

/// Moves the stop on. [`None`]: there is more to wait for.
pub async fn advance(deps: &Deps, step: &mut DatabaseStep) -> Result<Option<Outcome>, StepError> {
    let facts = &step.database.replication;
    if facts.stopped_at.is_some() || (facts.task.intended_at.is_some() && !facts.task.may_exist()) {
        return Ok(Some(Outcome::good("STOPPED")));
    }
    if !is_switched(step.database.state) {
        let why = format!(
            "applications still write on the source: the database is {:?}; retire-replication ends a replication before the switch",
            step.database.state
        );
        return failed(deps, step, WHAT, vec![why]).await;
    }
    let identifier = names::task(&step.database);
    let Some(task) = deps.dms.task(&identifier).await? else {
        let why = format!("DMS knows no task {identifier} any more, and nobody saw it stop");
        return failed(deps, step, WHAT, vec![why]).await;
    };
    match task_standing(&task) {
        TaskStanding::Stopped => return stopped(deps, step).await,
        TaskStanding::Failed(why) => return failed(deps, step, WHAT, vec![why]).await,
        TaskStanding::Runs | TaskStanding::Waits => {}
    }
    if task.status != TaskStatus::Stopping {
        if step.database.replication.stop_intended_at.is_none() {
            step.database.replication.stop_intended_at = Some(deps.now());
            let text = format!("the replication of database {} is stopped", step.database.database_id);
            step.save(deps, Some(text)).await?;
        }
        deps.dms.stop_task(&task.arn).await?;
    }
    let name = format!("STOP-{}", step.database.database_id);
    let began = step.step.wait_began(deps, &name).await?;
    if deps.now() < began + SignedDuration::from_mins(STOP_MINUTES_MAX) {
        return Ok(None);
    }
    let why = format!("the task has been {} since {began}", task.status);
    failed(deps, step, WHAT, vec![why]).await
}

async fn stopped(deps: &Deps, step: &mut DatabaseStep) -> Result<Option<Outcome>, StepError> {
    let facts = &mut step.database.replication;
    let now = deps.now();
    // Somebody may have stopped it before us: the intent then says so, and a later START refuses.
    facts.stop_intended_at.get_or_insert(now);
    facts.stopped_at = Some(now);
    facts.failure = None;
    let text = format!("the task of database {} is stopped", step.database.database_id);
    step.save(deps, Some(text)).await?;
    Ok(Some(Outcome::good("STOPPED")))
}
