//! From an HTTP request to (service, operation, input), and from a result to an HTTP response.

pub mod cbor;
pub mod json;
pub mod query;
pub mod unknown;
pub mod xml;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::hub::AwsError;
use crate::lambda::{self, Invoke};
use xml::Element;

/// The services that are simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Application Migration Service.
    Mgn,
    /// EC2.
    Ec2,
    /// Route 53.
    Route53,
    /// Systems Manager.
    Ssm,
    /// Simple Notification Service.
    Sns,
    /// Step Functions.
    States,
    /// DynamoDB.
    DynamoDb,
    /// Database Migration Service.
    Dms,
    /// CloudWatch.
    Monitoring,
    /// Secrets Manager.
    SecretsManager,
    /// EventBridge Scheduler.
    Scheduler,
    /// Lambda.
    Lambda,
    /// No service of AWS: the calls of the port to databases, which pass the ledger and the fault rules like the others.
    Database,
}

/// How a service speaks on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// JSON bodies, operation in the path, error type in a header.
    RestJson,
    /// JSON bodies, operation in `X-Amz-Target`; 1.0 and 1.1 differ in the content type alone.
    AwsJson(&'static str),
    /// Form in, XML out, EC2's own error document.
    Ec2Query,
    /// Form in, XML out.
    AwsQuery,
    /// XML in and out, operation in method and path.
    RestXml,
    /// JSON bodies, what it is about in the path, operation in the method, error type in a header.
    RestJsonPath,
    /// CBOR in and out, operation in the path (<https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>).
    RpcV2Cbor,
    /// None: no HTTP.
    Port,
}

impl Service {
    /// All of them.
    pub const ALL: [Service; 13] = [
        Service::Mgn,
        Service::Ec2,
        Service::Route53,
        Service::Ssm,
        Service::Sns,
        Service::States,
        Service::DynamoDb,
        Service::Dms,
        Service::Monitoring,
        Service::SecretsManager,
        Service::Scheduler,
        Service::Lambda,
        Service::Database,
    ];

    /// The name in the ledger, which is also the endpoint prefix and the name that signatures are scoped to.
    pub fn name(self) -> &'static str {
        match self {
            Service::Mgn => "mgn",
            Service::Ec2 => "ec2",
            Service::Route53 => "route53",
            Service::Ssm => "ssm",
            Service::Sns => "sns",
            Service::States => "states",
            Service::DynamoDb => "dynamodb",
            Service::Dms => "dms",
            Service::Monitoring => "monitoring",
            Service::SecretsManager => "secretsmanager",
            Service::Scheduler => "scheduler",
            Service::Lambda => "lambda",
            Service::Database => "database",
        }
    }

    /// How it speaks.
    pub fn protocol(self) -> Protocol {
        match self {
            Service::Mgn => Protocol::RestJson,
            Service::Ec2 => Protocol::Ec2Query,
            Service::Route53 => Protocol::RestXml,
            Service::Ssm | Service::Dms | Service::SecretsManager => Protocol::AwsJson("application/x-amz-json-1.1"),
            Service::Sns => Protocol::AwsQuery,
            Service::States | Service::DynamoDb => Protocol::AwsJson("application/x-amz-json-1.0"),
            Service::Monitoring => Protocol::RpcV2Cbor,
            Service::Scheduler | Service::Lambda => Protocol::RestJsonPath,
            Service::Database => Protocol::Port,
        }
    }

    /// How a request to it speaks. CloudWatch understands two: the SDK speaks CBOR, `aws` and boto3 JSON.
    pub fn spoken_in(self, request: &http::Request<Bytes>) -> Protocol {
        match self.protocol() {
            Protocol::RpcV2Cbor if header(request, "smithy-protocol").is_none() => {
                Protocol::AwsJson("application/x-amz-json-1.0")
            }
            protocol => protocol,
        }
    }

    /// The service of that name, as the scope of a signature has it.
    pub fn from_name(name: &str) -> Option<Service> {
        let of_aws = |service: &&Service| **service != Service::Database;
        Service::ALL
            .iter()
            .filter(of_aws)
            .find(|service| service.name() == name)
            .copied()
    }

    /// The service behind a host name: `mgn.eu-west-1.amazonaws.com`, `route53.amazonaws.com`, FIPS and dual-stack
    /// forms, and DynamoDB's `<account>.ddb.eu-west-1.amazonaws.com`.
    fn from_host(host: &str) -> Option<Service> {
        let suffix = [".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws"]
            .into_iter()
            .find(|suffix| host.ends_with(suffix))?;
        let mut labels = host[..host.len() - suffix.len()].split('.');
        let first = labels.next()?;
        let second = labels.next().unwrap_or_default();
        if matches!(second, "ddb" | "ddb-fips") && first.bytes().all(|b| b.is_ascii_digit()) {
            return Some(Service::DynamoDb);
        }
        Service::from_name(first.strip_suffix("-fips").unwrap_or(first))
    }

    /// The service of a request sent to this machine itself, by the scope of its signature
    /// (`Credential=<key>/<date>/<region>/<service>/aws4_request`).
    fn from_signature(authorization: &str) -> Option<Service> {
        let scope = authorization.split("Credential=").nth(1)?.split(',').next()?;
        Service::from_name(scope.split('/').nth(3)?)
    }
}

