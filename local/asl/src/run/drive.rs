//! Driving an execution from its first event, or from a redrive, to its last.

use super::flow::{FlowEnd, Scope, run_flow};
use super::{Failure, Severity};
use crate::engine::Inner;
use crate::engine::execution::{Ending, Execution};
use crate::engine::types::ExecutionStatus;
use crate::history::{HISTORY_EVENTS_MAX, failure_details, whole};
use crate::jsonata::Variables;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Runs the execution from event `head` until it closes, `stopped` says so, or its time is up.
pub(crate) async fn drive(inner: Arc<Inner>, execution: Arc<Execution>, stopped: Arc<Notify>, head: u64) {
    let origin = &execution.origin;
    let scope = Scope {
        inner: inner.clone(),
        execution: execution.clone(),
        variables: Arc::new(Variables::new()),
        item: None,
    };
    let flow = run_flow(
        scope,
        origin.flow.clone(),
        execution.root.clone(),
        origin.input.clone(),
        head,
    );
    let timeout = async {
        match origin.timeout_seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    let ending = tokio::select! {
        biased;
        () = stopped.notified() => return,
        () = timeout => timed_out(),
        end = flow => ended(end),
    };
    // The flow is gone by now, and with it whatever it waited for.
    if let Some(ending) = ending {
        inner.close(&execution, ending);
    }
}

// What ends an execution from outside follows no event.
fn timed_out() -> Option<Ending> {
    Some(Ending {
        status: ExecutionStatus::TimedOut,
        output: None,
        error: None,
        cause: None,
        event: (0, "ExecutionTimedOut", failure_details(Some("States.Timeout"), None)),
    })
}

fn ended(end: FlowEnd) -> Option<Ending> {
    match end.result {
        Ok(output) => {
            let details = json!({ "output": output.to_string(), "outputDetails": whole() });
            Some(Ending {
                status: ExecutionStatus::Succeeded,
                output: Some(output),
                error: None,
                cause: None,
                event: (end.head, "ExecutionSucceeded", details),
            })
        }
        Err(failure) => failed(failure, end.head),
    }
}

fn failed(failure: Failure, head: u64) -> Option<Ending> {
    let previous = match failure.severity {
        Severity::Closed => return None,
        Severity::HistoryFull => HISTORY_EVENTS_MAX - 1,
        Severity::Error | Severity::Runtime => head,
    };
    let details = failure_details(failure.error.as_deref(), failure.cause.as_deref());
    Some(Ending {
        status: ExecutionStatus::Failed,
        output: None,
        error: failure.error,
        cause: failure.cause,
        event: (previous, "ExecutionFailed", details),
    })
}
