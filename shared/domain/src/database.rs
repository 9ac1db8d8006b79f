//! What was seen of a database, in the domain's words.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A table, by the names it has on this side.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableName {
    /// The schema; for MySQL the database.
    pub schema: String,
    /// The table.
    pub table: String,
}

impl TableName {
    /// A table.
    pub fn new(schema: impl Into<String>, table: impl Into<String>) -> Self {
        Self {
            schema: schema.into(),
            table: table.into(),
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// What is to be known of a database before anything is changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// Product and version, as in `PostgreSQL 17.2` or `MariaDB 11.8.3`.
    pub version: String,
    /// Bytes of data and indexes in the schemas asked for.
    pub size_bytes: u64,
    /// Its tables.
    pub tables: Vec<TableFacts>,
    /// Sequences and identities, by name.
    pub sequences: Vec<SequenceValue>,
    /// Triggers, as `schema.table.trigger`.
    pub triggers: Vec<String>,
    /// Logins other than those kept open that pass read-only mode or are superusers, by name.
    pub exempt_logins: Vec<String>,
    /// Prepared (two-phase) transactions, by name.
    pub prepared_transactions: Vec<String>,
    /// For how long the log is kept, in hours; [`None`] when it is kept for as long as a slot needs it.
    pub log_retention_hours: Option<u64>,
    /// What keeps the log from being read for changes, each a sentence: `wal_level is replica, logical is needed`.
    pub log_problems: Vec<String>,
    /// Login names of open client sessions, with their number; to find applications that share a login.
    pub sessions: Vec<(String, u32)>,
}

/// What is known of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableFacts {
    /// The table.
    pub name: TableName,
    /// Whether it has a primary key or a unique index without nullable columns.
    pub has_key: bool,
    /// Whether updates and deletes of it are replicated without a key (PostgreSQL: REPLICA IDENTITY FULL).
    pub full_identity: bool,
    /// Rows, estimated.
    pub rows_estimate: u64,
    /// The largest large object in it, in bytes; [`None`] when it has no column of that kind.
    pub largest_lob_bytes: Option<u64>,
}

/// A sequence, an identity or an auto-increment counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SequenceValue {
    /// The sequence (PostgreSQL), or the table whose counter it is (MySQL).
    pub name: TableName,
    /// The last value it gave.
    pub last_value: i64,
    /// What it counts by.
    pub increment: i64,
}

/// Who stays open while a side is closed: Landfall's login, the fence writer's, DMS's, those that the plan names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeepOpen {
    /// User names; in MySQL without host.
    pub logins: Vec<String>,
}

/// How far a closing came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Closed {
    /// Nobody but those kept open has a session, twice in a row.
    Empty {
        /// Sessions that were ended.
        ended: u32,
    },
    /// Sessions came back until the time was over.
    StillOpen {
        /// Who, at the end.
        logins: Vec<String>,
    },
    /// Something that must not be cut through: prepared transactions, by name. Everything is as it was.
    Held {
        /// What.
        why: Vec<String>,
    },
}

/// What an application's login is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Probe {
    /// It cannot log in, or cannot begin to write.
    Refused(String),
    /// It can write.
    Accepted,
}

/// A transaction that has been open for long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenTransaction {
    /// The session.
    pub session: String,
    /// Whose it is.
    pub login: String,
    /// For how long, in seconds.
    pub seconds: u64,
}

/// A table's content, compared across sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableSum {
    /// Rows.
    pub rows: u64,
    /// A sum over all rows that does not depend on their order, and is the same for the same rows on another server of
    /// the same dialect.
    pub checksum: String,
}

/// A row that validation found different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidationFailure {
    /// The table.
    pub table: String,
    /// The key of the row, as DMS wrote it.
    pub key: String,
    /// DMS's word: `RECORD_DIFF`, `MISSING_SOURCE`, `MISSING_TARGET`, `TABLE_WARNING`.
    pub failure: String,
}

/// What is missing on a target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    /// What is done: one line each, for the audit trail.
    pub done: Vec<String>,
    /// What is not, each a sentence with its remedy.
    pub missing: Vec<String>,
}
