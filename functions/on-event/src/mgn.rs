//! MGN's events.

use crate::Event;
use jiff::SignedDuration;
use landfall_aws::read::job::{self, JobRead, JobReading};
use landfall_aws::read::readiness::{self, ReadinessRead};
use landfall_aws::table::{Key, Stored, Write};
use landfall_aws::waiting::complete;
use landfall_aws::{Deps, parse};
use landfall_domain::StepError;
use landfall_domain::ids::SourceServerId;
use landfall_domain::record::{AwaitRecord, ClaimRecord};
use serde_json::{Value, json};
use std::time::Duration;

/// How long one invocation reads for all events that come meanwhile. Servers of one job report within seconds of each
/// other, and the job ends shortly after the last.
const READING: SignedDuration = SignedDuration::from_secs(8);

/// The pause between two readings: what was read less than two seconds ago is not read again.
const READING_PAUSE: Duration = Duration::from_secs(2);

/// A test or cutover launch ended for a server: reads its job.
pub async fn launch_result(deps: &Deps, event: &Event) -> Result<String, StepError> {
    let Some(job) = event.detail.get("job-id").and_then(Value::as_str) else {
        return Ok("the event names no job".to_owned());
    };
    let waiting = deps.table.awaiting(job).await?;
    let Some(first) = waiting.into_iter().next() else {
        return Ok(format!("nothing waits for {job}"));
    };
    follow(deps, job, first, |deps, input| Box::pin(read_job(deps, input))).await
}

/// A server became ready for testing: reads the servers of its wave.
pub async fn lifecycle(deps: &Deps, event: &Event) -> Result<String, StepError> {
    let arn = event.resources.first().map(String::as_str).unwrap_or_default();
    let Some(Ok(server)) = arn.rsplit('/').next().map(SourceServerId::parse) else {
        return Ok(format!("{arn:?} is no source server"));
    };
    let key = Key::claim(&deps.config.account, &deps.config.region, &server);
    let Some(claim) = deps.table.get::<ClaimRecord>(&key).await? else {
        return Ok(format!("no wave has {server}"));
    };
    let resource = readiness::resource(&claim.wave_id);
    let Some(first) = deps.table.awaiting(&resource).await?.into_iter().next() else {
        return Ok(format!("wave {} does not wait for readiness", claim.wave_id));
    };
    follow(deps, &resource, first, |deps, input| {
        Box::pin(read_readiness(deps, input))
    })
    .await
}

/// What a reading showed.
enum Reading {
    /// The wait is over.
    Over(Value),
    /// It goes on; `soon` when its end is seconds away.
    Open { soon: bool },
}

type ReadFuture<'a> = std::pin::Pin<Box<dyn Future<Output = Result<Reading, StepError>> + Send + 'a>>;

async fn read_job(deps: &Deps, input: &Value) -> Result<Reading, StepError> {
    let input: JobRead = parse(input)?;
    Ok(match job::read(deps, &input).await? {
        JobReading::Over(outcome) => Reading::Over(json!(outcome)),
        JobReading::Running { almost } => Reading::Open { soon: almost },
    })
}

async fn read_readiness(deps: &Deps, input: &Value) -> Result<Reading, StepError> {
    let input: ReadinessRead = parse(input)?;
    Ok(match readiness::read(deps, &input).await? {
        Some(outcome) => Reading::Over(json!(outcome)),
        None => Reading::Open { soon: false },
    })
}

/// Reads for this event and for those that come while it reads: one reader at a time, the others leave a note.
async fn follow(
    deps: &Deps,
    resource: &str,
    mut waiting: Stored<AwaitRecord>,
    read: impl for<'a> Fn(&'a Deps, &'a Value) -> ReadFuture<'a>,
) -> Result<String, StepError> {
    let began = deps.now();
    let somebody_reads = waiting.reading_until.is_some_and(|until| until > began);
    waiting.event_at = Some(began);
    if !somebody_reads {
        waiting.reading_until = Some(began + READING);
    }
    let write = Write::save_awaiting(&mut waiting, began)?;
    match deps.table.write(None, vec![write]).await {
        // Another event, or the wait itself, was faster: it reads after this event was sent.
        Err(StepError::WriteConflict { .. }) => return Ok("somebody else reads".to_owned()),
        other => other?,
    }
    if somebody_reads {
        return Ok("somebody reads already".to_owned());
    }
    loop {
        let read_at = deps.now();
        let soon = match read(deps, &waiting.input).await? {
            Reading::Over(output) => {
                complete(deps, &waiting, &output).await?;
                return Ok(format!("{resource} is over"));
            }
            Reading::Open { soon } => soon,
        };
        if deps.now().duration_since(began) >= READING {
            return Ok(format!("{resource} goes on"));
        }
        tokio::time::sleep(READING_PAUSE).await;
        let Some(present) = deps.table.get::<AwaitRecord>(&waiting.key).await? else {
            return Ok(format!("{resource} is not waited for any more"));
        };
        let newer = present.event_at.is_some_and(|at| at >= read_at);
        waiting = present;
        if !newer && !soon {
            return Ok(format!("{resource} goes on"));
        }
    }
}
