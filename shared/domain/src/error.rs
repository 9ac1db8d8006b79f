//! The one error of Landfall: what can go wrong in a function, what its name is in Step Functions, what is to be done
//! about it, and the sentence that an operator reads at three in the morning.

use crate::ids::{DatabaseId, JobId, SourceServerId, WaveId};
use crate::plan::Problem;

/// What is to be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorClass {
    /// Try again within seconds: the service was busy or unreachable.
    RetrySoon,
    /// Try again within minutes: something else has to end first.
    RetryLater,
    /// A person has to look: nothing that Landfall can do makes it better.
    Hold,
    /// The step cannot succeed any more: what was done is undone.
    RollBack,
}

/// What can go wrong in a function.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StepError {
    /// The input is no plan, or not what the function takes.
    #[error("the input is refused, nothing was changed: {}", list(.0))]
    InvalidInput(Vec<Problem>),
    /// MGN does not know a server of the plan, or has it archived or without an agent.
    #[error("{}; nothing was changed", .0.join("; "))]
    ServersRefused(Vec<String>),
    /// A server belongs to another open wave.
    #[error(
        "server {server} belongs to the open wave {wave}; let that wave end or roll it back, then start again; nothing was changed"
    )]
    ServerClaimed {
        /// The server.
        server: SourceServerId,
        /// The wave that has it.
        wave: WaveId,
    },
    /// A database belongs to another open wave.
    #[error(
        "database {database} belongs to the open wave {wave}; let that wave end or roll it back, then start again; nothing was changed"
    )]
    DatabaseClaimed {
        /// The database.
        database: DatabaseId,
        /// The wave that has it.
        wave: WaveId,
    },
    /// No such wave.
    #[error("wave {0} is not known; plan it first, or mend the wave id")]
    WaveUnknown(WaveId),
    /// The wave is open under another execution.
    #[error("wave {wave} is open under execution {execution}; let it end, or start rollback-wave for it")]
    WaveOpen {
        /// The wave.
        wave: WaveId,
        /// The execution that runs it.
        execution: String,
    },
    /// A newer attempt, or a rollback, has taken the wave over.
    #[error("this step belongs to epoch {given} of wave {wave}, which {}; it does nothing more", moved_on(*given, *current))]
    EpochSuperseded {
        /// The wave.
        wave: WaveId,
        /// The epoch of the step.
        given: u64,
        /// The epoch of the wave.
        current: u64,
    },
    /// Another execution works on the batch or database.
    #[error("{part} of wave {wave} is worked on by {owner}; this step waits for it")]
    LeaseHeld {
        /// The wave.
        wave: WaveId,
        /// The part of it: `batch 3`, `database shop`.
        part: String,
        /// The execution that has the lease.
        owner: String,
    },
    /// MGN's limits on open jobs leave no room at the moment.
    #[error(
        "MGN's limits leave no room for {wanted} servers: {open_jobs} of 20 jobs and {open_servers} of 200 servers are open; this step waits"
    )]
    QuotaFull {
        /// Servers that were to start.
        wanted: usize,
        /// Jobs open or reserved.
        open_jobs: usize,
        /// Servers in them.
        open_servers: usize,
    },
    /// Servers are in a job that is not ours, or not over yet.
    #[error("servers {} are in an open MGN job{}; this step waits for it", ids_text(.servers), job_text(.job))]
    ServersBusy {
        /// The servers.
        servers: Vec<SourceServerId>,
        /// The job, where known.
        job: Option<JobId>,
    },
    /// A gate that stood open before is closed now.
    #[error("{gate}: {observed}; the step was not taken")]
    GateClosed {
        /// Which gate.
        gate: &'static str,
        /// What was seen, with the server.
        observed: String,
    },
    /// A service said something that this version does not know. Unknown is never success.
    #[error(
        "{service} answered {value:?} for {what}, which this version does not know; a person has to look, and Landfall to be updated"
    )]
    UnknownValue {
        /// The service.
        service: &'static str,
        /// Which member.
        what: String,
        /// What it said.
        value: String,
    },
    /// The service asked to slow down.
    #[error("{service} throttled {operation}: {message}")]
    Throttled {
        /// The service.
        service: &'static str,
        /// The operation.
        operation: &'static str,
        /// What it said.
        message: String,
    },
    /// The service failed or could not be reached. Whether the call had an effect is not known.
    #[error("{service} did not answer {operation}: {message}")]
    ServiceUnavailable {
        /// The service.
        service: &'static str,
        /// The operation.
        operation: &'static str,
        /// What went wrong.
        message: String,
    },
    /// The role lacks a permission.
    #[error("{service} denied {operation}: {message}; give the function's role this permission, then start again")]
    AccessDenied {
        /// The service.
        service: &'static str,
        /// The operation.
        operation: &'static str,
        /// What it said.
        message: String,
    },
    /// The service refused the call for a reason of its own.
    #[error("{service} refused {operation} with {code}: {message}")]
    ServiceRefused {
        /// The service.
        service: &'static str,
        /// The operation.
        operation: &'static str,
        /// The service's own error code.
        code: String,
        /// What it said.
        message: String,
    },
    /// Another writer changed the item between reading and writing; reading again settles it.
    #[error("{item} was changed by another writer; the step reads again")]
    WriteConflict {
        /// The item's key.
        item: String,
    },
    /// A record set is not what Landfall left, or cannot be handled.
    #[error("record set {name} {record_type} in zone {zone}: {problem}")]
    RecordSetHeld {
        /// The zone.
        zone: String,
        /// The name.
        name: String,
        /// The type.
        record_type: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A database cannot be reached. Whether the last statement had an effect is not known.
    #[error("the database at {host} cannot be reached: {message}")]
    DatabaseUnreachable {
        /// Where.
        host: String,
        /// What the network said.
        message: String,
    },
    /// A database refused what a step needs.
    #[error("{0}")]
    DatabaseRefused(String),
    /// A decision that was asked for is not on record, or says no.
    #[error("{0}")]
    NotApproved(String),
    /// The table holds something that cannot be: a fault of Landfall.
    #[error("wave table: {0}; this is a fault of Landfall: keep the wave as it is and report it")]
    Corrupt(String),
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ")
}

