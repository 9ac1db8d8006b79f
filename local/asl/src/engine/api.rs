//! [`Engine`]: the calls.

use super::handler::TaskHandler;
use super::tokens::Completion;
use super::types::{EngineOptions, ExecutionDescription, ExecutionStatus, StartedExecution};
use super::{HistoryListener, Inner, MachineRecord, StatusListener, names};
use crate::error::{ApiError, ApiErrorCode, DefinitionErrors, Problem};
use crate::history::{HistoryEvent, PAYLOAD_BYTES_MAX};
use crate::load;
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// An interpreter with its state machines and executions. Clones share everything.
///
/// Calls that start something spawn tokio tasks: make them inside a runtime, of one thread if runs are to
/// be repeatable.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

impl Engine {
    /// An engine without state machines and without a task handler.
    pub fn new(options: EngineOptions) -> Engine {
        Engine {
            inner: Arc::new(Inner::new(options)),
        }
    }

    /// Sets what answers the Task states; until then they end their execution with `States.Runtime`.
    pub fn set_task_handler(&self, handler: Arc<dyn TaskHandler>) {
        *self.inner.handler.lock().expect("handler poisoned") = Some(handler);
    }

    /// `CreateStateMachine`: loads a definition and gives the machine's ARN. Creating the same machine
    /// again gives the same ARN. Errors list every problem of the definition, a bad name, or that the
    /// name is taken by another definition.
    pub fn create_state_machine(&self, name: &str, definition: &Value) -> Result<String, DefinitionErrors> {
        let refuse = |message: String| {
            DefinitionErrors(vec![Problem {
                path: String::new(),
                message,
            }])
        };
        names::check(name).map_err(|error| refuse(error.to_string()))?;
        let machine = load::load(definition)?;
        let arn = self.inner.machine_arn(name);
        let mut machines = self.inner.machines.lock().expect("machines poisoned");
        if let Some(existing) = machines.get(&arn) {
            if existing.definition == *definition {
                return Ok(arn);
            }
            return Err(refuse(format!("State Machine Already Exists: '{arn}'")));
        }
        let record = MachineRecord {
            name: name.to_owned(),
            definition: definition.clone(),
            machine,
        };
        machines.insert(arn.clone(), Arc::new(record));
        Ok(arn)
    }

    /// `StartExecution`. With the name and the input of an execution that still runs, it gives that one;
    /// inputs are compared as JSON, whatever the order of their keys. Without a name one is made up.
    ///
    /// # Errors
    /// `StateMachineDoesNotExist`, `InvalidName`, `InvalidExecutionInput`, `ExecutionAlreadyExists`.
    pub fn start_execution(
        &self,
        machine_arn: &str,
        name: Option<&str>,
        input: Value,
    ) -> Result<StartedExecution, ApiError> {
        self.inner.start(machine_arn, name, input)
    }

    /// `DescribeExecution`. Errors: `ExecutionDoesNotExist`, `InvalidArn`.
    pub fn describe_execution(&self, arn: &str) -> Result<ExecutionDescription, ApiError> {
        Ok(self.inner.execution(arn)?.describe())
    }

    /// `StopExecution`: the execution is `ABORTED` when this returns; gives the stop date. One that is
    /// closed already stays as it is. Errors: `ExecutionDoesNotExist`, `InvalidArn`.
    pub fn stop_execution(&self, arn: &str, error: Option<&str>, cause: Option<&str>) -> Result<Timestamp, ApiError> {
        self.inner.stop(arn, error, cause)
    }

    /// `ListExecutions`, newest first. Children of distributed Maps are listed only under their own
    /// machine's ARN.
    pub fn list_executions(
        &self,
        machine_arn: Option<&str>,
        status: Option<ExecutionStatus>,
    ) -> Vec<ExecutionDescription> {
        let executions = self.inner.executions.lock().expect("executions poisoned");
        executions
            .values()
            .rev()
            .filter(|execution| match machine_arn {
                Some(arn) => execution.origin.machine_arn == arn,
                None => execution.origin.map_run_arn.is_none(),
            })
            .map(|execution| execution.describe())
            .filter(|description| status.is_none_or(|status| description.status == status))
            .collect()
    }

    /// `GetExecutionHistory`, oldest first. Errors: `ExecutionDoesNotExist`, `InvalidArn`.
    pub fn get_execution_history(&self, arn: &str) -> Result<Vec<HistoryEvent>, ApiError> {
        Ok(self.inner.execution(arn)?.events())
    }

    /// `SendTaskSuccess` with JSON text. Errors: `InvalidToken`, `TaskTimedOut`, `InvalidOutput`.
    pub fn send_task_success(&self, token: &str, output: &str) -> Result<(), ApiError> {
        let invalid =
            |reason: String| ApiError::new(ApiErrorCode::InvalidOutput, format!("Invalid Output: '{reason}'"));
        if output.len() > PAYLOAD_BYTES_MAX {
            return Err(invalid(format!("larger than {PAYLOAD_BYTES_MAX} bytes")));
        }
        let value = serde_json::from_str(output).map_err(|error| invalid(error.to_string()))?;
        self.inner.tokens.complete(token, Completion::Success(value))
    }

    /// `SendTaskFailure`. Errors: `InvalidToken`, `TaskTimedOut`.
    pub fn send_task_failure(&self, token: &str, error: Option<&str>, cause: Option<&str>) -> Result<(), ApiError> {
        let completion = Completion::Failure {
            error: error.map(str::to_owned),
            cause: cause.map(str::to_owned),
        };
        self.inner.tokens.complete(token, completion)
    }

    /// `SendTaskHeartbeat`. Errors: `InvalidToken`, `TaskTimedOut`.
    pub fn send_task_heartbeat(&self, token: &str) -> Result<(), ApiError> {
        self.inner.tokens.heartbeat(token)
    }

    /// `RedriveExecution`: runs on from the state that did not end, with the same input and definition;
    /// gives the redrive date. Errors: `ExecutionDoesNotExist`, `InvalidArn`, `ExecutionNotRedrivable`.
    pub fn redrive_execution(&self, arn: &str) -> Result<Timestamp, ApiError> {
        self.inner.redrive(arn)
    }

    /// Waits until an execution is closed. Errors: `ExecutionDoesNotExist`, `InvalidArn`.
    pub async fn wait(&self, arn: &str) -> Result<ExecutionDescription, ApiError> {
        self.inner.wait(arn).await
    }

    /// Calls `listener` when an execution starts to run and when it closes: what EventBridge reports as
    /// "Step Functions Execution Status Change".
    pub fn on_status_change(&self, listener: StatusListener) {
        self.inner
            .status_listeners
            .lock()
            .expect("listeners poisoned")
            .push(listener);
    }

    /// Calls `listener` with an execution's ARN and each event of its history.
    pub fn on_history_event(&self, listener: HistoryListener) {
        self.inner
            .history_listeners
            .lock()
            .expect("listeners poisoned")
            .push(listener);
    }

    /// State transitions of all executions, as AWS bills Standard workflows: each state entered, each
    /// retry, each redrive.
    pub fn state_transitions(&self) -> u64 {
        self.inner.transitions.load(Ordering::Relaxed)
    }

    /// State transitions of one execution. Errors: `ExecutionDoesNotExist`, `InvalidArn`.
    pub fn state_transitions_of(&self, arn: &str) -> Result<u64, ApiError> {
        Ok(self.inner.execution(arn)?.transitions.load(Ordering::Relaxed))
    }
}
