//! Lambda's operation Invoke: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>.

use super::http::{header, json};
use crate::world::{ACCOUNT, LambdaFailure, REGION, World, functions};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use serde_json::{Value, json};
use std::time::Duration;

/// The service in a signature's scope.
pub(super) const SERVICE: &str = "lambda";

/// What is simulated of it.
pub(super) const OPERATION: (&str, &str) = (SERVICE, "Invoke");

/// The id of every request: nothing here is looked up by it.
const REQUEST_ID: &str = "00000000-0000-4000-8000-000000000000";

/// The pauses before an asynchronous invocation that failed is repeated:
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>.
const REPEATED_AFTER: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];

/// Answers a request.
pub(super) async fn answer(world: &World, request: &Request<Bytes>) -> Response<Bytes> {
    let mut response = execute(world, request).await;
    let id = HeaderValue::from_static(REQUEST_ID);
    response.headers_mut().insert("x-amzn-requestid", id);
    response
}

async fn execute(world: &World, request: &Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path();
    let named = path
        .strip_prefix("/2015-03-31/functions/")
        .and_then(|rest| rest.strip_suffix("/invocations"))
        .filter(|_| request.method() == Method::POST);
    let Some(name) = named else {
        let message = format!("local AWS does not simulate lambda:{} {path}", request.method());
        return refuse(404, "UnknownOperationException", &message);
    };
    let name = decoded(name);
    let Some((function, _)) = functions::find(&name) else {
        let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}");
        return refuse(404, "ResourceNotFoundException", &format!("Function not found: {arn}"));
    };
    if header(request, "x-amz-log-type") == Some("Tail") {
        let message = "local AWS does not simulate the log type Tail: logs are in files";
        return refuse(400, "InvalidParameterValueException", message);
    }
    let payload = match request.body() {
        body if body.is_empty() => Ok(json!({})),
        body => serde_json::from_slice::<Value>(body),
    };
    let payload = match payload {
        Ok(payload) => payload,
        Err(error) => {
            let message = format!("Could not parse request body into json: {error}");
            return refuse(400, "InvalidRequestContentException", &message);
        }
    };
    match header(request, "x-amz-invocation-type").unwrap_or("RequestResponse") {
        "RequestResponse" => {
            let answer = world.invoke(function, payload).await;
            invoked(answer)
        }
        "Event" => {
            tokio::spawn(later(world.clone(), function, payload));
            empty(202)
        }
        "DryRun" => empty(204),
        other => {
            let message = format!(
                "Value '{other}' at 'invocationType' failed to satisfy constraint: Member must satisfy \
                                   enum value set: [Event, RequestResponse, DryRun]"
            );
            refuse(400, "InvalidParameterValueException", &message)
        }
    }
}

/// What the caller hears of an invocation that it waited for.
fn invoked(answer: Result<Value, LambdaFailure>) -> Response<Bytes> {
    let mut response = match answer {
        Ok(answer) => json(200, &answer),
        Err(LambdaFailure {
            error_type,
            error_message,
            ..
        }) if error_type == "Lambda.TooManyRequestsException" => {
            return refuse(429, "TooManyRequestsException", &error_message);
        }
        Err(failure) => {
            let mut response = json(
                200,
                &json!({"errorType": failure.error_type, "errorMessage": failure.error_message}),
            );
            response
                .headers_mut()
                .insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
            response
        }
    };
    response
        .headers_mut()
        .insert("x-amz-executed-version", HeaderValue::from_static("$LATEST"));
    response
}

/// An asynchronous invocation, and its repetitions.
async fn later(world: World, function: &'static str, payload: Value) {
    let mut pauses = REPEATED_AFTER.into_iter();
    while world.invoke(function, payload.clone()).await.is_err() {
        match pauses.next() {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return,
        }
    }
}

fn empty(status: u16) -> Response<Bytes> {
    json(status, &Value::Null).map(|_| Bytes::new())
}

fn refuse(status: u16, code: &str, message: &str) -> Response<Bytes> {
    let who = if status == 404 || status == 400 {
        "User"
    } else {
        "Service"
    };
    let body = match code {
        "ResourceNotFoundException" => json!({"Type": who, "Message": message}),
        // No error of Lambda's own, which all have a type.
        "UnknownOperationException" => json!({"message": message}),
        _ => json!({"Type": who, "message": message}),
    };
    let mut response = json(status, &body);
    if let Ok(code) = HeaderValue::from_str(code) {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

/// A part of a path without its percent signs; what is wrongly encoded stays as it is, and is then no function.
fn decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_path_may_be_encoded() {
        assert_eq!(decoded("function%3Aapprove"), "function:approve");
        assert_eq!(decoded("approve"), "approve");
        assert_eq!(decoded("100%"), "100%");
    }
}
