//! Databases as all functions reach them: through the function `reach-database`, the only one in their network.
//!
//! # When it connects
//!
//! [`RemoteDatabases::through`] asks nothing. Each call of the port is one invocation, which reads the secret, logs in,
//! asks, and logs out; so the first call says that a login is refused or that nobody is there, and a password that was
//! rotated is read by the next call. No password comes this way.
//!
//! # Time
//!
//! A function is ended by Lambda at an instant that it knows ([`crate::Deps::until`]), and that instant travels with the
//! question: `reach-database` begins nothing after it, and by then has let go of what it was doing. So what was asked never
//! outlives who asked, and whoever waits for functions to end ([`crate::deps::FUNCTION_SECONDS_MAX`]) need not know of it.
//! Calls that look at little are given up after [`QUICK`] already, and asked again, here or by the step's retry.
//!
//! # Repeating
//!
//! The SDK asks again when it was throttled, when Lambda failed, and when an answer was lost. The first question may have
//! been carried out then, or still be: that is safe only because every effect of the port can be repeated
//! ([`crate::database`]).

mod request;

pub use request::{Ask, QUICK, Reached, Request, written};

use crate::classify::{step_error, unknown};
use crate::database::{Access, Database, DatabaseError, LoginFacts};
use crate::deps::Clock;
use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::operation::invoke::InvokeOutput;
use aws_sdk_lambda::primitives::Blob;
use jiff::Timestamp;
use landfall_domain::StepError;
use landfall_domain::database::{
    Closed, Inspection, KeepOpen, OpenTransaction, Probe, Readiness, SequenceValue, TableName, TableSum,
    ValidationFailure,
};
use landfall_domain::record::FreezeRecord;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// The service's name in errors.
const SERVICE: &str = "Lambda";

/// The operation's.
const OPERATION: &str = "Invoke";

/// The function's name in errors.
const FUNCTION: &str = "reach-database";

/// What stays to a function after the last answer of a database: for the way back, and for saying what went wrong.
const RESERVE: Duration = Duration::from_secs(1);

/// How much longer than [`QUICK`] its answer is waited for.
const ANSWER: Duration = Duration::from_secs(1);

/// Bytes of a question, and of an answer: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const PAYLOAD_BYTES_MAX: usize = 6 * 1024 * 1024;

/// What Lambda calls an answer that is longer.
const TOO_LONG: &str = "Function.ResponseSizeTooLarge";

/// The way to `reach-database`.
#[derive(Clone)]
pub struct RemoteDatabases {
    client: Client,
    function_arn: Option<String>,
    clock: Arc<dyn Clock>,
    until: Timestamp,
}

impl RemoteDatabases {
    /// Asks the function of this ARN, for whoever is ended at that instant.
    pub fn new(client: Client, function_arn: Option<String>, clock: Arc<dyn Clock>, until: Timestamp) -> Self {
        Self {
            client,
            function_arn,
            clock,
            until,
        }
    }

    /// The same, for whoever is ended at another instant.
    pub fn until(&self, until: Timestamp) -> Self {
        Self { until, ..self.clone() }
    }

    /// A database through a login. Nothing is asked yet.
    pub fn through(&self, access: Access) -> Box<dyn Database> {
        Box::new(RemoteDatabase {
            databases: self.clone(),
            access,
        })
    }

    /// What the secret says of a login, but for its password. The database is not asked.
    pub async fn describe(&self, access: &Access) -> Result<LoginFacts, StepError> {
        Ok(self.ask(access, Request::Describe {}).await?)
    }

    async fn ask<T: DeserializeOwned>(&self, access: &Access, request: Request) -> Result<T, DatabaseError> {
        let function = self.function_arn.as_deref().ok_or_else(|| {
            DatabaseError::Unsupported(
                "this function is not told how to reach databases (LANDFALL_REACH_DATABASE_ARN); that is a fault of Landfall"
                    .to_owned(),
            )
        })?;
        let timeouts = self.timeouts(&request)?;
        let ask = Ask {
            access: access.clone(),
            until: self.until - RESERVE,
            request,
        };
        let payload = payload(&ask)?;
        let config = aws_sdk_lambda::config::Builder::new().timeout_config(timeouts);
        let sent = self.client.invoke().function_name(function).payload(Blob::new(payload));
        let answer = sent.customize().config_override(config).send().await;
        match reached(answer.map_err(|error| step_error(SERVICE, OPERATION, error))?)? {
            Reached::Error(error) => Err(error),
            Reached::Answer(answer) => read(&ask.request, answer),
        }
    }

