//! The plan: one JSON document that says what a wave, or a program of waves, is.
//!
//! The types here are the schema: `plan.schema.json` is generated from them, and a document is first checked against
//! that schema, so that everything wrong with it is said at once ([`load`]).

pub mod checks;
pub mod database;
mod launch;
mod load;
mod replication;
mod rules;
mod secrets;
mod traffic;

pub use checks::{Check, Quiesce};
pub use database::DatabasePlan;
pub use launch::{BootMode, LaunchDisposition, LaunchSettings, Licensing, RightSizing};
pub use load::{LoadError, Problem, load_program, load_wave, program_schema_text, schema_text};
pub use replication::{DataPlaneRouting, EbsEncryption, ReplicationSettings, StagingDiskType};
pub use traffic::{Address, DnsRecordPlan, RecordType, Traffic};

use crate::ids::{DatabaseId, SourceServerId, WaveId};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The number of servers that MGN takes in one job, and so the largest batch.
/// <https://docs.aws.amazon.com/general/latest/gr/mgn.html>
pub const SERVERS_PER_JOB_MAX: u32 = 200;

/// The number of servers in one wave. Five full batches: beyond it the history of an execution and the pages of the
/// wave table have not been measured.
pub const SERVERS_PER_WAVE_MAX: usize = 1000;

/// The number of waves in one program, bounded because a program is one execution with 25,000 events.
pub const WAVES_PER_PROGRAM_MAX: usize = 100;

/// Waves that run one after the other. The program stops at the first that does not complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProgramPlan {
    /// Names the program in reports and in the names of executions.
    pub program_id: WaveId,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its waves, in order.
    #[schemars(length(min = 1, max = 100))]
    pub waves: Vec<WavePlan>,
}

/// One wave: servers that move in one night.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WavePlan {
    /// Names the wave everywhere. A wave id is used once: a new try is a new execution of the same wave with a
    /// higher epoch.
    pub wave_id: WaveId,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The account it is meant for. When given, a Landfall in any other account refuses the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{12}$"))]
    pub account_id: Option<String>,
    /// The Region it is meant for. When given, a Landfall in any other Region refuses the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z]{2}(-[a-z]+)+-[0-9]$"))]
    pub region: Option<String>,
    /// Settings for every server that does not say otherwise.
    #[serde(default)]
    pub defaults: ServerDefaults,
    /// The servers. A wave has at least one server or database.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub servers: Vec<ServerPlan>,
    /// The databases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub databases: Vec<DatabasePlan>,
    /// Servers that are cut over and switched together, group after group in this order. Without groups all servers
    /// are one group; with groups every server is in exactly one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub move_groups: Vec<MoveGroup>,
    /// How many servers go into one MGN job.
    #[serde(default = "default_batch_size")]
    #[schemars(range(min = 1, max = 200))]
    pub batch_size: u32,
    /// What to point at AWS when the servers run there.
    #[serde(default)]
    pub traffic: Traffic,
    /// How many batches are worked on at once.
    #[serde(default = "default_concurrent_batches")]
    #[schemars(range(min = 1, max = 20))]
    pub max_concurrent_batches: u32,
    /// How many servers may fail their test and be left out, by name, while the wave goes on. One more, and the wave
    /// unwinds. A declared move group is never split: in a wave with move groups any failure unwinds it.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub failure_threshold: u32,
    /// The principal that asks for the migration, as AWS names it. When given, it cannot approve anything itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    pub requested_by: Option<String>,
    /// The change ticket, which questions to approvers repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub change_ticket: Option<String>,
    /// How long the sources are kept after the wave is finalized, in days: until then traffic can be pointed back.
    #[serde(default = "default_retain_source_days")]
    #[schemars(range(min = 0, max = 365))]
    pub retain_source_days: u32,
    /// How long people have to decide.
    #[serde(default)]
    pub approvals: Approvals,
    /// When the sources may be stopped. Without a window: as soon as the cutover is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// How long a switched wave is watched before finalize is asked for, in minutes.
    #[serde(default = "default_bake_minutes")]
    #[schemars(range(min = 1, max = 43200))]
    pub bake_minutes: u32,
    /// How long each wait may last.
    #[serde(default)]
    pub deadlines: Deadlines,
    /// What a rollback after the switch may lose.
    #[serde(default)]
    pub rollback: RollbackPolicy,
    /// Rules that do not hold for a server, each approved by somebody. The report repeats them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub waivers: Vec<Waiver>,
}

