//! The steps of a launch job: what each does to servers, instances and the job's log.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::super::Scene;
use super::super::host::Host;
use super::super::knobs::FailedLaunch;
use super::super::spec::LaunchObservation;
use super::super::words::{JobStatus, LaunchStatus, Purpose, ReplicationState};
use super::super::world::{Instance, Job, Launched, Participant, Power, World};
use super::engine::Step;
use super::launch_event;

/// Applies one step to a job.
pub(super) fn apply(world: &mut World, scene: &Scene, job_id: &str, purpose: Purpose, step: &Step) {
    // The job leaves the list while it works on the rest of the world, and comes back to its place.
    let Some(place) = world.jobs.iter().position(|job| job.id == job_id) else {
        return;
    };
    let mut job = world.jobs.remove(place);
    match step {
        Step::Begin => begin(world, scene, &mut job, purpose),
        Step::Settle(index) => settle(world, scene, &mut job, purpose, *index),
        Step::End => end(scene, &mut job),
        step => {
            for index in 0..job.participants.len() {
                if !job.participants[index].course.skipped {
                    advance(world, scene, &mut job, purpose, index, step);
                }
            }
        }
    }
    world.jobs.insert(place, job);
}

/// PENDING → STARTED.
pub(super) fn start_job(scene: &Scene, job: &mut Job) {
    job.status = JobStatus::Started;
    job.note(scene.now, "JOB_START", &[]);
}

/// STARTED → COMPLETED, whatever became of the servers.
pub(super) fn end(scene: &Scene, job: &mut Job) {
    job.status = JobStatus::Completed;
    job.ended_at = Some(scene.now);
    job.note(scene.now, "JOB_END", &[]);
}

fn begin(world: &mut World, scene: &Scene, job: &mut Job, purpose: Purpose) {
    start_job(scene, job);
    for index in 0..job.participants.len() {
        let server = job.participants[index].server.clone();
        match world.scripts.skipped(&server, purpose) {
            Some(left_as) => {
                job.note(scene.now, "SERVER_SKIPPED", &[("sourceServerID", &server)]);
                let one = &mut job.participants[index];
                one.course.skipped = true;
                one.status = left_as;
            }
            None => job.participants[index].status = LaunchStatus::InProgress,
        }
    }
}

fn advance(world: &mut World, scene: &Scene, job: &mut Job, purpose: Purpose, index: usize, step: &Step) {
    let server = job.participants[index].server.clone();
    let mut course = job.participants[index].course.clone();
    let about = [("sourceServerID", server.as_str())];
    match step {
        Step::CleanupStart => {
            // An earlier test or cutover instance is deleted first.
            course.cleaning = earlier_instance(world, &server);
            if let Some(old) = &course.cleaning {
                job.note(scene.now, "CLEANUP_START", &[about[0], ("targetInstanceID", old)]);
                if let Some(instance) = world.instances.get_mut(old) {
                    instance.terminate(scene);
                }
            }
        }
        Step::CleanupEnd => {
            if let Some(old) = &course.cleaning {
                job.note(scene.now, "CLEANUP_END", &[about[0], ("targetInstanceID", old)]);
            }
        }
        Step::SnapshotStart => job.note(scene.now, "SNAPSHOT_START", &about),
        Step::SnapshotEnd => take_snapshot(world, scene, job, purpose, &server, &mut course),
        _ if course.failure.is_some() => {}
        Step::ConversionStart => {
            let converter = scene.id("i-", 17);
            job.note(
                scene.now,
                "CONVERSION_START",
                &[about[0], ("conversionServerID", &converter)],
            );
            course.conversion_server = Some(converter);
        }
        Step::ConversionEnd => {
            let converter = course.conversion_server.clone().unwrap_or_default();
            job.note(
                scene.now,
                "CONVERSION_END",
                &[about[0], ("conversionServerID", &converter)],
            );
        }
        Step::LaunchStart => {
            job.note(scene.now, "LAUNCH_START", &about);
            if world.scripts.launch_fails(&server, purpose) {
                course.failure = Some("scripted launch failure".to_owned());
            } else {
                launch(
                    world,
                    scene,
                    &job.id,
                    purpose,
                    &mut job.participants[index],
                    &mut course,
                );
            }
        }
        Step::Begin | Step::Settle(_) | Step::End => {}
    }
    job.participants[index].course = course;
}

