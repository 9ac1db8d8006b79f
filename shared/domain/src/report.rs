//! The story of a wave, as data: what the report page shows and what `report.json` holds.
//!
//! Every sentence is written here or by the code that assembles the report, never by the page: a reader of the JSON
//! must learn the same things as a reader of the page.

mod database;

pub use database::{DatabaseDowntime, DatabaseOutcome, DatabaseReport, TableReport, milliseconds};

use crate::ids::{HostedZoneId, InstanceId, JobId, SourceServerId, WaveId};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything that is known of a wave, or of the waves of a program, at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What the report is about: the program's id, or the wave's.
    pub title: String,
    /// When the table was read.
    #[schemars(with = "String")]
    pub generated_at: Timestamp,
    /// The account that the waves migrate into.
    pub account: String,
    /// The Region that the waves migrate into.
    pub region: String,
    /// One sentence that says how it stands.
    pub headline: String,
    /// The waves, in the order in which they were to run.
    pub waves: Vec<WaveReport>,
}

/// How a wave stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WaveOutcome {
    /// It was never planned: an earlier wave of its program stopped the program.
    NotStarted,
    /// It is under way.
    InProgress,
    /// All its servers are finalized, or were left out by name.
    Completed,
    /// Everything that was done has been undone.
    RolledBack,
    /// It stands still until a person acts; `next_action` says who and how.
    NeedsOperator,
}

/// One wave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaveReport {
    /// The wave.
    pub wave_id: WaveId,
    /// What the plan says it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How it stands.
    pub outcome: WaveOutcome,
    /// One sentence: what happened.
    pub headline: String,
    /// When it was planned. Absent for a wave that never started.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub started_at: Option<Timestamp>,
    /// When it ended. Absent while it is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub ended_at: Option<Timestamp>,
    /// Who must act next, and how. Absent when nobody must.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_action: Option<NextAction>,
    /// Which way back is still open.
    pub way_back: WayBack,
    /// What the wave spent its time on, in order.
    pub phases: Vec<PhaseSpan>,
    /// Its servers, by batch and id.
    pub servers: Vec<ServerReport>,
    /// Its databases, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<DatabaseReport>,
    /// Its record sets.
    pub dns: Vec<DnsReport>,
    /// Who decided what.
    pub approvals: Vec<ApprovalReport>,
    /// The rules that the plan waived.
    pub waivers: Vec<WaiverReport>,
    /// What still runs and costs money because of this wave.
    pub running: Vec<RunningThing>,
    /// What could not be undone, each a sentence with its remedy.
    pub undo_failures: Vec<String>,
    /// The audit trail, oldest first; the newest 500 lines of it.
    pub log: Vec<LogLine>,
}

/// Who must act next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NextAction {
    /// Who: "an approver", "the operator on call", a name from the plan.
    pub who: String,
    /// What to do, as one sentence in the imperative.
    pub what: String,
    /// Until when. Absent when there is no deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub by: Option<Timestamp>,
}

/// What a rollback costs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WayBackKind {
    /// Nothing to undo.
    NothingToUndo,
    /// Free: no client has written on AWS.
    Free,
    /// What was written on AWS since the switch is lost: MGN does not replicate back. Needs an explicit acceptance.
    LosesWrites,
    /// Replication is gone: only traffic can be pointed back and the source started again.
    TrafficOnly,
}

/// The way back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WayBack {
    /// What it costs.
    pub kind: WayBackKind,
    /// The same as a sentence, with what to start.
    pub sentence: String,
    /// Until when it is certain. Absent when there is no known end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
}

/// One phase of a wave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhaseSpan {
    /// Its name as people say it: "Test", "Cut over", "Bake".
    pub name: String,
    /// When it began.
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// When it ended. Absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub to: Option<Timestamp>,
}

