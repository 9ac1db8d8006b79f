//! Step Functions' API in front of the interpreter.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use asl::{ApiError, Engine, ExecutionDescription, ExecutionStatus};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::hub::{AwsError, EventDetail, Hub};
use crate::operations;

/// Executions or events of a page when the request does not say.
const PAGE_DEFAULT: u64 = 100;
/// Most executions or events of a page.
const PAGE_MAX: u64 = 1_000;
/// Bytes that input and output may have together inside of a status event, else both are left out ("Events from
/// Step Functions" in the developer guide).
const EVENT_PAYLOAD_BYTES_MAX: usize = 248 * 1_024;

/// For how long a `clientToken` makes RedriveExecution idempotent (its page in the API reference).
const REDRIVE_TOKEN_WINDOW: SignedDuration = SignedDuration::from_mins(15);
/// How many of an execution's latest redrives are remembered by their tokens.
const REDRIVE_TOKENS_MAX: usize = 10;

/// A redrive that was done under a token.
#[derive(Debug, Clone)]
struct Redrive {
    token: String,
    at: Timestamp,
}

/// Redrives by execution ARN, oldest first, so that a repeated request is answered and not done again.
#[derive(Debug, Default)]
pub(crate) struct Redrives(Mutex<BTreeMap<String, Vec<Redrive>>>);

impl Redrives {
    fn redrive(&self, engine: &Engine, arn: &str, token: Option<&str>, now: Timestamp) -> Result<Value, AwsError> {
        let mut by_arn = self.0.lock().expect("no panic while redriving");
        let known = by_arn.entry(arn.to_owned()).or_default();
        known.retain(|redrive| now.duration_since(redrive.at) < REDRIVE_TOKEN_WINDOW);
        if let Some(done) = known.iter().find(|redrive| Some(redrive.token.as_str()) == token) {
            return Ok(json!({"redriveDate": seconds(done.at)}));
        }
        let at = engine.redrive_execution(arn).map_err(refused)?;
        if let Some(token) = token {
            if known.len() == REDRIVE_TOKENS_MAX {
                known.remove(0);
            }
            known.push(Redrive {
                token: token.to_owned(),
                at,
            });
        }
        Ok(json!({"redriveDate": seconds(at)}))
    }
}

/// Emits an "Execution Status Change" event for everything that begins or ends.
pub(crate) fn announce_status_changes(engine: &Engine, hub: Arc<dyn Hub>) {
    engine.on_status_change(Arc::new(move |execution: &ExecutionDescription| {
        hub.emit(EventDetail {
            source: "aws.states".to_owned(),
            detail_type: "Step Functions Execution Status Change".to_owned(),
            resources: vec![execution.execution_arn.clone()],
            detail: status_event(execution),
        });
    }));
}

/// The detail of a status event: dates in milliseconds, absent values as null.
fn status_event(execution: &ExecutionDescription) -> Value {
    let input = execution.input.to_string();
    let output = execution.output.as_ref().map(Value::to_string);
    let bytes = input.len() + output.as_ref().map_or(0, String::len);
    let included = bytes <= EVENT_PAYLOAD_BYTES_MAX;
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
    let (redrive_status, redrive_reason) = redrive_status(execution.status);
    json!({
        "executionArn": execution.execution_arn,
        "stateMachineArn": execution.state_machine_arn,
        "name": execution.name,
        "status": execution.status.as_str(),
        "startDate": execution.start_date.as_millisecond(),
        "stopDate": millis(execution.stop_date),
        "input": included.then_some(input),
        "inputDetails": {"included": included},
        "output": output.as_ref().filter(|_| included),
        "outputDetails": output.as_ref().map(|_| json!({"included": included})),
        "error": execution.error,
        "cause": execution.cause,
        "stateMachineVersionArn": null,
        "stateMachineAliasArn": null,
        "redriveCount": execution.redrive_count,
        "redriveDate": millis(execution.redrive_date),
        "redriveStatus": redrive_status,
        "redriveStatusReason": redrive_reason,
    })
}

fn redrive_status(status: ExecutionStatus) -> (&'static str, Option<String>) {
    match status {
        ExecutionStatus::Running | ExecutionStatus::Succeeded => {
            let reason = format!("Execution is {} and cannot be redriven", status.as_str());
            ("NOT_REDRIVABLE", Some(reason))
        }
        _ => ("REDRIVABLE", None),
    }
}

/// What a request is answered by.
pub(crate) struct Api<'a> {
    pub engine: &'a Engine,
    pub redrives: &'a Redrives,
    pub now: Timestamp,
}

