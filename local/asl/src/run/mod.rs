//! Running an execution: the interpreter proper.

mod chain;
mod context;
mod distributed;
mod drive;
mod fields;
mod flow;
mod map;
mod nested;
mod parallel;
pub(crate) mod retry;
pub(crate) mod slot;
mod state;
mod task;
mod thrown;
mod wait;

pub(crate) use drive::drive;

use crate::jsonata::EvalError;

/// How much of a flow a failure ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Retriers and catchers see it.
    Error,
    /// `States.Runtime`: nothing catches it, the execution ends here.
    Runtime,
    /// The history has no room for more.
    HistoryFull,
    /// The execution was closed from outside: there is nobody left to tell.
    Closed,
}

/// Why a state, a flow or an execution failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    pub error: Option<String>,
    pub cause: Option<String>,
    pub severity: Severity,
    /// The task's time was up: recorded as `…TimedOut`, whatever the error is called.
    pub timed_out: bool,
    /// A missed heartbeat: reported as `States.Timeout`, matched as `States.HeartbeatTimeout` too.
    pub heartbeat: bool,
    /// A task's own result was larger than a payload may be: an error of the task like any other, which the
    /// wildcards match, while a state's input or output over the limit is not.
    pub oversized_result: bool,
    /// Set while an expression failed and its `EvaluationFailed` event is not yet recorded.
    pub evaluation: Option<EvalError>,
}

impl Failure {
    pub(crate) fn new(error: impl Into<String>, cause: Option<String>) -> Failure {
        Failure::of(Some(error.into()), cause, Severity::Error)
    }

    pub(crate) fn of(error: Option<String>, cause: Option<String>, severity: Severity) -> Failure {
        Failure {
            error,
            cause,
            severity,
            timed_out: false,
            heartbeat: false,
            oversized_result: false,
            evaluation: None,
        }
    }

    pub(crate) fn runtime(cause: String) -> Failure {
        Failure::of(Some("States.Runtime".to_owned()), Some(cause), Severity::Runtime)
    }

    pub(crate) fn timeout(heartbeat: bool) -> Failure {
        Failure {
            timed_out: true,
            heartbeat,
            ..Failure::new("States.Timeout", None)
        }
    }

    pub(crate) fn history_full() -> Failure {
        let cause = "The execution reached the maximum number of history events (25000).";
        Failure::of(
            Some("States.Runtime".to_owned()),
            Some(cause.to_owned()),
            Severity::HistoryFull,
        )
    }

    pub(crate) fn closed() -> Failure {
        Failure::of(None, None, Severity::Closed)
    }

    /// Whether an `ErrorEquals` list matches.
    pub(crate) fn is_in(&self, names: &[String]) -> bool {
        if self.severity != Severity::Error {
            return false;
        }
        // A failure without a name is matched only by the wildcards.
        let error = self.error.as_deref().unwrap_or("");
        names.iter().any(|name| match name.as_str() {
            "States.HeartbeatTimeout" if self.heartbeat => true,
            "States.ALL" | "States.TaskFailed" if self.oversized_result => true,
            _ => retry::matches_error(name, error),
        })
    }
}

/// Whether a value is larger than a payload may be.
pub(crate) fn payload_too_large(value: &serde_json::Value) -> bool {
    fields::json_bytes(value) > crate::history::PAYLOAD_BYTES_MAX
}
