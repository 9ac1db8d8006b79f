//! EventBridge Scheduler: one-shot schedules, each the dead man's switch of a freeze.

use crate::classify::{code_of, step_error};
use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::types::{
    ActionAfterCompletion, FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy, Target,
};
use jiff::{SignedDuration, Timestamp};
use landfall_domain::StepError;
use serde_json::Value;

/// The group that all of them are in.
pub const GROUP: &str = "landfall-freezes";

/// The service's name in errors.
const SERVICE: &str = "EventBridge Scheduler";

/// How long Scheduler goes on trying to hand the call over, in seconds, and how often. By default it is a day and 185
/// times, with pauses that grow: an opening in the night after would surprise whoever has helped themselves by then. An
/// hour outlasts an outage that a person does not act on sooner, and the id of the closing in the call keeps a late one
/// from opening anything else. Lambda takes the call at once and repeats a failing one by itself, twice.
/// <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_RetryPolicy.html>
const RETRY_SECONDS_MAX: i32 = 3600;
const RETRIES_MAX: i32 = 60;

/// EventBridge Scheduler.
#[derive(Debug, Clone)]
pub struct Scheduler {
    client: Client,
}

impl Scheduler {
    /// Wraps a client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Has a function invoked once at an instant, never before it and up to a minute after: that is Scheduler's precision.
    /// The schedule deletes itself after. A name that is taken is no error: names are made of a closing's id, so it is the
    /// same schedule. An instant that is over is [`StepError::GateClosed`], before anything is asked for.
    /// <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>
    pub async fn once(
        &self,
        name: &str,
        at: Timestamp,
        function_arn: &str,
        role_arn: &str,
        input: &Value,
    ) -> Result<(), StepError> {
        let expression = expression(at, self.now()?)?;
        let policy = RetryPolicy::builder()
            .maximum_event_age_in_seconds(RETRY_SECONDS_MAX)
            .maximum_retry_attempts(RETRIES_MAX)
            .build();
        let target = Target::builder()
            .arn(function_arn)
            .role_arn(role_arn)
            .input(input.to_string())
            .retry_policy(policy)
            .build()
            .expect("its required members are set");
        let exact = FlexibleTimeWindow::builder()
            .mode(FlexibleTimeWindowMode::Off)
            .build()
            .expect("its one required member is set");
        let answer = self
            .client
            .create_schedule()
            .name(name)
            .group_name(GROUP)
            .schedule_expression(expression)
            .schedule_expression_timezone("UTC")
            .flexible_time_window(exact)
            .action_after_completion(ActionAfterCompletion::Delete)
            .target(target)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(error) if code_of(&error).as_deref() == Some("ConflictException") => Ok(()),
            Err(error) => Err(step_error(SERVICE, "CreateSchedule", error)),
        }
    }

    /// Deletes a schedule; one that is gone is no error.
    /// <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_DeleteSchedule.html>
    pub async fn delete(&self, name: &str) -> Result<(), StepError> {
        let answer = self.client.delete_schedule().name(name).group_name(GROUP).send().await;
        match answer {
            Ok(_) => Ok(()),
            Err(error) if code_of(&error).as_deref() == Some("ResourceNotFoundException") => Ok(()),
            Err(error) => Err(step_error(SERVICE, "DeleteSchedule", error)),
        }
    }

    /// The clock that the client signs its calls by.
    fn now(&self) -> Result<Timestamp, StepError> {
        let now = self.client.config().time_source().unwrap_or_default().now();
        Timestamp::try_from(now).map_err(|error| StepError::Corrupt(format!("the clock cannot be read: {error}")))
    }
}

/// The instant as Scheduler takes it, in whole seconds: a part of one is rounded up, so that nothing opens early.
fn expression(at: Timestamp, now: Timestamp) -> Result<String, StepError> {
    if at <= now {
        return Err(StepError::GateClosed {
            gate: "the dead man's switch of a freeze",
            observed: format!("its deadline {at} is over at {now}"),
        });
    }
    let whole = Timestamp::from_second(at.as_second()).expect("a part of a timestamp is in range");
    let at = if whole < at {
        whole + SignedDuration::from_secs(1)
    } else {
        whole
    };
    Ok(format!("at({})", at.strftime("%Y-%m-%dT%H:%M:%S")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mgn::canned::{Canned, json};
    use serde_json::json as value;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_schedule_is_never_early_and_never_in_the_past() {
        let now = at("2026-01-10T02:00:00Z");
        for (asked, expected) in [
            ("2026-01-10T02:02:00.001Z", "at(2026-01-10T02:02:01)"),
            ("2026-01-10T03:02:00+01:00", "at(2026-01-10T02:02:00)"),
        ] {
            assert_eq!(expression(at(asked), now).unwrap(), expected);
        }
        assert_eq!(expression(now, now).unwrap_err().name(), "GateClosed");
    }

    #[tokio::test]
    async fn a_schedule_that_is_there_already_or_gone_already_is_fine() {
        let refused = |code: &str| json(409, format!(r#"{{"__type":"{code}","Message":"said"}}"#));
        let aws = Canned::new([
            refused("ConflictException"),
            refused("ResourceNotFoundException"),
            refused("ConflictException"),
        ]);
        let scheduler = Scheduler::new(aws.scheduler());
        let far = at("2999-01-01T00:00:00Z");
        let input = value!({"mode": "DEADLINE"});
        scheduler
            .once("lf-w-shop-1", far, "arn:f", "arn:r", &input)
            .await
            .unwrap();
        scheduler.delete("lf-w-shop-1").await.unwrap();
        assert_eq!(
            scheduler.delete("lf-w-shop-1").await.unwrap_err().name(),
            "ServiceRefused"
        );
        let over = at("2020-01-01T00:00:00Z");
        assert_eq!(
            scheduler
                .once("x", over, "arn:f", "arn:r", &input)
                .await
                .unwrap_err()
                .name(),
            "GateClosed"
        );
        let requests = aws.requests();
        assert_eq!(requests.len(), 3, "a schedule in the past is not asked for");
        for part in [
            "at(2999-01-01T00:00:00)",
            "\"UTC\"",
            "\"OFF\"",
            "\"DELETE\"",
            GROUP,
            "DEADLINE",
        ] {
            assert!(requests[0].contains(part), "{part} in {}", requests[0]);
        }
        assert!(requests[1].contains("groupName=landfall-freezes"), "{}", requests[1]);
    }
}
