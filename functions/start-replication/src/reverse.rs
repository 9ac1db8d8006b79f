//! The replication back: endpoints in the other direction, and a task that begins where the target's log was before the
//! target was opened. Each entry moves it on by as much as DMS is ready for.

use crate::back::{self, Moved};
use crate::{Outcome, endpoints, failed};
use jiff::SignedDuration;
use landfall_aws::Deps;
use landfall_aws::database_step::{DatabaseStep, names};
use landfall_domain::StepError;
use landfall_domain::decide::{TaskStanding, task_standing};
use landfall_domain::plan::database::FailBack;
use landfall_domain::record::{DatabaseRecord, DatabaseState};

/// What cannot be done, for the sentence of a failure.
const WHAT: &str = "nothing carries writes back to the source";

/// How long endpoints, connection tests and the start may take before somebody has to look.
const REVERSE_MINUTES_MAX: i64 = 60;

/// Moves the replication back on. [`None`]: there is more to wait for.
pub async fn advance(deps: &Deps, step: &mut DatabaseStep) -> Result<Option<Outcome>, StepError> {
    if !matches!(step.database.plan.fail_back, Some(FailBack::ReverseReplication {})) {
        return Ok(Some(Outcome::good("NOT_PLANNED")));
    }
    let why = match may_not_reverse(&step.database) {
        Some(why) => Some(why),
        None => forward_runs(deps, step).await?,
    };
    if let Some(why) = why {
        return failed(deps, step, WHAT, vec![why]).await;
    }
    let moved = match endpoints::ensure(deps, step).await? {
        Moved::Done => back::ensure(deps, step).await?,
        other => other,
    };
    match moved {
        Moved::Done => Ok(Some(Outcome::good("REVERSED"))),
        Moved::Failed(why) => failed(deps, step, WHAT, vec![why]).await,
        Moved::Waits(what) => {
            let name = format!("REVERSE-{}", step.database.database_id);
            let began = step.step.wait_began(deps, &name).await?;
            if deps.now() < began + SignedDuration::from_mins(REVERSE_MINUTES_MAX) {
                return Ok(None);
            }
            failed(deps, step, WHAT, vec![format!("{what} since {began}")]).await
        }
    }
}

/// Why nothing may be carried back, as far as it is on record.
fn may_not_reverse(database: &DatabaseRecord) -> Option<String> {
    if !matches!(database.state, DatabaseState::Switching | DatabaseState::OnTarget) {
        return Some(format!(
            "applications do not write on the target: the database is {:?}",
            database.state
        ));
    }
    if database.replication.stopped_at.is_none() {
        return Some("the forward task was not seen stopped; two tasks must never carry the same rows".to_owned());
    }
    if database.cutover.target_log_position.is_none() {
        return Some("the target's log position before it was opened is not on record".to_owned());
    }
    None
}

/// Looks once more whether the forward task is stopped: somebody may have started it since.
async fn forward_runs(deps: &Deps, step: &DatabaseStep) -> Result<Option<String>, StepError> {
    let identifier = names::task(&step.database);
    let Some(task) = deps.dms.task(&identifier).await? else {
        return Ok(None);
    };
    Ok(match task_standing(&task) {
        TaskStanding::Stopped | TaskStanding::Failed(_) => None,
        TaskStanding::Runs | TaskStanding::Waits => Some(format!(
            "the forward task {identifier} is {} again; stop it first",
            task.status
        )),
    })
}
