//! Validation: rows of both sides are compared, for real.

use std::collections::BTreeSet;

use landfall_domain::database::TableName;

use super::worker::Worker;
use crate::dms::knobs::DmsKnobs;
use crate::dms::replicator::TableState;

impl Worker<'_> {
    /// Compares what arrived since the last time, when it is time again.
    pub(super) fn compare_due(&self, knobs: &DmsKnobs) {
        let now = self.now();
        if self.progress().compare_at.is_some_and(|at| now < at) {
            return;
        }
        self.progress().compare_at = now.checked_add(knobs.validation_every).ok();
        let unapplied = self.progress().unapplied();
        let names: Vec<TableName> = {
            let progress = self.progress();
            let tables = progress.tables.iter();
            tables
                .filter(|(_, table)| table.state == TableState::Completed && table.has_key)
                .map(|(name, _)| name.clone())
                .collect()
        };
        for name in names {
            self.compare(&name, &unapplied);
        }
    }

    fn compare(&self, name: &TableName, unapplied: &BTreeSet<(TableName, String)>) {
        let (source, target) = (&self.source.host, &self.target.host);
        let now = self.now();
        let (there, mut keys, hidden) = {
            let mut progress = self.progress();
            let closed = progress.closed_since.is_some();
            let Some(table) = progress.tables.get_mut(name) else {
                return;
            };
            if closed {
                let hidden = std::mem::take(&mut table.hidden);
                table.dirty.extend(hidden);
            }
            (table.target.clone(), table.dirty.clone(), table.hidden.clone())
        };
        let first = self.progress().tables.get(name).is_some_and(|table| !table.compared);
        if first {
            for (host, name) in [(source, name), (target, &there)] {
                let rows = self.databases().table(host, name).map(|table| table.rows);
                keys.extend(rows.into_iter().flatten().map(|(key, _)| key));
            }
        }
        let mut left = BTreeSet::new();
        let mut found = Vec::new();
        for key in keys {
            if unapplied.contains(&(name.clone(), key.clone())) {
                left.insert(key);
                continue;
            }
            if hidden.contains(&key) {
                continue;
            }
            let rows = (
                self.databases().row(source, name, &key),
                self.databases().row(target, &there, &key),
            );
            let failure = match rows {
                (Some(one), Some(other)) if one == other => None,
                (Some(_), Some(_)) => Some("RECORD_DIFF"),
                (Some(_), None) => Some("MISSING_TARGET"),
                (None, Some(_)) => Some("MISSING_SOURCE"),
                (None, None) => None,
            };
            found.push((key, failure));
        }
        let mut progress = self.progress();
        let Some(table) = progress.tables.get_mut(name) else {
            return;
        };
        table.compared = true;
        table.updated_at = Some(now);
        table.pending = left.len() as u64;
        table.dirty = left;
        let before = table.failed.clone();
        for (key, failure) in found {
            match failure {
                Some(failure) => table.failed.insert(key, failure),
                None => table.failed.remove(&key),
            };
        }
        if table.failed != before {
            let failed = table.failed.clone();
            drop(progress);
            self.databases().clear_validation_failures(target, &there);
            for (key, failure) in failed {
                self.databases().add_validation_failure(target, &there, &key, failure);
            }
        }
    }
}
