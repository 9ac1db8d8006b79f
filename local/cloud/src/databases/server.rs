//! One server: its database, its logins, its sessions, and its log of commits.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use landfall_domain::database::TableName;
use landfall_domain::plan::database::Dialect;
use landfall_domain::record::FreezeRecord;

use super::model::{Change, Commit, LoginSpec, Sequence, ServerSpec, Table};

/// Where the log begins, and how far apart commits are: positions look like those of a real server.
const LSN_FIRST: u64 = 0x16B_3740;
const LSN_STEP: u64 = 0x38;
const BINLOG_FILE: &str = "mysql-bin-changelog.000003";
const BINLOG_FIRST: u64 = 157;
const BINLOG_STEP: u64 = 311;

/// A session.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub login: String,
    /// The transaction that is open in it: since when, and what it has written.
    pub transaction: Option<(Timestamp, Vec<Change>)>,
}

/// What a server refuses with: the server's code, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// An SQLSTATE.
    pub code: &'static str,
    /// The sentence.
    pub message: String,
}

impl Refusal {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal {
            code,
            message: message.into(),
        }
    }
}

/// Why somebody gets no session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LoginFailure {
    /// The login is locked or unknown, or the password is wrong.
    Login(String),
    /// There is no such database.
    Database(Refusal),
}

/// A server.
#[derive(Debug)]
pub(super) struct Server {
    pub spec: ServerSpec,
    pub logins: BTreeMap<String, LoginSpec>,
    pub tables: BTreeMap<TableName, Table>,
    pub sequences: BTreeMap<TableName, Sequence>,
    pub log: Vec<Commit>,
    pub sessions: BTreeMap<u64, Session>,
    pub next_session: u64,
    /// Prepared transactions by name: whose, and what they have written.
    pub prepared: BTreeMap<String, (String, Vec<Change>)>,
    /// Settings and their values.
    pub settings: BTreeMap<String, String>,
    pub read_only: bool,
    /// Logical replication slots: whether they are in use.
    pub slots: BTreeMap<String, bool>,
    pub publications: BTreeSet<String>,
    /// What a document keeps about what a closing changes, by the closing's id.
    pub kept: BTreeMap<String, FreezeRecord>,
}

impl Server {
    pub fn new(spec: ServerSpec) -> Server {
        let logins = spec.logins.iter().map(|login| (login.name.clone(), login.clone()));
        Server {
            logins: logins.collect(),
            settings: spec.settings.clone(),
            tables: BTreeMap::new(),
            sequences: BTreeMap::new(),
            log: Vec::new(),
            sessions: BTreeMap::new(),
            next_session: 100,
            prepared: BTreeMap::new(),
            read_only: false,
            slots: BTreeMap::new(),
            publications: BTreeSet::new(),
            kept: BTreeMap::new(),
            spec,
        }
    }

    pub fn mysql(&self) -> bool {
        self.spec.engine.dialect() == Dialect::Mysql
    }

    /// How statements name a login.
    pub fn account(&self, name: &str) -> String {
        if self.mysql() {
            format!("'{name}'@'%'")
        } else {
            name.to_owned()
        }
    }

    /// The login that a statement names.
    pub fn user(&self, account: &str) -> String {
        let user = account.split('@').next().unwrap_or(account);
        user.trim_matches('\'').to_owned()
    }

    /// Begins a session. An application's password is not asked for when there is none to check.
    pub fn log_in(
        &mut self,
        username: &str,
        password: Option<&str>,
        database: Option<&str>,
    ) -> Result<u64, LoginFailure> {
        let mysql = self.mysql();
        let Some(login) = self.logins.get(username) else {
            return Err(LoginFailure::Login(self.no_login(username).message));
        };
        if password.is_some_and(|password| password != login.password) {
            return Err(LoginFailure::Login(if mysql {
                format!("Access denied for user '{username}'@'%' (using password: YES)")
            } else {
                format!("password authentication failed for user \"{username}\"")
            }));
        }
        if !login.can_log_in {
            return Err(LoginFailure::Login(if mysql {
                format!("Access denied for user '{username}'@'%'. Account is locked.")
            } else {
                format!("role \"{username}\" is not permitted to log in")
            }));
        }
        if let Some(database) = database.filter(|database| *database != self.spec.database) {
            return Err(LoginFailure::Database(if mysql {
                Refusal::new("42000", format!("Unknown database '{database}'"))
            } else {
                Refusal::new("3D000", format!("database \"{database}\" does not exist"))
            }));
        }
        let id = self.next_session;
        self.next_session += 1;
        let session = Session {
            login: username.to_owned(),
            transaction: None,
        };
        self.sessions.insert(id, session);
        Ok(id)
    }

