//! Whether an application can work on the target, once applications are let in.

use crate::{Outcome, Stands, fail};
use landfall_aws::Deps;
use landfall_aws::database::DatabaseError;
use landfall_aws::database_step::{DatabaseStep, Side, Who};
use landfall_aws::freeze::repeats;
use landfall_domain::StepError;
use landfall_domain::database::Probe;
use landfall_domain::record::DatabaseState;

/// Begins to write through an application's login, and runs the plan's statement in a transaction that is rolled back.
pub(crate) async fn check(deps: &Deps, mut step: DatabaseStep) -> Result<Outcome, StepError> {
    if step.database.cutover.checked_at.is_some() {
        return Ok(Outcome::good(Stands::Checked));
    }
    if step.database.state != DatabaseState::OnTarget {
        let why = format!(
            "an application's login is tried on the target after the switch, which is not over: {:?}",
            step.database.state
        );
        return fail(deps, step, vec![why]).await;
    }
    match tried(deps, &step).await {
        Ok(()) => {}
        Err(error) if repeats(&error) => return Err(error.into()),
        Err(error) => {
            let why = format!("the application's login cannot work on the target: {error}");
            return fail(deps, step, vec![why]).await;
        }
    }
    step.database.cutover.checked_at = Some(deps.now());
    let text = format!(
        "database {}: the application's login works on the target",
        step.database.database_id
    );
    step.save(deps, Some(text)).await?;
    Ok(Outcome::good(Stands::Checked))
}

async fn tried(deps: &Deps, step: &DatabaseStep) -> Result<(), DatabaseError> {
    let mut application = step.connect(deps, Side::Target, Who::Application)?;
    if let Probe::Refused(message) = application.probe().await? {
        return Err(DatabaseError::Refused {
            what: "to begin to write".to_owned(),
            code: "refused".to_owned(),
            message,
        });
    }
    let statement = step.database.plan.ready_target.smoke_test.as_deref();
    application.smoke_test(statement).await
}