fn earlier_instance(world: &World, server: &str) -> Option<String> {
    let instances = world.instances.values();
    let mut earlier = instances.filter(|one| one.server == server && one.exists());
    earlier.next().map(|one| one.id.clone())
}

fn take_snapshot(
    world: &mut World,
    scene: &Scene,
    job: &mut Job,
    purpose: Purpose,
    id: &str,
    course: &mut super::super::world::Course,
) {
    let scripted = world.scripts.uses_previous_snapshot(id, purpose);
    let Some(server) = world.servers.get_mut(id) else {
        return;
    };
    let previous = server.replication.last_snapshot(scene.now);
    let fresh = server.replication.state == ReplicationState::Continuous && !scripted;
    match previous {
        Some(_) if fresh => {
            server.replication.take_snapshot(scene.now);
            course.snapshot = Some((scene.now, false));
            job.note(scene.now, "SNAPSHOT_END", &[("sourceServerID", id)]);
        }
        Some(previous) => {
            // No fresh snapshot can be had: MGN goes on with the one it has.
            course.snapshot = Some((previous, true));
            job.note(scene.now, "USING_PREVIOUS_SNAPSHOT", &[("sourceServerID", id)]);
        }
        None => {
            let reason = "no consistent snapshot";
            job.note(
                scene.now,
                "SNAPSHOT_FAIL",
                &[("sourceServerID", id), ("rawError", reason)],
            );
            course.failure = Some(reason.to_owned());
        }
    }
}

/// EC2 begins to launch the instance; its host is a copy of the source's at the snapshot.
fn launch(
    world: &mut World,
    scene: &Scene,
    job: &str,
    purpose: Purpose,
    one: &mut Participant,
    course: &mut super::super::world::Course,
) {
    let address = world.next_address();
    let Some(server) = world.servers.get(&one.server) else {
        return;
    };
    let Some((snapshot_at, _)) = course.snapshot else {
        return;
    };
    let settings = &server.launch_configuration;
    let copies_ip = settings.get("copyPrivateIp").and_then(Value::as_bool).unwrap_or(false);
    let private_ip = if copies_ip {
        server.spec.source_ip.clone()
    } else {
        address
    };
    if world
        .instances
        .values()
        .any(|other| other.exists() && other.private_ip == private_ip)
    {
        course.failure = Some(format!("InvalidIPAddress.InUse: address {private_ip} is in use"));
        return;
    }
    let id = scene.id("i-", 17);
    let stopped = settings.get("launchDisposition").and_then(Value::as_str) == Some("STOPPED");
    let running_at = scene.now + scene.pick(scene.knobs.ec2_boot);
    let volumes = server.spec.disk_bytes.iter();
    let volumes = volumes
        .map(|bytes| (scene.id("vol-", 17), bytes.div_ceil(1 << 30)))
        .collect();
    let data_through = server.replication.data_through(&server.host, snapshot_at, scene.knobs);
    let instance = Instance {
        id: id.clone(),
        server: one.server.clone(),
        job: job.to_owned(),
        purpose,
        power: if stopped {
            Power::Off(running_at)
        } else {
            Power::On(running_at)
        },
        private_ip,
        instance_type: instance_type(settings),
        launched_at: scene.now,
        visible_at: scene.now + scene.knobs.ec2_visible_delay,
        snapshot_at,
        host: Host::from_snapshot(server.host.state_at(data_through).clone(), scene.now),
        checks_at: running_at + scene.pick(scene.knobs.ec2_checks),
        registered_at: None,
        volumes,
        security_groups: vec!["sg-0123456789abcdef0".to_owned()],
        tags: instance_tags(server.spec.hostname.as_str(), &one.server, &server.spec.tags, settings),
    };
    world.instances.insert(id.clone(), instance);
    one.instance = Some(id);
    one.instance_visible_at = None;
}

fn instance_type(settings: &serde_json::Map<String, Value>) -> String {
    // BASIC right-sizing overrides the launch template's type.
    let method = settings
        .get("targetInstanceTypeRightSizingMethod")
        .and_then(Value::as_str);
    if method == Some("BASIC") {
        "m5.large"
    } else {
        "t3.large"
    }
    .to_owned()
}

