//! What makes a cutover provable and safe: the table for fences on the source, and a target that is closed to
//! applications from before the first row until the switch is on record.

use crate::{Stop, fail, hold, wait_or_fail};
use landfall_aws::Deps;
use landfall_aws::database::DatabaseError;
use landfall_aws::database_step::{DatabaseStep, Side, Who, fence_table};
use landfall_aws::freeze::probe;
use landfall_domain::database::{Closed, Probe};
use landfall_domain::record::{Closing, Resource};
use std::time::Duration;

/// How long one closing ends sessions that come back. Nobody should use the target yet.
const CLOSING: Duration = Duration::from_secs(10);

/// How long it may take until the target is closed.
const CLOSED_MINUTES_MAX: i64 = 10;

/// Makes the table for fences and the table of closings on the source. The former reaches the target by replication;
/// closing makes the latter on each side by itself.
pub async fn make_fence_table(deps: &Deps, step: &mut DatabaseStep) -> Result<(), Stop> {
    if step.database.replication.fence_table.ready_at.is_some() {
        return Ok(());
    }
    let fence = fence_table(&step.database, Side::Source)?;
    if step.database.replication.fence_table.intended_at.is_none() {
        step.database.replication.fence_table = Resource {
            identifier: Some(fence.to_string()),
            intended_at: Some(deps.now()),
            ..Resource::default()
        };
        let text = format!("the table {fence} is about to be made on the source");
        step.save(deps, Some(text)).await?;
    }
    let secret = &step.side(Side::Source).fence_secret_arn;
    let writer = step.login(deps, Side::Source, secret).await?.username;
    let mut source = step.connect(deps, Side::Source, Who::Admin)?;
    source.create_fence_table(&fence, &writer).await?;
    step.database.replication.fence_table.ready_at = Some(deps.now());
    Ok(step.save(deps, None).await?)
}

/// Closes the target to applications, and proves it through an application's login.
pub async fn close_target(deps: &Deps, step: &mut DatabaseStep) -> Result<(), Stop> {
    if step.database.target_closing.closed_at.is_some() && step.database.target_closing.may_be_closed() {
        return Ok(());
    }
    let fence = fence_table(&step.database, Side::Target)?;
    let keep = step.keep_open(deps, Side::Target).await?;
    let mut target = step.connect(deps, Side::Target, Who::Admin)?;
    if !step.database.target_closing.may_be_closed() {
        step.database.target_closing = Closing {
            id: Some(deps.ids.next()),
            record: Some(target.plan_closing(&keep).await?),
            intended_at: Some(deps.now()),
            ..Closing::default()
        };
        let text = format!(
            "the target of database {} is about to be closed to applications",
            step.database.database_id
        );
        step.save(deps, Some(text)).await?;
    }
    let closing = step.database.target_closing.clone();
    let (Some(id), Some(record)) = (&closing.id, &closing.record) else {
        let text = format!(
            "a closing of the target of database {} has no record",
            step.database.database_id
        );
        return Err(landfall_domain::StepError::Corrupt(text).into());
    };
    match target.close(&fence, id, record, &keep, CLOSING).await {
        Ok(Closed::Empty { .. }) => {}
        Ok(Closed::StillOpen { logins }) => {
            let what = format!(
                "sessions of {} came back to the target, which was not closed",
                logins.join(", ")
            );
            return Err(wait_or_fail(deps, step, closing.intended_at, CLOSED_MINUTES_MAX, &what).await);
        }
        Ok(Closed::Held { why }) => {
            let text = format!(
                "prepared transactions are open on the target: {}; commit them or roll them back",
                why.join(", ")
            );
            return Err(hold(deps, step, vec![text]).await);
        }
        // It was opened meanwhile, by hand or by a rollback: the next entry closes it anew.
        Err(DatabaseError::Superseded { .. }) => {
            step.database.target_closing = Closing::default();
            step.save(deps, None).await?;
            return Err(Stop::Wait);
        }
        Err(error) => return Err(error.into()),
    }
    drop(target);
    if let Probe::Accepted = probe(deps, &step.database, Side::Target).await? {
        let text =
            "an application's login can still write on the target, although every login but those kept open is locked";
        return Err(fail(deps, step, vec![text.to_owned()]).await);
    }
    step.database.target_closing.closed_at = Some(deps.now());
    let text = format!(
        "the target of database {} is closed to applications",
        step.database.database_id
    );
    Ok(step.save(deps, Some(text)).await?)
}