/// How a server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServerOutcome {
    /// Nothing was changed for it yet.
    Waiting,
    /// It is being tested.
    Testing,
    /// Its test passed.
    Tested,
    /// Its test did not pass, and the wave went on without it.
    Excluded,
    /// Its cutover is under way.
    CuttingOver,
    /// Traffic goes to AWS.
    Switched,
    /// It is finalized: AWS is its only home.
    Finalized,
    /// It runs on its source again.
    RolledBack,
    /// It is held for a person.
    Held,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerReport {
    /// The source server.
    pub source_server_id: SourceServerId,
    /// Its host name.
    pub hostname: String,
    /// Which batch of the wave, from 1.
    pub batch: u32,
    /// Which move group.
    pub move_group: String,
    /// How it stands.
    pub outcome: ServerOutcome,
    /// One sentence: what happened to it.
    pub sentence: String,
    /// When its parts happened.
    pub milestones: Milestones,
    /// From the stop of its services on the source to the moment traffic went to AWS, or, after a rollback, to their
    /// start on the source. Absent when it was never stopped, or is still down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downtime_seconds: Option<u64>,
    /// True while its services are stopped on the source and traffic has not moved.
    pub down_now: bool,
    /// The test instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_instance_id: Option<InstanceId>,
    /// The cutover instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cutover_instance_id: Option<InstanceId>,
    /// The MGN job that launched the cutover instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cutover_job_id: Option<JobId>,
    /// Its checks, oldest first.
    pub checks: Vec<CheckReport>,
}

/// When the parts of a server's migration happened. Absent: it did not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Milestones {
    /// The test passed and the server was marked ready for cutover.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub tested_at: Option<Timestamp>,
    /// The services on the source were stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub quiesced_at: Option<Timestamp>,
    /// The cutover instance was launched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub cut_over_at: Option<Timestamp>,
    /// The checks on the cutover instance passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub validated_at: Option<Timestamp>,
    /// Traffic went to AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub switched_at: Option<Timestamp>,
    /// The cutover was finalized.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub finalized_at: Option<Timestamp>,
    /// The services on the source were started again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub source_restarted_at: Option<Timestamp>,
}

/// When a check ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CheckPhase {
    /// On the test instance.
    Test,
    /// On the cutover instance, before traffic goes to it.
    Cutover,
    /// On the cutover instance, after traffic went to it.
    AfterSwitch,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// Its name in the plan, or "EC2 status checks".
    pub name: String,
    /// When it ran.
    pub phase: CheckPhase,
    /// Whether it passed.
    pub passed: bool,
    /// What it said: the end of its output, capped.
    pub detail: String,
    /// When it was read.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

/// How a record set stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DnsState {
    /// Recorded; nothing changed.
    Recorded,
    /// Its TTL is lowered.
    Prepared,
    /// It points at AWS.
    Switched,
    /// It points at AWS and has its old TTL back.
    Settled,
    /// It is as it was recorded.
    Restored,
    /// Somebody else changed it: it was left alone, and a person must look.
    Held,
}

/// One record set, before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DnsReport {
    /// Its zone.
    pub hosted_zone_id: HostedZoneId,
    /// Its name, with the final dot.
    pub name: String,
    /// Its type: A, AAAA, CNAME.
    pub record_type: String,
    /// How it stands.
    pub state: DnsState,
    /// As it was recorded before anything changed, one line a member: "10.0.1.11 ttl 300".
    pub before: Vec<String>,
    /// As Landfall last left it, one line a member.
    pub after: Vec<String>,
}

/// One decision of a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalReport {
    /// What was asked: "cutover", "finalize", "rollback".
    pub kind: String,
    /// When it was asked.
    #[schemars(with = "String")]
    pub asked_at: Timestamp,
    /// The decision, once there is one: "APPROVED", "REJECTED", "EXPIRED".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// Who decided: the principal that AWS authenticated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub at: Option<Timestamp>,
    /// Why, in the words of the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One rule that the plan waived.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaiverReport {
    /// Which rule, in words.
    pub rule: String,
    /// For which server.
    pub source_server_id: SourceServerId,
    /// Who approved it.
    pub approved_by: String,
    /// Why.
    pub reason: String,
}

/// Something that runs and costs money.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunningThing {
    /// What it is: "cutover instance", "replication of web-01", "evidence snapshot".
    pub what: String,
    /// Its id.
    pub id: String,
    /// Since when, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// Whether it is meant to run ("production") or how it ends ("ends with finalize").
    pub note: String,
}

/// One line of the audit trail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Which function, or which person.
    pub actor: String,
    /// What, and with which result.
    pub text: String,
}
