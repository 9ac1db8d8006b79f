//! AWS JSON 1.0 and 1.1, and REST with JSON.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::query::{parse_form, percent_decode};
use super::{Input, Protocol, Service, header, method_and_path, response};
use crate::hub::AwsError;

/// Reads `X-Amz-Target: DynamoDB_20120810.PutItem` and the body.
pub fn decode_target(request: &http::Request<Bytes>) -> (String, Result<Input, AwsError>) {
    match header(request, "x-amz-target").and_then(|target| target.rsplit_once('.')) {
        Some((_, operation)) => (operation.to_owned(), body(request)),
        None => (
            method_and_path(request),
            Err(no_operation("a request without X-Amz-Target")),
        ),
    }
}

/// Reads `POST /<Operation>` and the body. Other methods and deeper paths name no simulated operation.
pub fn decode_rest(request: &http::Request<Bytes>) -> (String, Result<Input, AwsError>) {
    let path = request.uri().path();
    let name = path.trim_matches('/');
    let plain = request.method() == http::Method::POST && !name.is_empty() && !name.contains('/');
    if plain {
        return (name.to_owned(), body(request));
    }
    let operation = method_and_path(request);
    let error = no_operation(&format!("mgn:{operation}"));
    (operation, Err(error))
}

/// Reads `POST /schedules/<Name>` of EventBridge Scheduler: the method names the operation.
pub fn decode_schedule(request: &http::Request<Bytes>) -> (String, Result<Input, AwsError>) {
    let operation = method_and_path(request);
    let name = request.uri().path().strip_prefix("/schedules/");
    let Some(name) = name.filter(|name| !name.is_empty() && !name.contains('/')) else {
        let error = no_operation(&format!("scheduler:{operation}"));
        return (operation, Err(error));
    };
    let known = match *request.method() {
        http::Method::POST => "CreateSchedule",
        http::Method::PUT => "UpdateSchedule",
        http::Method::GET => "GetSchedule",
        http::Method::DELETE => "DeleteSchedule",
        _ => {
            let error = no_operation(&format!("scheduler:{operation}"));
            return (operation, Err(error));
        }
    };
    let input = || -> Result<Input, AwsError> {
        let Input::Json(body) = body(request)? else {
            return Err(no_operation("a schedule that is not JSON"));
        };
        Ok(Input::Path {
            name: percent_decode(name)?,
            query: parse_form(request.uri().query().unwrap_or_default())?,
            body,
        })
    };
    (known.to_owned(), input())
}

fn no_operation(what: &str) -> AwsError {
    AwsError::not_simulated(what)
}

/// The body as JSON; no body is an empty object.
fn body(request: &http::Request<Bytes>) -> Result<Input, AwsError> {
    if request.body().is_empty() {
        return Ok(Input::Json(Value::Object(Map::new())));
    }
    serde_json::from_slice(request.body())
        .map(Input::Json)
        .map_err(|error| AwsError::new(400, "SerializationException", error.to_string()))
}

/// The content type of a protocol's JSON.
pub fn content_type(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::AwsJson(content_type) => content_type,
        _ => "application/json",
    }
}

/// The member with the sentence for people, which models spell in two ways.
fn sentence(service: Service, code: &str) -> &'static str {
    match (service, code) {
        (Service::Ssm, "ParameterNotFound" | "ParameterAlreadyExists") => "message",
        (Service::Ssm | Service::SecretsManager | Service::Scheduler, _)
        | (Service::DynamoDb, "TransactionCanceledException" | "IdempotentParameterMismatchException")
        | (Service::Lambda, "ResourceNotFoundException" | "ServiceException") => "Message",
        _ => "message",
    }
}

/// The error's type goes into a header for REST, because MGN's errors have a member `code` of their own that
/// clients would take for it, and into `__type` for AWS JSON.
pub fn refuse(service: Service, protocol: Protocol, error: &AwsError, request_id: &str) -> http::Response<Bytes> {
    let mut body = (*error.members).clone();
    body.insert(
        sentence(service, &error.code).to_owned(),
        Value::String(error.message.clone()),
    );
    let rest = matches!(protocol, Protocol::RestJson | Protocol::RestJsonPath);
    if !rest {
        body.insert("__type".to_owned(), Value::String(error.code.clone()));
    }
    let text = Value::Object(body).to_string();
    let mut response = response(error.status, content_type(protocol), request_id, text);
    if rest {
        let code = http::HeaderValue::from_str(&error.code).expect("error codes are plain words");
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}