fn ids_text(servers: &[SourceServerId]) -> String {
    servers
        .iter()
        .map(SourceServerId::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

fn job_text(job: &Option<JobId>) -> String {
    job.as_ref().map(|job| format!(" ({job})")).unwrap_or_default()
}

/// What became of a wave that a step no longer belongs to.
fn moved_on(given: u64, current: u64) -> String {
    if given == current {
        // Epochs only grow, and a step of the present one is refused for its direction alone.
        "moves the other way by now".to_owned()
    } else {
        format!("is now at epoch {current}")
    }
}

impl StepError {
    /// Every name, for the test that each is handled in the state machines and that nothing else is.
    pub const NAMES: [&'static str; 22] = [
        "InvalidInput",
        "ServersRefused",
        "ServerClaimed",
        "DatabaseClaimed",
        "WaveUnknown",
        "WaveOpen",
        "EpochSuperseded",
        "LeaseHeld",
        "QuotaFull",
        "ServersBusy",
        "GateClosed",
        "UnknownValue",
        "Throttled",
        "ServiceUnavailable",
        "AccessDenied",
        "ServiceRefused",
        "WriteConflict",
        "RecordSetHeld",
        "DatabaseUnreachable",
        "DatabaseRefused",
        "NotApproved",
        "Corrupt",
    ];

    /// The stable name that `ErrorEquals` matches.
    pub fn name(&self) -> &'static str {
        match self {
            Self::InvalidInput(_) => "InvalidInput",
            Self::ServersRefused(_) => "ServersRefused",
            Self::ServerClaimed { .. } => "ServerClaimed",
            Self::DatabaseClaimed { .. } => "DatabaseClaimed",
            Self::WaveUnknown(_) => "WaveUnknown",
            Self::WaveOpen { .. } => "WaveOpen",
            Self::EpochSuperseded { .. } => "EpochSuperseded",
            Self::LeaseHeld { .. } => "LeaseHeld",
            Self::QuotaFull { .. } => "QuotaFull",
            Self::ServersBusy { .. } => "ServersBusy",
            Self::GateClosed { .. } => "GateClosed",
            Self::UnknownValue { .. } => "UnknownValue",
            Self::Throttled { .. } => "Throttled",
            Self::ServiceUnavailable { .. } => "ServiceUnavailable",
            Self::AccessDenied { .. } => "AccessDenied",
            Self::ServiceRefused { .. } => "ServiceRefused",
            Self::WriteConflict { .. } => "WriteConflict",
            Self::RecordSetHeld { .. } => "RecordSetHeld",
            Self::DatabaseUnreachable { .. } => "DatabaseUnreachable",
            Self::DatabaseRefused(_) => "DatabaseRefused",
            Self::NotApproved(_) => "NotApproved",
            Self::Corrupt(_) => "Corrupt",
        }
    }

    /// What is to be done about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Throttled { .. }
            | Self::ServiceUnavailable { .. }
            | Self::WriteConflict { .. }
            | Self::DatabaseUnreachable { .. } => ErrorClass::RetrySoon,
            Self::LeaseHeld { .. } | Self::QuotaFull { .. } | Self::ServersBusy { .. } => ErrorClass::RetryLater,
            Self::InvalidInput(_)
            | Self::ServersRefused(_)
            | Self::ServerClaimed { .. }
            | Self::DatabaseClaimed { .. }
            | Self::WaveUnknown(_)
            | Self::WaveOpen { .. }
            | Self::EpochSuperseded { .. }
            | Self::UnknownValue { .. }
            | Self::AccessDenied { .. }
            | Self::RecordSetHeld { .. }
            | Self::DatabaseRefused(_)
            | Self::NotApproved(_)
            | Self::Corrupt(_) => ErrorClass::Hold,
            Self::GateClosed { .. } | Self::ServiceRefused { .. } => ErrorClass::RollBack,
        }
    }

    /// A single problem with an input, by path.
    pub fn invalid(path: impl Into<String>, value: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self::InvalidInput(vec![Problem {
            path: path.into(),
            value: value.into(),
            allowed: allowed.into(),
        }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_listed_once() {
        let mut names = StepError::NAMES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), StepError::NAMES.len());
        let sample = StepError::NotApproved("no".to_owned());
        assert!(StepError::NAMES.contains(&sample.name()));
    }

    #[test]
    fn a_refused_input_says_every_problem_with_path_value_and_remedy() {
        let error = StepError::InvalidInput(vec![
            Problem {
                path: "$.a".into(),
                value: "1".into(),
                allowed: "at least 2".into(),
            },
            Problem {
                path: "$.b".into(),
                value: "absent".into(),
                allowed: "required".into(),
            },
        ]);
        assert_eq!(
            error.to_string(),
            "the input is refused, nothing was changed: $.a is 1: at least 2; $.b is absent: required"
        );
    }
}
