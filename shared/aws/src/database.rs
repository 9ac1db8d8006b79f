//! The port to databases: what Landfall asks of them, in the domain's words.
//!
//! Functions ask through [`crate::remote_database`]: they name a login by its secret, and the function `reach-database`,
//! which alone is in the network of the databases, logs in and asks. It is given a [`Databases`]; all others have
//! [`NoDatabases`] in its place.
//!
//! Every effect here can be repeated, also while the first try still works at it. Closing and opening carry the id of the
//! closing, which the database itself keeps in a table (`landfall_freeze`): a function that outlived its task cannot close
//! what was opened after it.

mod service_failure;

use async_trait::async_trait;
use landfall_domain::StepError;
use landfall_domain::database::{
    Closed, Inspection, KeepOpen, OpenTransaction, Probe, Readiness, SequenceValue, TableName, TableSum,
    ValidationFailure,
};
use landfall_domain::plan::database::{DatabaseSide, Engine, SecretArn, SslMode};
use landfall_domain::record::FreezeRecord;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A password. It is never shown and never serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Wraps it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for a connection.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A login to a database, as a secret holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The engine.
    pub engine: Engine,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The database; for MySQL the schema.
    pub database: String,
    /// The user.
    pub username: String,
    /// The password.
    pub password: Password,
    /// Whether the connection must be encrypted.
    pub encrypted: bool,
}

impl Login {
    /// All of it but the password.
    pub fn facts(&self) -> LoginFacts {
        LoginFacts {
            host: self.host.clone(),
            port: self.port,
            database: self.database.clone(),
            username: self.username.clone(),
        }
    }
}

/// A way to a database: whose login, by its secret, and what the plan says of the connection. It holds no password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Access {
    /// The secret that holds the login.
    pub secret_arn: SecretArn,
    /// The engine.
    pub engine: Engine,
    /// Whether the connection must be encrypted.
    pub encrypted: bool,
}

impl Access {
    /// To a side through one of its logins. Encrypted unless the side's mode is `none`.
    pub fn of(side: &DatabaseSide, secret: &SecretArn) -> Self {
        Self {
            secret_arn: secret.clone(),
            engine: side.engine,
            encrypted: side.ssl_mode != SslMode::None,
        }
    }
}

/// What a secret says of a login, but for the password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginFacts {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The database; for MySQL the schema.
    pub database: String,
    /// The user.
    pub username: String,
}

/// What went wrong with a database.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DatabaseError {
    /// It cannot be reached. Whether the last statement had an effect is not known.
    #[error("the database at {host} cannot be reached: {message}")]
    Unreachable {
        /// Where.
        host: String,
        /// What the network said.
        message: String,
    },
    /// It refused the login: locked, not allowed to log in, wrong password.
    #[error("the database at {host} refused {username}: {message}")]
    LoginRefused {
        /// Where.
        host: String,
        /// Who.
        username: String,
        /// What it said.
        message: String,
    },
    /// It refused a statement.
    #[error("{what}: the database refused with {code}: {message}")]
    Refused {
        /// What was tried.
        what: String,
        /// The server's code: an SQLSTATE or an error number.
        code: String,
        /// What it said.
        message: String,
    },
    /// A later closing or opening has taken its place; nothing more is done.
    #[error("closing {id} was superseded on the database; nothing more is done")]
    Superseded {
        /// The closing.
        id: String,
    },
    /// This engine, or this version, cannot do it.
    #[error("{0}")]
    Unsupported(String),
    /// A service on the way to it failed: Lambda before `reach-database`, Secrets Manager before the login, Systems Manager
    /// under a document. This is never an answer of the database's own: no refusal of a login, nothing that it cannot do.
    /// Whether it was asked is known only where the service says so.
    #[error("{0}")]
    Service(#[serde(with = "service_failure")] Box<StepError>),
}

/// Logs in to databases, from inside their network.
#[async_trait]
pub trait Databases: Send + Sync {
    /// Connects, within ten seconds. A refused login is [`DatabaseError::LoginRefused`].
    async fn connect(&self, login: &Login) -> Result<Box<dyn Database>, DatabaseError>;
}

/// A way to a database, through one login. It may connect for each call, so nothing of a session is kept from one call to
/// the next, and any call may be the first to say that the database cannot be reached, or refuses the login.
#[async_trait]
pub trait Database: Send {
    /// Everything that a preflight looks at, in these schemas. Reads only.
    async fn inspect(&mut self, schemas: &[String], keep: &KeepOpen) -> Result<Inspection, DatabaseError>;

    /// Makes the table for fences and the table of closings, in that schema, and lets the fence writer write the former.
    async fn create_fence_table(&mut self, fence: &TableName, fence_writer: &str) -> Result<(), DatabaseError>;

    /// Drops them. Dropping what is not there is no error.
    async fn drop_fence_table(&mut self, fence: &TableName) -> Result<(), DatabaseError>;

