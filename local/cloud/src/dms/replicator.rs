//! What moves rows. DMS's service holds tasks and their states; a [`Replicator`] reads and writes the databases.
//!
//! The default one, [`super::MemoryReplicator`], moves rows between simulated databases. A test on real servers plugs in
//! one that lets the engines replicate themselves.

use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;
use landfall_domain::database::TableName;
use tokio::sync::watch;

use super::documents::{Mappings, Settings};

/// A future that a trait can give.
pub type Moving<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An endpoint, as far as it matters to who connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSpec {
    /// Its identifier.
    pub identifier: String,
    /// The engine's name in DMS, as in `aurora-postgresql`.
    pub engine: String,
    /// The secret with its login.
    pub secret: String,
    /// The database's name, where the request had one.
    pub database: Option<String>,
    /// The extra connection attributes, as in `slotName=shop_back;`.
    pub attributes: Option<String>,
}

impl EndpointSpec {
    /// The replication slot that the attributes name (`name=value`, with semicolons between).
    pub fn slot(&self) -> Option<&str> {
        let attributes = self.attributes.as_deref().unwrap_or_default();
        let pairs = attributes.split(';').filter_map(|pair| pair.split_once('='));
        let mut slots = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("slotName"));
        slots.next().map(|(_, slot)| slot.trim())
    }
}

/// A task, as it was created.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSpec {
    /// Its ARN.
    pub arn: String,
    /// Its identifier.
    pub identifier: String,
    /// What it reads.
    pub source: EndpointSpec,
    /// What it writes.
    pub target: EndpointSpec,
    /// Whether it loads what is there before it begins with changes.
    pub full_load: bool,
    /// Where changes begin; without a full load.
    pub cdc_start_position: Option<String>,
    /// Which tables, under which names.
    pub mappings: Mappings,
    /// The settings that matter here.
    pub settings: Settings,
}

/// How a task begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// For the first time.
    Fresh,
    /// Where it stopped.
    Resume,
}

/// Why a task does not run any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Halt {
    /// It was told to stop.
    Stopped,
    /// It died.
    Died {
        /// Its status: `stopped` or `failed`.
        status: String,
        /// Its stop reason, as in `FATAL_ERROR`.
        reason: String,
        /// What it says of its last failure.
        message: String,
    },
}

/// Tells a task to stop.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// What is told, and who tells.
    pub fn new() -> (watch::Sender<bool>, Stop) {
        let (sender, receiver) = watch::channel(false);
        (sender, Stop(receiver))
    }

    /// Whether it was told.
    pub fn is_told(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves once it is told. Nobody being left to tell is the same.
    pub async fn told(&mut self) {
        let _ = self.0.wait_for(|told| *told).await;
    }
}

/// The state of a table, in DMS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableState {
    /// `Before load`.
    BeforeLoad,
    /// `Full load`.
    FullLoad,
    /// `Table completed`.
    Completed,
    /// `Table error`.
    Error,
}

impl TableState {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            TableState::BeforeLoad => "Before load",
            TableState::FullLoad => "Full load",
            TableState::Completed => "Table completed",
            TableState::Error => "Table error",
        }
    }
}

/// The state of a table's validation, in DMS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validation {
    /// `Not enabled`.
    NotEnabled,
    /// `Pending validation`: not begun.
    Pending,
    /// `Preparing table`.
    Preparing,
    /// `Pending records`.
    PendingRecords,
    /// `Mismatched records`.
    Mismatched,
    /// `No primary key`.
    NoPrimaryKey,
    /// `Table error`.
    TableError,
    /// `Validated`.
    Validated,
    /// `Pending revalidation`.
    PendingRevalidation,
}

impl Validation {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Validation::NotEnabled => "Not enabled",
            Validation::Pending => "Pending validation",
            Validation::Preparing => "Preparing table",
            Validation::PendingRecords => "Pending records",
            Validation::Mismatched => "Mismatched records",
            Validation::NoPrimaryKey => "No primary key",
            Validation::TableError => "Table error",
            Validation::Validated => "Validated",
            Validation::PendingRevalidation => "Pending revalidation",
        }
    }
}

/// Changes of a table, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Inserts.
    pub inserts: u64,
    /// Updates.
    pub updates: u64,
    /// Deletes.
    pub deletes: u64,
}

/// What is known of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableProgress {
    /// Its name on the source.
    pub name: TableName,
    /// Its state.
    pub state: TableState,
    /// Rows of the full load.
    pub loaded: u64,
    /// Rows that the full load could not write.
    pub load_errors: u64,
    /// When its load began.
    pub load_began: Option<Timestamp>,
    /// When its load was over.
    pub load_ended: Option<Timestamp>,
    /// Changes read.
    pub read: Counts,
    /// Changes applied.
    pub applied: Counts,
    /// Its validation.
    pub validation: Validation,
    /// Rows not compared yet.
    pub pending: u64,
    /// Rows that differ.
    pub failed: u64,
    /// When these numbers were taken.
    pub updated_at: Option<Timestamp>,
}

/// How far a task is behind, in seconds, or why that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lag {
    /// Nothing is published.
    Absent,
    /// Of the reader, and of the writer.
    Seconds {
        /// `CDCLatencySource`.
        source: f64,
        /// `CDCLatencyTarget`.
        target: f64,
    },
}

/// What moves rows.
pub trait Replicator: Send + Sync {
    /// Tries to connect to an endpoint; what the database said if it cannot be.
    fn check<'a>(&'a self, endpoint: &'a EndpointSpec) -> Moving<'a, Result<(), String>>;

    /// Runs a task until it is told to stop or dies: the full load, then changes and their comparison, for ever. It is
    /// never run twice at the same time.
    fn run<'a>(&'a self, task: &'a TaskSpec, begin: Begin, stop: Stop) -> Moving<'a, Halt>;

    /// The task's tables as they are now; none before its first run.
    fn tables(&self, task: &TaskSpec) -> Vec<TableProgress>;

    /// How far a running task is behind now.
    fn lag(&self, task: &TaskSpec) -> Lag;

    /// The task is deleted: takes away what it needed on the source.
    fn forget<'a>(&'a self, task: &'a TaskSpec) -> Moving<'a, ()>;
}
