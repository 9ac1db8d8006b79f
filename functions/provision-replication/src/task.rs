//! The replication task. It is made here and started by `start-replication`.

use crate::instance::{adopt, intend};
use crate::{Stop, fail, wait_or_fail};
use landfall_aws::Deps;
use landfall_aws::database_step::{DatabaseStep, names};
use landfall_aws::dms::{Made, TaskRequest};
use landfall_aws::read::replication::provisioned_task;
use landfall_domain::StepError;
use landfall_domain::decide::Standing;
use landfall_domain::plan::database::MigrationType;

/// The longest that a task may take until it is ready.
const TASK_MINUTES_MAX: i64 = 30;

/// Makes the task and waits until it is ready.
pub async fn make(deps: &Deps, step: &mut DatabaseStep) -> Result<(), Stop> {
    if step.database.replication.task.ready_at.is_some() {
        return Ok(());
    }
    let identifier = names::task(&step.database);
    intend(deps, step, |facts| &mut facts.task, &identifier, "the replication task").await?;
    if step.database.replication.task.arn.is_none() {
        let made = create(deps, step, &identifier).await?;
        let found = match &made {
            Made::New(_) => None,
            Made::Exists => deps.dms.task(&identifier).await?.map(|view| view.arn),
        };
        adopt(deps, step, |facts| &mut facts.task, made, found, "replication task").await?;
    }
    rests(deps, step).await?;
    step.database.replication.task.ready_at = Some(deps.now());
    let text = format!("the replication task {identifier} is ready");
    Ok(step.save(deps, Some(text)).await?)
}

async fn create(deps: &Deps, step: &DatabaseStep, identifier: &str) -> Result<Made, StepError> {
    let (facts, plan) = (&step.database.replication, &step.database.plan);
    let (Some(instance), Some(source), Some(target)) = (
        &facts.instance.arn,
        &facts.source_endpoint.arn,
        &facts.target_endpoint.arn,
    ) else {
        let text = "a task is to be made, and what it needs has no ARN on record";
        return Err(StepError::Corrupt(text.to_owned()));
    };
    let mappings = serde_json::to_string(&plan.task_mappings());
    let mappings = mappings.map_err(|error| StepError::Corrupt(format!("mappings cannot be written: {error}")))?;
    let position = facts
        .start_position
        .as_deref()
        .filter(|_| plan.migration_type == MigrationType::Cdc);
    let request = TaskRequest {
        identifier,
        instance_arn: instance,
        source_arn: source,
        target_arn: target,
        migration_type: plan.migration_type,
        table_mappings: &mappings,
        settings: &plan.task_settings.document().to_string(),
        cdc_start_position: position,
        owner: &step.owner(),
    };
    deps.dms.create_task(&request).await
}

/// Goes on when the task is ready and nothing is done to it, as after an assessment.
pub async fn rests(deps: &Deps, step: &mut DatabaseStep) -> Result<(), Stop> {
    let facts = &step.database.replication;
    let (task, since) = (facts.task.clone(), facts.assessed_at.or(facts.task.intended_at));
    match provisioned_task(deps, &task, deps.now()).await? {
        Standing::Ready => Ok(()),
        Standing::Failed(why) => Err(fail(deps, step, vec![why]).await),
        Standing::Waits => {
            let name = task.identifier.as_deref().unwrap_or_default();
            let what = format!("the replication task {name} was not ready");
            Err(wait_or_fail(deps, step, since, TASK_MINUTES_MAX, &what).await)
        }
    }
}