fn instance_tags(
    hostname: &str,
    server: &str,
    source_tags: &BTreeMap<String, String>,
    settings: &serde_json::Map<String, Value>,
) -> BTreeMap<String, String> {
    let copies = settings.get("copyTags").and_then(Value::as_bool).unwrap_or(false);
    let mut tags = if copies { source_tags.clone() } else { BTreeMap::new() };
    tags.insert("Name".to_owned(), hostname.to_owned());
    tags.insert(
        "AWSApplicationMigrationServiceManaged".to_owned(),
        "mgn.amazonaws.com".to_owned(),
    );
    tags.insert(
        "AWSApplicationMigrationServiceSourceServerID".to_owned(),
        server.to_owned(),
    );
    tags
}

fn settle(world: &mut World, scene: &Scene, job: &mut Job, purpose: Purpose, index: usize) {
    if job.participants[index].course.skipped {
        return;
    }
    let one = job.participants[index].clone();
    let launched = match (&one.instance, &one.course.failure) {
        (Some(instance), None) => settle_launched(world, scene, job, purpose, index, instance),
        (_, failure) => {
            let reason = failure.clone().unwrap_or_else(|| "the server is gone".to_owned());
            settle_failed(world, scene, job, index, &reason);
            false
        }
    };
    world
        .outbox
        .push(launch_event(scene, &one.server, &job.id, purpose, launched));
}

fn settle_launched(
    world: &mut World,
    scene: &Scene,
    job: &mut Job,
    purpose: Purpose,
    index: usize,
    instance_id: &str,
) -> bool {
    let visible_at = scene.now + scene.knobs.instance_id_delay;
    let one = &mut job.participants[index];
    one.status = LaunchStatus::Launched;
    one.instance_visible_at = Some(visible_at);
    if let Some(instance) = world.instances.get_mut(instance_id)
        && let Power::On(running_at) = instance.power
    {
        instance.host.boot(scene.now);
        let from = running_at.max(scene.now);
        instance.checks_at = from + scene.pick(scene.knobs.ec2_checks);
        instance.registered_at = Some(from + scene.pick(scene.knobs.ssm_registration));
    }
    let one = job.participants[index].clone();
    let Some(server) = world.servers.get_mut(&one.server) else {
        return true;
    };
    server.launched = Some(Launched {
        instance: instance_id.to_owned(),
        job: job.id.clone(),
        at: scene.now,
    });
    if purpose == Purpose::Cutover
        && let Some((snapshot_at, previous)) = one.course.snapshot
    {
        let observation = observe(world, scene, &job.id, &one.server, instance_id, snapshot_at, previous);
        world.launches.extend(observation);
    }
    true
}

fn observe(
    world: &World,
    scene: &Scene,
    job: &str,
    id: &str,
    instance: &str,
    snapshot_at: Timestamp,
    used_previous_snapshot: bool,
) -> Option<LaunchObservation> {
    let server = world.servers.get(id)?;
    let through = server.replication.data_through(&server.host, snapshot_at, scene.knobs);
    let last_write = server.host.last_write_at(scene.now);
    Some(LaunchObservation {
        server: id.to_owned(),
        job: job.to_owned(),
        instance: instance.to_owned(),
        snapshot_at,
        snapshot_data_through: through,
        used_previous_snapshot,
        source_last_write_at: last_write,
        source_was_writing: server.host.was_writing_at(snapshot_at) || last_write > Some(snapshot_at),
        writes_missing: last_write > Some(through),
        launched_at: scene.now,
    })
}

fn settle_failed(world: &mut World, scene: &Scene, job: &mut Job, index: usize, reason: &str) {
    let one = &mut job.participants[index];
    one.status = LaunchStatus::Failed;
    let (server_id, life_before) = (one.server.clone(), one.life_before);
    job.note(
        scene.now,
        "LAUNCH_FAILED",
        &[("sourceServerID", &server_id), ("rawError", reason)],
    );
    if scene.knobs.failed_launch == FailedLaunch::Reverted
        && let Some(server) = world.servers.get_mut(&server_id)
    {
        server.life = life_before;
    }
}
