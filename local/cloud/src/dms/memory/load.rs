//! The full load of a table.

use std::time::Duration;

use landfall_domain::database::TableName;

use super::died;
use super::worker::{RETRY, Worker, bare};
use crate::databases::replication::ReplicationRefusal;
use crate::databases::{Change, Row};
use crate::dms::documents::{ErrorPolicy, Preparation};
use crate::dms::replicator::{Halt, TableState};

impl Worker<'_> {
    /// Loads a table as it is at one instant; later commits are changes.
    pub(super) async fn load(&mut self, name: &TableName) -> Result<(), Halt> {
        let now = self.now();
        let target = {
            let mut progress = self.progress();
            let Some(table) = progress.tables.get_mut(name) else {
                return Ok(());
            };
            table.state = TableState::FullLoad;
            table.load_began = Some(now);
            table.target.clone()
        };
        self.prepare_target(name, &target);
        let knobs = self.knobs();
        let rows = self
            .databases()
            .table(&self.source.host, name)
            .map_or(0, |table| table.rows.len() as u64);
        let carry = Duration::from_millis(rows * 1000 / knobs.load_rows_per_s.max(1));
        let pause = knobs.load_table.pick(self.replicator.random.next()) + carry;
        self.pause(pause).await?;
        loop {
            match self.carry(name, &target) {
                Ok(()) => return Ok(()),
                Err(Some(halt)) => return Err(halt),
                Err(None) => self.pause(RETRY).await?,
            }
        }
    }

    fn prepare_target(&self, name: &TableName, target: &TableName) {
        let host = &self.target.host;
        match self.task.settings.preparation {
            Preparation::Nothing => {}
            Preparation::Truncate => self.databases().truncate_table(host, target),
            Preparation::DropAndCreate => {
                self.databases().drop_table(host, target);
            }
        }
        if let Some(table) = self.databases().table(&self.source.host, name) {
            self.databases().create_table(host, target, &bare(&table));
        }
    }

    /// Writes the rows. An error without a halt is one to try again after.
    fn carry(&self, name: &TableName, target: &TableName) -> Result<(), Option<Halt>> {
        let source = &self.source.host;
        let from = self.databases().position(source);
        let Some(table) = self.databases().table(source, name) else {
            self.finish(name, TableState::Error, from, 0, 0);
            return Ok(());
        };
        let rows = table.rows.into_iter().map(|(key, row)| Change::Insert {
            table: target.clone(),
            key,
            row: self.cut(row),
        });
        let rows: Vec<Change> = rows.collect();
        let count = rows.len() as u64;
        match self.write(rows.clone()) {
            Ok(()) => {
                self.finish(name, TableState::Completed, from, count, 0);
                return Ok(());
            }
            Err(ReplicationRefusal::Refused(_)) => {}
            Err(_) => return Err(None),
        }
        let mut errors = 0;
        for row in rows {
            match self.write(vec![row]) {
                Ok(()) => {}
                Err(ReplicationRefusal::Refused(refusal)) => {
                    errors += 1;
                    match self.task.settings.data_error {
                        ErrorPolicy::LogError | ErrorPolicy::IgnoreRecord => {}
                        ErrorPolicy::SuspendTable => {
                            self.finish(name, TableState::Error, from, count - errors, errors);
                            return Ok(());
                        }
                        ErrorPolicy::StopTask => return Err(Some(died(refusal.message))),
                    }
                }
                Err(_) => return Err(None),
            }
        }
        self.finish(name, TableState::Completed, from, count - errors, errors);
        Ok(())
    }

    fn finish(&self, name: &TableName, state: TableState, from: u64, loaded: u64, errors: u64) {
        let now = self.now();
        if let Some(table) = self.progress().tables.get_mut(name) {
            table.state = state;
            table.load_ended = Some(now);
            table.from = from;
            table.loaded = loaded;
            table.load_errors = errors;
        }
    }

    /// Writes changes to the target in one transaction.
    pub(super) fn write(&self, changes: Vec<Change>) -> Result<(), ReplicationRefusal> {
        let Worker { target, .. } = self;
        self.databases()
            .apply(&target.host, &target.username, changes)
            .map(|_| ())
    }

    /// A row whose large object is cut off where the settings say so.
    pub(super) fn cut(&self, row: Row) -> Row {
        Row {
            lob_bytes: row
                .lob_bytes
                .map(|bytes| self.task.settings.lob_max_bytes.map_or(bytes, |most| bytes.min(most))),
            ..row
        }
    }
}
