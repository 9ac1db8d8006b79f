//! Following what an event is about: one reader at a time, for a few seconds.

use jiff::{SignedDuration, Timestamp};
use landfall_aws::Deps;
use landfall_aws::table::{Stored, Write};
use landfall_aws::waiting::complete;
use landfall_aws::warm::LastReading;
use landfall_domain::StepError;
use landfall_domain::ids::SourceServerId;
use landfall_domain::record::AwaitRecord;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long one invocation reads for all events that come meanwhile. Servers of one job report within seconds of each
/// other, and the job ends shortly after the last.
const READING: SignedDuration = SignedDuration::from_secs(8);

/// An event that comes this close to the end of a reader's time may find no reading after it, and reads itself.
pub const LAST_READING: SignedDuration = SignedDuration::from_secs(3);

/// The pause between two readings: what was read less than two seconds ago is not read again.
const READING_PAUSE: Duration = Duration::from_secs(2);

/// The pause while a job has many servers that are not settled: it is not over before each of them was heard of.
const LONG_PAUSE: Duration = Duration::from_secs(4);

/// With so many servers that are not settled, or fewer, the end of a job is near.
pub const FEW_SERVERS: usize = 5;

/// What a reading showed.
pub enum Reading {
    /// The wait is over.
    Over(Value),
    /// It goes on; the servers that are not settled, where the reading tells.
    Open(BTreeSet<SourceServerId>),
}

/// A reading under way.
pub type ReadFuture<'a> = std::pin::Pin<Box<dyn Future<Output = Result<Reading, StepError>> + Send + 'a>>;

/// Reads for this event and for those that come while it reads: one reader at a time. A reader reads every two seconds
/// until its time is over, so whoever comes while there is a reading to follow has nothing to do.
pub async fn follow(
    deps: &Deps,
    resource: &str,
    mut waiting: Stored<AwaitRecord>,
    read: impl for<'a> Fn(&'a Deps, &'a Value) -> ReadFuture<'a>,
) -> Result<String, StepError> {
    let began = deps.now();
    if let Some(until) = waiting.reading_until.filter(|until| *until > began + LAST_READING) {
        remember(deps, resource, until, BTreeSet::new());
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
        let open = match read(deps, &waiting.input).await? {
            Reading::Open(open) => open,
            Reading::Over(output) => {
                // A newer token may wait by now; it is the one to complete.
                let Some(present) = deps.table.get::<AwaitRecord>(&waiting.key).await? else {
                    return Ok(format!("{resource} is not waited for any more"));
                };
                complete(deps, &present, &output).await?;
                return Ok(format!("{resource} is over"));
            }
        };
        let many = open.len() > FEW_SERVERS;
        remember(deps, resource, until, open);
        if deps.now() >= until {
            return Ok(format!("{resource} goes on"));
        }
        tokio::time::sleep(if many { LONG_PAUSE } else { READING_PAUSE }).await;
    }
}

fn remember(deps: &Deps, resource: &str, until: Timestamp, open: BTreeSet<SourceServerId>) {
    let at = deps.now();
    deps.warm.note(resource, LastReading { at, until, open });
}
