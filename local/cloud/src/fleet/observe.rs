//! Setting a fleet up, scripting its troubles, and looking at it from outside AWS.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::host::Host;
use super::mgn;
use super::replication::Replication;
use super::script::{Script, When};
use super::spec::{Initial, InstanceView, JobView, LaunchObservation, SourceServerSpec, SourceServerView};
use super::ssm::OwnDocument;
use super::words::{InitiatedBy, JobStatus, JobType, LaunchStatus, LifeCycleState, Purpose, ReplicationState};
use super::world::{Course, Instance, Job, Marks, Participant, Power, Server, World};
use super::{Fleet, Scene};

impl Fleet {
    /// Adds a document of somebody's own. One of the same name is replaced.
    pub fn add_document(&self, name: &str, document: Arc<dyn OwnDocument>) {
        self.with(|world, _| world.documents.insert(name.to_owned(), document));
    }

    /// Adds a source server whose agent is installed. A server of the same id is replaced.
    pub fn add_source_server(&self, spec: SourceServerSpec) {
        let id = spec.id.clone();
        let sync = match spec.initial {
            Initial::ReadyForTest => None,
            Initial::InitialSync { lasts } => Some(lasts),
        };
        self.with(|world, scene| {
            let server = new_server(spec, scene);
            world.servers.insert(id.clone(), server);
        });
        if let Some(lasts) = sync {
            let fleet = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(lasts).await;
                fleet.with(|world, scene| end_initial_sync(world, scene, &id));
            });
        }
    }

    /// A source server now.
    pub fn server(&self, id: &str) -> Option<SourceServerView> {
        self.with(|world, scene| world.servers.get(id).map(|server| server_view(world, scene, server)))
    }

    /// All source servers, by id.
    pub fn servers(&self) -> Vec<SourceServerView> {
        self.with(|world, scene| {
            world
                .servers
                .values()
                .map(|server| server_view(world, scene, server))
                .collect()
        })
    }

    /// All instances ever launched, by time of launch, then id.
    pub fn instances(&self) -> Vec<InstanceView> {
        self.with(|world, scene| {
            let mut views: Vec<InstanceView> = world.instances.values().map(|one| instance_view(scene, one)).collect();
            views.sort_by(|a, b| (a.launched_at, &a.id).cmp(&(b.launched_at, &b.id)));
            views
        })
    }

    /// All jobs, in the order of their creation.
    pub fn jobs(&self) -> Vec<JobView> {
        self.with(|world, _| world.jobs.iter().map(job_view).collect())
    }

    /// What each launched cutover instance was made from, in the order of launch.
    pub fn launches(&self) -> Vec<LaunchObservation> {
        self.with(|world, _| world.launches.clone())
    }

    /// The most jobs that were ever open together.
    pub fn peak_open_jobs(&self) -> usize {
        self.with(|world, _| world.peak_open_jobs)
    }

    /// The most servers that were ever in open jobs together.
    pub fn peak_servers_in_jobs(&self) -> usize {
        self.with(|world, _| world.peak_servers_in_jobs)
    }

    /// How often a call was refused because of a quota on jobs.
    pub fn quota_refusals(&self) -> usize {
        self.with(|world, _| world.quota_refusals)
    }

    /// Prepares a trouble; see [`Script`].
    pub fn script(&self, script: Script) {
        match &script {
            Script::RegressReplication {
                server,
                when,
                to,
                lasts,
            } => {
                let wait = match when {
                    When::Now => Some(Duration::ZERO),
                    When::After(wait) => Some(*wait),
                    When::At(at) => {
                        let left = at.duration_since(self.inner.hub.now());
                        Some(Duration::try_from(left).unwrap_or(Duration::ZERO))
                    }
                    When::OnLaunch(_) => None,
                };
                match wait {
                    Some(Duration::ZERO) => self.regress(server, *to, *lasts),
                    Some(wait) => self.regress_later(server, *to, *lasts, wait),
                    None => self.with(|world, _| world.scripts.add(script.clone())),
                }
            }
            Script::ForeignJob { servers, lasts } => self.hold_by_foreign_job(servers, *lasts),
            _ => self.with(|world, _| world.scripts.add(script.clone())),
        }
    }

    fn regress_later(&self, server: &str, to: ReplicationState, lasts: Option<Duration>, wait: Duration) {
        let (fleet, server) = (self.clone(), server.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            fleet.regress(&server, to, lasts);
        });
    }

    /// Takes a server out of continuous replication now, and back after a while.
    pub(crate) fn regress(&self, id: &str, to: ReplicationState, lasts: Option<Duration>) {
        let generation = self.with(|world, scene| {
            let server = world.servers.get_mut(id)?;
            if server.replication.ended() {
                return None;
            }
            server.replication.turn(to, scene.now);
            let generation = server.replication.generation;
            if to == ReplicationState::Stalled {
                world.outbox.push(mgn::stalled_event(scene, id, "STALLED"));
            }
            Some(generation)
        });
        let (Some(generation), Some(lasts)) = (generation, lasts) else {
            return;
        };
        let (fleet, id) = (self.clone(), id.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(lasts).await;
            fleet.with(|world, scene| recover(world, scene, &id, generation));
        });
    }

    fn hold_by_foreign_job(&self, servers: &[String], lasts: Duration) {
        let id = self.with(|world, scene| {
            let id = scene.id("mgnjob-", 17);
            let participants = servers.iter().map(|server| Participant {
                server: server.clone(),
                status: LaunchStatus::InProgress,
                instance: None,
                instance_visible_at: None,
                life_before: world
                    .servers
                    .get(server)
                    .map_or(LifeCycleState::NotReady, |one| one.life),
                course: Course::default(),
            });
            let mut job = Job {
                id: id.clone(),
                kind: JobType::Launch,
                initiated_by: InitiatedBy::Diagnostic,
                status: JobStatus::Started,
                created_at: scene.now,
                ended_at: None,
                participants: participants.collect(),
                tags: Default::default(),
                log: Vec::new(),
            };
            job.note(scene.now, "JOB_START", &[]);
            world.add_job(job);
            id
        });
        let fleet = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(lasts).await;
            fleet.with(|world, scene| {
                if let Some(job) = world.job_mut(&id) {
                    for one in &mut job.participants {
                        one.status = LaunchStatus::Terminated;
                    }
                    job.status = JobStatus::Completed;
                    job.ended_at = Some(scene.now);
                    job.note(scene.now, "JOB_END", &[]);
                }
            });
        });
    }
}

