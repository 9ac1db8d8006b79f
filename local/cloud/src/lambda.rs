//! Lambda's operation Invoke: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>. The functions themselves run
//! outside of the cloud.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::{Map, Value};

use crate::caller::Caller;
use crate::hub::AwsError;
use crate::protocol::{Success, header, method_and_path, query::percent_decode};

/// Bytes of a payload, either way, of an invocation that is waited for:
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
pub const PAYLOAD_BYTES_MAX: usize = 6 * 1024 * 1024;

/// What is simulated.
pub(crate) const INVOKE: &str = "Invoke";

/// The pauses before an asynchronous invocation that failed is repeated:
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>.
pub(crate) const REPEATED_AFTER: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];

/// What Lambda says of an invocation that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionFailure {
    /// The error's name.
    pub error_type: String,
    /// What happened.
    pub error_message: String,
}

/// The deployed functions.
pub trait Functions: Send + Sync {
    /// Whether there is a function of this name or ARN.
    fn has(&self, function: &str) -> bool;

    /// Runs one to its end, for whoever invoked it.
    fn run(&self, by: Caller, function: String, payload: Value) -> BoxFuture<'static, Result<Value, FunctionFailure>>;
}

/// A call of Invoke.
#[derive(Debug, Clone, PartialEq)]
pub struct Invoke {
    /// Name or ARN.
    pub function: String,
    /// `RequestResponse`, `Event` or `DryRun`.
    pub invocation_type: String,
    /// Whether the end of the log is asked for.
    pub tail: bool,
    /// What the function is called with.
    pub payload: Value,
}

/// Reads `POST /2015-03-31/functions/<FunctionName>/invocations`.
pub(crate) fn decode(request: &http::Request<Bytes>) -> (String, Result<Invoke, AwsError>) {
    let named = request
        .uri()
        .path()
        .strip_prefix("/2015-03-31/functions/")
        .and_then(|rest| rest.strip_suffix("/invocations"))
        .filter(|name| request.method() == http::Method::POST && !name.is_empty() && !name.contains('/'));
    match named {
        Some(name) => (INVOKE.to_owned(), read(name, request)),
        None => {
            let operation = method_and_path(request);
            let error = AwsError::not_simulated(&format!("lambda:{operation}"));
            (operation, Err(error))
        }
    }
}

fn read(name: &str, request: &http::Request<Bytes>) -> Result<Invoke, AwsError> {
    if let Some(query) = request.uri().query() {
        return Err(AwsError::not_simulated(&format!("lambda:Invoke with {query}")));
    }
    let body = request.body();
    if body.len() > PAYLOAD_BYTES_MAX {
        let message =
            format!("Request must be smaller than {PAYLOAD_BYTES_MAX} bytes for the InvokeFunction operation");
        return Err(AwsError::new(413, "RequestTooLargeException", message).with("Type", "User"));
    }
    let payload = match body {
        body if body.is_empty() => Value::Object(Map::new()),
        body => serde_json::from_slice(body).map_err(|error| {
            let message = format!("Could not parse request body into json: {error}");
            user_error("InvalidRequestContentException", message)
        })?,
    };
    Ok(Invoke {
        function: percent_decode(name)?,
        invocation_type: header(request, "x-amz-invocation-type")
            .unwrap_or("RequestResponse")
            .to_owned(),
        tail: header(request, "x-amz-log-type") == Some("Tail"),
        payload,
    })
}

/// Carries a call out. It takes as long as the function, if it is waited for.
pub(crate) async fn invoke(
    functions: Option<Arc<dyn Functions>>,
    by: &Caller,
    call: Invoke,
) -> Result<Success, AwsError> {
    let Some(functions) = functions.filter(|functions| functions.has(&call.function)) else {
        let message = format!("Function not found: {}", call.function);
        return Err(AwsError::new(404, "ResourceNotFoundException", message).with("Type", "User"));
    };
    if call.tail {
        let message = "local AWS does not simulate the log type Tail: logs are in files";
        return Err(user_error("InvalidParameterValueException", message));
    }
    match call.invocation_type.as_str() {
        "RequestResponse" => told(functions.run(by.clone(), call.function, call.payload).await),
        "Event" => {
            let by = by.clone();
            let run = move || functions.run(by.clone(), call.function.clone(), call.payload.clone());
            tokio::spawn(queued(run));
            Ok(Success::Json(202, Value::Null))
        }
        "DryRun" => Ok(Success::Json(204, Value::Null)),
        other => {
            let message = format!(
                "Value '{other}' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]"
            );
            Err(user_error("InvalidParameterValueException", message))
        }
    }
}

/// What the caller hears of an invocation that it waited for.
fn told(answer: Result<Value, FunctionFailure>) -> Result<Success, AwsError> {
    let failure = match answer {
        Ok(answer) => match answer.to_string().len() {
            bytes if bytes > PAYLOAD_BYTES_MAX => FunctionFailure {
                error_type: "Function.ResponseSizeTooLarge".to_owned(),
                error_message: format!(
                    "Response payload size ({bytes} bytes) exceeded maximum allowed payload size ({PAYLOAD_BYTES_MAX} bytes)."
                ),
            },
            _ => return Ok(Success::Function { answer, failed: false }),
        },
        Err(failure) => failure,
    };
    if failure.error_type == "Lambda.TooManyRequestsException" {
        return Err(AwsError::new(429, "TooManyRequestsException", failure.error_message));
    }
    let answer = serde_json::json!({"errorType": failure.error_type, "errorMessage": failure.error_message});
    Ok(Success::Function { answer, failed: true })
}

/// Lambda's queue: an asynchronous invocation and its repetitions, until one succeeds. The error is that of the last.
pub(crate) async fn queued<T, E, F>(mut invoke: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    for pause in REPEATED_AFTER {
        if let Ok(answer) = invoke().await {
            return Ok(answer);
        }
        tokio::time::sleep(pause).await;
    }
    invoke().await
}

fn user_error(code: &str, message: impl Into<String>) -> AwsError {
    AwsError::new(400, code, message).with("Type", "User")
}