    /// Whether read-only mode lets the login write.
    pub fn may_write(&self, login: &LoginSpec) -> Result<(), Refusal> {
        if !self.read_only || login.exempt {
            return Ok(());
        }
        let message = "The MySQL server is running with the --read-only option so it cannot execute this statement";
        Err(Refusal::new("HY000", message))
    }

    pub fn no_login(&self, name: &str) -> Refusal {
        if self.mysql() {
            Refusal::new("HY000", format!("Operation failed for '{name}'@'%'"))
        } else {
            Refusal::new("42704", format!("role \"{name}\" does not exist"))
        }
    }

    /// The number of the last commit.
    pub fn position(&self) -> u64 {
        self.log.last().map_or(0, |commit| commit.position)
    }

    /// A position in the words of the engine.
    pub fn position_text(&self, position: u64) -> String {
        if self.mysql() {
            return format!("{BINLOG_FILE}:{}", BINLOG_FIRST + position * BINLOG_STEP);
        }
        let lsn = LSN_FIRST + position * LSN_STEP;
        format!("{:X}/{:X}", lsn >> 32, lsn & 0xffff_ffff)
    }

    /// The number of the last commit before a position that the engine gave.
    pub fn position_of(&self, text: &str) -> Option<u64> {
        let (left, right) = text.split_once([':', '/'])?;
        let (bytes, first, step) = if self.mysql() {
            (left == BINLOG_FILE).then_some(())?;
            (right.parse::<u64>().ok()?, BINLOG_FIRST, BINLOG_STEP)
        } else {
            let half = |text| u64::from_str_radix(text, 16).ok();
            ((half(left)? << 32) | half(right)?, LSN_FIRST, LSN_STEP)
        };
        Some(bytes.checked_sub(first)? / step)
    }

    /// Commits changes: all of them, or none.
    pub fn commit(&mut self, login: &str, at: Timestamp, changes: Vec<Change>) -> Result<u64, Refusal> {
        // What the transaction itself has made and deleted so far.
        let mut own = BTreeMap::new();
        for change in &changes {
            let made = self.check(change, own.get(&(change.table(), change.key())).copied())?;
            own.insert((change.table(), change.key()), made);
        }
        for change in &changes {
            self.put(change);
        }
        let position = self.position() + 1;
        self.log.push(Commit {
            position,
            at,
            login: login.to_owned(),
            changes,
        });
        Ok(position)
    }

    /// Whether a change can be made, after what its transaction made of the row; gives whether the row is there then.
    fn check(&self, change: &Change, own: Option<bool>) -> Result<bool, Refusal> {
        let name = change.table();
        let Some(table) = self.tables.get(name) else {
            return Err(self.no_table(name));
        };
        let there = own.unwrap_or_else(|| table.rows.contains_key(change.key()));
        match change {
            Change::Insert { key, .. } if there => Err(self.duplicate(name, key)),
            Change::Update { key, .. } | Change::Delete { key, .. } if !there => {
                Err(Refusal::new("02000", format!("{name} has no row {key}")))
            }
            _ => Ok(!matches!(change, Change::Delete { .. })),
        }
    }

    /// Makes a change without writing it to the log.
    pub fn put(&mut self, change: &Change) {
        let counts = self.mysql();
        let Some(table) = self.tables.get_mut(change.table()) else {
            return;
        };
        match change {
            Change::Insert { table: name, key, row } => {
                table.rows.insert(key.clone(), row.clone());
                // A counter of MySQL follows the rows that are inserted; a sequence of PostgreSQL does not.
                if let (true, Ok(value), Some(counter)) = (counts, key.parse::<i64>(), self.sequences.get_mut(name)) {
                    counter.last_value = counter.last_value.max(Some(value));
                }
            }
            Change::Update { key, row, .. } => {
                table.rows.insert(key.clone(), row.clone());
            }
            Change::Delete { key, .. } => {
                table.rows.remove(key);
            }
        }
    }

    pub fn no_table(&self, name: &TableName) -> Refusal {
        if self.mysql() {
            Refusal::new("42S02", format!("Table '{name}' doesn't exist"))
        } else {
            Refusal::new("42P01", format!("relation \"{name}\" does not exist"))
        }
    }

    fn duplicate(&self, name: &TableName, key: &str) -> Refusal {
        if self.mysql() {
            Refusal::new(
                "23000",
                format!("Duplicate entry '{key}' for key '{}.PRIMARY'", name.table),
            )
        } else {
            let constraint = format!("{}_pkey", name.table);
            Refusal::new(
                "23505",
                format!("duplicate key value violates unique constraint \"{constraint}\""),
            )
        }
    }
}