/// Settings for every server of a wave that does not say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServerDefaults {
    /// Replication settings; a server's own members win one by one.
    #[serde(default)]
    pub replication: ReplicationSettings,
    /// Launch settings; a server's own members win one by one.
    #[serde(default)]
    pub launch: LaunchSettings,
    /// Checks that run on every server, before its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub checks: Vec<Check>,
}

/// One source server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServerPlan {
    /// The source server as MGN knows it.
    pub source_server_id: SourceServerId,
    /// Its host name, for people; MGN's own wins in no decision.
    #[schemars(length(min = 1, max = 255))]
    pub hostname: String,
    /// Replication settings of this server.
    #[serde(default)]
    pub replication: ReplicationSettings,
    /// Launch settings of this server.
    #[serde(default)]
    pub launch: LaunchSettings,
    /// Checks of this server, after the defaults.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub checks: Vec<Check>,
    /// How its writers are stopped before the cutover launch. MGN never stops a source, and what is written after the
    /// snapshot of the launch is not on the instance.
    pub quiesce: Quiesce,
}

/// Servers that move together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MoveGroup {
    /// Its name.
    pub id: WaveId,
    /// Its servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub servers: Vec<SourceServerId>,
    /// Its databases: cut over when its servers stand, before its traffic moves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub databases: Vec<DatabaseId>,
}

/// How long people have to decide. An approval that expires never advances a wave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approvals {
    /// Hours to approve the cutover, from the end of the tests.
    #[serde(default = "default_approval_hours")]
    #[schemars(range(min = 1, max = 720))]
    pub cutover_hours: u32,
    /// Hours to approve the finalization, from the end of the bake time.
    #[serde(default = "default_approval_hours")]
    #[schemars(range(min = 1, max = 720))]
    pub finalize_hours: u32,
    /// Hours to accept a rollback that loses writes.
    #[serde(default = "default_rollback_hours")]
    #[schemars(range(min = 1, max = 720))]
    pub rollback_hours: u32,
}

impl Default for Approvals {
    fn default() -> Self {
        Self {
            cutover_hours: default_approval_hours(),
            finalize_hours: default_approval_hours(),
            rollback_hours: default_rollback_hours(),
        }
    }
}

/// When the sources may be stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Window {
    /// Not before this instant.
    #[schemars(with = "String", regex(pattern = INSTANT))]
    pub not_before: Timestamp,
    /// No source is stopped and no cutover launch begins after this instant; what was done is undone then.
    #[schemars(with = "String", regex(pattern = INSTANT))]
    pub not_after: Timestamp,
}

/// RFC 3339, with the zone: an instant without a zone means another one in every office.
const INSTANT: &str =
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2})$";

/// How long each wait may last before the wave stops waiting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deadlines {
    /// Hours for all servers to become ready for testing.
    #[serde(default = "default_readiness_hours")]
    #[schemars(range(min = 1, max = 720))]
    pub readiness_hours: u32,
    /// Minutes for an MGN job.
    #[serde(default = "default_job_minutes")]
    #[schemars(range(min = 10, max = 1440))]
    pub job_minutes: u32,
    /// Minutes for the checks of a batch, status checks included.
    #[serde(default = "default_validation_minutes")]
    #[schemars(range(min = 5, max = 1440))]
    pub validation_minutes: u32,
    /// Minutes from the stop of the services to a snapshot that holds everything.
    #[serde(default = "default_quiesce_minutes")]
    #[schemars(range(min = 5, max = 1440))]
    pub quiesce_minutes: u32,
    /// Minutes for a DNS change to reach all authoritative servers.
    #[serde(default = "default_dns_minutes")]
    #[schemars(range(min = 2, max = 120))]
    pub dns_minutes: u32,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            readiness_hours: default_readiness_hours(),
            job_minutes: default_job_minutes(),
            validation_minutes: default_validation_minutes(),
            quiesce_minutes: default_quiesce_minutes(),
            dns_minutes: default_dns_minutes(),
        }
    }
}