fn new_server(spec: SourceServerSpec, scene: &Scene) -> Server {
    let rhythm = scene.pick(scene.knobs.snapshot_every);
    let seed = scene.hub.random();
    let added_at = scene.now - spec.replicating_for;
    let (life, replication) = match spec.initial {
        Initial::ReadyForTest => {
            // The first snapshot lies within one rhythm of now, at a phase of the server's own.
            let phase = SignedDuration::from_millis((seed % (rhythm.as_millis().max(1) as u64)) as i64);
            let since = scene.now - phase;
            (
                LifeCycleState::ReadyForTest,
                Replication::continuous(since, rhythm, seed),
            )
        }
        Initial::InitialSync { lasts } => (
            LifeCycleState::NotReady,
            Replication::initial(scene.now, scene.now + lasts, rhythm, seed),
        ),
    };
    Server {
        life,
        archived: false,
        replication,
        host: Host::running(&spec.services, added_at),
        added_at,
        replication_ended_at: None,
        last_test: Marks::default(),
        last_cutover: Marks::default(),
        launched: None,
        launch_configuration: mgn::default_launch_configuration(&spec, scene),
        replication_configuration: mgn::default_replication_configuration(&spec),
        spec,
    }
}

fn end_initial_sync(world: &mut World, scene: &Scene, id: &str) {
    let Some(server) = world.servers.get_mut(id) else {
        return;
    };
    if server.life != LifeCycleState::NotReady || server.replication.ended() {
        return;
    }
    server.replication.turn(ReplicationState::Continuous, scene.now);
    server.life = LifeCycleState::ReadyForTest;
    world.outbox.push(mgn::ready_for_test_event(scene, id));
}

fn recover(world: &mut World, scene: &Scene, id: &str, generation: u64) {
    let Some(server) = world.servers.get_mut(id) else {
        return;
    };
    if server.replication.generation != generation {
        return;
    }
    let stalled = server.replication.state == ReplicationState::Stalled;
    server.replication.turn(ReplicationState::Continuous, scene.now);
    if stalled {
        world.outbox.push(mgn::stalled_event(scene, id, "NOT_STALLED"));
    }
}

fn server_view(world: &World, scene: &Scene, server: &Server) -> SourceServerView {
    let id = &server.spec.id;
    let reading = server.replication.reading(&server.host, scene.now, scene.knobs);
    let instance = |purpose| world.instance_of(id, purpose).map(|one| one.id.clone());
    SourceServerView {
        id: id.clone(),
        hostname: server.spec.hostname.clone(),
        life_cycle: server.life,
        archived: server.archived,
        replication: server.replication.state,
        backlog_bytes: reading.backlog,
        last_snapshot_at: reading.last_snapshot,
        services: server.host.services(),
        writing: server.host.writing(),
        last_write_at: server.host.last_write_at(scene.now),
        writing_periods: server.host.periods(),
        test_instance: instance(Purpose::Test),
        cutover_instance: instance(Purpose::Cutover),
        open_job: world.open_job_of(id).map(|job| job.id.clone()),
        finalized_at: server.last_cutover.finalized,
        launch_configuration: Value::Object(server.launch_configuration.clone()),
        replication_configuration: Value::Object(server.replication_configuration.clone()),
    }
}

fn instance_view(scene: &Scene, one: &Instance) -> InstanceView {
    let terminated_at: Option<Timestamp> = match one.power {
        Power::Gone(asked, _) => Some(asked),
        _ => None,
    };
    InstanceView {
        id: one.id.clone(),
        server: one.server.clone(),
        job: one.job.clone(),
        purpose: one.purpose,
        state: one.state(scene.now),
        private_ip: one.private_ip.clone(),
        launched_at: one.launched_at,
        terminated_at,
        snapshot_at: one.snapshot_at,
        services: one.host.services(),
        writing_periods: one.host.periods(),
        tags: one.tags.clone(),
    }
}

fn job_view(job: &Job) -> JobView {
    let servers = job.participants.iter();
    JobView {
        id: job.id.clone(),
        kind: job.kind,
        initiated_by: job.initiated_by,
        status: job.status,
        servers: servers
            .map(|one| (one.server.clone(), one.status, one.instance.clone()))
            .collect(),
        tags: job.tags.clone(),
        created_at: job.created_at,
        ended_at: job.ended_at,
    }
}
