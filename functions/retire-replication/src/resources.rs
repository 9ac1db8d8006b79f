//! What DMS and Scheduler hold, in the order that DMS wants: tasks, endpoints, instance.

use landfall_aws::Deps;
use landfall_aws::database_step::DatabaseStep;
use landfall_aws::read::replication::SHOWS_WITHIN;
use landfall_domain::StepError;
use landfall_domain::decide::{TaskEnd, task_end};
use landfall_domain::record::{DatabaseRecord, Resource};

/// Where something is on the record.
type Of = fn(&mut DatabaseRecord) -> &mut Resource;

/// Ends what can be ended now; says what still exists, each a sentence with its remedy.
pub async fn end(deps: &Deps, step: &mut DatabaseStep) -> Result<Vec<String>, StepError> {
    schedules(deps, step).await?;
    let mut left = Vec::new();
    let tasks: [Of; 2] = [
        |database| &mut database.replication.task,
        |database| &mut database.fail_back.task,
    ];
    for of in tasks {
        left.extend(end_task(deps, step, of).await?);
    }
    if !left.is_empty() {
        return Ok(left);
    }
    let endpoints: [Of; 4] = [
        |database| &mut database.replication.source_endpoint,
        |database| &mut database.replication.target_endpoint,
        |database| &mut database.fail_back.source_endpoint,
        |database| &mut database.fail_back.target_endpoint,
    ];
    for of in endpoints {
        left.extend(end_endpoint(deps, step, of).await?);
    }
    if !left.is_empty() {
        return Ok(left);
    }
    left.extend(end_instance(deps, step).await?);
    Ok(left)
}

/// The dead man's switches: one that would come late finds nothing to open, but it costs a failing call.
async fn schedules(deps: &Deps, step: &mut DatabaseStep) -> Result<(), StepError> {
    let (source, target) = (&step.database.source_closing, &step.database.target_closing);
    let names: Vec<String> = [source, target]
        .iter()
        .filter_map(|closing| closing.schedule.clone())
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    for name in &names {
        deps.scheduler.delete(name).await?;
    }
    step.database.source_closing.schedule = None;
    step.database.target_closing.schedule = None;
    step.save(deps, Some(format!("deleted: {}", names.join(", ")))).await
}

/// What DMS says when it refuses; anything else goes on as an error.
fn refusal(result: Result<(), StepError>) -> Result<Option<String>, StepError> {
    match result {
        Ok(()) => Ok(None),
        Err(refused @ StepError::ServiceRefused { .. }) => Ok(Some(refused.to_string())),
        Err(error) => Err(error),
    }
}

/// What to do with something that the record says may exist.
enum Seen {
    /// Nothing: it is gone, or never was.
    Gone,
    /// It may show yet.
    NotYet,
    /// It exists, under this ARN.
    There,
}

/// Puts on record that something is gone, unless it may only not show yet; never takes what is not Landfall's for its own.
async fn look(
    deps: &Deps,
    step: &mut DatabaseStep,
    of: Of,
    found: Option<&str>,
    what: &str,
) -> Result<Seen, StepError> {
    let owner = step.owner();
    let resource = of(&mut step.database);
    let (recorded, intended_at) = (resource.arn.clone(), resource.intended_at);
    let ours = match (found, &recorded) {
        (None, _) => false,
        (Some(arn), Some(recorded)) => arn == recorded,
        // The answer to its making was lost.
        (Some(arn), None) => deps.dms.is_owned(arn, &owner).await?,
    };
    if ours {
        return Ok(Seen::There);
    }
    let may_show = recorded.is_none() && intended_at.is_some_and(|at| deps.now() < at + SHOWS_WITHIN);
    if found.is_none() && may_show {
        return Ok(Seen::NotYet);
    }
    let resource = of(&mut step.database);
    resource.ended_at = Some(deps.now());
    let name = resource.identifier.clone().unwrap_or_default();
    step.save(deps, Some(format!("the {what} {name} is gone"))).await?;
    Ok(Seen::Gone)
}

fn not_yet(what: &str, name: &str) -> String {
    format!("the {what} {name} may exist although DMS does not show it; look for it in the DMS console and delete it")
}

