//! The wave itself, its claims, its decisions and its audit trail.

use crate::ids::{DatabaseId, SourceServerId, WaveId};
use crate::plan::{Acceptance, Approvals, Deadlines, RollbackPolicy, Window};
use crate::report::WaveOutcome;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which way a wave moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Direction {
    /// Towards AWS.
    Forward,
    /// Back to the source.
    Rollback,
}

/// Whether a wave may be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WaveStatus {
    /// Its claims are being made; nothing else exists yet.
    Claiming,
    /// It is planned and under way.
    Open,
    /// It stands still until a person acts. Its servers stay claimed.
    Held,
    /// It ended. Its servers are free.
    Closed,
}

/// What a wave is doing, in the words of the console graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Phase {
    /// Planned, not begun.
    Plan,
    /// Replication and launch settings.
    Configure,
    /// Waiting for servers to become ready for testing.
    AwaitReadiness,
    /// Databases: provision, full load, changes.
    ReplicateDatabases,
    /// Test launches and checks.
    Test,
    /// Waiting for the cutover to be approved.
    ApproveCutover,
    /// TTLs lowered and old ones run out.
    PrepareTraffic,
    /// Quiesce, launch, check.
    CutOver,
    /// Databases: freeze, fence, verify, switch.
    CutOverDatabases,
    /// Traffic points at AWS.
    SwitchTraffic,
    /// Watching.
    Bake,
    /// Waiting for the finalization to be approved.
    ApproveFinalize,
    /// The point of no return.
    Finalize,
    /// Going back.
    RollBack,
}

impl Phase {
    /// As people say it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Plan => "Plan",
            Self::Configure => "Configure",
            Self::AwaitReadiness => "Await readiness",
            Self::ReplicateDatabases => "Replicate databases",
            Self::Test => "Test",
            Self::ApproveCutover => "Approve cutover",
            Self::PrepareTraffic => "Prepare traffic",
            Self::CutOver => "Cut over",
            Self::CutOverDatabases => "Cut over databases",
            Self::SwitchTraffic => "Switch traffic",
            Self::Bake => "Bake",
            Self::ApproveFinalize => "Approve finalize",
            Self::Finalize => "Finalize",
            Self::RollBack => "Roll back",
        }
    }
}

/// When a phase began. It ended when the next began, or when the wave ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PhaseRecord {
    /// The phase.
    pub phase: Phase,
    /// When.
    pub at: Timestamp,
}

/// Who must act next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NextStep {
    /// Who.
    pub who: String,
    /// What to do.
    pub what: String,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Timestamp>,
}

/// What a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ApprovalKind {
    /// Stop the sources and cut over.
    Cutover,
    /// Finalize: the point of no return.
    Finalize,
    /// Roll back although writes are lost.
    Rollback,
    /// Put a converted schema on its target although it leaves things to people.
    SchemaConversion,
}

impl ApprovalKind {
    /// The kind as it stands in keys and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cutover => "CUTOVER",
            Self::Finalize => "FINALIZE",
            Self::Rollback => "ROLLBACK",
            Self::SchemaConversion => "SCHEMA_CONVERSION",
        }
    }
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Decision {
    /// Yes.
    Approved,
    /// No.
    Rejected,
    /// Nobody answered in time, which never means yes.
    Expired,
}

