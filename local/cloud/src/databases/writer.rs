//! Applications that write, and never stop trying. What a database acknowledged to them is remembered: no such row may be
//! lost, and none may be written on two sides at once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use landfall_domain::database::TableName;
use serde_json::json;
use tokio::task::AbortHandle;

use super::model::{Change, Row};
use super::port::{Link, Scene};
use super::server::{Refusal, Server};
use super::{DatabaseFleet, lock};

/// Where an application connects to.
#[derive(Clone)]
pub enum Place {
    /// To this host.
    Host(String),
    /// To the host that its configuration or DNS names at the moment of connecting; an open session stays where it is.
    Follow(Arc<dyn Fn() -> Option<String> + Send + Sync>),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Host(host) => write!(f, "Host({host})"),
            Place::Follow(_) => f.write_str("Follow(…)"),
        }
    }
}

impl Place {
    fn host(&self) -> Option<String> {
        match self {
            Place::Host(host) => Some(host.clone()),
            Place::Follow(ask) => ask(),
        }
    }
}

/// How an application writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriterKind {
    /// Over one session for as long as it lasts, each row a transaction.
    Steady,
    /// Over a session of its own for each row.
    Reconnecting,
    /// Each row in a transaction that stays open for that long.
    LongTransaction(Duration),
    /// One row, in a transaction that is prepared under that name and left so.
    Prepared(String),
}

/// An application.
#[derive(Debug, Clone)]
pub struct WriterSpec {
    /// Names it, and its rows.
    pub name: String,
    /// The login it uses, the same on both sides.
    pub login: String,
    /// Where it connects to.
    pub place: Place,
    /// The table it writes.
    pub table: TableName,
    /// The name of that table on hosts where it has another.
    pub elsewhere: BTreeMap<String, TableName>,
    /// The pause between two attempts.
    pub every: Duration,
    /// When it stops by itself.
    pub until: Option<Timestamp>,
    /// How it writes.
    pub kind: WriterKind,
}

impl WriterSpec {
    /// A steady writer of ten rows a second, until it is stopped.
    pub fn steady(name: &str, login: &str, place: Place, table: TableName) -> WriterSpec {
        WriterSpec {
            name: name.to_owned(),
            login: login.to_owned(),
            place,
            table,
            elsewhere: BTreeMap::new(),
            every: Duration::from_millis(100),
            until: None,
            kind: WriterKind::Steady,
        }
    }

    /// The same, with a new session for each of a hundred rows a second.
    pub fn hammering(mut self) -> WriterSpec {
        self.every = Duration::from_millis(10);
        self.kind = WriterKind::Reconnecting;
        self
    }
}

/// A row that a database said it has.
#[derive(Debug, Clone, PartialEq)]
pub struct Acknowledged {
    /// The application.
    pub writer: String,
    /// When.
    pub at: Timestamp,
    /// Where.
    pub host: String,
    /// Into which table.
    pub table: TableName,
    /// Its key.
    pub key: String,
    /// The row.
    pub row: Row,
}

#[derive(Default)]
struct Attempts {
    count: u64,
    refused: u64,
    last_refusal: Option<String>,
}

/// An application that was started. Clones are the same application.
#[derive(Clone)]
pub struct Writer {
    name: String,
    fleet: DatabaseFleet,
    attempts: Arc<Mutex<Attempts>>,
    task: AbortHandle,
}

impl Writer {
    /// Stops it; what it had not committed is gone.
    pub fn stop(&self) {
        self.task.abort();
    }

    /// Whether it is still at it.
    pub fn is_running(&self) -> bool {
        !self.task.is_finished()
    }

    /// Its rows that a database acknowledged, in order.
    pub fn acknowledged(&self) -> Vec<Acknowledged> {
        let mut rows = self.fleet.acknowledged();
        rows.retain(|row| row.writer == self.name);
        rows
    }

    /// How often it tried, and how often it was refused or lost its session.
    pub fn attempts(&self) -> (u64, u64) {
        let attempts = lock(&self.attempts);
        (attempts.count, attempts.refused)
    }

    /// What it was told last when it was refused.
    pub fn last_refusal(&self) -> Option<String> {
        lock(&self.attempts).last_refusal.clone()
    }
}

impl DatabaseFleet {
    /// Starts an application. It ends when it is stopped, at the end of its time, or with the runtime.
    pub fn start_writer(&self, spec: WriterSpec) -> Writer {
        let attempts = Arc::new(Mutex::new(Attempts::default()));
        let name = spec.name.clone();
        let application = Application {
            fleet: self.clone(),
            spec,
            attempts: attempts.clone(),
            written: 0,
            link: None,
        };
        let writer = Writer {
            name,
            fleet: self.clone(),
            attempts,
            task: tokio::spawn(application.run()).abort_handle(),
        };
        lock(&self.shared.writers).push(writer.task.clone());
        writer
    }

    /// Stops every application.
    pub fn stop_writers(&self) {
        for writer in lock(&self.shared.writers).drain(..) {
            writer.abort();
        }
    }

    /// Every row that a database acknowledged to an application, in order.
    pub fn acknowledged(&self) -> Vec<Acknowledged> {
        lock(&self.shared.acknowledged).clone()
    }

