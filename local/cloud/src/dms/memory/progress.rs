//! How far a task has come. It outlives the task's runs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use landfall_domain::database::TableName;

use crate::databases::{Change, Commit};
use crate::dms::replicator::{Counts, TableProgress, TableState, Validation};

/// A task's progress.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The source's host, once the task has run.
    pub source_host: Option<String>,
    /// When the task was started last.
    pub started: Option<Timestamp>,
    /// Since when applications are shut out of the source.
    pub closed_since: Option<Timestamp>,
    /// Commits up to here have been read.
    pub cursor: Option<u64>,
    /// Commits that were read and not applied.
    pub queue: VecDeque<Commit>,
    /// The tables of a batch that are still to be applied.
    pub batch: VecDeque<(TableName, Vec<(Timestamp, Change)>)>,
    /// When the next batch, or the next table of the batch, is due.
    pub batch_due: Option<Timestamp>,
    /// After an error that DMS takes for recoverable: when it tries again.
    pub retry_at: Option<Timestamp>,
    /// When rows are compared next.
    pub compare_at: Option<Timestamp>,
    /// By the name on the source.
    pub tables: BTreeMap<TableName, TableWork>,
}

impl Progress {
    /// When the oldest change was committed that is not on the target.
    pub fn oldest_unapplied(&self) -> Option<Timestamp> {
        let queued = self.queue.iter().filter(|commit| {
            let mut changes = commit.changes.iter();
            changes.any(|change| self.tables.contains_key(change.table()))
        });
        let queued = queued.map(|commit| commit.at);
        let batched = self.batch.iter().flat_map(|(_, changes)| changes).map(|(at, _)| *at);
        let held = self.tables.values().flat_map(|table| &table.held).map(|(at, _)| *at);
        queued.chain(batched).chain(held).min()
    }

    /// Rows whose changes are not on the target: table and key.
    pub fn unapplied(&self) -> BTreeSet<(TableName, String)> {
        let queued = self.queue.iter().flat_map(|commit| &commit.changes);
        let batched = self.batch.iter().flat_map(|(_, changes)| changes).map(|(_, one)| one);
        let held = self.tables.values().flat_map(|table| &table.held).map(|(_, one)| one);
        queued
            .chain(batched)
            .chain(held)
            .map(|change| (change.table().clone(), change.key().to_owned()))
            .collect()
    }
}

/// A table's progress.
#[derive(Debug)]
pub(super) struct TableWork {
    /// Its name on the target.
    pub target: TableName,
    pub has_key: bool,
    pub full_identity: bool,
    pub state: TableState,
    pub loaded: u64,
    pub load_errors: u64,
    pub load_began: Option<Timestamp>,
    pub load_ended: Option<Timestamp>,
    /// Commits up to here are part of what was loaded.
    pub from: u64,
    pub read: Counts,
    pub applied: Counts,
    /// Changes that are held back, and when they were committed.
    pub held: VecDeque<(Timestamp, Change)>,
    /// Keys of rows that are to be compared.
    pub dirty: BTreeSet<String>,
    /// Keys of rows that validation does not get to before the source is closed.
    pub hidden: BTreeSet<String>,
    /// Whether every row was compared once.
    pub compared: bool,
    /// Keys of rows that differ, and how.
    pub failed: BTreeMap<String, &'static str>,
    /// Rows that were not compared when the statistics were taken.
    pub pending: u64,
    pub updated_at: Option<Timestamp>,
}

impl TableWork {
    pub fn new(target: TableName, has_key: bool, full_identity: bool) -> TableWork {
        TableWork {
            target,
            has_key,
            full_identity,
            state: TableState::BeforeLoad,
            loaded: 0,
            load_errors: 0,
            load_began: None,
            load_ended: None,
            from: 0,
            read: Counts::default(),
            applied: Counts::default(),
            held: VecDeque::new(),
            dirty: BTreeSet::new(),
            hidden: BTreeSet::new(),
            compared: false,
            failed: BTreeMap::new(),
            pending: 0,
            updated_at: None,
        }
    }

    pub fn view(&self, name: &TableName, validated: bool, revalidates: bool) -> TableProgress {
        let validation = match self.state {
            _ if !validated => Validation::NotEnabled,
            _ if !self.has_key => Validation::NoPrimaryKey,
            TableState::Error => Validation::TableError,
            TableState::BeforeLoad | TableState::FullLoad => Validation::Pending,
            TableState::Completed if !self.compared => Validation::Preparing,
            TableState::Completed if !self.failed.is_empty() => Validation::Mismatched,
            TableState::Completed if revalidates => Validation::PendingRevalidation,
            TableState::Completed if self.pending > 0 => Validation::PendingRecords,
            TableState::Completed => Validation::Validated,
        };
        TableProgress {
            name: name.clone(),
            state: self.state,
            loaded: self.loaded,
            load_errors: self.load_errors,
            load_began: self.load_began,
            load_ended: self.load_ended,
            read: self.read,
            applied: self.applied,
            validation,
            pending: self.pending,
            failed: self.failed.len() as u64,
            updated_at: self.updated_at.or(self.load_began),
        }
    }
}

/// Counts a change.
pub(super) fn count(counts: &mut Counts, change: &Change) {
    match change {
        Change::Insert { .. } => counts.inserts += 1,
        Change::Update { .. } => counts.updates += 1,
        Change::Delete { .. } => counts.deletes += 1,
    }
}