/// A question and its answer. It belongs to an epoch: an answer to an earlier attempt does not count for a later one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRecord {
    /// The epoch in which it was asked.
    pub epoch: u64,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// Until when it can be answered.
    pub deadline: Timestamp,
    /// What was asked, as it was sent.
    pub question: String,
    /// When the question was sent. Absent when the notification has not been accepted yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notified_at: Option<Timestamp>,
    /// The answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// The principal that AWS authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Why, in the words of the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The wave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaveRecord {
    /// The wave.
    pub wave_id: WaveId,
    /// Raised by every new attempt and by every rollback; a step of an older epoch refuses.
    pub epoch: u64,
    /// Which way it moves.
    pub direction: Direction,
    /// Whether it may be worked on.
    pub status: WaveStatus,
    /// The execution of migrate-wave, or of rollback-wave, that works on it.
    pub execution_arn: String,
    /// When this attempt was planned.
    pub planned_at: Timestamp,
    /// Since when the claims are being made, for taking over a claiming that died.
    pub claiming_since: Timestamp,
    /// SHA-256 of the plan, to tell a repeated start of the same plan from another plan under the same name: the plan
    /// itself grows with servers and is kept in their items.
    pub plan_digest: String,
    /// What the plan says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How many batches.
    pub batches: u32,
    /// How many servers.
    pub servers: u32,
    /// The names of the move groups, in order (at most 50 by the plan's schema).
    pub move_groups: Vec<String>,
    /// How many servers may fail their test while the wave goes on.
    pub failures_allowed: u32,
    /// How many batches are worked on at once.
    pub max_concurrent_batches: u32,
    /// Who asked for the migration, and so cannot approve it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// The change ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_ticket: Option<String>,
    /// How long the sources are kept, in days.
    pub retain_source_days: u32,
    /// From the plan.
    pub approvals_plan: Approvals,
    /// From the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// From the plan, in minutes.
    pub bake_minutes: u32,
    /// From the plan.
    pub deadlines: Deadlines,
    /// From the plan.
    pub rollback: RollbackPolicy,
    /// Who accepted, when starting a rollback of this epoch, what it loses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_acceptance: Option<Acceptance>,
    /// When the phases began, newest last. Bounded: each phase is entered at most once an epoch and group, and only
    /// the newest 100 are kept.
    pub phases: Vec<PhaseRecord>,
    /// When waits of the whole wave began, by name, so that their deadlines survive re-entry. Bounded by their number.
    #[serde(default)]
    pub waits: BTreeMap<String, Timestamp>,
    /// Questions and answers, by kind.
    pub approvals: BTreeMap<String, ApprovalRecord>,
    /// When the bake time ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake_until: Option<Timestamp>,
    /// Since when there may be writes on AWS: the first DNS change that points there was about to be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_to_writes_at: Option<Timestamp>,
    /// When it was about to be finalized. From here on a rollback can only point traffic back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finalize_intent_at: Option<Timestamp>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<WaveOutcome>,
    /// What happened, as one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headline: Option<String>,
    /// Who must act next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_step: Option<NextStep>,
    /// What could not be undone; at most 50, the rest is in the audit trail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo_failures: Vec<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
}

impl WaveRecord {
    /// Notes that a phase begins, unless it is the present one.
    pub fn enter(&mut self, phase: Phase, at: Timestamp) {
        const PHASES_MAX: usize = 100;
        if self.phases.last().is_none_or(|last| last.phase != phase) {
            self.phases.push(PhaseRecord { phase, at });
            if self.phases.len() > PHASES_MAX {
                self.phases.remove(0);
            }
        }
    }

    /// The answer to a question of this epoch, once there is one.
    pub fn decision(&self, kind: ApprovalKind) -> Option<Decision> {
        let record = self.approvals.get(kind.as_str())?;
        (record.epoch == self.epoch).then_some(record.decision).flatten()
    }

    /// Who accepted that the rollback of this epoch loses what was written on AWS: whoever started it with an
    /// acceptance, the plan, or whoever answered the question.
    pub fn loss_accepted_by(&self) -> Option<String> {
        let given = self.rollback_acceptance.as_ref();
        if let Some(acceptance) = given.or(self.rollback.accept_write_loss.as_ref()) {
            return Some(acceptance.accepted_by.clone());
        }
        if self.decision(ApprovalKind::Rollback) != Some(Decision::Approved) {
            return None;
        }
        let answered = self.approvals.get(ApprovalKind::Rollback.as_str())?;
        Some(answered.by.clone().unwrap_or_else(|| "an approver".to_owned()))
    }

    /// True when the wave is worked on, or stands still, with its servers claimed.
    pub fn is_open(&self) -> bool {
        self.status != WaveStatus::Closed
    }
}

/// Which wave has a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimRecord {
    /// The wave.
    pub wave_id: WaveId,
    /// The epoch that claimed it.
    pub epoch: u64,
    /// The server.
    pub source_server_id: SourceServerId,
    /// The batch of the server, so that an event finds what waits for it.
    pub batch: u32,
    /// When.
    pub at: Timestamp,
}

/// Which wave has a database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseClaimRecord {
    /// The wave.
    pub wave_id: WaveId,
    /// The epoch that claimed it.
    pub epoch: u64,
    /// The database, as that wave calls it.
    pub database_id: DatabaseId,
    /// When.
    pub at: Timestamp,
}

/// One line of the audit trail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogRecord {
    /// When.
    pub at: Timestamp,
    /// Which function, or which person.
    pub actor: String,
    /// What, and with which result.
    pub text: String,
}
