//! The engine: state machines, executions, and the API over them.

mod api;
pub(crate) mod execution;
pub mod handler;
mod names;
pub(crate) mod tokens;
pub mod types;

pub use api::Engine;

use crate::error::{ApiError, ApiErrorCode};
use crate::history::{HistoryEvent, whole};
use crate::model::{Flow, Machine};
use crate::run::slot::{MapRun, Position};
use crate::run::{Failure, drive};
use execution::{Ending, Execution, Origin};
use handler::TaskHandler;
use indexmap::IndexMap;
use serde_json::{Value, json};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use tokens::{TokenWait, Tokens};
use types::{EngineOptions, ExecutionDescription, ExecutionStatus, StartedExecution};

/// Told where an execution stands when that changes.
pub type StatusListener = Arc<dyn Fn(&ExecutionDescription) + Send + Sync>;
/// Told an execution's ARN and each event of its history.
pub type HistoryListener = Arc<dyn Fn(&str, &HistoryEvent) + Send + Sync>;

/// A loaded state machine.
pub(crate) struct MachineRecord {
    pub name: String,
    pub definition: Value,
    pub machine: Machine,
}

/// What the engine's handles share.
pub(crate) struct Inner {
    pub options: EngineOptions,
    pub random: Arc<Mutex<fastrand::Rng>>,
    pub transitions: AtomicU64,
    pub tokens: Arc<Tokens>,
    handler: Mutex<Option<Arc<dyn TaskHandler>>>,
    machines: Mutex<IndexMap<String, Arc<MachineRecord>>>,
    executions: Mutex<IndexMap<String, Arc<Execution>>>,
    status_listeners: Mutex<Vec<StatusListener>>,
    history_listeners: Mutex<Vec<HistoryListener>>,
}

impl Inner {
    fn new(options: EngineOptions) -> Inner {
        Inner {
            random: Arc::new(Mutex::new(fastrand::Rng::with_seed(options.seed))),
            options,
            transitions: AtomicU64::new(0),
            tokens: Arc::default(),
            handler: Mutex::default(),
            machines: Mutex::default(),
            executions: Mutex::default(),
            status_listeners: Mutex::default(),
            history_listeners: Mutex::default(),
        }
    }

    pub(crate) fn handler(&self) -> Option<Arc<dyn TaskHandler>> {
        self.handler.lock().expect("handler poisoned").clone()
    }

    pub(crate) fn open_token(&self) -> TokenWait {
        let mut random = self.random.lock().expect("random source poisoned");
        let token: String = (0..64).map(|_| random.alphanumeric()).collect();
        drop(random);
        self.tokens.open(format!("AQCEAAAAKgAAAAMAAAAAAAAAA{token}"))
    }

    /// Adds an event to an execution's history and tells the listeners; gives its id.
    pub(crate) fn record(
        &self,
        execution: &Execution,
        previous: u64,
        event_type: &str,
        details: Option<Value>,
    ) -> Result<u64, Failure> {
        let event = execution.append(self.options.clock.now(), previous, event_type, details)?;
        self.tell_history(execution, &event);
        Ok(event.id)
    }

    /// Closes an execution, unless it is closed already; says whether it did.
    pub(crate) fn close(&self, execution: &Execution, ending: Ending) -> bool {
        let Some(event) = execution.close(self.options.clock.now(), ending) else {
            return false;
        };
        self.tell_history(execution, &event);
        self.tell_status(execution);
        true
    }

    fn tell_history(&self, execution: &Execution, event: &HistoryEvent) {
        let listeners = self.history_listeners.lock().expect("listeners poisoned").clone();
        for listener in listeners {
            listener(&execution.origin.arn, event);
        }
    }

    fn tell_status(&self, execution: &Execution) {
        let listeners = self.status_listeners.lock().expect("listeners poisoned").clone();
        if listeners.is_empty() {
            return;
        }
        let description = execution.describe();
        for listener in listeners {
            listener(&description);
        }
    }

    pub(crate) fn execution(&self, arn: &str) -> Result<Arc<Execution>, ApiError> {
        let found = self.executions.lock().expect("executions poisoned").get(arn).cloned();
        found.ok_or_else(|| {
            if !arn.starts_with("arn:") {
                return ApiError::new(ApiErrorCode::InvalidArn, format!("Invalid Arn: '{arn}'"));
            }
            ApiError::new(
                ApiErrorCode::ExecutionDoesNotExist,
                format!("Execution Does Not Exist: '{arn}'"),
            )
        })
    }

    /// `StartExecution`.
    pub(crate) fn start(
        self: &Arc<Inner>,
        machine_arn: &str,
        name: Option<&str>,
        input: Value,
    ) -> Result<StartedExecution, ApiError> {
        let record = self
            .machines
            .lock()
            .expect("machines poisoned")
            .get(machine_arn)
            .cloned();
        let record = record.ok_or_else(|| {
            ApiError::new(
                ApiErrorCode::StateMachineDoesNotExist,
                format!("State Machine Does Not Exist: '{machine_arn}'"),
            )
        })?;
        let name = match name {
            Some(name) => names::check(name)?.to_owned(),
            None => self.uuid(),
        };
        if crate::run::payload_too_large(&input) {
            let message = "Invalid Execution Input: the input is larger than 262144 bytes";
            return Err(ApiError::new(ApiErrorCode::InvalidExecutionInput, message));
        }
        let arn = self.execution_arn(&record.name, &name);
        let existing = self.executions.lock().expect("executions poisoned").get(&arn).cloned();
        if let Some(existing) = existing {
            return same_start(&existing, &input);
        }
        let start = self.options.clock.now();
        self.launch(Origin {
            arn: arn.clone(),
            name,
            machine_arn: machine_arn.to_owned(),
            machine_name: record.name.clone(),
            flow: record.machine.flow.clone(),
            timeout_seconds: record.machine.timeout_seconds,
            input,
            start,
            map_run_arn: None,
        });
        Ok(StartedExecution {
            execution_arn: arn,
            start_date: start,
        })
    }

