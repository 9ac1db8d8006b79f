//! The premigration assessment run: DMS's own look at both databases through the task.

use crate::{Stop, fail, hold, is_of_this_attempt, wait_or_fail};
use landfall_aws::Deps;
use landfall_aws::database_step::{DatabaseStep, names};
use landfall_aws::dms::{AssessmentView, Made};
use landfall_aws::read::replication::assessment;
use landfall_domain::StepError;
use landfall_domain::decide::AssessmentStanding;
use landfall_domain::record::Resource;

/// The longest that a run may take.
const RUN_MINUTES_MAX: i64 = 60;

/// Findings that a record keeps.
const FINDINGS_MAX: usize = 50;

/// Has the task assessed, when the plan says so; a run that found something is held, and each attempt runs a new one.
pub async fn run(deps: &Deps, step: &mut DatabaseStep) -> Result<(), Stop> {
    if step.database.plan.assessment.is_none() || step.database.replication.assessed_at.is_some() {
        return Ok(());
    }
    begin(deps, step).await?;
    let since = step.database.replication.assessment.intended_at;
    let waits = "the premigration assessment was not over";
    let Some((standing, view)) = assessment(deps, &step.database.replication).await? else {
        return Err(wait_or_fail(deps, step, since, RUN_MINUTES_MAX, waits).await);
    };
    match standing {
        AssessmentStanding::Waits => return Err(wait_or_fail(deps, step, since, RUN_MINUTES_MAX, waits).await),
        AssessmentStanding::Refused => {
            let reasons = said(&view, "the premigration assessment did not pass");
            return Err(hold(deps, step, reasons).await);
        }
        AssessmentStanding::Broken => {
            let text = format!("DMS could not run the premigration assessment ({})", view.status);
            return Err(fail(deps, step, said(&view, &text)).await);
        }
        AssessmentStanding::Warned => {
            let warnings = said(&view, "the premigration assessment warns");
            step.database.findings.extend(warnings);
            step.database.findings.truncate(FINDINGS_MAX);
        }
        AssessmentStanding::Passed => {}
    }
    let facts = &mut step.database.replication;
    facts.assessment.ready_at = Some(deps.now());
    facts.assessed_at = Some(deps.now());
    let text = format!(
        "the premigration assessment of database {}: {}",
        step.database.database_id, view.status
    );
    Ok(step.save(deps, Some(text)).await?)
}

/// Starts this attempt's run, or finds it.
async fn begin(deps: &Deps, step: &mut DatabaseStep) -> Result<(), Stop> {
    let Some(plan) = step.database.plan.assessment.clone() else {
        return Ok(());
    };
    let known = &step.database.replication.assessment;
    let name = format!("{}-{}", names::base(&step.database), step.step.guard.epoch);
    // A run of an earlier attempt that is not over is waited for: DMS runs one at a time.
    let usable = match assessment(deps, &step.database.replication).await? {
        Some((AssessmentStanding::Refused | AssessmentStanding::Broken, _)) | None => {
            is_of_this_attempt(step, known.intended_at)
        }
        Some(_) => true,
    };
    if !usable {
        step.database.replication.assessment = Resource {
            identifier: Some(name.clone()),
            intended_at: Some(deps.now()),
            ..Resource::default()
        };
        let text = format!("the premigration assessment {name} is about to be started");
        step.save(deps, Some(text)).await?;
    }
    let facts = &step.database.replication;
    if facts.assessment.arn.is_some() {
        return Ok(());
    }
    let (Some(task), Some(name)) = (&facts.task.arn, facts.assessment.identifier.clone()) else {
        let text = "a task is to be assessed, and has no ARN on record";
        return Err(StepError::Corrupt(text.to_owned()).into());
    };
    let role = &plan.service_access_role_arn;
    let made = deps
        .dms
        .start_assessment(task, role, &plan.result_location_bucket, &name)
        .await?;
    let arn = match made {
        Made::New(arn) => Some(arn),
        Made::Exists => deps.dms.assessment(task, &name).await?.map(|view| view.arn),
    };
    if let Some(arn) = arn {
        step.database.replication.assessment.arn = Some(arn);
        step.save(deps, None).await?;
    }
    Ok(())
}

/// What the run says: each individual assessment that did not pass, or what DMS says as a whole.
fn said(view: &AssessmentView, what: &str) -> Vec<String> {
    if view.not_passed.is_empty() {
        let why = view
            .last_failure
            .as_deref()
            .map(|why| format!(": {why}"))
            .unwrap_or_default();
        return vec![format!("{what}{why}")];
    }
    view.not_passed.iter().map(|one| format!("{what}: {one}")).collect()
}