    /// How long an answer is waited for: at most as long as is left.
    fn timeouts(&self, request: &Request) -> Result<TimeoutConfig, StepError> {
        let left = self.until.duration_since(self.clock.now());
        let left = Duration::try_from(left).unwrap_or_default();
        if left <= RESERVE {
            return Err(unavailable(
                "this function is about to be ended, so the database was not asked".to_owned(),
            ));
        }
        let attempt = if request.is_quick() {
            left.min(QUICK + ANSWER)
        } else {
            left
        };
        Ok(TimeoutConfig::builder()
            .operation_timeout(left)
            .operation_attempt_timeout(attempt)
            .build())
    }
}

fn payload(ask: &Ask) -> Result<Vec<u8>, StepError> {
    let payload = serde_json::to_vec(ask)
        .map_err(|error| StepError::Corrupt(format!("a question to a database cannot be written: {error}")))?;
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(StepError::DatabaseRefused(format!(
            "what is asked of the database takes {} bytes, and Lambda takes {PAYLOAD_BYTES_MAX}; move fewer tables in one database of the plan",
            payload.len()
        )));
    }
    Ok(payload)
}

/// What an invocation answered; a function that failed has answered nothing.
fn reached(answer: InvokeOutput) -> Result<Reached, StepError> {
    let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
    if answer.function_error.is_some() {
        return Err(failed(&payload));
    }
    serde_json::from_slice(&payload).map_err(|error| unknown(FUNCTION, "its answer", error.to_string()))
}

/// What becomes of a function that failed, by what Lambda says of it.
fn failed(payload: &[u8]) -> StepError {
    let said: Value = serde_json::from_slice(payload).unwrap_or_default();
    let text = |member: &str| said[member].as_str().unwrap_or("nothing").to_owned();
    let (error_type, message) = (text("errorType"), text("errorMessage"));
    match error_type.as_str() {
        TOO_LONG => StepError::DatabaseRefused(format!(
            "what the database answered is longer than Lambda carries ({message}); move fewer tables in one database of the plan"
        )),
        // It does not know the question: it is of another version.
        "InvalidInput" => unknown(FUNCTION, "the error of a question that it refused", message),
        // Ended by Lambda, or by a fault of its own: whether the database did what it was asked is not known.
        _ => unavailable(format!("{FUNCTION} ended with {error_type}: {message}")),
    }
}

fn unavailable(message: String) -> StepError {
    StepError::ServiceUnavailable {
        service: SERVICE,
        operation: OPERATION,
        message,
    }
}

fn read<T: DeserializeOwned>(request: &Request, answer: Value) -> Result<T, DatabaseError> {
    serde_json::from_value(answer)
        .map_err(|error| unknown(FUNCTION, format!("the answer to {}", request.name()), error.to_string()).into())
}

struct RemoteDatabase {
    databases: RemoteDatabases,
    access: Access,
}

