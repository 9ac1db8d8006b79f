//! One execution: what it was started with, its history, and how it closes.

use super::types::{ExecutionDescription, ExecutionStatus};
use crate::history::{HISTORY_EVENTS_MAX, HistoryEvent, details_member};
use crate::model::Flow;
use crate::run::Failure;
use crate::run::slot::Slot;
use jiff::Timestamp;
use serde_json::Value;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, watch};

/// What an execution is started with.
pub(crate) struct Origin {
    pub arn: String,
    pub name: String,
    pub machine_arn: String,
    pub machine_name: String,
    pub flow: Arc<Flow>,
    /// Seconds an attempt of the execution may take.
    pub timeout_seconds: Option<u64>,
    pub input: Value,
    pub start: Timestamp,
    pub map_run_arn: Option<String>,
}

pub(crate) struct Execution {
    pub origin: Origin,
    pub transitions: AtomicU64,
    /// Where the execution stands in its states, for aborts and redrives.
    pub root: Arc<Slot>,
    /// Tells the present driver that the execution was stopped; each redrive has its own.
    stopped: Mutex<Arc<Notify>>,
    pub status: watch::Sender<ExecutionStatus>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    closed: bool,
    events: Vec<HistoryEvent>,
    output: Option<Value>,
    error: Option<String>,
    cause: Option<String>,
    stop: Option<Timestamp>,
    redrive_count: u32,
    redrive_date: Option<Timestamp>,
}

/// How an execution ends.
pub(crate) struct Ending {
    pub status: ExecutionStatus,
    pub output: Option<Value>,
    pub error: Option<String>,
    pub cause: Option<String>,
    /// The last event: its previous event, type, and details.
    pub event: (u64, &'static str, Value),
}

impl Execution {
    pub(crate) fn new(origin: Origin) -> Execution {
        Execution {
            origin,
            transitions: AtomicU64::new(0),
            root: Slot::idle(),
            stopped: Mutex::default(),
            status: watch::Sender::new(ExecutionStatus::Running),
            progress: Mutex::default(),
        }
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().expect("execution poisoned")
    }

    /// Adds an event. Fails when the execution is closed, or when only the last event of a full history
    /// has room.
    pub(crate) fn append(
        &self,
        now: Timestamp,
        previous: u64,
        event_type: &str,
        details: Option<Value>,
    ) -> Result<HistoryEvent, Failure> {
        let mut progress = self.progress();
        if progress.closed {
            return Err(Failure::closed());
        }
        if progress.events.len() as u64 + 1 >= HISTORY_EVENTS_MAX {
            return Err(Failure::history_full());
        }
        Ok(progress.push(now, previous, event_type, details))
    }

    /// Closes the execution with its last event, unless it is closed already.
    pub(crate) fn close(&self, now: Timestamp, ending: Ending) -> Option<HistoryEvent> {
        let mut progress = self.progress();
        if progress.closed {
            return None;
        }
        let (previous, event_type, details) = ending.event;
        let event = progress.push(now, previous, event_type, Some(details));
        progress.closed = true;
        progress.output = ending.output;
        progress.error = ending.error;
        progress.cause = ending.cause;
        progress.stop = Some(now);
        drop(progress);
        self.status.send_replace(ending.status);
        Some(event)
    }

    /// What wakes the present driver when the execution is stopped.
    pub(crate) fn stopped(&self) -> Arc<Notify> {
        self.stopped.lock().expect("execution poisoned").clone()
    }

    /// Opens a closed execution again; gives the redrive's number and the last event's id.
    pub(crate) fn reopen(&self, now: Timestamp) -> (u32, u64) {
        let mut progress = self.progress();
        progress.closed = false;
        progress.error = None;
        progress.cause = None;
        progress.stop = None;
        progress.redrive_count += 1;
        progress.redrive_date = Some(now);
        let answer = (progress.redrive_count, progress.events.len() as u64);
        drop(progress);
        *self.stopped.lock().expect("execution poisoned") = Arc::default();
        self.status.send_replace(ExecutionStatus::Running);
        answer
    }

    pub(crate) fn events(&self) -> Vec<HistoryEvent> {
        self.progress().events.clone()
    }

    pub(crate) fn event_count(&self) -> u64 {
        self.progress().events.len() as u64
    }

    pub(crate) fn redrive(&self) -> (u32, Option<Timestamp>) {
        let progress = self.progress();
        (progress.redrive_count, progress.redrive_date)
    }

    pub(crate) fn describe(&self) -> ExecutionDescription {
        let progress = self.progress();
        ExecutionDescription {
            execution_arn: self.origin.arn.clone(),
            state_machine_arn: self.origin.machine_arn.clone(),
            name: self.origin.name.clone(),
            status: *self.status.borrow(),
            start_date: self.origin.start,
            stop_date: progress.stop,
            input: self.origin.input.clone(),
            output: progress.output.clone(),
            error: progress.error.clone(),
            cause: progress.cause.clone(),
            redrive_count: progress.redrive_count,
            redrive_date: progress.redrive_date,
            map_run_arn: self.origin.map_run_arn.clone(),
        }
    }
}

impl Progress {
    fn push(&mut self, now: Timestamp, previous: u64, event_type: &str, details: Option<Value>) -> HistoryEvent {
        let event = HistoryEvent {
            id: self.events.len() as u64 + 1,
            previous_event_id: previous,
            timestamp: now,
            event_type: event_type.to_owned(),
            details: details.map(|details| (details_member(event_type), details)),
        };
        self.events.push(event.clone());
        event
    }
}
