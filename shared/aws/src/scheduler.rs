//! EventBridge Scheduler: one-shot schedules, each the dead man's switch of a freeze.

use aws_sdk_scheduler::Client;
use jiff::Timestamp;
use landfall_domain::StepError;
use serde_json::Value;

/// The group that all of them are in.
pub const GROUP: &str = "landfall-freezes";

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

    /// Has a function invoked once at an instant; the schedule deletes itself after. A name that is taken is no error:
    /// names are made of a closing's id, so it is the same schedule.
    pub async fn once(
        &self,
        name: &str,
        at: Timestamp,
        function_arn: &str,
        role_arn: &str,
        input: &Value,
    ) -> Result<(), StepError> {
        let _ = (&self.client, name, at, function_arn, role_arn, input);
        unimplemented!()
    }

    /// Deletes a schedule; one that is gone is no error.
    pub async fn delete(&self, name: &str) -> Result<(), StepError> {
        let _ = name;
        unimplemented!()
    }
}
