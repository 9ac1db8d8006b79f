//! MGN's events.

use crate::Event;
use crate::follow::{FEW_SERVERS, LAST_READING, Reading, follow};
use jiff::{SignedDuration, Timestamp};
use landfall_aws::read::job::{self, JobRead, JobReading};
use landfall_aws::read::readiness::{self, ReadinessRead};
use landfall_aws::table::Key;
use landfall_aws::warm::LastReading;
use landfall_aws::{Deps, parse};
use landfall_domain::StepError;
use landfall_domain::decide::{JobVerdict, job_verdict};
use landfall_domain::ids::{JobId, SourceServerId};
use landfall_domain::observe::{JobView, LaunchStatus, ParticipantView};
use landfall_domain::record::ClaimRecord;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How long an environment relies on what it remembers of a job. Other environments hear of servers too, so the number
/// of those that are open is an upper bound; the re-entry of the wait, every 30 seconds, reads in any case.
const RELIED_ON: SignedDuration = SignedDuration::from_mins(2);

/// A test or cutover launch ended for a server: reads its job.
pub async fn launch_result(deps: &Deps, event: &Event) -> Result<String, StepError> {
    let Some(job) = event.detail.get("job-id").and_then(Value::as_str) else {
        return Ok("the event names no job".to_owned());
    };
    if let Some(server) = source_server(event) {
        deps.warm.heard(job, &server);
    }
    if deps
        .warm
        .reading(job)
        .is_some_and(|last| needs_no_reading(&last, deps.now()))
    {
        return Ok(format!("{job} is read without this event"));
    }
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
    let Some(server) = source_server(event) else {
        return Ok(format!("{:?} names no source server", event.resources));
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

/// The source server that an event is about.
fn source_server(event: &Event) -> Option<SourceServerId> {
    let id = event.resources.first()?.rsplit('/').next()?;
    SourceServerId::parse(id).ok()
}

/// True when the end of a job cannot be missed without this event: somebody reads after it, or so many servers are not
/// settled that more events must come before the end.
fn needs_no_reading(last: &LastReading, now: Timestamp) -> bool {
    let many = last.open.len() > FEW_SERVERS && now < last.at + RELIED_ON;
    many || last.until > now + LAST_READING
}

/// Asks MGN first: only a job that is over is worth reading the record for.
async fn read_job(deps: &Deps, job_id: JobId, input: &Value) -> Result<Reading, StepError> {
    let Some(job) = deps.mgn.job(&job_id).await? else {
        return Ok(Reading::Open(BTreeSet::new()));
    };
    if job_verdict(&job)? == JobVerdict::Running {
        return Ok(Reading::Open(unsettled(&job)));
    }
    let input: JobRead = parse(input)?;
    Ok(match job::read(deps, &input).await? {
        JobReading::Over(outcome) => Reading::Over(json!(outcome)),
        JobReading::Running => Reading::Open(BTreeSet::new()),
    })
}

async fn read_readiness(deps: &Deps, input: &Value) -> Result<Reading, StepError> {
    let input: ReadinessRead = parse(input)?;
    Ok(match readiness::read(deps, &input).await? {
        Some(outcome) => Reading::Over(json!(outcome)),
        None => Reading::Open(BTreeSet::new()),
    })
}

/// The servers of a job of which nothing final is known.
fn unsettled(job: &JobView) -> BTreeSet<SourceServerId> {
    let open = |part: &&ParticipantView| matches!(part.status, LaunchStatus::Pending | LaunchStatus::InProgress);
    job.participants
        .iter()
        .filter(open)
        .map(|part| part.server.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_near_the_end_of_a_job_is_read_for() {
        let at: Timestamp = "2026-03-07T06:00:00Z".parse().unwrap();
        let servers = |number: usize| {
            (0..number)
                .map(|one| SourceServerId::parse(format!("s-{one:017}")).unwrap())
                .collect()
        };
        let last = |open: usize, reader_seconds: i64| LastReading {
            at,
            until: at + SignedDuration::from_secs(reader_seconds),
            open: servers(open),
        };
        let after = |seconds| at + SignedDuration::from_secs(seconds);
        assert!(
            needs_no_reading(&last(6, 0), after(20)),
            "many servers are to be heard of"
        );
        assert!(!needs_no_reading(&last(5, 0), after(20)), "the end is near");
        assert!(
            !needs_no_reading(&last(6, 0), after(120)),
            "other environments may have heard of them"
        );
        assert!(needs_no_reading(&last(0, 8), after(4)), "somebody reads after it");
        assert!(!needs_no_reading(&last(0, 8), after(5)), "nobody may read after it");
    }
}
