//! The settings of a replication task, and the document that DMS takes.
//! <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TaskSettings.html>

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The settings of a task. DMS's own defaults log errors and go on, so rows can be missing while a fence arrives; the
/// defaults here stop or suspend.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskSettings {
    /// The full load.
    #[serde(default)]
    pub full_load: FullLoad,
    /// Large objects.
    #[serde(default)]
    pub lob: LobMode,
    /// Row-level validation.
    #[serde(default)]
    pub validation: ValidationSettings,
    /// What becomes of a row that cannot be applied. Anything but stopping and suspending needs a waiver.
    #[serde(default)]
    pub on_data_error: ErrorAction,
    /// What becomes of an insert, update or delete that cannot be applied as it is.
    #[serde(default)]
    pub on_apply_error: ErrorAction,
    /// Changes applied in batches, which reorders them across tables. Needs a waiver.
    #[serde(default)]
    pub batch_apply: BatchApply,
}

/// The full load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FullLoad {
    /// What happens to tables that exist on the target. Always sent, never left to a default of the service.
    #[serde(default)]
    pub target_table_prep_mode: PreparationMode,
    /// Tables loaded at once.
    #[serde(default = "default_sub_tasks")]
    #[schemars(range(min = 1, max = 49))]
    pub max_full_load_sub_tasks: u32,
    /// Seconds to wait for transactions that are open when the load begins.
    #[serde(default = "default_consistency_seconds")]
    #[schemars(range(min = 0, max = 86400))]
    pub transaction_consistency_timeout_seconds: u32,
    /// Rows a commit.
    #[serde(default = "default_commit_rate")]
    #[schemars(range(min = 1, max = 50000))]
    pub commit_rate: u32,
}

impl Default for FullLoad {
    fn default() -> Self {
        Self {
            target_table_prep_mode: PreparationMode::default(),
            max_full_load_sub_tasks: default_sub_tasks(),
            transaction_consistency_timeout_seconds: default_consistency_seconds(),
            commit_rate: default_commit_rate(),
        }
    }
}

/// What happens to tables that exist on the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PreparationMode {
    /// They are used as they are.
    #[default]
    DoNothing,
    /// They are emptied.
    TruncateBeforeLoad,
    /// They are dropped, with indexes, constraints and defaults. Needs a waiver.
    DropAndCreate,
}

impl PreparationMode {
    /// The word that DMS uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DoNothing => "DO_NOTHING",
            Self::TruncateBeforeLoad => "TRUNCATE_BEFORE_LOAD",
            Self::DropAndCreate => "DROP_AND_CREATE",
        }
    }
}

/// Large objects. `LobMaxSize` is in kilobytes; what is larger is cut off without an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LobMode {
    /// Whole objects, in chunks: slow and complete.
    #[serde(default)]
    pub full_lob_mode: bool,
    /// The largest object in limited mode, in kilobytes: 32 MB are 32768.
    #[serde(default = "default_lob_kb")]
    #[schemars(range(min = 1, max = 102_400))]
    pub lob_max_size_kb: u32,
    /// The size of a chunk in full mode, in kilobytes.
    #[serde(default = "default_chunk_kb")]
    #[schemars(range(min = 1, max = 102_400))]
    pub lob_chunk_size_kb: u32,
}

impl Default for LobMode {
    fn default() -> Self {
        Self {
            full_lob_mode: false,
            lob_max_size_kb: default_lob_kb(),
            lob_chunk_size_kb: default_chunk_kb(),
        }
    }
}

/// Row-level validation. Off needs a waiver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValidationSettings {
    /// Whether rows are compared.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Threads that compare.
    #[serde(default = "default_validation_threads")]
    #[schemars(range(min = 1, max = 100))]
    pub thread_count: u32,
}

impl Default for ValidationSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            thread_count: default_validation_threads(),
        }
    }
}

/// What becomes of what cannot be applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorAction {
    /// The table is suspended, which the gates see.
    #[default]
    SuspendTable,
    /// The task stops.
    StopTask,
    /// It is logged and left out. Needs a waiver.
    LogError,
    /// It is left out. Needs a waiver.
    IgnoreRecord,
}

impl ErrorAction {
    /// The word that DMS uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SuspendTable => "SUSPEND_TABLE",
            Self::StopTask => "STOP_TASK",
            Self::LogError => "LOG_ERROR",
            Self::IgnoreRecord => "IGNORE_RECORD",
        }
    }

    /// Whether rows can be left out while the task goes on.
    pub fn goes_on(self) -> bool {
        matches!(self, Self::LogError | Self::IgnoreRecord)
    }
}

/// Changes applied in batches. A fence then counts only when it is the second one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BatchApply {
    /// Whether.
    #[serde(default)]
    pub enabled: bool,
}

impl TaskSettings {
    /// The document that DMS takes.
    pub fn document(&self) -> Value {
        json!({
            "TargetMetadata": {
                "SupportLobs": true,
                "FullLobMode": self.lob.full_lob_mode,
                "LobChunkSize": self.lob.lob_chunk_size_kb,
                "LimitedSizeLobMode": !self.lob.full_lob_mode,
                "LobMaxSize": self.lob.lob_max_size_kb,
                "BatchApplyEnabled": self.batch_apply.enabled,
                "ParallelApplyThreads": 0,
            },
            "FullLoadSettings": {
                "TargetTablePrepMode": self.full_load.target_table_prep_mode.as_str(),
                "MaxFullLoadSubTasks": self.full_load.max_full_load_sub_tasks,
                "TransactionConsistencyTimeout": self.full_load.transaction_consistency_timeout_seconds,
                "CommitRate": self.full_load.commit_rate,
                "StopTaskCachedChangesApplied": false,
                "StopTaskCachedChangesNotApplied": false,
            },
            "Logging": {
                "EnableLogging": true,
                "LogComponents": [
                    { "Id": "SOURCE_CAPTURE", "Severity": "LOGGER_SEVERITY_DEFAULT" },
                    { "Id": "TARGET_APPLY", "Severity": "LOGGER_SEVERITY_INFO" },
                ],
            },
            "ValidationSettings": {
                "EnableValidation": self.validation.enabled,
                "ValidationMode": "ROW_LEVEL",
                "ThreadCount": self.validation.thread_count,
            },
            "ErrorBehavior": {
                "DataErrorPolicy": self.on_data_error.as_str(),
                "DataTruncationErrorPolicy": self.on_data_error.as_str(),
                "ApplyErrorInsertPolicy": self.on_apply_error.as_str(),
                "ApplyErrorUpdatePolicy": self.on_apply_error.as_str(),
                "ApplyErrorDeletePolicy": self.on_apply_error.as_str(),
                "TableErrorPolicy": match self.on_data_error {
                    ErrorAction::StopTask => "STOP_TASK",
                    ErrorAction::SuspendTable | ErrorAction::LogError | ErrorAction::IgnoreRecord => "SUSPEND_TABLE",
                },
                "RecoverableErrorCount": -1,
            },
        })
    }
}

fn default_sub_tasks() -> u32 {
    8
}
fn default_consistency_seconds() -> u32 {
    600
}
fn default_commit_rate() -> u32 {
    10_000
}
/// 32 MB.
fn default_lob_kb() -> u32 {
    32_768
}
fn default_chunk_kb() -> u32 {
    64
}
fn yes() -> bool {
    true
}
fn default_validation_threads() -> u32 {
    5
}
