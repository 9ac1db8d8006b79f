//! Batch apply: changes are gathered, and applied table by table. What was one commit on the source is several on the
//! target, and a small table overtakes a large one.

use std::collections::BTreeMap;

use landfall_domain::database::TableName;

use super::worker::{Worker, delay};
use crate::databases::{Change, Commit};
use crate::dms::knobs::{DmsKnobs, What};
use crate::dms::replicator::Halt;

impl Worker<'_> {
    /// Applies the table that is due, or gathers the next batch.
    pub(super) fn apply_batches(&self, knobs: &DmsKnobs, troubles: &[What]) -> Result<(), Halt> {
        let now = self.now();
        if self.progress().batch_due.is_some_and(|due| now < due) {
            return Ok(());
        }
        if self.progress().batch.is_empty() {
            self.gather(knobs, troubles);
        }
        let Some((name, changes)) = self.progress().batch.pop_front() else {
            return Ok(());
        };
        let rows: Vec<Change> = changes.iter().map(|(_, change)| change.clone()).collect();
        let done = self.put(rows)?;
        let mut progress = self.progress();
        if !done {
            progress.batch.push_front((name, changes));
            return Ok(());
        }
        let wait = if progress.batch.is_empty() {
            knobs.batch_wait
        } else {
            knobs.batch_table
        };
        progress.batch_due = now.checked_add(wait).ok();
        Ok(())
    }

    fn gather(&self, knobs: &DmsKnobs, troubles: &[What]) {
        let (now, delay) = (self.now(), delay(knobs, troubles));
        let mut by_table: BTreeMap<TableName, Vec<_>> = BTreeMap::new();
        loop {
            let ripe = |commit: &Commit| commit.at.checked_add(delay).is_ok_and(|due| due <= now);
            let commit = {
                let mut progress = self.progress();
                if !progress.queue.front().is_some_and(ripe) {
                    break;
                }
                progress.queue.pop_front()
            };
            let Some(commit) = commit else { break };
            for change in self.select(&commit, troubles) {
                by_table
                    .entry(change.table().clone())
                    .or_default()
                    .push((commit.at, change));
            }
        }
        let mut batch: Vec<_> = by_table.into_iter().collect();
        batch.sort_by_key(|(_, changes)| changes.len());
        let mut progress = self.progress();
        progress.batch = batch.into();
        if progress.batch.is_empty() {
            progress.batch_due = now.checked_add(knobs.batch_wait).ok();
        }
    }
}
