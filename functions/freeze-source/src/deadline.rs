//! The dead man's switch: Scheduler calls at the deadline of a freeze, whatever has become of the wave. It opens the
//! source unless the switch is on record, and tells people. It belongs to no epoch, so the version of the record is its
//! only condition.

use crate::{Input, Outcome, Stands};
use jiff::{SignedDuration, Timestamp};
use landfall_aws::Deps;
use landfall_aws::freeze::{self, Opened, Why, open_source, tell};
use landfall_aws::table::Stored;
use landfall_domain::decide::is_switched;
use landfall_domain::record::{DatabaseRecord, DatabaseState};
use landfall_domain::{ErrorClass, StepError};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// How much earlier than the deadline Scheduler is asked to call. It is precise to 60 seconds, so the call comes between
/// 45 seconds before the deadline and 14 seconds after it, and an early one waits.
/// <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>
pub(crate) const EARLY: SignedDuration = SignedDuration::from_secs(45);

/// The longest wait for the deadline inside one call.
const WAIT_MAX: SignedDuration = SignedDuration::from_secs(46);

/// From the call to the end of the last attempt. A function has 60 seconds; the rest is for the alert.
const ATTEMPTS_END: Duration = Duration::from_secs(53);

/// Between two attempts to reach the database.
const AGAIN_EVERY: Duration = Duration::from_secs(2);

/// A source that could not be opened is tried again every minute.
const NEXT_CALL: SignedDuration = SignedDuration::from_secs(60);

/// For so many minutes after the deadline, which is as far as three digits of a schedule's name count.
const MINUTES_MAX: i64 = 999;

/// What a closing is to the record of its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bearing {
    /// The source is, or may be, closed by it.
    Closed,
    /// It was opened, and operators have not been told yet.
    Untold,
    /// The switch is on record.
    Switched,
    /// It is over, or another one has taken its place.
    Over,
}

/// Opens the source at the deadline. What cannot be opened is an error, after operators were told, so that it is called
/// again: Lambda repeats it twice, and a schedule of its own calls it every minute.
pub(crate) async fn open(deps: &Deps, input: &Input, closing: &str) -> Result<Outcome, StepError> {
    let began = Instant::now();
    if let Some(deadline) = input.deadline {
        wait(deps, deadline).await?;
    }
    let attempts = attempts(deps, input, closing, began);
    let error = match tokio::time::timeout_at(began + ATTEMPTS_END, attempts).await {
        Ok(Ok(outcome)) => return Ok(outcome),
        Ok(Err(error)) => error,
        Err(_) => StepError::DatabaseUnreachable {
            host: format!("the source of {}", input.database),
            message: "it gave no answer in time".to_owned(),
        },
    };
    let called = call_again(deps, input, closing).await;
    raise(deps, input, closing, &error).await?;
    called?;
    Err(error)
}

/// Waits for the deadline. Nothing is read before it: what is not on record at the deadline closes nothing afterwards.
async fn wait(deps: &Deps, deadline: Timestamp) -> Result<(), StepError> {
    let rest = deadline.duration_since(deps.now());
    if rest > WAIT_MAX {
        return Err(StepError::GateClosed {
            gate: "deadline",
            observed: format!(
                "it was called {} s before {deadline}, and is to be called again",
                rest.as_secs()
            ),
        });
    }
    if let Ok(rest) = Duration::try_from(rest) {
        tokio::time::sleep(rest).await;
    }
    Ok(())
}

async fn attempts(deps: &Deps, input: &Input, closing: &str, began: Instant) -> Result<Outcome, StepError> {
    loop {
        match attempt(deps, input, closing).await {
            Err(error) if error.class() == ErrorClass::RetrySoon && began.elapsed() + AGAIN_EVERY < ATTEMPTS_END => {
                tokio::time::sleep(AGAIN_EVERY).await;
            }
            other => return other,
        }
    }
}

async fn attempt(deps: &Deps, input: &Input, closing: &str) -> Result<Outcome, StepError> {
    let mut database = deps.table.database(&input.wave_id, &input.database).await?;
    match bearing(&database, closing) {
        Bearing::Over => Ok(Outcome::new(Stands::Nothing, Vec::new())),
        Bearing::Switched => Ok(Outcome::new(Stands::Switched, Vec::new())),
        Bearing::Untold => {
            tell(deps, &mut database).await?;
            Ok(Outcome::new(Stands::Unfrozen, Vec::new()))
        }
        Bearing::Closed => match open_source(deps, &mut database, None, Why::Deadline).await? {
            Opened::Partial(left) if database.state != DatabaseState::OnSource => {
                Err(StepError::DatabaseRefused(left.join("; ")))
            }
            opened => Ok(Outcome::opened(opened)),
        },
    }
}