type Act = fn(&Api<'_>, &Value) -> Result<Value, AwsError>;

/// What is simulated.
pub(crate) const OPERATIONS: [(&str, Act); 9] = [
    ("StartExecution", start),
    ("DescribeExecution", describe),
    ("StopExecution", stop),
    ("ListExecutions", list),
    ("GetExecutionHistory", history),
    ("SendTaskSuccess", |api, body| {
        let members = Members::read("SendTaskSuccess", body, &["taskToken", "output"])?;
        let (token, output) = (members.required("taskToken")?, members.required("output")?);
        let done = api.engine.send_task_success(token, output);
        done.map(|_| json!({})).map_err(refused)
    }),
    ("SendTaskFailure", |api, body| {
        let members = Members::read("SendTaskFailure", body, &["taskToken", "error", "cause"])?;
        let token = members.required("taskToken")?;
        let done = api
            .engine
            .send_task_failure(token, members.text("error")?, members.text("cause")?);
        done.map(|_| json!({})).map_err(refused)
    }),
    ("SendTaskHeartbeat", |api, body| {
        let members = Members::read("SendTaskHeartbeat", body, &["taskToken"])?;
        let done = api.engine.send_task_heartbeat(members.required("taskToken")?);
        done.map(|_| json!({})).map_err(refused)
    }),
    ("RedriveExecution", |api, body| {
        let members = Members::read("RedriveExecution", body, &["executionArn", "clientToken"])?;
        let (arn, token) = (members.required("executionArn")?, members.text("clientToken")?);
        api.redrives.redrive(api.engine, arn, token, api.now)
    }),
];

/// Answers a request.
pub(crate) fn handle(api: &Api<'_>, operation: &str, body: &Value) -> Result<Value, AwsError> {
    operations::find("states", &OPERATIONS, operation)?(api, body)
}

fn describe(api: &Api<'_>, body: &Value) -> Result<Value, AwsError> {
    let members = Members::read("DescribeExecution", body, &["executionArn", "includedData"])?;
    members.only("includedData", "ALL_DATA")?;
    let execution = api.engine.describe_execution(members.required("executionArn")?);
    execution.map(|execution| described(&execution)).map_err(refused)
}

fn stop(api: &Api<'_>, body: &Value) -> Result<Value, AwsError> {
    let members = Members::read("StopExecution", body, &["executionArn", "error", "cause"])?;
    let arn = members.required("executionArn")?;
    let stopped = api
        .engine
        .stop_execution(arn, members.text("error")?, members.text("cause")?);
    stopped.map(|at| json!({"stopDate": seconds(at)})).map_err(refused)
}

fn start(api: &Api<'_>, body: &Value) -> Result<Value, AwsError> {
    let members = Members::read("StartExecution", body, &["stateMachineArn", "name", "input"])?;
    let text = members.text("input")?.unwrap_or("{}");
    let input = serde_json::from_str(text).map_err(|error| {
        AwsError::new(
            400,
            "InvalidExecutionInput",
            format!("Invalid State Machine Execution Input: '{error}'"),
        )
    })?;
    let started = api
        .engine
        .start_execution(members.required("stateMachineArn")?, members.text("name")?, input)
        .map_err(refused)?;
    Ok(json!({"executionArn": started.execution_arn, "startDate": seconds(started.start_date)}))
}

fn list(api: &Api<'_>, body: &Value) -> Result<Value, AwsError> {
    let known = [
        "stateMachineArn",
        "mapRunArn",
        "statusFilter",
        "maxResults",
        "nextToken",
    ];
    let members = Members::read("ListExecutions", body, &known)?;
    let (machine, map_run) = (members.text("stateMachineArn")?, members.text("mapRunArn")?);
    if machine.is_some() == map_run.is_some() {
        return Err(validation("Must provide exactly one of stateMachineArn and mapRunArn"));
    }
    let status = members.text("statusFilter")?.map(read_status).transpose()?;
    let mut executions = api.engine.list_executions(machine, status);
    executions.retain(|execution| map_run.is_none() || execution.map_run_arn.as_deref() == map_run);
    // Most recent first; the engine's order breaks ties, so that pages stay stable.
    executions.sort_by_key(|execution| std::cmp::Reverse(execution.start_date));
    let listed: Vec<Value> = executions.iter().map(summarised).collect();
    members.page("executions", listed)
}

fn history(api: &Api<'_>, body: &Value) -> Result<Value, AwsError> {
    let known = [
        "executionArn",
        "maxResults",
        "nextToken",
        "reverseOrder",
        "includeExecutionData",
    ];
    let members = Members::read("GetExecutionHistory", body, &known)?;
    if members
        .get("includeExecutionData")
        .is_some_and(|value| value != &Value::Bool(true))
    {
        return Err(AwsError::not_simulated(
            "states:GetExecutionHistory without execution data",
        ));
    }
    let events = api
        .engine
        .get_execution_history(members.required("executionArn")?)
        .map_err(refused)?;
    let mut listed = Vec::with_capacity(events.len());
    for event in &events {
        let mut value =
            serde_json::to_value(event).map_err(|error| AwsError::new(500, "InternalFailure", error.to_string()))?;
        value["timestamp"] = seconds(event.timestamp);
        listed.push(value);
    }
    if members.get("reverseOrder") == Some(&Value::Bool(true)) {
        listed.reverse();
    }
    members.page("events", listed)
}

fn read_status(word: &str) -> Result<ExecutionStatus, AwsError> {
    let known = [
        ExecutionStatus::Running,
        ExecutionStatus::Succeeded,
        ExecutionStatus::Failed,
        ExecutionStatus::TimedOut,
        ExecutionStatus::Aborted,
        ExecutionStatus::PendingRedrive,
    ];
    let found = known.into_iter().find(|status| status.as_str() == word);
    found.ok_or_else(|| validation(&format!("{word} is not an execution status")))
}

fn summarised(execution: &ExecutionDescription) -> Value {
    let mut listed = Map::new();
    listed.insert("executionArn".to_owned(), json!(execution.execution_arn));
    listed.insert("stateMachineArn".to_owned(), json!(execution.state_machine_arn));
    listed.insert("name".to_owned(), json!(execution.name));
    listed.insert("status".to_owned(), json!(execution.status.as_str()));
    listed.insert("startDate".to_owned(), seconds(execution.start_date));
    listed.insert("redriveCount".to_owned(), json!(execution.redrive_count));
    let mut optional = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            listed.insert(name.to_owned(), value);
        }
    };
    optional("stopDate", execution.stop_date.map(seconds));
    optional("redriveDate", execution.redrive_date.map(seconds));
    optional("mapRunArn", execution.map_run_arn.as_ref().map(|arn| json!(arn)));
    Value::Object(listed)
}

