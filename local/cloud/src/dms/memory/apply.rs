//! Changes, applied in the order of their commits.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::died;
use super::progress::count;
use super::worker::{RETRY, Worker};
use crate::databases::replication::ReplicationRefusal;
use crate::databases::{Change, Commit, Row};
use crate::dms::documents::ErrorPolicy;
use crate::dms::knobs::What;
use crate::dms::replicator::{Halt, TableState};

impl Worker<'_> {
    /// Applies the commits that are old enough.
    pub(super) fn apply_due(&self, delay: &Duration, troubles: &[What]) -> Result<(), Halt> {
        let now = self.now();
        loop {
            let mut progress = self.progress();
            let ripe = |commit: &Commit| commit.at.checked_add(*delay).is_ok_and(|due| due <= now);
            let Some(commit) = progress.queue.front().filter(|commit| ripe(commit)).cloned() else {
                return Ok(());
            };
            drop(progress.queue.pop_front());
            drop(progress);
            let changes = self.select(&commit, troubles);
            if !self.put(changes.clone())? {
                // It comes again as a whole: nothing of it was written, or what was is written once more and refused.
                self.progress().queue.push_front(commit);
                return Ok(());
            }
        }
    }

    /// The changes of a commit that go to the target now, by the names on the source; others are held or left out.
    pub(super) fn select(&self, commit: &Commit, troubles: &[What]) -> Vec<Change> {
        let mut progress = self.progress();
        let mut selected = Vec::new();
        for change in &commit.changes {
            let Some(table) = progress.tables.get_mut(change.table()) else {
                continue;
            };
            if commit.position <= table.from || table.state == TableState::Error {
                continue;
            }
            let carried = table.has_key || table.full_identity || matches!(change, Change::Insert { .. });
            if !carried {
                continue;
            }
            table.dirty.insert(change.key().to_owned());
            let name = change.table().to_string();
            if troubles.contains(&What::Stuck(Some(name.clone()))) {
                table.held.push_back((commit.at, change.clone()));
                continue;
            }
            let skips = troubles.iter().any(|what| match what {
                What::Skips(table, percent) => *table == name && self.replicator.random.next() % 100 < *percent,
                _ => false,
            });
            if !skips {
                selected.push(change.clone());
            }
        }
        selected
    }

    /// Writes changes that have the names of the source; false when it is to be tried again.
    pub(super) fn put(&self, changes: Vec<Change>) -> Result<bool, Halt> {
        if changes.is_empty() {
            return Ok(true);
        }
        let pairs: Vec<(Change, Change)> = changes
            .into_iter()
            .filter_map(|change| Some((self.on_target(&change)?, change)))
            .collect();
        let whole = self.write(pairs.iter().map(|(there, _)| there.clone()).collect());
        match whole {
            Ok(()) => {
                for (_, change) in &pairs {
                    self.note_applied(change);
                }
                return Ok(true);
            }
            Err(ReplicationRefusal::Refused(_)) => {}
            Err(_) => return Ok(self.try_later()),
        }
        for (there, change) in &pairs {
            match self.write(vec![there.clone()]) {
                Ok(()) => self.note_applied(change),
                Err(ReplicationRefusal::Refused(refusal)) => self.refused(change, there, &refusal.message)?,
                Err(_) => return Ok(self.try_later()),
            }
        }
        Ok(true)
    }

    fn try_later(&self) -> bool {
        let now = self.now();
        self.progress().retry_at = now.checked_add(RETRY).ok();
        false
    }

    fn note_applied(&self, change: &Change) {
        let mut progress = self.progress();
        progress.retry_at = None;
        if let Some(table) = progress.tables.get_mut(change.table()) {
            count(&mut table.applied, change);
        }
    }

    /// A row that the target refused: the settings say what becomes of it.
    fn refused(&self, change: &Change, there: &Change, message: &str) -> Result<(), Halt> {
        let settings = &self.task.settings;
        let policy = match change {
            Change::Insert { .. } => settings.insert_error,
            Change::Update { .. } => settings.update_error,
            Change::Delete { .. } => settings.delete_error,
        };
        if policy != ErrorPolicy::IgnoreRecord {
            self.databases()
                .add_apply_exception(&self.target.host, there.table(), message);
        }
        match policy {
            ErrorPolicy::LogError | ErrorPolicy::IgnoreRecord => Ok(()),
            ErrorPolicy::StopTask => Err(died(format!("{}: {message}", there.table()))),
            ErrorPolicy::SuspendTable => {
                if let Some(table) = self.progress().tables.get_mut(change.table()) {
                    table.state = TableState::Error;
                }
                Ok(())
            }
        }
    }

    /// The change as it goes to the target: renamed, its object cut off, and corrupted where a trouble says so.
    fn on_target(&self, change: &Change) -> Option<Change> {
        let corrupts = self.corrupts(change);
        let mut progress = self.progress();
        let table = progress.tables.get_mut(change.table())?;
        let mut there = change.on(table.target.clone());
        if let Change::Insert { key, row, .. } | Change::Update { key, row, .. } = &mut there {
            *row = self.cut(row.clone());
            if corrupts && !table.hidden.contains(key) {
                table.hidden.insert(key.clone());
                *row = Row::new(json!({ "corrupted": row.value }));
            }
        }
        Some(there)
    }

    /// Whether this row is to arrive different: one of the table is, each time the trouble is there.
    fn corrupts(&self, change: &Change) -> bool {
        let wanted = What::Corrupts(change.table().to_string());
        let there = self.troubles().contains(&wanted);
        let progress = self.progress();
        there
            && progress
                .tables
                .get(change.table())
                .is_some_and(|table| table.hidden.is_empty() && table.failed.is_empty())
    }

    /// Applies what was held back, once the trouble is over.
    pub(super) fn release_held(&self, troubles: &[What]) -> Result<(), Halt> {
        let free: Vec<_> = {
            let progress = self.progress();
            let stuck = |name: String| troubles.contains(&What::Stuck(Some(name)));
            let tables = progress.tables.iter();
            tables
                .filter(|(name, table)| !table.held.is_empty() && !stuck(name.to_string()))
                .map(|(name, table)| (name.clone(), table.held.clone()))
                .collect()
        };
        for (name, held) in free {
            let changes: Vec<Change> = held
                .iter()
                .map(|(_, change): &(Timestamp, Change)| change.clone())
                .collect();
            let done = self.put(changes)?;
            if let Some(table) = self.progress().tables.get_mut(&name).filter(|_| done) {
                table.held.clear();
            }
        }
        Ok(())
    }
}