    /// Starts a child of a Map Run; gives its ARN.
    pub(crate) fn start_map_child(self: &Arc<Inner>, run: &MapRun, flow: Arc<Flow>, input: Value) -> String {
        let name = self.uuid();
        // A Map Run's ARN ends in machine/label:id; its children's machine is machine/label.
        let tail = run.arn.split(":mapRun:").nth(1).unwrap_or_default();
        let machine_name = tail.rsplit_once(':').map_or(tail, |(name, _)| name).to_owned();
        let arn = self.execution_arn(&machine_name, &name);
        self.launch(Origin {
            arn: arn.clone(),
            name,
            machine_arn: self.machine_arn(&machine_name),
            machine_name,
            flow,
            // The machine's TimeoutSeconds bounds the parent, which stops its children.
            timeout_seconds: None,
            input,
            start: self.options.clock.now(),
            map_run_arn: Some(run.arn.clone()),
        });
        arn
    }

    fn launch(self: &Arc<Inner>, origin: Origin) {
        let input = origin.input.to_string();
        let execution = Arc::new(Execution::new(origin));
        let arn = execution.origin.arn.clone();
        self.executions
            .lock()
            .expect("executions poisoned")
            .insert(arn, execution.clone());
        let details = json!({ "input": input, "inputDetails": whole(), "roleArn": self.options.role_arn });
        // The first event of a new history always has room.
        let _ = self.record(&execution, 0, "ExecutionStarted", Some(details));
        self.tell_status(&execution);
        // The first state follows no event: its previous event is 0, as on AWS.
        let stopped = execution.stopped();
        tokio::spawn(drive(self.clone(), execution, stopped, 0));
    }

    /// `StopExecution`; gives the stop date.
    pub(crate) fn stop(
        &self,
        arn: &str,
        error: Option<&str>,
        cause: Option<&str>,
    ) -> Result<jiff::Timestamp, ApiError> {
        let execution = self.execution(arn)?;
        let closed = self.close(
            &execution,
            Ending {
                status: ExecutionStatus::Aborted,
                output: None,
                error: error.map(str::to_owned),
                cause: cause.map(str::to_owned),
                event: (0, "ExecutionAborted", crate::history::failure_details(error, cause)),
            },
        );
        if closed {
            execution.stopped().notify_one();
        }
        Ok(execution
            .describe()
            .stop_date
            .unwrap_or_else(|| self.options.clock.now()))
    }

    /// `RedriveExecution`; gives the redrive date.
    pub(crate) fn redrive(self: &Arc<Inner>, arn: &str) -> Result<jiff::Timestamp, ApiError> {
        let execution = self.execution(arn)?;
        let refuse = |reason: String| Err(ApiError::new(ApiErrorCode::ExecutionNotRedrivable, reason));
        let status = *execution.status.borrow();
        if matches!(status, ExecutionStatus::Succeeded | ExecutionStatus::Running) {
            return refuse(format!("Execution is {} and cannot be redriven", status.as_str()));
        }
        if execution.event_count() >= crate::history::HISTORY_EVENTS_MAX - 1 {
            return refuse("Execution history has too many events to be redriven".to_owned());
        }
        let now = self.options.clock.now();
        let stopped = execution.describe().stop_date.unwrap_or(now);
        if now.duration_since(stopped) > jiff::SignedDuration::from_hours(14 * 24) {
            return refuse("Execution is past its redrivable period of 14 days".to_owned());
        }
        let (count, last) = execution.reopen(now);
        let recorded = self.record(
            &execution,
            last,
            "ExecutionRedriven",
            Some(json!({ "redriveCount": count })),
        );
        let head = recorded.unwrap_or(last);
        self.tell_status(&execution);
        if let Position::Done(_) = execution.root.get() {
            // Only an execution that succeeded has left its last state.
            return Ok(now);
        }
        let stopped = execution.stopped();
        tokio::spawn(drive(self.clone(), execution, stopped, head));
        Ok(now)
    }

    /// Waits until an execution is closed.
    pub(crate) async fn wait(&self, arn: &str) -> Result<ExecutionDescription, ApiError> {
        let execution = self.execution(arn)?;
        let mut status = execution.status.subscribe();
        // The sender lives in the execution, which outlives this.
        let _ = status.wait_for(|status| *status != ExecutionStatus::Running).await;
        Ok(execution.describe())
    }
}

/// Starting an execution again: the same answer while it runs with the same input, an error otherwise.
fn same_start(existing: &Execution, input: &Value) -> Result<StartedExecution, ApiError> {
    let origin = &existing.origin;
    // Comparing values, not text, is what makes the comparison canonical.
    if *existing.status.borrow() == ExecutionStatus::Running && origin.input == *input {
        return Ok(StartedExecution {
            execution_arn: origin.arn.clone(),
            start_date: origin.start,
        });
    }
    Err(ApiError::new(
        ApiErrorCode::ExecutionAlreadyExists,
        format!("Execution Already Exists: '{}'", origin.arn),
    ))
}
