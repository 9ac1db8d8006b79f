//! What was seen of DMS, in the domain's words.

use crate::words::words;
use jiff::Timestamp;

words!(
    /// The status of a replication task, a free string of the service.
    /// <https://docs.aws.amazon.com/dms/latest/APIReference/API_ReplicationTask.html>
    TaskStatus {
        /// Being made.
        Creating = "creating",
        /// Made, never started.
        Ready = "ready",
        /// Being started.
        Starting = "starting",
        /// It runs; it can also be looping over an error.
        Running = "running",
        /// Being stopped.
        Stopping = "stopping",
        /// Stopped, which says nothing about success.
        Stopped = "stopped",
        /// Failed.
        Failed = "failed",
        /// Being changed.
        Modifying = "modifying",
        /// Being moved to another instance.
        Moving = "moving",
        /// The move failed.
        FailedMove = "failed-move",
        /// Its assessment runs.
        Testing = "testing",
        /// Being deleted.
        Deleting = "deleting",
    }
);

words!(
    /// Why a task stopped, without the `Stop Reason ` that DMS puts before it.
    StopReason {
        /// Somebody stopped it.
        Normal = "NORMAL",
        /// An error that DMS would have gone on from.
        RecoverableError = "RECOVERABLE_ERROR",
        /// An error that ends it.
        FatalError = "FATAL_ERROR",
        /// A full load without changes is over.
        FullLoadOnlyFinished = "FULL_LOAD_ONLY_FINISHED",
        /// As its settings say.
        StoppedAfterFullLoad = "STOPPED_AFTER_FULL_LOAD",
        /// As its settings say.
        StoppedAfterCachedEvents = "STOPPED_AFTER_CACHED_EVENTS",
        /// A licence.
        ExpressLicenseLimitsReached = "EXPRESS_LICENSE_LIMITS_REACHED",
        /// As its settings say.
        StoppedAfterDdlApply = "STOPPED_AFTER_DDL_APPLY",
        /// The instance is too small.
        StoppedDueToLowMemory = "STOPPED_DUE_TO_LOW_MEMORY",
        /// The instance is too small.
        StoppedDueToLowDisk = "STOPPED_DUE_TO_LOW_DISK",
        /// As its stop position says.
        StoppedAtServerTime = "STOPPED_AT_SERVER_TIME",
        /// As its stop position says.
        StoppedAtCommitTime = "STOPPED_AT_COMMIT_TIME",
        /// DMS starts it again by itself.
        ReconfigurationRestart = "RECONFIGURATION_RESTART",
        /// DMS starts it again by itself.
        RecycleTask = "RECYCLE_TASK",
    }
);

words!(
    /// The status of a replication instance.
    InstanceStatus {
        /// Being made.
        Creating = "creating",
        /// Usable.
        Available = "available",
        /// Being changed.
        Modifying = "modifying",
        /// Being upgraded.
        Upgrading = "upgrading",
        /// Starting again.
        Rebooting = "rebooting",
        /// Under maintenance.
        Maintenance = "maintenance",
        /// Full.
        StorageFull = "storage-full",
        /// It cannot be used.
        IncompatibleCredentials = "incompatible-credentials",
        /// It cannot be used.
        IncompatibleNetwork = "incompatible-network",
        /// Changing credentials.
        ResettingMasterCredentials = "resetting-master-credentials",
        /// Failed.
        Failed = "failed",
        /// Being deleted.
        Deleting = "deleting",
        /// Gone.
        Deleted = "deleted",
    }
);

words!(
    /// The state of a table.
    TableState {
        /// Not on the source.
        DoesNotExist = "Table does not exist",
        /// Waits for its load.
        BeforeLoad = "Before load",
        /// Being loaded.
        FullLoad = "Full load",
        /// Loaded.
        Completed = "Table completed",
        /// Left out.
        Cancelled = "Table cancelled",
        /// In error or suspended.
        Error = "Table error",
        /// Being loaded again.
        Reloading = "Table is being reloaded",
    }
);

words!(
    /// The state of a table's validation.
    /// <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Validating.html>
    ValidationState {
        /// Off.
        NotEnabled = "Not enabled",
        /// Rows wait to be compared.
        PendingRecords = "Pending records",
        /// Rows differ.
        MismatchedRecords = "Mismatched records",
        /// Rows could not be compared.
        SuspendedRecords = "Suspended records",
        /// It is never compared.
        NoPrimaryKey = "No primary key",
        /// The table is in error.
        TableError = "Table error",
        /// Every row was found equal.
        Validated = "Validated",
        /// Comparing failed.
        Error = "Error",
        /// Not begun.
        PendingValidation = "Pending validation",
        /// Not begun.
        PreparingTable = "Preparing table",
        /// To be compared again.
        PendingRevalidation = "Pending revalidation",
    }
);

/// A replication task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskView {
    /// Its ARN.
    pub arn: String,
    /// Its status.
    pub status: TaskStatus,
    /// Why it stopped.
    pub stop_reason: Option<StopReason>,
    /// What DMS says of its last failure.
    pub last_failure: Option<String>,
    /// Full load in percent.
    pub load_percent: Option<u32>,
    /// When the full load was over.
    pub load_finished_at: Option<Timestamp>,
    /// Tables in error.
    pub tables_errored: u32,
    /// Tables that wait for their load or are being loaded.
    pub tables_to_load: u32,
}

/// A table of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct TableView {
    /// Schema on the source.
    pub schema: String,
    /// Table on the source.
    pub table: String,
    /// Its state.
    pub state: TableState,
    /// Rows of the full load.
    pub full_load_rows: u64,
    /// Rows that the full load could not write.
    pub full_load_errors: u64,
    /// Its validation.
    pub validation: ValidationState,
    /// Rows not compared yet.
    pub pending: u64,
    /// Rows that differ.
    pub failed: u64,
    /// Rows that could not be compared.
    pub suspended: u64,
}

impl TableView {
    /// Schema and table.
    pub fn name(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }
}

/// A metric of the last minutes. It may refuse, and never allow: one point a minute cannot prove seconds, and a reader
/// without events says 0.
#[derive(Debug, Clone, PartialEq)]
pub enum Metric {
    /// There is none: the task does not run, or the dimensions are wrong.
    Absent,
    /// The newest point is this many seconds old.
    Stale(u64),
    /// The largest of the newest three points.
    Fresh(f64),
}
