//! One run of a task: load, then changes and comparison until it is told to stop or dies.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use landfall_domain::database::TableName;
use landfall_domain::plan::database::Dialect;

use super::progress::{Progress, TableWork, count};
use super::{MemoryReplicator, Side, died};
use crate::databases::replication::{APPLY_EXCEPTIONS, VALIDATION_FAILURES};
use crate::databases::{DatabaseFleet, Table};
use crate::dms::documents::Preparation;
use crate::dms::knobs::{DmsKnobs, What};
use crate::dms::lock;
use crate::dms::replicator::{Halt, Stop, TableState, TaskSpec};

/// How long DMS waits before it tries again after an error that it takes for recoverable.
pub(super) const RETRY: Duration = Duration::from_secs(5);

/// The longest and the shortest time between two looks at the log.
const LOOK_MOST: Duration = Duration::from_secs(1);
const LOOK_LEAST: Duration = Duration::from_millis(50);

pub(super) struct Worker<'a> {
    pub replicator: &'a MemoryReplicator,
    pub task: &'a TaskSpec,
    pub source: Side,
    pub target: Side,
    progress: Arc<Mutex<Progress>>,
    stop: Stop,
}

impl<'a> Worker<'a> {
    pub fn new(
        replicator: &'a MemoryReplicator,
        task: &'a TaskSpec,
        source: Side,
        target: Side,
        stop: Stop,
    ) -> Worker<'a> {
        Worker {
            replicator,
            task,
            source,
            target,
            progress: replicator.progress(task),
            stop,
        }
    }

    pub fn databases(&self) -> &DatabaseFleet {
        &self.replicator.databases
    }

    pub fn now(&self) -> Timestamp {
        self.replicator.clock.now()
    }

    pub fn knobs(&self) -> DmsKnobs {
        self.replicator.knobs.get()
    }

    pub fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }

    /// What is wrong now.
    pub fn troubles(&self) -> Vec<What> {
        let troubles = self.replicator.troubles(self.task, &self.progress());
        troubles.into_iter().map(|(_, what)| what).collect()
    }

    pub async fn run(mut self) -> Halt {
        {
            let now = self.now();
            let mut progress = self.progress();
            progress.started = Some(now);
            progress.source_host = Some(self.source.host.clone());
        }
        if let Err(halt) = self.prepare() {
            return halt;
        }
        loop {
            let next = match self.next_load() {
                Some(table) => self.load(&table).await,
                None => self.turn().await,
            };
            if let Err(halt) = next {
                return halt;
            }
        }
    }

    /// Finds the tables and fixes where changes begin, unless an earlier run has.
    fn prepare(&self) -> Result<(), Halt> {
        self.make_control_tables();
        if self.progress().cursor.is_some() {
            return Ok(());
        }
        let source = &self.source.host;
        let cursor = match &self.task.cdc_start_position {
            None => self.databases().position(source),
            Some(text) => self
                .databases()
                .position_of(source, text)
                .ok_or_else(|| died(format!("The specified position {text} is not in the log")))?,
        };
        for name in self.databases().tables(source) {
            self.register(&name);
        }
        let mut progress = self.progress();
        progress.cursor = Some(cursor);
        if !self.task.full_load {
            let now = self.now();
            for table in progress.tables.values_mut() {
                table.state = TableState::Completed;
                table.load_ended = Some(now);
                // What both sides have already is not compared.
                table.compared = true;
            }
        }
        Ok(())
    }

    /// DMS's own tables on the target.
    fn make_control_tables(&self) {
        let host = &self.target.host;
        let mysql = self.databases().engine(host).map(|engine| engine.dialect()) == Some(Dialect::Mysql);
        let schema = if mysql { "awsdms_control" } else { "public" };
        let make = |table: &str| {
            let name = TableName::new(schema, table);
            self.databases().create_table(host, &name, &Table::keyless());
        };
        make(APPLY_EXCEPTIONS);
        if self.task.settings.validation {
            make(VALIDATION_FAILURES);
        }
    }

    /// Makes a table of the source one of the task's, when the mappings select it and it is not DMS's own.
    pub fn register(&self, name: &TableName) -> bool {
        let Some(target) = self.task.mappings.on_target(name) else {
            return false;
        };
        if name.table.starts_with("awsdms_") {
            return false;
        }
        let Some(table) = self.databases().table(&self.source.host, name) else {
            return false;
        };
        let work = TableWork::new(target.clone(), table.has_key, table.full_identity);
        if !self.task.full_load || self.task.settings.preparation == Preparation::Nothing {
            self.databases().create_table(&self.target.host, &target, &bare(&table));
        }
        self.progress().tables.entry(name.clone()).or_insert(work);
        true
    }

    fn next_load(&self) -> Option<TableName> {
        let progress = self.progress();
        let mut tables = progress.tables.iter();
        let (name, _) =
            tables.find(|(_, table)| matches!(table.state, TableState::BeforeLoad | TableState::FullLoad))?;
        Some(name.clone())
    }

    /// Reads, applies and compares what is due, then sleeps until something is.
    async fn turn(&mut self) -> Result<(), Halt> {
        let (now, knobs, troubles) = (self.now(), self.knobs(), self.troubles());
        if troubles.contains(&What::RestartsForever) {
            return self.pause(RETRY).await;
        }
        self.read();
        let retry_at = self.progress().retry_at.filter(|at| *at > now);
        if retry_at.is_none() && !troubles.contains(&What::Stuck(None)) {
            self.release_held(&troubles)?;
            if self.task.settings.batch_apply {
                self.apply_batches(&knobs, &troubles)?;
            } else {
                self.apply_due(&delay(&knobs, &troubles), &troubles)?;
            }
        }
        if self.task.settings.validation {
            self.compare_due(&knobs);
        }
        let wait = self.wait(now, &knobs, &troubles);
        self.pause(wait).await
    }

    /// Until something is due, or the log is to be looked at again.
    fn wait(&self, now: Timestamp, knobs: &DmsKnobs, troubles: &[What]) -> Duration {
        let progress = self.progress();
        let oldest = progress.queue.front().map(|commit| commit.at);
        let due = oldest.and_then(|at| at.checked_add(delay(knobs, troubles)).ok());
        let next = [due, progress.batch_due.filter(|_| !progress.batch.is_empty())];
        let look = knobs.apply_delay.clamp(LOOK_LEAST, LOOK_MOST);
        let sooner = next
            .into_iter()
            .flatten()
            .filter_map(|at| Duration::try_from(at.duration_since(now)).ok())
            .filter(|wait| !wait.is_zero())
            .min();
        sooner.unwrap_or(look).min(look)
    }

    /// Reads the log to its end.
    fn read(&self) {
        let cursor = self.progress().cursor.unwrap_or_default();
        let commits = self.databases().changes_since(&self.source.host, cursor);
        let names: BTreeSet<TableName> = commits
            .iter()
            .flat_map(|commit| &commit.changes)
            .map(|change| change.table().clone())
            .collect();
        for name in &names {
            let known = self.progress().tables.contains_key(name);
            if !known && self.register(name) {
                self.adopt(name);
            }
        }
        let mut progress = self.progress();
        for commit in commits {
            progress.cursor = Some(commit.position);
            let mut ours = false;
            for change in &commit.changes {
                let table = progress.tables.get_mut(change.table());
                if let Some(table) = table.filter(|table| commit.position > table.from) {
                    count(&mut table.read, change);
                    ours = true;
                }
            }
            if ours {
                progress.queue.push_back(commit);
            }
        }
    }

    /// A table that was made on the source while changes are read: all of its rows are changes.
    fn adopt(&self, name: &TableName) {
        let now = self.now();
        if let Some(table) = self.progress().tables.get_mut(name) {
            table.state = TableState::Completed;
            table.load_ended = Some(now);
        }
        if let Some(table) = self.databases().table(&self.source.host, name) {
            let target = self.task.mappings.on_target(name);
            if let Some(target) = target {
                self.databases().create_table(&self.target.host, &target, &bare(&table));
            }
        }
    }

    /// Sleeps; an error when the task was told to stop or dies meanwhile.
    pub async fn pause(&mut self, wait: Duration) -> Result<(), Halt> {
        let mut left = wait;
        loop {
            self.look_at_source();
            let dead = self.troubles().into_iter().find_map(|what| match what {
                What::Dies {
                    status,
                    reason,
                    message,
                } => Some(Halt::Died {
                    status: status.to_owned(),
                    reason: reason.to_owned(),
                    message: message.to_owned(),
                }),
                _ => None,
            });
            if let Some(halt) = dead {
                return Err(halt);
            }
            if self.stop.is_told() {
                return Err(Halt::Stopped);
            }
            if left.is_zero() {
                return Ok(());
            }
            let step = left.min(LOOK_MOST);
            tokio::select! {
                () = self.stop.told() => {}
                () = tokio::time::sleep(step) => {}
            }
            left = left.saturating_sub(step);
        }
    }

    /// Remembers since when applications are shut out of the source.
    fn look_at_source(&self) {
        let closed = self.databases().is_closed(&self.source.host);
        let now = self.now();
        let mut progress = self.progress();
        progress.closed_since = closed.then(|| progress.closed_since.unwrap_or(now));
    }
}

/// How long after their commit changes arrive.
pub(super) fn delay(knobs: &DmsKnobs, troubles: &[What]) -> Duration {
    let longer = troubles.iter().find_map(|what| match what {
        What::ApplyDelay(delay) => Some(*delay),
        _ => None,
    });
    longer.unwrap_or(knobs.apply_delay)
}

/// A table as DMS makes it: columns and key, no triggers, no foreign keys.
pub(super) fn bare(table: &Table) -> Table {
    Table {
        triggers: Vec::new(),
        foreign_keys: Vec::new(),
        ..table.definition()
    }
}
