//! Letting applications in again, because the cutover is taken back.

use crate::Outcome;
use landfall_aws::Deps;
use landfall_aws::database_step::DatabaseStep;
use landfall_aws::freeze::{Opened, Why, delete_schedule, open_source, tell};
use landfall_domain::StepError;

/// Opens the source, unless the switch is on record. A source that was not closed has its gate closed again, so that the
/// next attempt measures anew.
pub(crate) async fn unfreeze(deps: &Deps, mut step: DatabaseStep) -> Result<Outcome, StepError> {
    let guard = step.step.guard.clone();
    let why = Why::TakenBack("the cutover was taken back before its switch");
    let opened = open_source(deps, &mut step.database, Some(&guard), why).await?;
    if opened == Opened::Nothing {
        if step.database.cutover.gate_open_at.take().is_some() {
            step.save(deps, None).await?;
        }
        delete_schedule(deps, &step.database).await?;
        tell(deps, &mut step.database).await?;
    }
    Ok(Outcome::opened(opened))
}
