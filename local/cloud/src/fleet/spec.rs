//! What a runner or a test puts into the fleet, and what it may see of it without going through AWS's APIs.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::words::{
    InitiatedBy, InstanceState, JobStatus, JobType, LaunchStatus, LifeCycleState, Purpose, ReplicationState,
};

/// Where a new source server stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Initial {
    /// Initial sync is over: READY_FOR_TEST, CONTINUOUS.
    ReadyForTest,
    /// NOT_READY and INITIAL_SYNC, to become READY_FOR_TEST (with its event) after this long.
    InitialSync {
        /// How long the sync still takes.
        lasts: Duration,
    },
}

/// One source server as the outside world knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceServerSpec {
    /// MGN's id: `s-` and 17 letters or digits.
    pub id: String,
    /// `identificationHints.hostname`.
    pub hostname: String,
    /// `os.fullString`, as in `Ubuntu 22.04.4 LTS`. A text with `Windows` in it makes the host a Windows host.
    pub os: String,
    /// The source's primary address.
    pub source_ip: String,
    /// Names of the services it runs; the host writes whenever any of them runs. All start enabled and active.
    pub services: Vec<String>,
    /// The source's SSM node id (`mi-…`), if it is one.
    pub managed_instance_id: Option<String>,
    /// Sizes of its disks, in bytes; the first is the boot disk.
    pub disk_bytes: Vec<u64>,
    /// How long it has been replicating already; counts against the 2,160 free hours.
    pub replicating_for: Duration,
    /// Tags of the source server.
    pub tags: BTreeMap<String, String>,
    /// Where it stands at the start.
    pub initial: Initial,
}

impl SourceServerSpec {
    /// An ordinary Linux server that is ready for test, with services `nginx` and `app`, 40 GiB, and an SSM node of the same digits.
    pub fn ready(id: &str, hostname: &str, source_ip: &str) -> SourceServerSpec {
        SourceServerSpec {
            id: id.to_owned(),
            hostname: hostname.to_owned(),
            os: "Ubuntu 22.04.4 LTS".to_owned(),
            source_ip: source_ip.to_owned(),
            services: vec!["nginx".to_owned(), "app".to_owned()],
            managed_instance_id: Some(format!("mi-{}", id.trim_start_matches("s-"))),
            disk_bytes: vec![40 << 30],
            replicating_for: Duration::from_secs(3 * 24 * 3600),
            tags: BTreeMap::new(),
            initial: Initial::ReadyForTest,
        }
    }
}

/// A time during which a host's services ran, and the host wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WritingPeriod {
    /// When the first service started.
    pub started: Timestamp,
    /// When the last service stopped; none while it still runs.
    pub stopped: Option<Timestamp>,
}

/// One service of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceView {
    /// Its name.
    pub name: String,
    /// Starts at boot.
    pub enabled: bool,
    /// Runs now.
    pub active: bool,
}

/// A source server now.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceServerView {
    /// MGN's id.
    pub id: String,
    /// Its host name.
    pub hostname: String,
    /// `lifeCycle.state`.
    pub life_cycle: LifeCycleState,
    /// `isArchived`.
    pub archived: bool,
    /// `dataReplicationState`.
    pub replication: ReplicationState,
    /// Bytes not yet replicated.
    pub backlog_bytes: u64,
    /// The last consistent snapshot.
    pub last_snapshot_at: Option<Timestamp>,
    /// Services of the source host.
    pub services: Vec<ServiceView>,
    /// Does the source write now?
    pub writing: bool,
    /// The source's last write: now while it writes, otherwise when it stopped.
    pub last_write_at: Option<Timestamp>,
    /// When the source wrote.
    pub writing_periods: Vec<WritingPeriod>,
    /// The newest test instance that is not terminated.
    pub test_instance: Option<String>,
    /// The newest cutover instance that is not terminated.
    pub cutover_instance: Option<String>,
    /// The open job that holds it.
    pub open_job: Option<String>,
    /// When FinalizeCutover was accepted.
    pub finalized_at: Option<Timestamp>,
    /// The launch configuration, as MGN would print it.
    pub launch_configuration: serde_json::Value,
    /// The replication configuration, as MGN would print it.
    pub replication_configuration: serde_json::Value,
}

/// A launched instance now; terminated ones stay in the list for ever.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceView {
    /// EC2's id.
    pub id: String,
    /// The source server it was launched from.
    pub server: String,
    /// The job that launched it.
    pub job: String,
    /// Test or cutover.
    pub purpose: Purpose,
    /// EC2's state.
    pub state: InstanceState,
    /// Its private address.
    pub private_ip: String,
    /// When EC2 began to launch it.
    pub launched_at: Timestamp,
    /// When its termination was asked for.
    pub terminated_at: Option<Timestamp>,
    /// The snapshot it was made from.
    pub snapshot_at: Timestamp,
    /// Its services.
    pub services: Vec<ServiceView>,
    /// When its services ran: a target that can be written once traffic points at it.
    pub writing_periods: Vec<WritingPeriod>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A job now.
#[derive(Debug, Clone, PartialEq)]
pub struct JobView {
    /// MGN's id.
    pub id: String,
    /// LAUNCH or TERMINATE.
    pub kind: JobType,
    /// Which call began it.
    pub initiated_by: InitiatedBy,
    /// PENDING, STARTED, COMPLETED.
    pub status: JobStatus,
    /// Each server with its status and, when launched, its instance.
    pub servers: Vec<(String, LaunchStatus, Option<String>)>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When the call was accepted.
    pub created_at: Timestamp,
    /// When it completed.
    pub ended_at: Option<Timestamp>,
}

/// What a cutover instance was made from: no cutover may use a snapshot older than the quiesce of its source.
#[derive(Debug, Clone, PartialEq)]
pub struct LaunchObservation {
    /// The source server.
    pub server: String,
    /// The cutover job.
    pub job: String,
    /// The instance.
    pub instance: String,
    /// When the snapshot was taken.
    pub snapshot_at: Timestamp,
    /// Writes until then are in the snapshot; earlier than `snapshot_at` while the source writes or drains.
    pub snapshot_data_through: Timestamp,
    /// MGN used an earlier snapshot (USING_PREVIOUS_SNAPSHOT in the job log).
    pub used_previous_snapshot: bool,
    /// The source's last write as of LAUNCHED.
    pub source_last_write_at: Option<Timestamp>,
    /// Did the source write when the snapshot was taken, or since?
    pub source_was_writing: bool,
    /// Some write of the source is not in the instance.
    pub writes_missing: bool,
    /// When it was LAUNCHED.
    pub launched_at: Timestamp,
}

/// Something that exists and costs money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CostKind {
    /// An instance that is neither stopped nor terminated.
    RunningInstance,
    /// An instance that is stopped: its volumes cost.
    StoppedInstance,
    /// An EBS snapshot.
    Snapshot,
    /// A source server that replicates: staging disks and replication server, and MGN's hourly price past 2,160 hours.
    ReplicatingServer,
}

/// One row of what runs and costs money now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostItem {
    /// What it is.
    pub kind: CostKind,
    /// Its id.
    pub id: String,
    /// The source server behind it.
    pub server: String,
    /// Since when.
    pub since: Timestamp,
}
