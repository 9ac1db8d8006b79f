//! What a simulated database holds, and how it is described.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use landfall_domain::database::TableName;
use landfall_domain::plan::database::{Dialect, Engine};
use serde_json::Value;

/// A row: its columns beside the key, and its large object.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The columns.
    pub value: Value,
    /// The size of its large object in bytes; [`None`] when it has none. A replication that cuts objects off makes it
    /// smaller, and the row differs.
    pub lob_bytes: Option<u64>,
}

impl Row {
    /// A row without a large object.
    pub fn new(value: impl Into<Value>) -> Row {
        Row {
            value: value.into(),
            lob_bytes: None,
        }
    }
}

/// One change of a commit.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A new row. In a table without a key, `key` is the row's own number on this server and means nothing elsewhere.
    Insert {
        /// The table.
        table: TableName,
        /// The key.
        key: String,
        /// The row.
        row: Row,
    },
    /// A row that changed.
    Update {
        /// The table.
        table: TableName,
        /// The key.
        key: String,
        /// The row afterwards.
        row: Row,
    },
    /// A row that is gone.
    Delete {
        /// The table.
        table: TableName,
        /// The key.
        key: String,
    },
}

impl Change {
    /// The table it is about.
    pub fn table(&self) -> &TableName {
        match self {
            Change::Insert { table, .. } | Change::Update { table, .. } | Change::Delete { table, .. } => table,
        }
    }

    /// The key of its row.
    pub fn key(&self) -> &str {
        match self {
            Change::Insert { key, .. } | Change::Update { key, .. } | Change::Delete { key, .. } => key,
        }
    }

    /// The same change to a table of another name.
    pub fn on(&self, name: TableName) -> Change {
        let mut change = self.clone();
        match &mut change {
            Change::Insert { table, .. } | Change::Update { table, .. } | Change::Delete { table, .. } => *table = name,
        }
        change
    }
}

/// A commit, as the log has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// Its place in the log; counts from 1.
    pub position: u64,
    /// When.
    pub at: Timestamp,
    /// Who wrote it.
    pub login: String,
    /// What, in order.
    pub changes: Vec<Change>,
}

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Whether rows have a primary key.
    pub has_key: bool,
    /// Whether updates and deletes are in the log without a key (PostgreSQL: REPLICA IDENTITY FULL).
    pub full_identity: bool,
    /// Its columns, in words; whatever changes them changes the fingerprint.
    pub columns: String,
    /// Its rows by key.
    pub rows: BTreeMap<String, Row>,
    /// Its triggers.
    pub triggers: Vec<Trigger>,
    /// Its foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// Logins that may read and insert, beside those whose role may.
    pub granted: BTreeSet<String>,
    /// Numbers the rows of a table without a key.
    pub next_row: u64,
}

impl Table {
    /// An empty table with a primary key.
    pub fn keyed() -> Table {
        Table {
            has_key: true,
            full_identity: false,
            columns: "id, value".to_owned(),
            rows: BTreeMap::new(),
            triggers: Vec::new(),
            foreign_keys: Vec::new(),
            granted: BTreeSet::new(),
            next_row: 1,
        }
    }

    /// An empty table without a key.
    pub fn keyless() -> Table {
        Table {
            has_key: false,
            full_identity: true,
            ..Table::keyed()
        }
    }

    /// The same definition without rows, as a schema conversion or a dump of the schema puts it on another server.
    pub fn definition(&self) -> Table {
        Table {
            rows: BTreeMap::new(),
            granted: BTreeSet::new(),
            next_row: 1,
            ..self.clone()
        }
    }
}

/// A trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// Whether it fires.
    pub enabled: bool,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// Its name.
    pub name: String,
    /// Whether the server has checked it.
    pub validated: bool,
    /// Whether every row has its parent.
    pub holds: bool,
}

/// A sequence, or the counter of the table of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    /// The last value it gave; [`None`] when it gave none.
    pub last_value: Option<i64>,
    /// What it counts by.
    pub increment: i64,
}

/// What a login may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything: Landfall's own login.
    Admin,
    /// What it was granted on single tables.
    FenceWriter,
    /// Begin to write, and write rows to tables of applications.
    Application,
    /// Read the log and write every table.
    Replication,
}

/// A login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginSpec {
    /// Its name, without a host.
    pub name: String,
    /// Its password.
    pub password: String,
    /// What it may do.
    pub role: Role,
    /// Whether it may log in: not NOLOGIN, not locked.
    pub can_log_in: bool,
    /// Whether it passes read-only mode (MySQL), or is a superuser (PostgreSQL).
    pub exempt: bool,
}

impl LoginSpec {
    /// A login that may log in. All but applications pass read-only mode.
    pub fn new(name: &str, password: &str, role: Role) -> LoginSpec {
        LoginSpec {
            name: name.to_owned(),
            password: password.to_owned(),
            role,
            can_log_in: true,
            exempt: role != Role::Application,
        }
    }

    /// The same login, that passes read-only mode.
    pub fn privileged(mut self) -> LoginSpec {
        self.exempt = true;
        self
    }
}

/// A database server with one database.
#[derive(Debug, Clone)]
pub struct ServerSpec {
    /// Its host name.
    pub host: String,
    /// The engine.
    pub engine: Engine,
    /// The database.
    pub database: String,
    /// Product and version.
    pub version: String,
    /// Logins.
    pub logins: Vec<LoginSpec>,
    /// Whether Landfall's login may set global variables (MySQL); that of a managed instance may not.
    pub may_set_globals: bool,
    /// For how long the log is kept, in hours; [`None`] when it is kept for as long as it is needed.
    pub log_retention_hours: Option<u64>,
    /// What keeps the log from being read for changes.
    pub log_problems: Vec<String>,
    /// Settings that closing turns off, and their values: `job:7`, `subscription:x`, `event_scheduler`.
    pub settings: BTreeMap<String, String>,
}

impl ServerSpec {
    /// A server without logins and tables.
    pub fn new(host: &str, engine: Engine, database: &str) -> ServerSpec {
        let mysql = engine.dialect() == Dialect::Mysql;
        let version = match engine {
            Engine::Mysql | Engine::AuroraMysql => "MySQL 8.0.36",
            Engine::Mariadb => "MariaDB 10.11.8",
            _ => "PostgreSQL 16.3",
        };
        ServerSpec {
            host: host.to_owned(),
            engine,
            database: database.to_owned(),
            version: version.to_owned(),
            logins: Vec::new(),
            may_set_globals: engine != Engine::AuroraMysql,
            log_retention_hours: mysql.then_some(168),
            log_problems: Vec::new(),
            settings: BTreeMap::new(),
        }
    }
}
