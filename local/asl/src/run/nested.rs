//! `states:startExecution`: executions started by a state, and waiting for them.

use super::Failure;
use super::fields::Reader;
use crate::engine::Inner;
use crate::engine::types::ExecutionDescription;
use crate::error::ApiError;
use serde_json::{Value, json};
use std::sync::Arc;

/// Waits for a child execution; dropped before that, it stops the child.
pub(crate) struct ChildGuard {
    inner: Arc<Inner>,
    arn: String,
    stop_on_drop: bool,
}

impl ChildGuard {
    pub(crate) fn new(inner: Arc<Inner>, arn: String, stop_on_drop: bool) -> ChildGuard {
        ChildGuard {
            inner,
            arn,
            stop_on_drop,
        }
    }

    /// The child's description once it closed.
    pub(crate) async fn finish(mut self) -> Result<ExecutionDescription, Failure> {
        let description = self.inner.wait(&self.arn).await.map_err(|error| api_failure(&error))?;
        self.stop_on_drop = false;
        Ok(description)
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        if self.stop_on_drop {
            // A child that closed in the meantime needs no stopping.
            let _ = self.inner.stop(&self.arn, None, None);
        }
    }
}

/// Starts the execution that a state's arguments describe; gives its ARN and the service's answer.
pub(crate) fn start(reader: &Reader<'_>, inner: &Arc<Inner>, arguments: &Value) -> Result<(String, Value), Failure> {
    let Some(machine_arn) = arguments["StateMachineArn"].as_str() else {
        return Err(missing(reader, arguments, "StateMachineArn"));
    };
    let input = match &arguments["Input"] {
        Value::Null => json!({}),
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())),
        other => other.clone(),
    };
    let started = inner
        .start(machine_arn, arguments["Name"].as_str(), input)
        .map_err(|error| api_failure(&error))?;
    let answer = json!({
        "ExecutionArn": started.execution_arn,
        "SdkHttpMetadata": { "HttpStatusCode": 200 },
        "SdkResponseMetadata": { "RequestId": inner.uuid() },
        "StartDate": started.start_date.as_millisecond(),
    });
    Ok((started.execution_arn, answer))
}

/// The failure for arguments without a required field: it ends the execution, as on AWS.
pub(crate) fn missing(reader: &Reader<'_>, arguments: &Value, field: &str) -> Failure {
    Failure::runtime(reader.cause(&format!(
        "The Arguments '{arguments}' could not be used to start the Task: [The field \"{field}\" is required but was \
         missing]"
    )))
}

fn api_failure(error: &ApiError) -> Failure {
    let cause = format!(
        "{} (Service: AWSStepFunctions; Status Code: 400; Error Code: {}; Proxy: null)",
        error.message, error.code
    );
    Failure::new(format!("StepFunctions.{}Exception", error.code), Some(cause))
}