/// What a rollback after the switch may lose.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RollbackPolicy {
    /// When given, a wave that fails after its switch rolls back by itself and loses what was written on AWS since.
    /// Without it, somebody is asked first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_write_loss: Option<Acceptance>,
}

/// A person who accepts a loss beforehand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Acceptance {
    /// Who.
    #[schemars(length(min = 1, max = 200))]
    pub accepted_by: String,
    /// Why.
    #[schemars(length(min = 1, max = 1000))]
    pub reason: String,
}

/// A rule that does not hold for a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Waiver {
    /// Which rule.
    pub rule: WaivedRule,
    /// For which server.
    pub source_server_id: SourceServerId,
    /// Who approved it.
    #[schemars(length(min = 1, max = 200))]
    pub approved_by: String,
    /// Why.
    #[schemars(length(min = 1, max = 1000))]
    pub reason: String,
}

/// The rules that can be waived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WaivedRule {
    /// The server is cut over without a test launch.
    UntestedCutover,
}

impl WaivedRule {
    /// The rule in words, for the report.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::UntestedCutover => "cut over without a test launch",
        }
    }
}

impl WavePlan {
    /// True when the plan waives the rule for the server.
    pub fn waives(&self, rule: WaivedRule, server: &SourceServerId) -> bool {
        self.waivers
            .iter()
            .any(|waiver| waiver.rule == rule && &waiver.source_server_id == server)
    }

    /// The server with the defaults of the wave filled in.
    pub fn resolved(&self, server: &ServerPlan) -> ServerPlan {
        let mut resolved = server.clone();
        resolved.replication.fill_from(&self.defaults.replication);
        resolved.launch.fill_from(&self.defaults.launch);
        resolved.checks = [self.defaults.checks.clone(), server.checks.clone()].concat();
        resolved
    }

    /// How many servers may fail their test while the wave goes on.
    pub fn failures_allowed(&self) -> u32 {
        if self.move_groups.is_empty() {
            self.failure_threshold
        } else {
            0
        }
    }

    /// The move group of a database, by name; that of a plan without groups is named `all`.
    pub fn group_of(&self, database: &DatabaseId) -> String {
        let group = self.move_groups.iter().find(|group| group.databases.contains(database));
        group.map_or_else(|| "all".to_owned(), |group| group.id.to_string())
    }

    /// The move groups in order; a plan without groups has one, named `all`.
    pub fn groups(&self) -> Vec<(String, Vec<SourceServerId>)> {
        if self.move_groups.is_empty() {
            let all = self.servers.iter().map(|server| server.source_server_id.clone());
            return vec![("all".to_owned(), all.collect())];
        }
        self.move_groups
            .iter()
            .map(|group| (group.id.to_string(), group.servers.clone()))
            .collect()
    }
}

/// What is wanted, where it is not what is there already.
fn differs<T: PartialEq + Clone>(wanted: &Option<T>, current: &Option<T>) -> Option<T> {
    wanted
        .as_ref()
        .filter(|wanted| Some(*wanted) != current.as_ref())
        .cloned()
}

/// Ten servers: small enough to look at, large enough to be quick.
fn default_batch_size() -> u32 {
    10
}
fn default_concurrent_batches() -> u32 {
    5
}
fn default_retain_source_days() -> u32 {
    30
}
/// Three days: a week-end, and the first working day after it.
fn default_bake_minutes() -> u32 {
    72 * 60
}
fn default_approval_hours() -> u32 {
    72
}
fn default_rollback_hours() -> u32 {
    12
}
fn default_readiness_hours() -> u32 {
    72
}
fn default_job_minutes() -> u32 {
    120
}
fn default_validation_minutes() -> u32 {
    45
}
fn default_quiesce_minutes() -> u32 {
    60
}
fn default_dns_minutes() -> u32 {
    15
}