/// A request, understood as far as its protocol goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The JSON body.
    Json(Value),
    /// The form, without `Action` and `Version`.
    Query(BTreeMap<String, String>),
    /// A REST request in XML.
    Rest {
        /// The identifier in the path, or empty.
        id: String,
        /// The query string.
        query: BTreeMap<String, String>,
        /// The document, if there is a body.
        document: Option<Element>,
    },
    /// A REST request in JSON whose path names what it is about.
    Path {
        /// The name in the path.
        name: String,
        /// The query string.
        query: BTreeMap<String, String>,
        /// The body; an empty object where there is none.
        body: Value,
    },
    /// A call of Lambda's Invoke.
    Invoke(Invoke),
}

impl Input {
    /// The request as JSON, for rules that look into it.
    pub fn to_value(&self) -> Value {
        match self {
            Input::Json(value) => value.clone(),
            Input::Query(form) => json!(form),
            Input::Rest { id, query, document } => json!({
                "id": id,
                "query": query,
                "document": document.as_ref().map(Element::to_value),
            }),
            Input::Path { name, query, body } => json!({"name": name, "query": query, "body": body}),
            Input::Invoke(invoke) => json!({
                "FunctionName": invoke.function,
                "InvocationType": invoke.invocation_type,
                "Payload": invoke.payload,
            }),
        }
    }
}

/// Which operation of which service, with which input.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The service.
    pub service: Service,
    /// In AWS's spelling; for a request that names no known one, its method and path.
    pub operation: String,
    /// The input, or why it cannot be read.
    pub input: Result<Input, AwsError>,
}

/// Who a request is for. An unknown host is an error that names it.
pub fn service_of(request: &http::Request<Bytes>) -> Result<Service, AwsError> {
    let host = host_of(request);
    let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
    let local = matches!(name, "localhost" | "127.0.0.1" | "[::1]");
    let found = if local {
        header(request, "authorization").and_then(Service::from_signature)
    } else {
        Service::from_host(name)
    };
    found.ok_or_else(|| AwsError::not_simulated(&format!("the host {host}")))
}

/// The host a request names, in its URI or its `Host` header.
pub fn host_of(request: &http::Request<Bytes>) -> String {
    let from_uri = request.uri().authority().map(|authority| authority.as_str());
    from_uri
        .or_else(|| header(request, "host"))
        .unwrap_or_default()
        .to_ascii_lowercase()
}

/// Reads a request in its service's protocol.
pub fn decode(service: Service, request: &http::Request<Bytes>) -> Call {
    let (operation, input) = match service.spoken_in(request) {
        Protocol::RestJson => json::decode_rest(request),
        Protocol::AwsJson(_) => json::decode_target(request),
        Protocol::Ec2Query | Protocol::AwsQuery => query::decode(request),
        Protocol::RestXml => crate::route53::wire::decode(request),
        Protocol::RestJsonPath if service == Service::Lambda => {
            let (operation, invoke) = lambda::decode(request);
            (operation, invoke.map(Input::Invoke))
        }
        Protocol::RestJsonPath => json::decode_schedule(request),
        Protocol::RpcV2Cbor => cbor::decode(request),
        Protocol::Port => {
            let error = AwsError::not_simulated("databases over HTTP");
            (method_and_path(request), Err(error))
        }
    };
    Call {
        service,
        operation,
        input,
    }
}

