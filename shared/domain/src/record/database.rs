//! A database of a wave: its part of the plan, and the facts of its migration.

use super::CommandFacts;
use crate::ids::{DatabaseId, WaveId};
use crate::plan::DatabasePlan;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Who may write where. One word, because Frozen → Switching and Frozen → Unfreezing exclude each other: whoever writes
/// the item first, on condition of its version, decides. Everything else is read off the facts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DatabaseState {
    /// Applications write on the source.
    #[default]
    OnSource,
    /// The source is being closed, or is closed.
    Frozen,
    /// The source is being opened again.
    Unfreezing,
    /// SWITCH_COMMITTED: the source stays closed, the target is being opened. From here it goes forward.
    Switching,
    /// Applications write on the target.
    OnTarget,
    /// The target is being closed for the way back.
    ReturnFrozen,
    /// The way back is on record: the target stays closed, the source is being opened.
    Returning,
}

/// Something that was made for the database, and has to be ended: intent first, outcome after.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Its identifier, fixed by the intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// When its making was put on record, before the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intended_at: Option<Timestamp>,
    /// Its ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// When it was seen to be usable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Timestamp>,
    /// When it was seen to be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl Resource {
    /// True while it may exist.
    pub fn may_exist(&self) -> bool {
        self.intended_at.is_some() && self.ended_at.is_none()
    }
}

/// What is known of the replication.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicationFacts {
    /// The replication instance.
    #[serde(default)]
    pub instance: Resource,
    /// The source endpoint.
    #[serde(default)]
    pub source_endpoint: Resource,
    /// The target endpoint.
    #[serde(default)]
    pub target_endpoint: Resource,
    /// The task.
    #[serde(default)]
    pub task: Resource,
    /// The fence table and the freeze table on the source, and their names (`schema.table`).
    #[serde(default)]
    pub fence_table: Resource,
    /// When the connection tests were put on record, before the first was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests_intended_at: Option<Timestamp>,
    /// When both connection tests had succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected_at: Option<Timestamp>,
    /// The premigration assessment run.
    #[serde(default)]
    pub assessment: Resource,
    /// When it had passed, or its warnings were let through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assessed_at: Option<Timestamp>,
    /// The requests of the schema conversion, newest last: assessment, conversion, export.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conversions: Vec<Resource>,
    /// What the schema conversion leaves to people, each a sentence, at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub action_items: Vec<String>,
    /// Where a task without a full load begins, as DMS is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_position: Option<String>,
    /// What looked like left by replication before Landfall made anything, as `SOURCE slot:…`: it is somebody else's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_before: Vec<String>,
    /// When the start of the task was put on record. `start-replication` is valid only once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_intended_at: Option<Timestamp>,
    /// When the task was first seen running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_at: Option<Timestamp>,
    /// Full load in percent, when last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_percent: Option<u32>,
    /// When the full load was over and every table validated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded_at: Option<Timestamp>,
    /// Tables that are replicated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables: Option<u32>,
    /// Rows of the full load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// The schema's fingerprint on the source when the load was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// When the stop of the task was put on record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_intended_at: Option<Timestamp>,
    /// When it was seen stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<Timestamp>,
    /// Why it is no success, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A login and what it was before, so that exactly that comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginRecord {
    /// The login; in MySQL `'user'@'host'`.
    pub name: String,
    /// Whether it could log in before.
    pub could_log_in: bool,
    /// Whether it passes read-only mode; such a login is locked even where read-only mode would do for others.
    #[serde(default)]
    pub exempt: bool,
}

/// A setting and what it was before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingRecord {
    /// Its name: a global variable, `job:…`, `subscription:…`, `event:…`.
    pub name: String,
    /// Its value before, in the server's words.
    pub before: String,
}

/// What closing a database changes, recorded before anything is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FreezeRecord {
    /// Logins that are locked, at most a few hundred.
    pub logins: Vec<LoginRecord>,
    /// Settings that are changed.
    pub settings: Vec<SettingRecord>,
    /// How applications are shut out, in words: `login locks`, `read-only mode and locks of exempt logins`.
    pub method: String,
}

/// One closing of one side. The id is also written on the database itself, so that a function that outlived its task
/// cannot close what was opened after it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Closing {
    /// The id of this closing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<FreezeRecord>,
    /// When it was put on record, before anything was changed. Downtime begins here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intended_at: Option<Timestamp>,
    /// When it opens again by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// The one-shot schedule of the dead man's switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// When the probe through an application's login was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// When its opening was put on record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_intended_at: Option<Timestamp>,
    /// When everything was seen to be as it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// What could not be restored, each a sentence with its remedy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
    /// What operators have still to be told of it: written together with what happened, cleared when it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
}

