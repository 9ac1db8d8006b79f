//! The state that MGN, EC2 and SSM share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::Scene;
use super::host::Host;
use super::replication::Replication;
use super::script::Scripts;
use super::spec::{LaunchObservation, SourceServerSpec};
use super::ssm::{Command, OwnDocument};
use super::words::{HostKind, InitiatedBy, InstanceState, JobStatus, JobType, LaunchStatus, LifeCycleState, Purpose};
use crate::hub::EventDetail;

/// Everything there is.
#[derive(Default)]
pub(crate) struct World {
    pub servers: BTreeMap<String, Server>,
    pub instances: BTreeMap<String, Instance>,
    pub snapshots: BTreeMap<String, VolumeSnapshot>,
    /// In the order of their creation.
    pub jobs: Vec<Job>,
    /// In the order of their sending.
    pub commands: Vec<Command>,
    /// Documents of somebody's own, by name.
    pub documents: BTreeMap<String, Arc<dyn OwnDocument>>,
    pub scripts: Scripts,
    pub launches: Vec<LaunchObservation>,
    /// Events of the present change, emitted when its lock is released.
    pub outbox: Vec<EventDetail>,
    pub peak_open_jobs: usize,
    pub peak_servers_in_jobs: usize,
    pub quota_refusals: usize,
    /// Addresses given to launched instances so far.
    pub addresses: u32,
}

/// `lastTest` or `lastCutover`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marks {
    pub initiated: Option<(Timestamp, String)>,
    pub reverted: Option<Timestamp>,
    pub finalized: Option<Timestamp>,
}

/// `launchedInstance`.
#[derive(Debug, Clone)]
pub(crate) struct Launched {
    pub instance: String,
    pub job: String,
    pub at: Timestamp,
}

/// A source server.
pub(crate) struct Server {
    pub spec: SourceServerSpec,
    pub life: LifeCycleState,
    pub archived: bool,
    pub replication: Replication,
    pub host: Host,
    /// When it was added to the service.
    pub added_at: Timestamp,
    /// When `elapsedReplicationDuration` stopped to grow.
    pub replication_ended_at: Option<Timestamp>,
    pub last_test: Marks,
    pub last_cutover: Marks,
    pub launched: Option<Launched>,
    pub launch_configuration: Map<String, Value>,
    pub replication_configuration: Map<String, Value>,
}

/// One server in a job.
#[derive(Debug, Clone)]
pub(crate) struct Participant {
    pub server: String,
    pub status: LaunchStatus,
    pub instance: Option<String>,
    /// From when on the instance id shows.
    pub instance_visible_at: Option<Timestamp>,
    /// The lifecycle before the call, for the knob that puts it back.
    pub life_before: LifeCycleState,
    /// What the job found out on its way.
    pub course: Course,
}

/// What happens to a participant on its way through a launch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Course {
    pub skipped: bool,
    /// A reason to fail at the end.
    pub failure: Option<String>,
    /// The snapshot to launch from, and whether it is an earlier one.
    pub snapshot: Option<(Timestamp, bool)>,
    /// The earlier instance that this job deletes.
    pub cleaning: Option<String>,
    pub conversion_server: Option<String>,
}

/// One row of a job's log.
#[derive(Debug, Clone)]
pub(crate) struct LogRow {
    pub at: Timestamp,
    pub event: &'static str,
    pub data: Map<String, Value>,
}

/// A job.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub id: String,
    pub kind: JobType,
    pub initiated_by: InitiatedBy,
    pub status: JobStatus,
    pub created_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub participants: Vec<Participant>,
    pub tags: BTreeMap<String, String>,
    pub log: Vec<LogRow>,
}

/// What EC2 has been told to do with an instance; its state follows from the clock.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Power {
    /// Starting, and running from this instant on.
    On(Timestamp),
    /// Stopping, and stopped from this instant on.
    Off(Timestamp),
    /// Told to go at the first instant: shutting down, and terminated from the second on.
    Gone(Timestamp, Timestamp),
}

