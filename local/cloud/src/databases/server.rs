//! One server: its database, its logins, its sessions, and its log of commits.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use landfall_domain::database::TableName;
use landfall_domain::plan::database::Dialect;

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
    /// Of replication, which no closing ends.
    pub replication: bool,
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
            spec,
        }
    }

    pub fn mysql(&self) -> bool {
        self.spec.engine.dialect() == Dialect::Mysql
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
        for (index, change) in changes.iter().enumerate() {
            if let Err(refusal) = self.check(change, &changes[..index]) {
                return Err(refusal);
            }
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

    /// Whether a change can be made, after others of its transaction.
    fn check(&self, change: &Change, before: &[Change]) -> Result<(), Refusal> {
        let name = change.table();
        let Some(table) = self.tables.get(name) else {
            return Err(self.no_table(name));
        };
        let mut there = table.rows.contains_key(change.key());
        for earlier in before
            .iter()
            .filter(|one| one.table() == name && one.key() == change.key())
        {
            there = !matches!(earlier, Change::Delete { .. });
        }
        match change {
            Change::Insert { key, .. } if there => Err(self.duplicate(name, key)),
            Change::Update { key, .. } | Change::Delete { key, .. } if !there => {
                Err(Refusal::new("02000", format!("{name} has no row {key}")))
            }
            _ => Ok(()),
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
