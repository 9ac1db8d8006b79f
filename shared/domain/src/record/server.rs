//! A server of a wave: its part of the plan, and the facts of its migration.

use crate::ids::{InstanceId, JobId, SourceServerId, WaveId};
use crate::plan::{LaunchSettings, ReplicationSettings, ServerPlan, Waiver};
use crate::report::{CheckPhase, CheckReport};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is known of one launch of a server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaunchFacts {
    /// When the launch was put on record, before the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intended_at: Option<Timestamp>,
    /// The job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// When the instance was seen to be launched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launched_at: Option<Timestamp>,
    /// The instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<InstanceId>,
    /// When all its checks had passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validated_at: Option<Timestamp>,
    /// Why it is no success, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// When its instance was seen to be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminated_at: Option<Timestamp>,
}

/// What is known of one command to one host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandFacts {
    /// The id of the intent, which the command carries in its comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent_id: Option<String>,
    /// When it was put on record, before the command was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intended_at: Option<Timestamp>,
    /// The command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<String>,
    /// When it was seen to have succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Timestamp>,
}

impl CommandFacts {
    /// A command that is about to be sent.
    pub fn intended(intent_id: String, at: Timestamp) -> Self {
        Self {
            intent_id: Some(intent_id),
            intended_at: Some(at),
            ..Self::default()
        }
    }
}

/// What is known of the stop of a source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuiesceFacts {
    /// The command that stops the services.
    #[serde(default)]
    pub stop: CommandFacts,
    /// When the services were seen to be stopped, by our clock: the host's own clock may be wrong, and a stop that is
    /// dated too early lets an older snapshot pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<Timestamp>,
    /// The snapshot, later than the stop, that holds everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_at: Option<Timestamp>,
    /// Why it is no success, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The command that starts the services again.
    #[serde(default)]
    pub restart: CommandFacts,
    /// When they were seen to be started again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarted_at: Option<Timestamp>,
}

/// One run of a check on a server, found again by its intent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckRun {
    /// In which phase.
    pub phase: CheckPhase,
    /// Which check of the server's plan, from 0.
    pub check: u32,
    /// The id of the intent, which the command carries in its comment.
    pub intent_id: String,
    /// When it was put on record.
    pub intended_at: Timestamp,
    /// The command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<String>,
}

/// A server of a wave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerRecord {
    /// The wave.
    pub wave_id: WaveId,
    /// The server.
    pub source_server_id: SourceServerId,
    /// Its batch, from 1.
    pub batch: u32,
    /// Its move group.
    pub move_group: String,
    /// Its part of the plan, with the wave's defaults filled in.
    pub plan: ServerPlan,
    /// What is waived for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<Waiver>,
    /// Launch settings before Landfall changed them, recorded once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_launch: Option<LaunchSettings>,
    /// Replication settings before Landfall changed them, recorded once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_replication: Option<ReplicationSettings>,
    /// When its settings were as the plan wants them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured_at: Option<Timestamp>,
    /// When it was seen to be ready for testing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Timestamp>,
    /// Its test.
    #[serde(default)]
    pub test: LaunchFacts,
    /// When it was about to be marked as ready for cutover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark_intended_at: Option<Timestamp>,
    /// When it was marked as ready for cutover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marked_ready_at: Option<Timestamp>,
    /// Why the wave goes on without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<String>,
    /// The stop of its source.
    #[serde(default)]
    pub quiesce: QuiesceFacts,
    /// Its cutover.
    #[serde(default)]
    pub cutover: LaunchFacts,
    /// The start, on the cutover instance, of the services that were stopped on the source.
    #[serde(default)]
    pub services_started: CommandFacts,
    /// When traffic was seen to point at AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switched_at: Option<Timestamp>,
    /// When the checks after the switch had passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validated_after_switch_at: Option<Timestamp>,
    /// Why the checks after the switch did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_switch_failure: Option<String>,
    /// When it was about to be finalized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finalize_intended_at: Option<Timestamp>,
    /// When it was finalized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finalized_at: Option<Timestamp>,
    /// When it was archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<Timestamp>,
    /// When its cutover instance was stopped by a rollback, so that nothing writes on it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolated_at: Option<Timestamp>,
    /// Snapshots of the cutover instance, taken as evidence before it was terminated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence_snapshots: Vec<String>,
    /// When those were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_intended_at: Option<Timestamp>,
    /// Runs of checks that are not settled yet; at most 40, the number of checks of a plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub check_runs: Vec<CheckRun>,
    /// Results of checks; at most 41 in each of three phases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckReport>,
}

impl ServerRecord {
    /// A server of which nothing is known but the plan.
    pub fn new(wave_id: WaveId, batch: u32, move_group: String, plan: ServerPlan, waivers: Vec<Waiver>) -> Self {
        Self {
            wave_id,
            source_server_id: plan.source_server_id.clone(),
            batch,
            move_group,
            plan,
            waivers,
            previous_launch: None,
            previous_replication: None,
            configured_at: None,
            ready_at: None,
            test: LaunchFacts::default(),
            mark_intended_at: None,
            marked_ready_at: None,
            excluded: None,
            quiesce: QuiesceFacts::default(),
            cutover: LaunchFacts::default(),
            services_started: CommandFacts::default(),
            switched_at: None,
            validated_after_switch_at: None,
            after_switch_failure: None,
            finalize_intended_at: None,
            finalized_at: None,
            archived_at: None,
            isolated_at: None,
            evidence_snapshots: Vec::new(),
            evidence_intended_at: None,
            check_runs: Vec::new(),
            checks: Vec::new(),
        }
    }

    /// The launch that a phase of checks looks at.
    pub fn launch(&self, phase: CheckPhase) -> &LaunchFacts {
        match phase {
            CheckPhase::Test => &self.test,
            CheckPhase::Cutover | CheckPhase::AfterSwitch => &self.cutover,
        }
    }

    /// True while the wave still moves it.
    pub fn takes_part(&self) -> bool {
        self.excluded.is_none()
    }
}
