//! Landfall's own way to databases, with a clock beside it: what is no time of a database is Landfall's.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use landfall_aws::database::{Database, DatabaseError, Databases, Login};
use landfall_cloud::VirtualClock;
use landfall_database::SqlDatabases;
use landfall_domain::database::{
    Closed, Inspection, KeepOpen, OpenTransaction, Probe, Readiness, SequenceValue, TableName, TableSum,
    ValidationFailure,
};
use landfall_domain::record::FreezeRecord;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The pauses inside a closing, between its scans for sessions: one that ends some, two that find nobody. They are
/// Landfall's and no database's.
const CLOSING_PAUSES: SignedDuration = SignedDuration::from_millis(150);

/// One call of the port.
#[derive(Debug, Clone)]
pub struct Span {
    /// The database that was called, by its name.
    pub database: String,
    /// The call.
    pub call: &'static str,
    pub from: Timestamp,
    pub to: Timestamp,
}

/// From one instant to another.
pub type Length = (Timestamp, Timestamp);

/// What is left of a length without others.
pub fn outside((from, to): Length, mut others: Vec<Length>) -> Vec<Length> {
    others.sort();
    others.push((to, to));
    let (mut gaps, mut end) = (Vec::new(), from);
    for (began, ended) in others {
        let began = began.min(to);
        if began > end {
            gaps.push((end, began));
        }
        end = end.max(ended.min(to));
    }
    gaps
}

/// `SqlDatabases`, timed. Clones share what was measured.
#[derive(Clone)]
pub struct TimedDatabases {
    clock: VirtualClock,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl TimedDatabases {
    pub fn new(clock: VirtualClock) -> Self {
        Self {
            clock,
            spans: Arc::default(),
        }
    }

    /// The times in which a database was worked on.
    pub fn inside(&self, database: &str) -> Vec<Length> {
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = spans.iter().filter(|span| span.database == database).map(|span| {
            let pauses = if span.call == "close" {
                CLOSING_PAUSES
            } else {
                SignedDuration::ZERO
            };
            (span.from, span.to - pauses)
        });
        ours.collect()
    }

    async fn timed<T>(&self, database: &str, call: &'static str, run: impl Future<Output = T>) -> T {
        let from = self.clock.now();
        let answer = run.await;
        let span = Span {
            database: database.to_owned(),
            call,
            from,
            to: self.clock.now(),
        };
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).push(span);
        answer
    }
}

#[async_trait]
impl Databases for TimedDatabases {
    async fn connect(&self, login: &Login) -> Result<Box<dyn Database>, DatabaseError> {
        let inner = self
            .timed(&login.database, "connect", SqlDatabases.connect(login))
            .await?;
        Ok(Box::new(Timed {
            inner,
            name: login.database.clone(),
            databases: self.clone(),
        }))
    }
}

struct Timed {
    inner: Box<dyn Database>,
    name: String,
    databases: TimedDatabases,
}

#[async_trait]
impl Database for Timed {
    async fn inspect(&mut self, schemas: &[String], keep: &KeepOpen) -> Result<Inspection, DatabaseError> {
        let run = self.inner.inspect(schemas, keep);
        self.databases.timed(&self.name, "inspect", run).await
    }

    async fn create_fence_table(&mut self, fence: &TableName, fence_writer: &str) -> Result<(), DatabaseError> {
        let run = self.inner.create_fence_table(fence, fence_writer);
        self.databases.timed(&self.name, "create_fence_table", run).await
    }

    async fn drop_fence_table(&mut self, fence: &TableName) -> Result<(), DatabaseError> {
        let run = self.inner.drop_fence_table(fence);
        self.databases.timed(&self.name, "drop_fence_table", run).await
    }

    async fn write_fence(&mut self, fence: &TableName, id: &str) -> Result<(), DatabaseError> {
        let run = self.inner.write_fence(fence, id);
        self.databases.timed(&self.name, "write_fence", run).await
    }

    async fn read_fences(&mut self, fence: &TableName, ids: &[String]) -> Result<Vec<String>, DatabaseError> {
        let run = self.inner.read_fences(fence, ids);
        self.databases.timed(&self.name, "read_fences", run).await
    }