    /// Commits a prepared transaction; false when there is none of that name.
    pub fn commit_prepared(&self, host: &str, name: &str) -> bool {
        let now = self.now();
        let done = self.change(host, |server| {
            let (login, changes) = server.prepared.remove(name)?;
            server.commit(&login, now, changes.clone()).ok().map(|_| changes)
        });
        for change in done.iter().flatten() {
            self.acknowledge(name, host, change);
        }
        done.is_some()
    }

    /// Rolls a prepared transaction back; false when there is none of that name.
    pub fn roll_back_prepared(&self, host: &str, name: &str) -> bool {
        self.change(host, |server| server.prepared.remove(name).is_some())
    }

    fn acknowledge(&self, writer: &str, host: &str, change: &Change) {
        let Change::Insert { table, key, row } = change else {
            return;
        };
        lock(&self.shared.acknowledged).push(Acknowledged {
            writer: writer.to_owned(),
            at: self.now(),
            host: host.to_owned(),
            table: table.clone(),
            key: key.clone(),
            row: row.clone(),
        });
    }
}

struct Application {
    fleet: DatabaseFleet,
    spec: WriterSpec,
    attempts: Arc<Mutex<Attempts>>,
    written: u64,
    link: Option<Link>,
}

impl Application {
    async fn run(mut self) {
        while self.spec.until.is_none_or(|until| self.fleet.now() < until) {
            lock(&self.attempts).count += 1;
            let done = self.attempt().await;
            let over = done.is_ok() && matches!(self.spec.kind, WriterKind::Prepared(_));
            if let Err(why) = done {
                let mut attempts = lock(&self.attempts);
                attempts.refused += 1;
                attempts.last_refusal = Some(why);
            }
            if over {
                return;
            }
            tokio::time::sleep(self.spec.every).await;
        }
    }

    /// One attempt to write a row; an error is what the application was told.
    async fn attempt(&mut self) -> Result<(), String> {
        let kind = self.spec.kind.clone();
        let link = match self.link.take() {
            Some(link) if kind != WriterKind::Reconnecting => link,
            _ => self.connect()?,
        };
        // A session that was ended is not kept.
        let change = self.next(&link)?;
        match kind {
            WriterKind::Steady | WriterKind::Reconnecting => self.commit(&link, &change)?,
            WriterKind::LongTransaction(hold) => {
                let begun = change.clone();
                act(&link, |scene| {
                    if let Some(session) = scene.server.sessions.get_mut(&scene.session) {
                        session.transaction = Some((scene.now, vec![begun]));
                    }
                    Ok(())
                })?;
                tokio::time::sleep(hold).await;
                self.commit(&link, &change)?;
            }
            WriterKind::Prepared(name) => act(&link, |scene| {
                let prepared = (scene.login.name.clone(), vec![change.clone()]);
                scene.server.prepared.insert(name, prepared);
                Ok(())
            })?,
        }
        self.link = Some(link);
        Ok(())
    }

    fn connect(&self) -> Result<Link, String> {
        let host = self.spec.place.host().ok_or("nothing names a host")?;
        if !self.fleet.reachable(&host, true) {
            return Err(format!("{host} cannot be reached"));
        }
        let mut servers = self.fleet.servers();
        let server = servers.get_mut(&host).ok_or_else(|| format!("there is no {host}"))?;
        let session = server.log_in(&self.spec.login, None, None);
        drop(servers);
        Ok(Link {
            fleet: self.fleet.clone(),
            host,
            session: session.map_err(|failure| format!("{failure:?}"))?,
            of_application: true,
        })
    }

    /// The next row, with a key that the server gives.
    fn next(&mut self, link: &Link) -> Result<Change, String> {
        let table = self.spec.elsewhere.get(&link.host).unwrap_or(&self.spec.table).clone();
        self.written += 1;
        let (name, number) = (self.spec.name.clone(), self.written);
        act(link, |scene| {
            let row = Row::new(json!({"writer": name, "number": number}));
            let key = next_key(scene.server, &table).unwrap_or_else(|| format!("{name}-{number}"));
            Ok(Change::Insert { table, key, row })
        })
    }

    fn commit(&self, link: &Link, change: &Change) -> Result<(), String> {
        act(link, |scene| {
            if let Some(session) = scene.server.sessions.get_mut(&scene.session) {
                session.transaction = None;
            }
            scene.server.may_write(&scene.login)?;
            scene.server.commit(&scene.login.name, scene.now, vec![change.clone()])
        })?;
        self.fleet.acknowledge(&self.spec.name, &link.host, change);
        Ok(())
    }
}

fn act<T>(link: &Link, act: impl FnOnce(Scene<'_>) -> Result<T, Refusal>) -> Result<T, String> {
    link.act("to write", act).map_err(|error| error.to_string())
}

/// The next value of the table's sequence (`<table>_id_seq`) or counter; the next number of a table without a key.
fn next_key(server: &mut Server, name: &TableName) -> Option<String> {
    if let Some(table) = server.tables.get_mut(name).filter(|table| !table.has_key) {
        table.next_row += 1;
        return Some(format!("{:012}", table.next_row - 1));
    }
    let sequence = if server.mysql() {
        name.clone()
    } else {
        TableName::new(&name.schema, format!("{}_id_seq", name.table))
    };
    let sequence = server.sequences.get_mut(&sequence)?;
    let next = sequence.last_value.map_or(1, |last| last + sequence.increment);
    sequence.last_value = Some(next);
    Some(next.to_string())
}
