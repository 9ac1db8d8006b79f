//! MGN's events.

use crate::Event;
use jiff::SignedDuration;
use landfall_aws::read::job::{self, JobRead, JobReading};
use landfall_aws::read::readiness::{self, ReadinessRead};
use landfall_aws::table::{Key, Stored, Write};
use landfall_aws::waiting::complete;
use landfall_aws::{Deps, parse};
use landfall_domain::StepError;
use landfall_domain::decide::{JobVerdict, job_verdict};
use landfall_domain::ids::{JobId, SourceServerId};
use landfall_domain::record::{AwaitRecord, ClaimRecord};
use serde_json::{Value, json};
use std::time::Duration;

/// How long one invocation reads for all events that come meanwhile. Servers of one job report within seconds of each
/// other, and the job ends shortly after the last.
const READING: SignedDuration = SignedDuration::from_secs(8);

/// An event that comes this close to the end of a reader's time may find no reading after it, and reads itself.
const LAST_READING: SignedDuration = SignedDuration::from_secs(3);

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
    let job_id = JobId::parse(job).map_err(|error| StepError::invalid("$.detail.job-id", job, error.to_string()))?;
    follow(deps, job, first, |deps, input| {
        Box::pin(read_job(deps, job_id.clone(), input))
    })
    .await
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
    /// It goes on.
    Open,
}

type ReadFuture<'a> = std::pin::Pin<Box<dyn Future<Output = Result<Reading, StepError>> + Send + 'a>>;

/// Asks MGN first: only a job that is over is worth reading the record for.
async fn read_job(deps: &Deps, job_id: JobId, input: &Value) -> Result<Reading, StepError> {
    let over = match deps.mgn.job(&job_id).await? {
        Some(job) => matches!(job_verdict(&job)?, JobVerdict::Over(_)),
        None => false,
    };
    if !over {
        return Ok(Reading::Open);
    }
    let input: JobRead = parse(input)?;
    Ok(match job::read(deps, &input).await? {
        JobReading::Over(outcome) => Reading::Over(json!(outcome)),
        JobReading::Running => Reading::Open,
    })
}

async fn read_readiness(deps: &Deps, input: &Value) -> Result<Reading, StepError> {
    let input: ReadinessRead = parse(input)?;
    Ok(match readiness::read(deps, &input).await? {
        Some(outcome) => Reading::Over(json!(outcome)),
        None => Reading::Open,
    })
}

/// Reads for this event and for those that come while it reads: one reader at a time. A reader reads every two seconds
/// until its time is over, so whoever comes while there is a reading to follow has nothing to do.
async fn follow(
    deps: &Deps,
    resource: &str,
    mut waiting: Stored<AwaitRecord>,
    read: impl for<'a> Fn(&'a Deps, &'a Value) -> ReadFuture<'a>,
) -> Result<String, StepError> {
    let began = deps.now();
    if waiting.reading_until.is_some_and(|until| until > began + LAST_READING) {
        return Ok("somebody reads already".to_owned());
    }
    let until = began + READING;
    waiting.reading_until = Some(until);
    let write = Write::save_awaiting(&mut waiting, began)?;
    match deps.table.write(None, vec![write]).await {
        // Another event, or the wait itself, was faster: it reads after this event was sent.
        Err(StepError::WriteConflict { .. }) => return Ok("somebody else reads".to_owned()),
        other => other?,
    }
    loop {
        if let Reading::Over(output) = read(deps, &waiting.input).await? {
            // A newer token may wait by now; it is the one to complete.
            let Some(present) = deps.table.get::<AwaitRecord>(&waiting.key).await? else {
                return Ok(format!("{resource} is not waited for any more"));
            };
            complete(deps, &present, &output).await?;
            return Ok(format!("{resource} is over"));
        }
        if deps.now() >= until {
            return Ok(format!("{resource} goes on"));
        }
        tokio::time::sleep(READING_PAUSE).await;
    }
}
