//! `Task`: scheduling a call, waiting for its result, for its token, or for the job it started.

use super::context::StateContext;
use super::fields::{Reader, within_limit};
use super::flow::Frame;
use super::nested::{self, ChildGuard};
use super::{Failure, Severity, thrown};
use crate::engine::handler::{TaskCall, TaskHandler, TaskResource};
use crate::engine::tokens::{Completion, TokenWait};
use crate::engine::types::ExecutionStatus;
use crate::history::{failure_details, whole};
use crate::model::Task;
use crate::resource::{Pattern, Resource};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The longest timeout in seconds.
const SECONDS_MAX: u64 = 99_999_999;

/// One attempt of a Task state; gives the task's result.
pub(crate) async fn call(
    frame: &mut Frame,
    spec: &Task,
    context: &mut StateContext,
    input: &Value,
) -> Result<Value, Failure> {
    let token = match &spec.resource {
        Resource::Service {
            pattern: Pattern::TaskToken,
            ..
        } => Some(frame.inner.open_token()),
        _ => None,
    };
    context.token = token.as_ref().map(|wait| wait.token.clone());
    let attempt = Attempt::prepare(frame, spec, context, input)?;
    attempt.schedule(frame)?;
    let outcome = match attempt.timeout {
        Some(seconds) => {
            let performed = attempt.perform(frame, token);
            tokio::select! {
                biased;
                result = performed => result,
                () = tokio::time::sleep(Duration::from_secs(seconds)) => Err(Failure::timeout(false)),
            }
        }
        None => attempt.perform(frame, token).await,
    };
    match outcome.and_then(|result| attempt.check_size(result)) {
        Ok(result) => {
            attempt.push_succeeded(frame, &result)?;
            Ok(result)
        }
        Err(failure) => {
            if failure.severity == Severity::Error {
                attempt.push_failed(frame, &failure)?;
            }
            Err(failure)
        }
    }
}

/// A call with everything about it evaluated.
struct Attempt<'a> {
    resource: &'a Resource,
    state: &'a StateContext,
    input: &'a Value,
    arguments: Value,
    timeout: Option<u64>,
    heartbeat: Option<u64>,
    handler: Option<Arc<dyn TaskHandler>>,
    /// The handler stands in for the whole integration.
    replaced: bool,
}