fn described(execution: &ExecutionDescription) -> Value {
    let mut description = summarised(execution);
    description["input"] = json!(execution.input.to_string());
    description["inputDetails"] = json!({"included": true});
    if let Some(output) = &execution.output {
        description["output"] = json!(output.to_string());
        description["outputDetails"] = json!({"included": true});
    }
    if let Some(error) = &execution.error {
        description["error"] = json!(error);
    }
    if let Some(cause) = &execution.cause {
        description["cause"] = json!(cause);
    }
    let (status, reason) = redrive_status(execution.status);
    description["redriveStatus"] = json!(status);
    if let Some(reason) = reason {
        description["redriveStatusReason"] = json!(reason);
    }
    description
}

/// A date on the wire: seconds since the epoch, with a fraction.
fn seconds(at: Timestamp) -> Value {
    json!(at.as_millisecond() as f64 / 1_000.0)
}

fn refused(error: ApiError) -> AwsError {
    AwsError::new(400, error.code.as_str(), error.message)
}

fn validation(message: &str) -> AwsError {
    AwsError::new(400, "ValidationException", message)
}

/// A request's members, all of them known to the operation.
struct Members<'a> {
    members: &'a Map<String, Value>,
}

impl<'a> Members<'a> {
    fn read(operation: &str, body: &'a Value, known: &[&str]) -> Result<Members<'a>, AwsError> {
        let members = body
            .as_object()
            .ok_or_else(|| AwsError::new(400, "SerializationException", "the request is not a JSON object"))?;
        match members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(AwsError::not_simulated(&format!(
                "states:{operation} with the member {name}"
            ))),
            None => Ok(Members { members }),
        }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, AwsError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value
            .as_str()
            .map(Some)
            .ok_or_else(|| validation(&format!("{name} is not a string")))
    }

    fn required(&self, name: &str) -> Result<&'a str, AwsError> {
        self.text(name)?
            .ok_or_else(|| validation(&format!("{name} is missing")))
    }

    fn only(&self, name: &str, value: &str) -> Result<(), AwsError> {
        match self.text(name)? {
            Some(other) if other != value => Err(AwsError::not_simulated(&format!("states with {name} {other}"))),
            _ => Ok(()),
        }
    }

    fn number(&self, name: &str) -> Result<Option<u64>, AwsError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value
            .as_u64()
            .map(Some)
            .ok_or_else(|| validation(&format!("{name} is not a number")))
    }

    /// Cuts a page out of `items`. A token is the number of items before its page.
    fn page(&self, name: &str, items: Vec<Value>) -> Result<Value, AwsError> {
        let size = match self.number("maxResults")? {
            None | Some(0) => PAGE_DEFAULT,
            Some(size) if size <= PAGE_MAX => size,
            Some(size) => return Err(validation(&format!("maxResults {size} is above {PAGE_MAX}"))),
        };
        let invalid = || AwsError::new(400, "InvalidToken", "Invalid Token: 'nextToken'");
        let start = match self.text("nextToken")? {
            None => 0,
            Some(token) => token
                .parse::<usize>()
                .ok()
                .filter(|start| *start < items.len())
                .ok_or_else(invalid)?,
        };
        let end = items.len().min(start + size as usize);
        let mut page = json!({name: items[start..end]});
        if end < items.len() {
            page["nextToken"] = json!(end.to_string());
        }
        Ok(page)
    }
}