/// What a service answers when it agrees.
#[derive(Debug, Clone, PartialEq)]
pub enum Success {
    /// A JSON document; null means no body.
    Json(u16, Value),
    /// An XML document.
    Xml(u16, String),
    /// A document in CBOR or JSON.
    Item(u16, cbor::Item),
    /// What a function answered, or said when it failed.
    Function {
        /// The payload.
        answer: Value,
        /// Whether it failed.
        failed: bool,
    },
}

/// Renders a success.
pub fn respond(protocol: Protocol, success: Success, request_id: &str) -> http::Response<Bytes> {
    match success {
        Success::Json(status, Value::Null) => response(status, json::content_type(protocol), request_id, Bytes::new()),
        Success::Json(status, body) => response(status, json::content_type(protocol), request_id, body.to_string()),
        Success::Xml(status, body) => response(status, "text/xml", request_id, body),
        Success::Item(status, body) if protocol == Protocol::RpcV2Cbor => cbor::response(status, request_id, &body),
        Success::Item(status, body) => {
            let body = body.to_value().to_string();
            response(status, json::content_type(protocol), request_id, body)
        }
        Success::Function { answer, failed } => {
            let mut response = response(200, json::content_type(protocol), request_id, answer.to_string());
            let headers = response.headers_mut();
            headers.insert("x-amz-executed-version", http::HeaderValue::from_static("$LATEST"));
            if failed {
                headers.insert("x-amz-function-error", http::HeaderValue::from_static("Unhandled"));
            }
            response
        }
    }
}

/// Renders a refusal of a service in the protocol's form.
pub fn refuse(service: Service, protocol: Protocol, error: &AwsError, request_id: &str) -> http::Response<Bytes> {
    let mut response = match protocol {
        Protocol::RestJson | Protocol::RestJsonPath | Protocol::AwsJson(_) | Protocol::Port => {
            json::refuse(service, protocol, error, request_id)
        }
        Protocol::RpcV2Cbor => cbor::refuse(error, request_id),
        Protocol::Ec2Query => response(
            error.status,
            "text/xml",
            request_id,
            query::ec2_error(error, request_id),
        ),
        Protocol::AwsQuery => {
            let body = xml::error_response(query::SNS_NAMESPACE, error, request_id);
            response(error.status, "text/xml", request_id, body)
        }
        Protocol::RestXml => {
            let body = xml::error_response(crate::route53::wire::NAMESPACE, error, request_id);
            response(error.status, "text/xml", request_id, body)
        }
    };
    if service == Service::Monitoring {
        // What it spoke before, so that clients of then find the code they know.
        // <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#aws-protocols-awsquerycompatible-trait>
        let whose = if error.status < 500 { "Sender" } else { "Receiver" };
        let value = http::HeaderValue::from_str(&format!("{};{whose}", error.code));
        let value = value.expect("error codes are plain words");
        response.headers_mut().insert("x-amzn-query-error", value);
    }
    if let Some(seconds) = error.retry_after_s {
        response
            .headers_mut()
            .insert("retry-after", http::HeaderValue::from(seconds));
    }
    response
}

/// Renders a refusal for a request whose service is unknown, in the form its content type suggests.
pub fn refuse_stranger(request: &http::Request<Bytes>, error: &AwsError, request_id: &str) -> http::Response<Bytes> {
    let speaks = match header(request, "content-type") {
        Some(value) if value.contains("x-amz-json") => Service::States,
        Some(value) if value.contains("json") => Service::Mgn,
        _ => Service::Sns,
    };
    refuse(speaks, speaks.protocol(), error, request_id)
}

/// A response with the headers every service sends.
fn response(status: u16, content_type: &str, request_id: &str, body: impl Into<Bytes>) -> http::Response<Bytes> {
    http::Response::builder()
        .status(status)
        .header("content-type", content_type)
        .header("x-amzn-requestid", request_id)
        .body(body.into())
        .expect("statuses come from services, headers are constants and identifiers")
}

/// A header's value, if it is there and readable.
pub(crate) fn header<'a>(request: &'a http::Request<Bytes>, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

/// What the ledger calls a request that names no operation.
pub(crate) fn method_and_path(request: &http::Request<Bytes>) -> String {
    format!("{} {}", request.method(), request.uri().path())
}
