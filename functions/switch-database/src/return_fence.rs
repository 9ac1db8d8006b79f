//! Proving that everything written on the target is on the source: a fence, as on the way forward, written on the target
//! and read on the source. A canary comes first, with the target open: what it does not prove is not begun.

use crate::line;
use jiff::SignedDuration;
use landfall_aws::Deps;
use landfall_aws::database_step::{DatabaseStep, Side, Who, fence_table};
use landfall_domain::StepError;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks for a fence.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long the fence may take, once the target is closed.
const FENCE_MINUTES_MAX: i64 = 10;

/// How long a canary may be tried, whatever the plan's gate allows: the task of a rollback ends after an hour.
const CANARY_MINUTES_MAX: u32 = 30;

/// What became of a fence.
#[derive(Debug, PartialEq)]
pub(crate) enum Crossing {
    /// It is on the source.
    Seen,
    /// Not yet, and there is time.
    Wait,
    /// Not in time, as a sentence.
    Lost(String),
}

/// Writes a canary on the open target and looks for it on the source. It has to arrive inside one invocation: a
/// replication that takes longer would keep both sides closed for longer.
pub(crate) async fn canary(deps: &Deps, step: &mut DatabaseStep, until: Instant) -> Result<Crossing, StepError> {
    let id = format!("canary-{}", deps.ids.next());
    write(deps, step, &id).await?;
    if seen(deps, step, &id, until).await? {
        return Ok(Crossing::Seen);
    }
    let minutes = step.database.plan.lag.wait_minutes.min(CANARY_MINUTES_MAX);
    let name = format!("RETURN-{}", step.database.database_id);
    let began = step.step.wait_began(deps, &name).await?;
    if deps.now() < began + SignedDuration::from_mins(minutes.into()) {
        return Ok(Crossing::Wait);
    }
    Ok(Crossing::Lost(format!(
        "for {minutes} minutes nothing that was written on the target arrived on the source in time; look at the task that replicates back, then start rollback-wave again; nothing was changed"
    )))
}

/// Writes the fence on the closed target, once, and looks for it on the source.
pub(crate) async fn cross(deps: &Deps, step: &mut DatabaseStep, until: Instant) -> Result<Crossing, StepError> {
    let closing = step.database.target_closing.id.clone().unwrap_or_default();
    let id = format!("fence-{closing}");
    if step.database.fail_back.fence.id.as_ref() != Some(&id) {
        step.database.fail_back.fence = landfall_domain::record::FenceFacts {
            id: Some(id.clone()),
            ..Default::default()
        };
        let text = line(&step.database, format!("the fence {id} is written on the target next"));
        step.save(deps, text).await?;
    }
    if step.database.fail_back.fence.seen_at.is_none() {
        if step.database.fail_back.fence.written_at.is_none() {
            write(deps, step, &id).await?;
            step.database.fail_back.fence.written_at = Some(deps.now());
            step.save(deps, None).await?;
        }
        if !seen(deps, step, &id, until).await? {
            return Ok(late(deps, step));
        }
        step.database.fail_back.fence.seen_at = Some(deps.now());
        let text = line(&step.database, format!("the fence {id} is read on the source"));
        step.save(deps, text).await?;
    }
    let mut source = step.connect(deps, Side::Source, Who::Admin)?;
    let exceptions = source.apply_exceptions().await?;
    if exceptions > 0 {
        return Ok(Crossing::Lost(format!(
            "{exceptions} changes of the target could not be applied to the source; both sides are closed: apply them by hand and empty DMS's table of exceptions there, then start rollback-wave again, or start it with an acceptance of the loss"
        )));
    }
    Ok(Crossing::Seen)
}

fn late(deps: &Deps, step: &DatabaseStep) -> Crossing {
    let now = deps.now();
    let written = step.database.fail_back.fence.written_at.unwrap_or(now);
    if now < written + SignedDuration::from_mins(FENCE_MINUTES_MAX) {
        return Crossing::Wait;
    }
    Crossing::Lost(format!(
        "the fence was not read on the source within {FENCE_MINUTES_MAX} minutes; both sides are closed: mend the task that replicates back, then start rollback-wave again, or start it with an acceptance of the loss"
    ))
}

async fn write(deps: &Deps, step: &DatabaseStep, id: &str) -> Result<(), StepError> {
    let fence = fence_table(&step.database, Side::Target)?;
    let mut writer = step.connect(deps, Side::Target, Who::Fence)?;
    Ok(writer.write_fence(&fence, id).await?)
}

/// Looks for it until then, at least once.
async fn seen(deps: &Deps, step: &DatabaseStep, id: &str, until: Instant) -> Result<bool, StepError> {
    let fence = fence_table(&step.database, Side::Source)?;
    let ids = [id.to_owned()];
    let mut reader = step.connect(deps, Side::Source, Who::Admin)?;
    loop {
        if !reader.read_fences(&fence, &ids).await?.is_empty() {
            return Ok(true);
        }
        if Instant::now() + LOOK_EVERY >= until {
            return Ok(false);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