impl<'a> Attempt<'a> {
    fn prepare(
        frame: &Frame,
        spec: &'a Task,
        state: &'a StateContext,
        input: &'a Value,
    ) -> Result<Attempt<'a>, Failure> {
        let reader = Reader {
            frame,
            state,
            input,
            result: None,
            error_output: None,
            item: None,
        };
        let arguments = match &spec.arguments {
            Some(field) => reader.value(field, "Arguments")?,
            None => input.clone(),
        };
        reader.within_limit(&arguments)?;
        let seconds = |field: &Option<_>, name| {
            field
                .as_ref()
                .map(|field| reader.integer(field, name, 1, SECONDS_MAX))
                .transpose()
        };
        let timeout = seconds(&spec.timeout_seconds, "TimeoutSeconds")?;
        let heartbeat = seconds(&spec.heartbeat_seconds, "HeartbeatSeconds")?;
        let handler = frame.inner.handler();
        let replaced = handler
            .as_ref()
            .is_some_and(|handler| handler.replaces_integration(&state.name));
        let attempt = Attempt {
            resource: &spec.resource,
            state,
            input,
            arguments,
            timeout,
            heartbeat,
            handler,
            replaced,
        };
        attempt.check_required(&reader)?;
        Ok(attempt)
    }

    fn check_required(&self, reader: &Reader<'_>) -> Result<(), Failure> {
        let required = match self.resource {
            _ if self.replaced => return Ok(()),
            Resource::Service { service, .. } if service == "lambda" => "FunctionName",
            Resource::Service { service, .. } if service == "states" => "StateMachineArn",
            _ => return Ok(()),
        };
        match &self.arguments[required] {
            Value::String(_) => Ok(()),
            _ => Err(nested::missing(reader, &self.arguments, required)),
        }
    }

    fn schedule(&self, frame: &mut Frame) -> Result<(), Failure> {
        let mut details = Map::new();
        match self.resource {
            Resource::LambdaDirect { arn } => {
                details.insert("resource".to_owned(), json!(arn));
                details.insert("input".to_owned(), json!(self.arguments.to_string()));
                details.insert("inputDetails".to_owned(), whole());
            }
            Resource::Service { service, resource, .. } => {
                details.insert("resourceType".to_owned(), json!(service));
                details.insert("resource".to_owned(), json!(resource));
                details.insert("region".to_owned(), json!(frame.inner.options.region));
                details.insert("parameters".to_owned(), json!(self.arguments.to_string()));
            }
        }
        if let Some(timeout) = self.timeout {
            details.insert("timeoutInSeconds".to_owned(), json!(timeout));
        }
        if let (Some(heartbeat), Resource::Service { .. }) = (self.heartbeat, self.resource) {
            details.insert("heartbeatInSeconds".to_owned(), json!(heartbeat));
        }
        let details = Some(Value::Object(details));
        if let Resource::LambdaDirect { .. } = self.resource {
            frame.chain.push("LambdaFunctionScheduled", details)?;
            frame.chain.push("LambdaFunctionStarted", None)?;
        } else {
            frame.chain.push("TaskScheduled", details)?;
            frame.chain.push("TaskStarted", Some(Value::Object(self.names())))?;
        }
        Ok(())
    }

    /// `resourceType` and `resource`, as every event of a service's task carries them.
    fn names(&self) -> Map<String, Value> {
        let mut names = Map::new();
        if let Resource::Service { service, resource, .. } = self.resource {
            names.insert("resourceType".to_owned(), json!(service));
            names.insert("resource".to_owned(), json!(resource));
        }
        names
    }

    fn push_output(&self, frame: &mut Frame, event: &str, output: &Value) -> Result<(), Failure> {
        let mut details = self.names();
        details.insert("output".to_owned(), json!(output.to_string()));
        details.insert("outputDetails".to_owned(), whole());
        frame.chain.push(event, Some(Value::Object(details))).map(|_| ())
    }

    /// `TaskSubmitted`, unless the call itself was refused.
    fn push_submitted(&self, frame: &mut Frame, outcome: &Result<Value, Failure>) -> Result<(), Failure> {
        let output = match (outcome, self.resource) {
            (
                Ok(result),
                Resource::Service {
                    pattern: Pattern::Sync { .. },
                    ..
                },
            ) => submission(result),
            (Ok(result), _) => result.clone(),
            // What the service answered is not known: the failure stands for the whole integration.
            (Err(failure), resource) if self.replaced && thrown::after_submission(resource, failure) => json!({}),
            (Err(_), _) => return Ok(()),
        };
        self.push_output(frame, "TaskSubmitted", &output)
    }

    fn push_succeeded(&self, frame: &mut Frame, result: &Value) -> Result<(), Failure> {
        let event = match self.resource {
            Resource::LambdaDirect { .. } => "LambdaFunctionSucceeded",
            Resource::Service { .. } => "TaskSucceeded",
        };
        self.push_output(frame, event, result)
    }

    fn push_failed(&self, frame: &mut Frame, failure: &Failure) -> Result<(), Failure> {
        let suffix = if failure.timed_out { "TimedOut" } else { "Failed" };
        let prefix = match self.resource {
            Resource::LambdaDirect { .. } => "LambdaFunction",
            Resource::Service { .. } => "Task",
        };
        let mut details = self.names();
        if let Value::Object(failed) = failure_details(failure.error.as_deref(), failure.cause.as_deref()) {
            details.extend(failed);
        }
        frame
            .chain
            .push(&format!("{prefix}{suffix}"), Some(Value::Object(details)))
            .map(|_| ())
    }

    fn check_size(&self, result: Value) -> Result<Value, Failure> {
        let what = match self.resource {
            Resource::LambdaDirect { arn } => arn,
            Resource::Service { service, .. } => service,
        };
        match within_limit(&result, what) {
            Ok(()) => Ok(result),
            Err(failure) => Err(Failure {
                oversized_result: true,
                ..failure
            }),
        }
    }

    async fn perform(&self, frame: &mut Frame, token: Option<TokenWait>) -> Result<Value, Failure> {
        let Resource::Service { service, pattern, .. } = self.resource else {
            return self.invoke(frame)?.await.map_err(panicked)?;
        };
        match (pattern, token) {
            (Pattern::TaskToken, Some(token)) => self.wait_for_token(frame, token).await,
            (Pattern::RequestResponse, _) if service == "states" && !self.replaced => {
                let (_, answer) = self.start_nested(frame)?;
                Ok(answer)
            }
            (Pattern::Sync { version }, _) if service == "states" && !self.replaced => {
                self.run_nested(frame, *version).await
            }
            (Pattern::Sync { .. }, _) => {
                let outcome = self.invoke(frame)?.await.map_err(panicked)?;
                self.push_submitted(frame, &outcome)?;
                outcome
            }
            _ => self.invoke(frame)?.await.map_err(panicked)?,
        }
    }

    /// Starts the handler's call as a task of its own, which nothing here can cancel.
    fn invoke(&self, frame: &Frame) -> Result<JoinHandle<Result<Value, Failure>>, Failure> {
        let Some(handler) = self.handler.clone() else {
            return Err(Failure::runtime(format!(
                "state '{}' calls a service, and the engine has no task handler",
                self.state.name
            )));
        };
        let function = self.arguments["FunctionName"].as_str().unwrap_or_default().to_owned();
        let resource = match self.resource {
            Resource::LambdaDirect { arn } => TaskResource::LambdaDirect { arn: arn.clone() },
            Resource::Service { service, .. } if service == "lambda" => TaskResource::LambdaInvoke { function },
            Resource::Service { service, action, .. } => TaskResource::Service {
                service: service.clone(),
                action: action.clone(),
            },
        };
        let wrap = matches!(resource, TaskResource::LambdaInvoke { .. }) && !self.replaced;
        let replaced = self.replaced;
        let request_id = frame.inner.uuid();
        let call = handler.call(TaskCall {
            execution_arn: frame.execution.origin.arn.clone(),
            state_name: self.state.name.clone(),
            resource,
            arguments: self.arguments.clone(),
            token: self.state.token.clone(),
            retry_count: self.state.retry_count.unwrap_or(0),
        });
        Ok(tokio::spawn(async move {
            match call.await {
                Ok(payload) if wrap => Ok(lambda_answer(payload, &request_id)),
                Ok(value) => Ok(value),
                Err(failure) if replaced => Err(thrown::failure(failure)),
                Err(failure) => Err(Failure::new(failure.error, Some(failure.cause))),
            }
        }))
    }

    async fn wait_for_token(&self, frame: &mut Frame, mut token: TokenWait) -> Result<Value, Failure> {
        let mut submission = match self.resource {
            Resource::Service { service, .. } if service == "states" && !self.replaced => {
                let (_, answer) = self.start_nested(frame)?;
                self.push_output(frame, "TaskSubmitted", &answer)?;
                None
            }
            _ => Some(self.invoke(frame)?),
        };
        loop {
            tokio::select! {
                biased;
                completion = &mut token.completion => return match completion {
                    Ok(Completion::Success(value)) => Ok(value),
                    Ok(Completion::Failure { error, cause }) => Err(Failure::of(error, cause, Severity::Error)),
                    Err(_) => Err(Failure::closed()),
                },
                answer = submitted(&mut submission), if submission.is_some() => {
                    submission = None;
                    let outcome = answer.map_err(panicked)?;
                    self.push_submitted(frame, &outcome)?;
                    if self.replaced || outcome.is_err() {
                        return outcome;
                    }
                }
                () = token.heartbeat.notified() => {}
                () = silence(self.heartbeat) => return Err(Failure::timeout(true)),
            }
        }
    }

    fn start_nested(&self, frame: &Frame) -> Result<(String, Value), Failure> {
        let reader = Reader {
            frame,
            state: self.state,
            input: self.input,
            result: None,
            error_output: None,
            item: None,
        };
        if let (Some(handler), Some(machine)) = (frame.inner.handler(), self.arguments["StateMachineArn"].as_str()) {
            handler
                .may_start(&frame.execution.origin.arn, machine)
                .map_err(|refusal| Failure::new(refusal.error, Some(refusal.cause)))?;
        }
        nested::start(&reader, &frame.inner, &self.arguments)
    }

    async fn run_nested(&self, frame: &mut Frame, version: u8) -> Result<Value, Failure> {
        let (arn, answer) = self.start_nested(frame)?;
        let guard = ChildGuard::new(frame.inner.clone(), arn, frame.inner.options.stop_children_on_abort);
        self.push_output(frame, "TaskSubmitted", &answer)?;
        let child = guard.finish().await?;
        if child.status == ExecutionStatus::Succeeded {
            return Ok(child.to_sync_result(version == 2));
        }
        // A child's own error name does not come up: it is told in the cause.
        Err(Failure::new(
            "States.TaskFailed",
            Some(child.to_sync_result(false).to_string()),
        ))
    }
}