impl RemoteDatabase {
    async fn ask<T: DeserializeOwned>(&self, request: Request) -> Result<T, DatabaseError> {
        self.databases.ask(&self.access, request).await
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[async_trait]
impl Database for RemoteDatabase {
    async fn inspect(&mut self, schemas: &[String], keep: &KeepOpen) -> Result<Inspection, DatabaseError> {
        let (schemas, keep) = (schemas.to_vec(), keep.clone());
        self.ask(Request::Inspect { schemas, keep }).await
    }

    async fn create_fence_table(&mut self, fence: &TableName, fence_writer: &str) -> Result<(), DatabaseError> {
        let (fence, fence_writer) = (fence.clone(), fence_writer.to_owned());
        self.ask(Request::CreateFenceTable { fence, fence_writer }).await
    }

    async fn drop_fence_table(&mut self, fence: &TableName) -> Result<(), DatabaseError> {
        let fence = fence.clone();
        self.ask(Request::DropFenceTable { fence }).await
    }

    async fn write_fence(&mut self, fence: &TableName, id: &str) -> Result<(), DatabaseError> {
        let (fence, id) = (fence.clone(), id.to_owned());
        self.ask(Request::WriteFence { fence, id }).await
    }

    async fn read_fences(&mut self, fence: &TableName, ids: &[String]) -> Result<Vec<String>, DatabaseError> {
        let (fence, ids) = (fence.clone(), ids.to_vec());
        self.ask(Request::ReadFences { fence, ids }).await
    }

    async fn plan_closing(&mut self, keep: &KeepOpen) -> Result<FreezeRecord, DatabaseError> {
        let keep = keep.clone();
        self.ask(Request::PlanClosing { keep }).await
    }

    async fn close(
        &mut self,
        fence: &TableName,
        id: &str,
        record: &FreezeRecord,
        keep: &KeepOpen,
        within: Duration,
    ) -> Result<Closed, DatabaseError> {
        let request = Request::Close {
            fence: fence.clone(),
            id: id.to_owned(),
            record: record.clone(),
            keep: keep.clone(),
            within_ms: milliseconds(within),
        };
        self.ask(request).await
    }

    async fn open(&mut self, fence: &TableName, id: &str, record: &FreezeRecord) -> Result<Vec<String>, DatabaseError> {
        let (fence, id, record) = (fence.clone(), id.to_owned(), record.clone());
        self.ask(Request::Open { fence, id, record }).await
    }

    async fn probe(&mut self) -> Result<Probe, DatabaseError> {
        self.ask(Request::Probe {}).await
    }

    async fn open_transactions(&mut self, at_least: Duration) -> Result<Vec<OpenTransaction>, DatabaseError> {
        let at_least_ms = milliseconds(at_least);
        self.ask(Request::OpenTransactions { at_least_ms }).await
    }

    async fn prepared_transactions(&mut self) -> Result<Vec<String>, DatabaseError> {
        self.ask(Request::PreparedTransactions {}).await
    }

    async fn fingerprint(&mut self, tables: &[TableName]) -> Result<String, DatabaseError> {
        let tables = tables.to_vec();
        self.ask(Request::Fingerprint { tables }).await
    }

    async fn table_sum(&mut self, table: &TableName) -> Result<TableSum, DatabaseError> {
        let table = table.clone();
        self.ask(Request::TableSum { table }).await
    }

    async fn sequences(&mut self, schemas: &[String]) -> Result<Vec<SequenceValue>, DatabaseError> {
        let schemas = schemas.to_vec();
        self.ask(Request::Sequences { schemas }).await
    }

    async fn advance_sequences(&mut self, values: &[SequenceValue], margin: u32) -> Result<(), DatabaseError> {
        let values = values.to_vec();
        self.ask(Request::AdvanceSequences { values, margin }).await
    }

    async fn make_ready(&mut self, tables: &[TableName]) -> Result<Readiness, DatabaseError> {
        let tables = tables.to_vec();
        self.ask(Request::MakeReady { tables }).await
    }

    async fn smoke_test(&mut self, statement: Option<&str>) -> Result<(), DatabaseError> {
        let statement = statement.map(str::to_owned);
        self.ask(Request::SmokeTest { statement }).await
    }

    async fn log_position(&mut self) -> Result<String, DatabaseError> {
        self.ask(Request::LogPosition {}).await
    }

    async fn hold_log(&mut self, slot: &str) -> Result<String, DatabaseError> {
        let slot = slot.to_owned();
        self.ask(Request::HoldLog { slot }).await
    }

    async fn apply_exceptions(&mut self) -> Result<u64, DatabaseError> {
        self.ask(Request::ApplyExceptions {}).await
    }

    async fn validation_failures(&mut self, most: u32) -> Result<Vec<ValidationFailure>, DatabaseError> {
        self.ask(Request::ValidationFailures { most }).await
    }

    async fn leftovers(&mut self) -> Result<Vec<String>, DatabaseError> {
        self.ask(Request::Leftovers {}).await
    }

    async fn end_leftover(&mut self, leftover: &str) -> Result<(), DatabaseError> {
        let leftover = leftover.to_owned();
        self.ask(Request::EndLeftover { leftover }).await
    }
}

#[cfg(test)]
mod tests;
