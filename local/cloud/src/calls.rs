//! The ledger: one row for every attempt that reached the cloud.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The service did it.
    Ok,
    /// The service refused, with this status and code.
    Error {
        /// HTTP status.
        status: u16,
        /// The service's code.
        code: String,
    },
    /// A rule interfered; see [`crate::Fault::name`].
    Injected {
        /// The fault's name.
        fault: &'static str,
        /// For a fault that lets the call run: what the service answered, though nobody heard it.
        /// `None` when the call was not executed.
        behind: Option<Box<Outcome>>,
    },
}

/// One attempt of one call; a client's retry is a row of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRecord {
    /// The number of the call in the whole run, from 1.
    pub seq: u64,
    /// Virtual time of its arrival.
    pub at: Timestamp,
    /// [`crate::Caller::name`].
    pub caller: String,
    /// [`crate::Caller::invocation`].
    pub invocation: u64,
    /// The number of the call within its invocation, from 1.
    pub caller_seq: u64,
    /// As in `mgn`; for an unknown host, the host.
    pub service: String,
    /// As in `StartCutover`; for a request that names none, its method and path.
    pub operation: String,
    /// How it ended.
    pub outcome: Outcome,
}

impl CallRecord {
    /// Whether the service carried the call out with success, heard or not.
    pub fn took_effect(&self) -> bool {
        match &self.outcome {
            Outcome::Ok => true,
            Outcome::Error { .. } => false,
            Outcome::Injected { behind, .. } => behind.as_deref() == Some(&Outcome::Ok),
        }
    }
}

/// The numbers a call gets on arrival.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    pub seq: u64,
    pub caller_seq: u64,
}

/// Rows in order of arrival, and the counters that number them.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    rows: Vec<CallRecord>,
    arrived: u64,
    arrived_by_invocation: BTreeMap<(String, u64), u64>,
}

impl Ledger {
    pub fn ticket(&mut self, caller: &str, invocation: u64) -> Ticket {
        self.arrived += 1;
        let of_caller = self
            .arrived_by_invocation
            .entry((caller.to_owned(), invocation))
            .or_default();
        *of_caller += 1;
        Ticket {
            seq: self.arrived,
            caller_seq: *of_caller,
        }
    }

    pub fn record(&mut self, row: CallRecord) {
        self.rows.push(row);
    }

    /// In order of `seq`: on several threads, rows may have been recorded in another.
    pub fn rows(&self) -> Vec<CallRecord> {
        let mut rows = self.rows.clone();
        rows.sort_by_key(|row| row.seq);
        rows
    }
}
