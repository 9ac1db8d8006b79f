//! AWS Systems Manager's Run Command, on source hosts (`mi-…`) and launched instances (`i-…`).
//!
//! AWS JSON 1.1: members in PascalCase, times as seconds since 1970 except where the API gives strings.

mod documents;
mod nodes;
mod read;
mod send;
mod shell;

pub use documents::{OwnDocument, Ran};

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::Fleet;
use crate::hub::AwsError;
use crate::operations;

/// What does an operation.
type Act = fn(&Fleet, &Value) -> Result<Value, AwsError>;

/// What is simulated.
pub(crate) const OPERATIONS: [(&str, Act); 7] = [
    ("SendCommand", send::send),
    ("ListCommands", read::list_commands),
    ("ListCommandInvocations", read::list_invocations),
    ("GetCommandInvocation", read::get_invocation),
    ("DescribeInstanceInformation", nodes::describe),
    ("GetParameter", |fleet, body| fleet.parameters().get_parameter(body)),
    ("PutParameter", |fleet, body| fleet.parameters().put_parameter(body)),
];

impl Fleet {
    /// One SSM call: the operation by AWS's name, its JSON body; the JSON answer comes back.
    pub fn ssm(&self, operation: &str, body: &Value) -> Result<Value, AwsError> {
        operations::find("ssm", &OPERATIONS, operation)?(self, body)
    }
}

/// SSM's refusals are all 400.
fn refusal(code: &str, message: impl Into<String>) -> AwsError {
    AwsError::new(400, code, message)
}

/// One command, as sent.
pub(crate) struct Command {
    pub id: String,
    pub comment: String,
    pub document: String,
    pub parameters: BTreeMap<String, Vec<String>>,
    pub timeout_s: u64,
    pub requested_at: Timestamp,
    /// Nobody can read it before.
    pub visible_at: Timestamp,
    pub invocations: Vec<Invocation>,
}

/// One command on one host.
#[derive(Debug, Clone)]
pub(crate) struct Invocation {
    pub node: String,
    pub state: State,
    pub code: i32,
    pub output: String,
    pub error: String,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

/// Where an invocation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    InProgress,
    Success,
    Failed,
    Cancelled,
    Undeliverable,
    DeliveryTimedOut,
    ExecutionTimedOut,
    Terminated,
}

impl State {
    /// `Status`.
    pub fn status(self) -> &'static str {
        match self {
            State::Pending => "Pending",
            State::InProgress => "InProgress",
            State::Success => "Success",
            State::Failed | State::Undeliverable | State::Terminated => "Failed",
            State::Cancelled => "Cancelled",
            State::DeliveryTimedOut | State::ExecutionTimedOut => "TimedOut",
        }
    }

    /// `StatusDetails`, which tells apart what `Status` does not.
    pub fn details(self) -> &'static str {
        match self {
            State::InProgress => "In Progress",
            State::Undeliverable => "Undeliverable",
            State::DeliveryTimedOut => "Delivery Timed Out",
            State::ExecutionTimedOut => "Execution Timed Out",
            State::Terminated => "Terminated",
            other => other.status(),
        }
    }

    /// Nothing more happens.
    pub fn ended(self) -> bool {
        !matches!(self, State::Pending | State::InProgress)
    }
}

impl Command {
    /// Status and details of the whole command. Hosts that were never reached do not count: it can look fine without them.
    pub fn status(&self) -> (&'static str, &'static str) {
        let states = || self.invocations.iter().map(|one| one.state);
        let reached = || states().filter(|state| !matches!(state, State::Undeliverable | State::DeliveryTimedOut));
        if states().all(|state| state == State::Pending) {
            ("Pending", "Pending")
        } else if states().any(|state| !state.ended()) {
            ("InProgress", "In Progress")
        } else if states().all(|state| state == State::DeliveryTimedOut) {
            ("TimedOut", "Delivery Timed Out")
        } else if reached().next().is_none() {
            ("Failed", "Failed")
        } else if reached().all(|state| state == State::Success) {
            ("Success", "Success")
        } else if reached().any(|state| state == State::ExecutionTimedOut) {
            ("TimedOut", "Execution Timed Out")
        } else if reached().all(|state| state == State::Cancelled) {
            ("Cancelled", "Cancelled")
        } else {
            ("Failed", "Failed")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(states: &[State]) -> Command {
        let invocations = states.iter().map(|state| Invocation {
            node: "i-1".to_owned(),
            state: *state,
            code: -1,
            output: String::new(),
            error: String::new(),
            started_at: None,
            finished_at: None,
        });
        Command {
            id: "c".to_owned(),
            comment: String::new(),
            document: "AWS-RunShellScript".to_owned(),
            parameters: BTreeMap::new(),
            timeout_s: 3600,
            requested_at: Timestamp::UNIX_EPOCH,
            visible_at: Timestamp::UNIX_EPOCH,
            invocations: invocations.collect(),
        }
    }

    #[test]
    fn a_command_can_look_fine_although_a_host_never_saw_it() {
        let status = command(&[State::Success, State::Undeliverable]).status();
        assert_eq!(status, ("Success", "Success"));
        assert_eq!(command(&[State::Undeliverable]).status().0, "Failed");
        assert_eq!(command(&[State::Success, State::Failed]).status().0, "Failed");
        assert_eq!(command(&[State::Success, State::InProgress]).status().0, "InProgress");
    }
}
