//! What callers give to and get from the engine.

use crate::clock::Clock;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// How an engine is set up.
#[derive(Clone)]
pub struct EngineOptions {
    /// The account id in ARNs: twelve digits.
    pub account: String,
    /// The Region in ARNs and histories.
    pub region: String,
    /// Decides jitter, `$random()`, `$uuid()`, task tokens and made-up names: the same seed, the same run.
    pub seed: u64,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Whether children of `startExecution.sync` are stopped when their parent is aborted or times out.
    /// AWS tries to, without a promise.
    pub stop_children_on_abort: bool,
    /// The role in histories and in the context object.
    pub role_arn: String,
}

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExecutionStatus {
    /// Open.
    Running,
    /// Ended with an output.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Ran past the machine's `TimeoutSeconds`.
    TimedOut,
    /// Stopped from outside.
    Aborted,
    /// Asked to be redriven, not yet running again. This engine redrives at once, so it is never seen.
    PendingRedrive,
}

impl ExecutionStatus {
    /// The status as the API spells it: `TIMED_OUT`.
    pub fn as_str(self) -> &'static str {
        match self {
            ExecutionStatus::Running => "RUNNING",
            ExecutionStatus::Succeeded => "SUCCEEDED",
            ExecutionStatus::Failed => "FAILED",
            ExecutionStatus::TimedOut => "TIMED_OUT",
            ExecutionStatus::Aborted => "ABORTED",
            ExecutionStatus::PendingRedrive => "PENDING_REDRIVE",
        }
    }
}

/// What `DescribeExecution` says.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionDescription {
    /// The execution's ARN.
    pub execution_arn: String,
    /// Its machine's ARN; for a distributed Map's child, the machine's and the Map's label.
    pub state_machine_arn: String,
    /// Its name, given or made up.
    pub name: String,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// When it was started.
    pub start_date: Timestamp,
    /// When it closed.
    pub stop_date: Option<Timestamp>,
    /// What it was started with.
    pub input: Value,
    /// Only of an execution that succeeded.
    pub output: Option<Value>,
    /// Of a failed or stopped execution; an execution that timed out has neither this nor a cause.
    pub error: Option<String>,
    /// What explains the error.
    pub cause: Option<String>,
    /// How often it was redriven.
    pub redrive_count: u32,
    /// When it was redriven last.
    pub redrive_date: Option<Timestamp>,
    /// The Map Run that started it, if it is the child of a distributed Map.
    pub map_run_arn: Option<String>,
}

impl ExecutionDescription {
    /// The description in PascalCase, as `startExecution.sync` gives it to a state. `parsed` puts input
    /// and output in as JSON, which is the `:2` in `.sync:2`; dates are milliseconds since the epoch.
    pub(crate) fn to_sync_result(&self, parsed: bool) -> Value {
        let text = |value: &Value| {
            if parsed {
                value.clone()
            } else {
                Value::String(value.to_string())
            }
        };
        let mut result = serde_json::Map::new();
        let mut put = |key: &str, value: Value| result.insert(key.to_owned(), value);
        if let Some(cause) = &self.cause {
            put("Cause", json!(cause));
        }
        if let Some(error) = &self.error {
            put("Error", json!(error));
        }
        put("ExecutionArn", json!(self.execution_arn));
        put("Input", text(&self.input));
        put("InputDetails", json!({ "Included": true }));
        put("Name", json!(self.name));
        if let Some(output) = &self.output {
            put("Output", text(output));
            put("OutputDetails", json!({ "Included": true }));
        }
        put("RedriveCount", json!(self.redrive_count));
        if self.status == ExecutionStatus::Succeeded {
            put("RedriveStatus", json!("NOT_REDRIVABLE"));
            put(
                "RedriveStatusReason",
                json!("Execution is SUCCEEDED and cannot be redriven"),
            );
        } else {
            put("RedriveStatus", json!("REDRIVABLE"));
        }
        put("StartDate", json!(self.start_date.as_millisecond()));
        put("StateMachineArn", json!(self.state_machine_arn));
        put("Status", json!(self.status.as_str()));
        if let Some(stop) = self.stop_date {
            put("StopDate", json!(stop.as_millisecond()));
        }
        Value::Object(result)
    }
}

/// What `StartExecution` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedExecution {
    /// The execution's ARN.
    pub execution_arn: String,
    /// When it was started; for a repeated call, the first time.
    pub start_date: Timestamp,
}