    /// Writes a fence, once: writing the same id again changes nothing.
    async fn write_fence(&mut self, fence: &TableName, id: &str) -> Result<(), DatabaseError>;

    /// Which of these fences are there. A table that is not there yet has none.
    async fn read_fences(&mut self, fence: &TableName, ids: &[String]) -> Result<Vec<String>, DatabaseError>;

    /// What closing would change. Reads only.
    async fn plan_closing(&mut self, keep: &KeepOpen) -> Result<FreezeRecord, DatabaseError>;

    /// Closes: registers the closing under its id, locks logins, changes settings, ends sessions until two scans in a
    /// row are empty, for at most `within`. Prepared transactions hold it, with nothing changed. Replication's own
    /// sessions are left alone. A closing whose id was opened since is [`DatabaseError::Superseded`].
    async fn close(
        &mut self,
        fence: &TableName,
        id: &str,
        record: &FreezeRecord,
        keep: &KeepOpen,
        within: Duration,
    ) -> Result<Closed, DatabaseError>;

    /// Opens: supersedes the closing, so that nobody can go on with it, then restores exactly what was recorded. Gives
    /// what could not be restored, each a sentence.
    async fn open(&mut self, fence: &TableName, id: &str, record: &FreezeRecord) -> Result<Vec<String>, DatabaseError>;

    /// Tries to begin to write. Call it with an application's login. That the login is refused is an answer too, and may be
    /// given as such or as [`DatabaseError::LoginRefused`]; [`crate::freeze::probe`] knows both.
    async fn probe(&mut self) -> Result<Probe, DatabaseError>;

    /// Transactions of clients that have been open for at least so long, replication's own left out.
    async fn open_transactions(&mut self, at_least: Duration) -> Result<Vec<OpenTransaction>, DatabaseError>;

    /// Prepared (two-phase) transactions, by name.
    async fn prepared_transactions(&mut self) -> Result<Vec<String>, DatabaseError>;

    /// A fingerprint of columns, types and keys of these tables, the same as long as none of them changes.
    async fn fingerprint(&mut self, tables: &[TableName]) -> Result<String, DatabaseError>;

    /// Count and checksum of a table.
    async fn table_sum(&mut self, table: &TableName) -> Result<TableSum, DatabaseError>;

    /// Sequences, identities and counters of these schemas.
    async fn sequences(&mut self, schemas: &[String]) -> Result<Vec<SequenceValue>, DatabaseError>;

    /// Sets each to at least its value and `margin` steps more; one that is further already stays.
    async fn advance_sequences(&mut self, values: &[SequenceValue], margin: u32) -> Result<(), DatabaseError>;

    /// Makes the target ready, as far as replication has not: triggers enabled, foreign keys validated, statistics
    /// gathered, for these tables.
    async fn make_ready(&mut self, tables: &[TableName]) -> Result<Readiness, DatabaseError>;

    /// Runs a statement in a transaction that is rolled back, to see that this login can.
    async fn smoke_test(&mut self, statement: Option<&str>) -> Result<(), DatabaseError>;

    /// The position of the log now, in the words that DMS takes as `CdcStartPosition`.
    async fn log_position(&mut self) -> Result<String, DatabaseError>;

    /// The same, and keeps the log from there on for a reader who comes later: PostgreSQL forgets what no slot holds, and a
    /// task that begins at a position has to be given a slot that was there before. Other servers keep their log by age.
    /// Repeating it makes no second slot. <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Source.PostgreSQL.html>
    async fn hold_log(&mut self, slot: &str) -> Result<String, DatabaseError> {
        let _ = slot;
        self.log_position().await
    }

    /// Rows in DMS's control table of changes that could not be applied; 0 when there is no such table.
    async fn apply_exceptions(&mut self) -> Result<u64, DatabaseError>;

    /// Rows that validation found different, newest first.
    async fn validation_failures(&mut self, most: u32) -> Result<Vec<ValidationFailure>, DatabaseError>;

    /// What replication left here: slots, publications, tables named `awsdms_…`, each as `kind:name`.
    async fn leftovers(&mut self) -> Result<Vec<String>, DatabaseError>;

    /// Ends one of them.
    async fn end_leftover(&mut self, leftover: &str) -> Result<(), DatabaseError>;
}

impl From<DatabaseError> for StepError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Unreachable { host, message } => Self::DatabaseUnreachable { host, message },
            DatabaseError::Service(error) => *error,
            refused => Self::DatabaseRefused(refused.to_string()),
        }
    }
}

impl From<StepError> for DatabaseError {
    fn from(error: StepError) -> Self {
        Self::Service(Box::new(error))
    }
}

/// What functions are given that are not in the network of databases.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoDatabases;

#[async_trait]
impl Databases for NoDatabases {
    async fn connect(&self, login: &Login) -> Result<Box<dyn Database>, DatabaseError> {
        Err(DatabaseError::Unsupported(format!(
            "this function logs in to no database, and was asked for the one at {}; that is a fault of Landfall",
            login.host
        )))
    }
}