fn bearing(database: &DatabaseRecord, closing: &str) -> Bearing {
    let of = &database.source_closing;
    if of.id.as_deref() != Some(closing) {
        return Bearing::Over;
    }
    match database.state {
        state if is_switched(state) => Bearing::Switched,
        DatabaseState::OnSource if of.alert.is_some() => Bearing::Untold,
        DatabaseState::OnSource => Bearing::Over,
        _ => Bearing::Closed,
    }
}

/// Has Scheduler call again in a minute. The name counts the minutes since the deadline, so that two calls that fail in
/// the same minute are followed by one.
async fn call_again(deps: &Deps, input: &Input, closing: &str) -> Result<(), StepError> {
    let (Some(role), Some(function)) = (&deps.config.scheduler_role_arn, &deps.config.freeze_source_arn) else {
        return Ok(());
    };
    let (now, deadline) = (deps.now(), input.deadline.unwrap_or_else(|| deps.now()));
    let minutes = now.duration_since(deadline).as_mins().max(0);
    if minutes > MINUTES_MAX {
        return Ok(());
    }
    let name = format!("landfall-again-{minutes:03}-{closing}");
    let again = json!({
        "mode": "DEADLINE", "waveId": input.wave_id, "database": input.database, "closingId": closing,
        "deadline": deadline,
    });
    deps.scheduler
        .once(&name, now + NEXT_CALL, function, role, &again)
        .await
}

/// Tells operators that the source may be closed beyond its deadline: once for a closing where that can be put on
/// record, and every time where not even that can be reached.
async fn raise(deps: &Deps, input: &Input, closing: &str, error: &StepError) -> Result<(), StepError> {
    let text = format!(
        "The source could not be opened at the deadline of its freeze: {error}. It may still be closed to applications. \
         Landfall goes on trying every minute; if that does not help, open the source by hand."
    );
    let database = match deps.table.database(&input.wave_id, &input.database).await {
        Ok(database) if bearing(&database, closing) != Bearing::Closed => return Ok(()),
        Ok(database) => database,
        Err(unread) => {
            return tell_blind(
                deps,
                input,
                &format!("{text} Its record cannot be read either: {unread}."),
            )
            .await;
        }
    };
    if !database.source_closing.left.is_empty() {
        return Ok(());
    }
    note(deps, database, &text, error).await
}

async fn note(
    deps: &Deps,
    mut database: Stored<DatabaseRecord>,
    text: &str,
    error: &StepError,
) -> Result<(), StepError> {
    freeze::alert(deps, &database, text).await?;
    let left = format!("the source was not opened at its deadline: {error}; open it by hand if Landfall does not");
    database.source_closing.left.push(left.clone());
    match freeze::write(deps, &mut database, None, format!("{left}; operators are told")).await {
        // Told twice, should that be all that went wrong.
        Err(StepError::WriteConflict { .. }) => Ok(()),
        other => other,
    }
}

async fn tell_blind(deps: &Deps, input: &Input, text: &str) -> Result<(), StepError> {
    let subject = format!("Landfall: database {} of wave {}", input.database, input.wave_id);
    deps.sns.publish(&deps.config.topic_arn, &subject, text).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::database;

    fn closing() -> serde_json::Value {
        json!({ "id": "c1", "record": { "logins": [], "settings": [], "method": "" }, "intendedAt": "2026-03-01T02:00:00Z" })
    }

    #[test]
    fn the_deadline_opens_what_its_own_closing_may_have_closed_and_nothing_that_is_switched() {
        for (state, expected) in [
            ("FROZEN", Bearing::Closed),
            ("UNFREEZING", Bearing::Closed),
            ("SWITCHING", Bearing::Switched),
            ("ON_TARGET", Bearing::Switched),
            ("RETURN_FROZEN", Bearing::Switched),
            ("ON_SOURCE", Bearing::Over),
        ] {
            let database = database(state, closing());
            assert_eq!(bearing(&database, "c1"), expected, "{state}");
            assert_eq!(bearing(&database, "c2"), Bearing::Over, "{state}: another closing");
        }
        let mut opened = closing();
        opened["alert"] = json!("it was opened");
        assert_eq!(bearing(&database("ON_SOURCE", opened), "c1"), Bearing::Untold);
    }
}
