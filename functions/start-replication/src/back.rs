//! The task of the way back.

use landfall_aws::Deps;
use landfall_aws::database_step::{DatabaseStep, Side, Who, fence_table, names};
use landfall_aws::dms::{Made, StartKind, TaskRequest};
use landfall_domain::StepError;
use landfall_domain::decide::{TaskStanding, mirrored, replicated, reverse_settings, task_standing};
use landfall_domain::observe_dms::{TaskStatus, TaskView};
use landfall_domain::plan::database::MigrationType;

/// How far it came.
pub enum Moved {
    /// As far as it goes.
    Done,
    /// DMS works on it; what, as a sentence without its end.
    Waits(String),
    /// It cannot go on, as a sentence.
    Failed(String),
}

/// Makes the task and starts it. Done: it runs.
pub async fn ensure(deps: &Deps, step: &mut DatabaseStep) -> Result<Moved, StepError> {
    let identifier = names::back_task(&step.database);
    if step.database.fail_back.task.arn.is_none()
        && let Some(why) = make(deps, step, &identifier).await?
    {
        return Ok(Moved::Failed(why));
    }
    let Some(task) = deps.dms.task(&identifier).await? else {
        return Ok(Moved::Waits(format!("DMS does not show the task {identifier}")));
    };
    match task_standing(&task) {
        TaskStanding::Failed(why) => Ok(Moved::Failed(format!("on the way back {why}"))),
        TaskStanding::Runs => runs(deps, step).await,
        TaskStanding::Waits if task.status == TaskStatus::Ready => start(deps, step, &task, StartKind::Start).await,
        TaskStanding::Stopped => start(deps, step, &task, StartKind::Resume).await,
        TaskStanding::Waits => Ok(Moved::Waits(format!("the task {identifier} is {}", task.status))),
    }
}

/// Makes the task, or adopts the one of an earlier try. Says why not.
async fn make(deps: &Deps, step: &mut DatabaseStep, identifier: &str) -> Result<Option<String>, StepError> {
    let (there, here) = (
        fence_table(&step.database, Side::Target)?,
        fence_table(&step.database, Side::Source)?,
    );
    let forward = names::task(&step.database);
    let Some(forward) = deps.dms.task(&forward).await? else {
        return Ok(Some(format!(
            "DMS knows no task {forward}, so it is not known which tables it carried"
        )));
    };
    let tables = replicated(&deps.dms.tables(&forward.arn).await?);
    let mappings = match mirrored(&step.database.plan.task_mappings(), &tables) {
        Ok(mappings) => mappings,
        Err(why) => return Ok(Some(why)),
    };
    let mappings = serde_json::to_string(&mappings)
        .map_err(|error| StepError::Corrupt(format!("table mappings cannot be written: {error}")))?;
    let settings = reverse_settings(&step.database.plan, &there.schema, &here.schema).to_string();
    let facts = &step.database.value;
    let (Some(instance), Some(source), Some(target), Some(position)) = (
        facts.replication.instance.arn.clone(),
        facts.fail_back.source_endpoint.arn.clone(),
        facts.fail_back.target_endpoint.arn.clone(),
        facts.cutover.target_log_position.clone(),
    ) else {
        return Ok(Some(
            "the instance, an endpoint or the log position is not on record".to_owned(),
        ));
    };
    let now = deps.now();
    let resource = &mut step.database.fail_back.task;
    if resource.intended_at.is_none() {
        resource.identifier = Some(identifier.to_owned());
        resource.intended_at = Some(now);
        step.save(deps, None).await?;
    }
    // The fence of the way back is written on the target, by a login that could only be read from until now.
    let secret = &step.side(Side::Target).fence_secret_arn;
    let writer = step.login(deps, Side::Target, secret).await?.username;
    let mut database = step.connect(deps, Side::Target, Who::Admin)?;
    database.create_fence_table(&there, &writer).await?;
    let owner = step.owner();
    let request = TaskRequest {
        identifier,
        instance_arn: &instance,
        source_arn: &source,
        target_arn: &target,
        migration_type: MigrationType::Cdc,
        table_mappings: &mappings,
        settings: &settings,
        cdc_start_position: Some(&position),
        owner: &owner,
    };
    let arn = match deps.dms.create_task(&request).await? {
        Made::New(arn) => arn,
        Made::Exists => match deps.dms.task(identifier).await? {
            Some(view) if deps.dms.is_owned(&view.arn, &owner).await? => view.arn,
            _ => return Ok(Some(format!("the task {identifier} is there and is not Landfall's"))),
        },
    };
    step.database.fail_back.task.arn = Some(arn);
    let log = format!("task {identifier} is made; it carries writes back from {position}");
    step.save(deps, Some(log)).await?;
    Ok(None)
}

async fn start(deps: &Deps, step: &mut DatabaseStep, task: &TaskView, kind: StartKind) -> Result<Moved, StepError> {
    let now = deps.now();
    let resource = &mut step.database.fail_back.task;
    if resource.ready_at.is_none() {
        // The start's intent: a task is seen ready once, and started next.
        resource.ready_at = Some(now);
        step.save(deps, None).await?;
    }
    deps.dms.start_task(&task.arn, kind).await?;
    Ok(Moved::Waits(
        "the task of the way back was started and does not run".to_owned(),
    ))
}

async fn runs(deps: &Deps, step: &mut DatabaseStep) -> Result<Moved, StepError> {
    if step.database.fail_back.running_at.is_none() {
        step.database.fail_back.running_at = Some(deps.now());
        step.database.replication.failure = None;
        let log = format!(
            "writes on the target of database {} are carried back to the source",
            step.database.database_id
        );
        step.save(deps, Some(log)).await?;
    }
    Ok(Moved::Done)
}
