//! Simulated databases: rows and a log of commits, logins that can be locked, sessions that can be ended.
//!
//! Functions reach them through the port of `landfall-aws`; replication through [`replication`], as the user that DMS
//! has; applications through [`writer`]. What a database refuses, and how, is what the real engines were seen to do by
//! the tests of `landfall-database`.

mod closing;
mod document;
mod fence;
mod inspect;
pub mod model;
mod port;
mod ready;
pub mod replication;
mod server;
mod verify;
pub mod writer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use landfall_domain::database::TableName;
use tokio::task::AbortHandle;

pub use document::DatabaseDocument;
pub use model::{Change, Commit, ForeignKey, LoginSpec, Role, Row, Sequence, ServerSpec, Table, Trigger};
pub use server::Refusal;
use server::Server;
pub use writer::{Acknowledged, Place, Writer, WriterKind, WriterSpec};

use crate::clock::VirtualClock;

/// How databases answer.
#[derive(Debug, Clone, PartialEq)]
pub struct DatabaseKnobs {
    /// Virtual time from a call of the port to its effect; the cloud's own latency comes after it. Default 2 ms.
    pub latency: Duration,
    /// For how long a connection to a host that cannot be reached is tried. Default 10 s.
    pub connect_timeout: Duration,
    /// When hosts cannot be reached.
    pub outages: Vec<Outage>,
}

impl Default for DatabaseKnobs {
    fn default() -> DatabaseKnobs {
        DatabaseKnobs {
            latency: Duration::from_millis(2),
            connect_timeout: Duration::from_secs(10),
            outages: Vec::new(),
        }
    }
}

/// A time in which a host cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// The host.
    pub host: String,
    /// From when.
    pub from: Timestamp,
    /// Until when, itself not included.
    pub until: Timestamp,
    /// Whether applications and DMS cannot reach it either; otherwise only Landfall cannot.
    pub for_all: bool,
}

struct Shared {
    clock: VirtualClock,
    knobs: Mutex<DatabaseKnobs>,
    servers: Mutex<BTreeMap<String, Server>>,
    acknowledged: Mutex<Vec<Acknowledged>>,
    writers: Mutex<Vec<AbortHandle>>,
}

/// All simulated databases, by host. Cloning shares them.
#[derive(Clone)]
pub struct DatabaseFleet {
    shared: Arc<Shared>,
}

impl DatabaseFleet {
    /// No databases yet.
    pub fn new(clock: VirtualClock, knobs: DatabaseKnobs) -> DatabaseFleet {
        DatabaseFleet {
            shared: Arc::new(Shared {
                clock,
                knobs: Mutex::new(knobs),
                servers: Mutex::default(),
                acknowledged: Mutex::default(),
                writers: Mutex::default(),
            }),
        }
    }

    /// Adds a server, or replaces the one at its host.
    pub fn add_server(&self, spec: ServerSpec) {
        self.servers().insert(spec.host.clone(), Server::new(spec));
    }

    /// Changes the knobs from now on.
    pub fn set_knobs(&self, knobs: DatabaseKnobs) {
        *lock(&self.shared.knobs) = knobs;
    }

    /// The knobs.
    pub fn knobs(&self) -> DatabaseKnobs {
        lock(&self.shared.knobs).clone()
    }

    /// Adds a login, or replaces the one of that name.
    pub fn add_login(&self, host: &str, login: LoginSpec) {
        self.change(host, |server| server.logins.insert(login.name.clone(), login.clone()));
    }

    /// Drops a login.
    pub fn drop_login(&self, host: &str, name: &str) {
        self.change(host, |server| server.logins.remove(name));
    }

    /// A login as it is now.
    pub fn login(&self, host: &str, name: &str) -> Option<LoginSpec> {
        self.look(host, |server| server.logins.get(name).cloned()).flatten()
    }

    /// Adds a table, or replaces the one of that name.
    pub fn add_table(&self, host: &str, name: TableName, table: Table) {
        self.change(host, |server| server.tables.insert(name.clone(), table.clone()));
    }

    /// A table as it is now.
    pub fn table(&self, host: &str, name: &TableName) -> Option<Table> {
        self.look(host, |server| server.tables.get(name).cloned()).flatten()
    }

    /// The tables of a server.
    pub fn tables(&self, host: &str) -> Vec<TableName> {
        self.look(host, |server| server.tables.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// A row as it is now.
    pub fn row(&self, host: &str, table: &TableName, key: &str) -> Option<Row> {
        self.look(host, |server| server.tables.get(table)?.rows.get(key).cloned())
            .flatten()
    }

    /// Adds a sequence (PostgreSQL), or a counter to the table of that name (MySQL).
    pub fn add_sequence(&self, host: &str, name: TableName, sequence: Sequence) {
        self.change(host, |server| server.sequences.insert(name.clone(), sequence));
    }

    /// The hosts.
    pub fn hosts(&self) -> Vec<String> {
        self.servers().keys().cloned().collect()
    }

    /// Changes a table's definition, as a release in the middle of a migration would.
    pub fn alter_table(&self, host: &str, name: &TableName, columns: &str) {
        self.change(host, |server| {
            if let Some(table) = server.tables.get_mut(name) {
                table.columns = columns.to_owned();
            }
        });
    }

    fn servers(&self) -> MutexGuard<'_, BTreeMap<String, Server>> {
        lock(&self.shared.servers)
    }

    fn look<T>(&self, host: &str, look: impl FnOnce(&Server) -> T) -> Option<T> {
        self.servers().get(host).map(look)
    }

    /// Changes a server that was set up.
    ///
    /// # Panics
    /// When there is no such server: a fault of the test that names it.
    fn change<T>(&self, host: &str, change: impl FnOnce(&mut Server) -> T) -> T {
        let mut servers = self.servers();
        let server = servers
            .get_mut(host)
            .unwrap_or_else(|| panic!("there is no database at {host}"));
        change(server)
    }

    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Whether a host can be reached now; `for_all` asks for applications and DMS.
    fn reachable(&self, host: &str, for_all: bool) -> bool {
        let now = self.now();
        let out = |outage: &Outage| {
            outage.host == host && (!for_all || outage.for_all) && outage.from <= now && now < outage.until
        };
        self.look(host, |_| ()).is_some() && !lock(&self.shared.knobs).outages.iter().any(out)
    }
}

/// Nothing here is left half changed by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