async fn end_task(deps: &Deps, step: &mut DatabaseStep, of: Of) -> Result<Option<String>, StepError> {
    const WHAT: &str = "replication task";
    let Some(name) = of(&mut step.database)
        .may_exist()
        .then(|| of(&mut step.database).identifier.clone())
        .flatten()
    else {
        return Ok(None);
    };
    let view = deps.dms.task(&name).await?;
    let arn = view.as_ref().map(|view| view.arn.as_str());
    let view = match (look(deps, step, of, arn, WHAT).await?, view) {
        (Seen::Gone, _) => return Ok(None),
        (Seen::There, Some(view)) => view,
        (Seen::NotYet | Seen::There, _) => return Ok(Some(not_yet(WHAT, &name))),
    };
    let said = match task_end(&view.status)? {
        TaskEnd::Wait => None,
        TaskEnd::Stop => {
            intend_stop(deps, step, &name).await?;
            refusal(deps.dms.stop_task(&view.arn).await)?
        }
        TaskEnd::Delete => refusal(deps.dms.delete_task(&view.arn).await)?,
    };
    let said = said.map(|said| format!(" ({said})")).unwrap_or_default();
    Ok(Some(format!(
        "the replication task {name} still exists, {}{said}; stop it and delete it: aws dms delete-replication-task --replication-task-arn {}",
        view.status, view.arn
    )))
}

/// Puts the stop of the forward task on record, once.
async fn intend_stop(deps: &Deps, step: &mut DatabaseStep, name: &str) -> Result<(), StepError> {
    let facts = &mut step.database.replication;
    if facts.task.identifier.as_deref() != Some(name) || facts.stop_intended_at.is_some() {
        return Ok(());
    }
    facts.stop_intended_at = Some(deps.now());
    step.save(
        deps,
        Some(format!("the replication task {name} is about to be stopped")),
    )
    .await
}

async fn end_endpoint(deps: &Deps, step: &mut DatabaseStep, of: Of) -> Result<Option<String>, StepError> {
    const WHAT: &str = "endpoint";
    let Some(name) = of(&mut step.database)
        .may_exist()
        .then(|| of(&mut step.database).identifier.clone())
        .flatten()
    else {
        return Ok(None);
    };
    let view = deps.dms.endpoint(&name).await?;
    let arn = view.as_ref().map(|view| view.arn.as_str());
    let view = match (look(deps, step, of, arn, WHAT).await?, view) {
        (Seen::Gone, _) => return Ok(None),
        (Seen::There, Some(view)) => view,
        (Seen::NotYet | Seen::There, _) => return Ok(Some(not_yet(WHAT, &name))),
    };
    let said = refusal(deps.dms.delete_endpoint(&view.arn).await)?;
    let said = said.map(|said| format!(" ({said})")).unwrap_or_default();
    Ok(Some(format!(
        "the endpoint {name} still exists, {}{said}; delete it: aws dms delete-endpoint --endpoint-arn {}",
        view.status, view.arn
    )))
}

async fn end_instance(deps: &Deps, step: &mut DatabaseStep) -> Result<Option<String>, StepError> {
    const WHAT: &str = "replication instance";
    let of: Of = |database| &mut database.replication.instance;
    let Some(name) = of(&mut step.database)
        .may_exist()
        .then(|| of(&mut step.database).identifier.clone())
        .flatten()
    else {
        return Ok(None);
    };
    let view = deps.dms.instance(&name).await?;
    let arn = view.as_ref().map(|view| view.arn.as_str());
    let view = match (look(deps, step, of, arn, WHAT).await?, view) {
        (Seen::Gone, _) => return Ok(None),
        (Seen::There, Some(view)) => view,
        (Seen::NotYet | Seen::There, _) => return Ok(Some(not_yet(WHAT, &name))),
    };
    let said = refusal(deps.dms.delete_instance(&view.arn).await)?;
    let said = said.map(|said| format!(" ({said})")).unwrap_or_default();
    Ok(Some(format!(
        "the replication instance {name} still exists and costs money, {}{said}; delete it: aws dms delete-replication-instance --replication-instance-arn {}",
        view.status, view.arn
    )))
}
