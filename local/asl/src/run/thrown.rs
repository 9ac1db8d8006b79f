//! Failures of handlers that stand in for a whole integration, such as mocks: what really failed is told by
//! the error's name alone.

use super::Failure;
use crate::engine::handler::TaskFailure;
use crate::resource::{Pattern, Resource};
use serde_json::Value;

/// The failure as the task has it: timeouts are recorded as `…TimedOut`, and no cause stays no cause.
pub(crate) fn failure(thrown: TaskFailure) -> Failure {
    let heartbeat = thrown.error == "States.HeartbeatTimeout";
    let timed_out = heartbeat || thrown.error == "States.Timeout";
    let cause = Some(thrown.cause).filter(|cause| !cause.is_empty());
    Failure {
        timed_out,
        heartbeat,
        ..Failure::new(thrown.error, cause)
    }
}

/// Whether the task failed after the service had accepted the call, so that `TaskSubmitted` comes first: a job
/// that failed is `States.TaskFailed`, a token fails with any name. What the service itself refuses, or the
/// function throws, comes before.
pub(crate) fn after_submission(resource: &Resource, failure: &Failure) -> bool {
    let Resource::Service { service, pattern, .. } = resource else {
        return false;
    };
    let error = failure.error.as_deref().unwrap_or("");
    match pattern {
        Pattern::RequestResponse => false,
        Pattern::Sync { .. } => failure.timed_out || error == "States.TaskFailed",
        Pattern::TaskToken => {
            error != "States.Runtime"
                && !is_service_exception(service, error)
                && !(service == "lambda" && is_function_error(failure.cause.as_deref()))
        }
    }
}

/// `Lambda.ResourceNotFoundException`, `Mgn.ConflictException`: the service's name before the exception's.
fn is_service_exception(service: &str, error: &str) -> bool {
    let Some((prefix, _)) = error.split_once('.') else {
        return false;
    };
    let service = service.strip_prefix("aws-sdk:").unwrap_or(service);
    prefix != "States" && (prefix.eq_ignore_ascii_case(service) || error.ends_with("Exception"))
}

/// A function that throws has its error object as the cause.
fn is_function_error(cause: Option<&str>) -> bool {
    let object = cause.and_then(|cause| serde_json::from_str::<Value>(cause).ok());
    object.is_some_and(|object| object.get("errorMessage").is_some() || object.get("errorType").is_some())
}