/// A launched instance.
pub(crate) struct Instance {
    pub id: String,
    pub server: String,
    pub job: String,
    pub purpose: Purpose,
    pub power: Power,
    pub private_ip: String,
    pub instance_type: String,
    pub launched_at: Timestamp,
    /// EC2 does not know it before.
    pub visible_at: Timestamp,
    pub snapshot_at: Timestamp,
    pub host: Host,
    /// From when on both status checks are through.
    pub checks_at: Timestamp,
    /// From when on SSM knows it; none while it has not booted, or never.
    pub registered_at: Option<Timestamp>,
    pub volumes: Vec<(String, u64)>,
    pub security_groups: Vec<String>,
    pub tags: BTreeMap<String, String>,
}

/// An EBS snapshot made through EC2.
pub(crate) struct VolumeSnapshot {
    pub id: String,
    pub volume: String,
    pub server: String,
    pub size_gib: u64,
    pub description: String,
    pub started_at: Timestamp,
    pub completed_at: Timestamp,
    pub tags: BTreeMap<String, String>,
}

impl Job {
    /// PENDING or STARTED: it counts against the quotas and holds its servers.
    pub fn open(&self) -> bool {
        self.status != JobStatus::Completed
    }

    /// Appends a row to the log.
    pub fn note(&mut self, at: Timestamp, event: &'static str, data: &[(&str, &str)]) {
        let data = data.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value)));
        self.log.push(LogRow {
            at,
            event,
            data: data.collect(),
        });
    }
}

impl Server {
    /// The tags and states that a launch or a revert marks.
    pub fn marks(&mut self, purpose: Purpose) -> &mut Marks {
        match purpose {
            Purpose::Test => &mut self.last_test,
            Purpose::Cutover => &mut self.last_cutover,
        }
    }
}

impl Instance {
    /// EC2's state now.
    pub fn state(&self, now: Timestamp) -> InstanceState {
        match self.power {
            Power::On(running) if now < running => InstanceState::Pending,
            Power::On(..) => InstanceState::Running,
            Power::Off(stopped) if now < stopped => InstanceState::Stopping,
            Power::Off(..) => InstanceState::Stopped,
            Power::Gone(_, gone) if now < gone => InstanceState::ShuttingDown,
            Power::Gone(..) => InstanceState::Terminated,
        }
    }

    /// Not shutting down and not terminated.
    pub fn exists(&self) -> bool {
        !matches!(self.power, Power::Gone(..))
    }

    /// Does EC2 still, or already, know it?
    pub fn visible(&self, now: Timestamp, kept: Duration) -> bool {
        let expired = matches!(self.power, Power::Gone(_, gone) if now >= gone + kept);
        now >= self.visible_at && !expired
    }

    /// Shuts its host down and deletes it.
    pub fn terminate(&mut self, scene: &Scene) {
        if self.exists() {
            self.host.shut_down(scene.now);
            self.power = Power::Gone(scene.now, scene.now + scene.pick(scene.knobs.ec2_terminate));
        }
    }

    /// Which host this is of its source server.
    pub fn host_kind(&self) -> HostKind {
        self.purpose.into()
    }
}

impl World {
    /// The open job that holds a server.
    pub fn open_job_of(&self, server: &str) -> Option<&Job> {
        self.jobs
            .iter()
            .filter(|job| job.open())
            .find(|job| job.participants.iter().any(|one| one.server == server))
    }

    /// Open jobs, and servers in them.
    pub fn load(&self) -> (usize, usize) {
        let open = self.jobs.iter().filter(|job| job.open());
        open.fold((0, 0), |(jobs, servers), job| {
            (jobs + 1, servers + job.participants.len())
        })
    }

    /// Adds a job and keeps the peaks.
    pub fn add_job(&mut self, job: Job) {
        self.jobs.push(job);
        let (jobs, servers) = self.load();
        self.peak_open_jobs = self.peak_open_jobs.max(jobs);
        self.peak_servers_in_jobs = self.peak_servers_in_jobs.max(servers);
    }

    /// A job by id.
    pub fn job_mut(&mut self, id: &str) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.id == id)
    }

    /// The newest instance of a purpose that exists.
    pub fn instance_of(&self, server: &str, purpose: Purpose) -> Option<&Instance> {
        self.instances
            .values()
            .filter(|one| one.server == server && one.purpose == purpose && one.exists())
            .max_by_key(|one| one.launched_at)
    }

    /// The next free private address.
    pub fn next_address(&mut self) -> String {
        self.addresses += 1;
        let number = self.addresses + 3;
        format!("10.100.{}.{}", number / 250, number % 250 + 4)
    }
}