async fn submitted(
    call: &mut Option<JoinHandle<Result<Value, Failure>>>,
) -> Result<Result<Value, Failure>, tokio::task::JoinError> {
    match call {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}

/// Ends when no heartbeat came for so many seconds; never, without a limit.
async fn silence(heartbeat_seconds: Option<u64>) {
    match heartbeat_seconds {
        Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        None => std::future::pending().await,
    }
}

fn panicked(error: tokio::task::JoinError) -> Failure {
    Failure::new(
        "Lambda.Unknown",
        Some(format!("The task handler did not return: {error}")),
    )
}

/// What a job's start answers, as far as its end tells.
fn submission(result: &Value) -> Value {
    match (&result["ExecutionArn"], &result["StartDate"]) {
        (Value::Null, _) => result.clone(),
        (arn, date) => json!({ "ExecutionArn": arn, "StartDate": date }),
    }
}

/// A function's payload as `lambda:invoke` gives it.
fn lambda_answer(payload: Value, request_id: &str) -> Value {
    let length = super::fields::json_bytes(&payload).to_string();
    json!({
        "ExecutedVersion": "$LATEST",
        "Payload": payload,
        "SdkHttpMetadata": {
            "AllHttpHeaders": {
                "X-Amz-Executed-Version": ["$LATEST"],
                "x-amzn-RequestId": [request_id],
                "Content-Length": [length],
                "Content-Type": ["application/json"],
            },
            "HttpHeaders": {
                "Content-Length": length,
                "Content-Type": "application/json",
                "X-Amz-Executed-Version": "$LATEST",
                "x-amzn-RequestId": request_id,
            },
            "HttpStatusCode": 200,
        },
        "SdkResponseMetadata": { "RequestId": request_id },
        "StatusCode": 200,
    })
}