    async fn plan_closing(&mut self, keep: &KeepOpen) -> Result<FreezeRecord, DatabaseError> {
        let run = self.inner.plan_closing(keep);
        self.databases.timed(&self.name, "plan_closing", run).await
    }

    async fn close(
        &mut self,
        fence: &TableName,
        id: &str,
        record: &FreezeRecord,
        keep: &KeepOpen,
        within: Duration,
    ) -> Result<Closed, DatabaseError> {
        let run = self.inner.close(fence, id, record, keep, within);
        self.databases.timed(&self.name, "close", run).await
    }

    async fn open(&mut self, fence: &TableName, id: &str, record: &FreezeRecord) -> Result<Vec<String>, DatabaseError> {
        let run = self.inner.open(fence, id, record);
        self.databases.timed(&self.name, "open", run).await
    }

    async fn probe(&mut self) -> Result<Probe, DatabaseError> {
        let run = self.inner.probe();
        self.databases.timed(&self.name, "probe", run).await
    }

    async fn open_transactions(&mut self, at_least: Duration) -> Result<Vec<OpenTransaction>, DatabaseError> {
        let run = self.inner.open_transactions(at_least);
        self.databases.timed(&self.name, "open_transactions", run).await
    }

    async fn prepared_transactions(&mut self) -> Result<Vec<String>, DatabaseError> {
        let run = self.inner.prepared_transactions();
        self.databases.timed(&self.name, "prepared_transactions", run).await
    }

    async fn fingerprint(&mut self, tables: &[TableName]) -> Result<String, DatabaseError> {
        let run = self.inner.fingerprint(tables);
        self.databases.timed(&self.name, "fingerprint", run).await
    }

    async fn table_sum(&mut self, table: &TableName) -> Result<TableSum, DatabaseError> {
        let run = self.inner.table_sum(table);
        self.databases.timed(&self.name, "table_sum", run).await
    }

    async fn sequences(&mut self, schemas: &[String]) -> Result<Vec<SequenceValue>, DatabaseError> {
        let run = self.inner.sequences(schemas);
        self.databases.timed(&self.name, "sequences", run).await
    }

    async fn advance_sequences(&mut self, values: &[SequenceValue], margin: u32) -> Result<(), DatabaseError> {
        let run = self.inner.advance_sequences(values, margin);
        self.databases.timed(&self.name, "advance_sequences", run).await
    }

    async fn make_ready(&mut self, tables: &[TableName]) -> Result<Readiness, DatabaseError> {
        let run = self.inner.make_ready(tables);
        self.databases.timed(&self.name, "make_ready", run).await
    }

    async fn smoke_test(&mut self, statement: Option<&str>) -> Result<(), DatabaseError> {
        let run = self.inner.smoke_test(statement);
        self.databases.timed(&self.name, "smoke_test", run).await
    }

    async fn log_position(&mut self) -> Result<String, DatabaseError> {
        let run = self.inner.log_position();
        self.databases.timed(&self.name, "log_position", run).await
    }

    async fn hold_log(&mut self, slot: &str) -> Result<String, DatabaseError> {
        let run = self.inner.hold_log(slot);
        self.databases.timed(&self.name, "hold_log", run).await
    }

    async fn apply_exceptions(&mut self) -> Result<u64, DatabaseError> {
        let run = self.inner.apply_exceptions();
        self.databases.timed(&self.name, "apply_exceptions", run).await
    }

    async fn validation_failures(&mut self, most: u32) -> Result<Vec<ValidationFailure>, DatabaseError> {
        let run = self.inner.validation_failures(most);
        self.databases.timed(&self.name, "validation_failures", run).await
    }

    async fn leftovers(&mut self) -> Result<Vec<String>, DatabaseError> {
        let run = self.inner.leftovers();
        self.databases.timed(&self.name, "leftovers", run).await
    }

    async fn end_leftover(&mut self, leftover: &str) -> Result<(), DatabaseError> {
        let run = self.inner.end_leftover(leftover);
        self.databases.timed(&self.name, "end_leftover", run).await
    }
}