impl Closing {
    /// True while the side is, or may be, closed.
    pub fn may_be_closed(&self) -> bool {
        self.intended_at.is_some() && self.opened_at.is_none()
    }
}

/// A marker that was written on one side and is looked for on the other.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FenceFacts {
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_at: Option<Timestamp>,
    /// When it was read on the other side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
}

/// One canary fence of the lag gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CanaryFacts {
    /// Its id.
    pub id: String,
    /// When it was written.
    pub written_at: Timestamp,
    /// When it was read on the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
}

/// What is known of one attempt at the cutover.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CutoverFacts {
    /// The last canaries, ten at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub canaries: Vec<CanaryFacts>,
    /// When the lag gate opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate_open_at: Option<Timestamp>,
    /// The fence, and with batch apply the second one.
    #[serde(default)]
    pub fence: FenceFacts,
    /// The fence that counts with batch apply.
    #[serde(default)]
    pub second_fence: FenceFacts,
    /// When everything was found equal after the fence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Timestamp>,
    /// When the target had what replication does not carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Timestamp>,
    /// The target's log position before it was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_log_position: Option<String>,
    /// SWITCH_COMMITTED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed_at: Option<Timestamp>,
    /// When applications could log in to the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_open_at: Option<Timestamp>,
    /// When the switch point held the target's value. Downtime ends here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switched_at: Option<Timestamp>,
    /// The value of the switch point before, recorded once, before it was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch_before: Option<serde_json::Value>,
    /// The restart of applications.
    #[serde(default)]
    pub restart: CommandFacts,
    /// When an application's login could work on the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
    /// Why it is no success, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// What is known of the replication back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailBackFacts {
    /// The endpoint that reads the target.
    #[serde(default)]
    pub source_endpoint: Resource,
    /// The endpoint that writes the source.
    #[serde(default)]
    pub target_endpoint: Resource,
    /// The task.
    #[serde(default)]
    pub task: Resource,
    /// When it was seen running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_at: Option<Timestamp>,
    /// The fence on the way back, written on the target.
    #[serde(default)]
    pub fence: FenceFacts,
    /// When the way back was put on record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned_at: Option<Timestamp>,
    /// Who accepted that what was written on the target is lost, when nothing carries it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_accepted_by: Option<String>,
}

/// A database of a wave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseRecord {
    /// The wave.
    pub wave_id: WaveId,
    /// The database.
    pub database_id: DatabaseId,
    /// Its move group.
    pub move_group: String,
    /// Its part of the plan.
    pub plan: DatabasePlan,
    /// Who may write where.
    #[serde(default)]
    pub state: DatabaseState,
    /// The execution that works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<super::Lease>,
    /// What was found before anything was changed, and is accepted or only to be known, each a sentence; at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// The replication.
    #[serde(default)]
    pub replication: ReplicationFacts,
    /// The closing of the source.
    #[serde(default)]
    pub source_closing: Closing,
    /// The closing of the target: its applications' logins stay locked until the switch is on record.
    #[serde(default)]
    pub target_closing: Closing,
    /// The cutover.
    #[serde(default)]
    pub cutover: CutoverFacts,
    /// The replication back.
    #[serde(default)]
    pub fail_back: FailBackFacts,
    /// Rows that validation found different, at most 20, each a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mismatches: Vec<String>,
    /// Tables as verified last, at most 200: name, rows, state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<crate::report::TableReport>,
    /// When everything that was made for it was seen to be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Timestamp>,
    /// What could not be ended, each a sentence with its remedy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
}

impl DatabaseRecord {
    /// A database of which nothing is known but the plan.
    pub fn new(wave_id: WaveId, move_group: String, plan: DatabasePlan) -> Self {
        Self {
            wave_id,
            database_id: plan.database_id.clone(),
            move_group,
            plan,
            state: DatabaseState::OnSource,
            lease: None,
            findings: Vec::new(),
            replication: ReplicationFacts::default(),
            source_closing: Closing::default(),
            target_closing: Closing::default(),
            cutover: CutoverFacts::default(),
            fail_back: FailBackFacts::default(),
            mismatches: Vec::new(),
            tables: Vec::new(),
            retired_at: None,
            left: Vec::new(),
        }
    }

    /// The fence that counts on the way forward: with batch apply, which reorders across tables, the second one.
    pub fn counting_fence(&self) -> &FenceFacts {
        if self.plan.task_settings.batch_apply.enabled {
            &self.cutover.second_fence
        } else {
            &self.cutover.fence
        }
    }
}
