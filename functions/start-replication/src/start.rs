//! Starting the task, once, and waiting until every table is loaded and compared.

use crate::{Outcome, failed};
use jiff::SignedDuration;
use landfall_aws::Deps;
use landfall_aws::database::DatabaseError;
use landfall_aws::database_step::{DatabaseStep, Side, Who, names};
use landfall_aws::dms::StartKind;
use landfall_domain::StepError;
use landfall_domain::decide::{
    TaskStanding, Verification, load_pending, replicated, table_reports, task_standing, verification,
};
use landfall_domain::observe_dms::{TableView, TaskStatus, TaskView};
use landfall_domain::plan::database::Dialect;
use landfall_domain::record::{DatabaseRecord, DatabaseState};
use landfall_domain::text::count;

/// What cannot be done, for the sentence of a failure.
const WHAT: &str = "the replication is not ready";

/// Moves the start on. [`None`]: there is more to wait for.
pub async fn advance(deps: &Deps, step: &mut DatabaseStep) -> Result<Option<Outcome>, StepError> {
    if let Some(why) = may_not_start(&step.database) {
        return failed(deps, step, WHAT, vec![why]).await;
    }
    let identifier = names::task(&step.database);
    let Some(task) = deps.dms.task(&identifier).await? else {
        let why = format!("DMS knows no task {identifier}; provision the replication again");
        return failed(deps, step, WHAT, vec![why]).await;
    };
    let pending = match task_standing(&task) {
        TaskStanding::Failed(why) => return failed(deps, step, WHAT, vec![why]).await,
        TaskStanding::Waits if task.status == TaskStatus::Ready => {
            start(deps, step, &task).await?;
            vec!["the task was started and does not run yet".to_owned()]
        }
        TaskStanding::Waits => vec![format!("the task is {}", task.status)],
        TaskStanding::Stopped => {
            resume(deps, step, &task).await?;
            vec!["the task was resumed and does not run yet".to_owned()]
        }
        TaskStanding::Runs => match look(deps, step, &task).await? {
            Verification::Clean => return loaded(deps, step, &task).await,
            Verification::Failed(reasons) => return failed(deps, step, WHAT, reasons).await,
            Verification::Pending(reasons) => reasons,
        },
    };
    let facts = &step.database.replication;
    let began = match (facts.start_intended_at, facts.loaded_at) {
        (Some(began), None) => began,
        // Everything was loaded before: what is waited for now began with this epoch.
        _ => {
            let name = format!("START-{}", step.database.database_id);
            step.step.wait_began(deps, &name).await?
        }
    };
    let minutes = step.database.plan.verify.load_minutes;
    if deps.now() < began + SignedDuration::from_mins(i64::from(minutes)) {
        return Ok(None);
    }
    let mut reasons = vec![format!("verify.loadMinutes are over: {minutes} since {began}")];
    reasons.extend(pending);
    failed(deps, step, WHAT, reasons).await
}

/// Why a task must not be started. Only a closed target may be written by replication, and only an open source be read.
fn may_not_start(database: &DatabaseRecord) -> Option<String> {
    if database.state != DatabaseState::OnSource {
        return Some(format!(
            "applications do not write on the source any more: the database is {:?}",
            database.state
        ));
    }
    if database.replication.stop_intended_at.is_some() {
        return Some("the task was stopped for a switch; retire it, and provision the replication again".to_owned());
    }
    if database.target_closing.closed_at.is_none() || database.target_closing.opened_at.is_some() {
        return Some("the target is not known to be closed to applications".to_owned());
    }
    None
}

/// Starts the task. `start-replication` is valid only once, so repeating it after a lost answer starts nothing twice.
/// <https://docs.aws.amazon.com/dms/latest/APIReference/API_StartReplicationTask.html>
async fn start(deps: &Deps, step: &mut DatabaseStep, task: &TaskView) -> Result<(), StepError> {
    if step.database.replication.start_intended_at.is_none() {
        step.database.replication.start_intended_at = Some(deps.now());
        step.database.replication.failure = None;
        let text = format!("the replication of database {} is started", step.database.database_id);
        step.save(deps, Some(text)).await?;
    }
    deps.dms.start_task(&task.arn, StartKind::Start).await
}

/// Goes on where somebody stopped the task: a resumed task reads the log from where it was.
async fn resume(deps: &Deps, step: &mut DatabaseStep, task: &TaskView) -> Result<(), StepError> {
    let facts = &mut step.database.replication;
    facts.start_intended_at.get_or_insert(deps.now());
    facts.failure = None;
    let text = format!(
        "the task of database {} was found stopped and is resumed",
        step.database.database_id
    );
    step.save(deps, Some(text)).await?;
    deps.dms.start_task(&task.arn, StartKind::Resume).await
}

/// Looks at the load and at every table, and puts on record what changed.
async fn look(deps: &Deps, step: &mut DatabaseStep, task: &TaskView) -> Result<Verification, StepError> {
    let tables = deps.dms.tables(&task.arn).await?;
    let before = step.database.value.clone();
    let database = &mut step.database.value;
    note(database, task, &tables);
    database.replication.running_at.get_or_insert(deps.now());
    let verdict = match verification(&database.plan, &tables) {
        Verification::Failed(reasons) => Verification::Failed(reasons),
        Verification::Pending(reasons) => {
            let mut pending = load_pending(&database.plan, task);
            pending.extend(reasons);
            Verification::Pending(pending)
        }
        Verification::Clean => match load_pending(&database.plan, task) {
            pending if pending.is_empty() => Verification::Clean,
            pending => Verification::Pending(pending),
        },
    };
    if !matches!(verdict, Verification::Failed(_)) {
        database.replication.failure = None;
    }
    if verdict == Verification::Clean && database.replication.fingerprint.is_none() {
        let fingerprint = fingerprint(deps, step, &tables).await?;
        step.database.replication.fingerprint = fingerprint;
    }
    if step.database.value != before {
        step.save(deps, None).await?;
    }
    Ok(verdict)
}

fn note(database: &mut DatabaseRecord, task: &TaskView, tables: &[TableView]) {
    let facts = &mut database.replication;
    facts.load_percent = task.load_percent.or(facts.load_percent);
    facts.tables = u32::try_from(tables.len()).ok();
    facts.rows = Some(tables.iter().map(|table| table.full_load_rows).sum());
    database.tables = table_reports(&database.plan, tables, false);
}

/// The schema as it is now on the source. [`None`] for engines that only documents of the plan speak to: the plan's
/// owners keep their schema as it is.
async fn fingerprint(deps: &Deps, step: &DatabaseStep, tables: &[TableView]) -> Result<Option<String>, StepError> {
    if step.side(Side::Source).engine.dialect() == Dialect::Documents {
        return Ok(None);
    }
    let mut source = step.connect(deps, Side::Source, Who::Admin)?;
    let taken = source.fingerprint(&replicated(tables)).await;
    Ok(Some(taken.map_err(|error: DatabaseError| StepError::from(error))?))
}

async fn loaded(deps: &Deps, step: &mut DatabaseStep, task: &TaskView) -> Result<Option<Outcome>, StepError> {
    let facts = &mut step.database.replication;
    if facts.loaded_at.is_none() {
        facts.loaded_at = Some(deps.now());
        let text = format!(
            "database {} is loaded and compared: {}, {}; changes follow ({})",
            step.database.database_id,
            count(step.database.replication.tables.unwrap_or_default(), "table"),
            count(step.database.replication.rows.unwrap_or_default(), "row"),
            task.status
        );
        step.save(deps, Some(text)).await?;
    }
    Ok(Some(Outcome::good("RUNNING")))
}
