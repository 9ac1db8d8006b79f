//! The steps of a terminate job.

use super::super::Scene;
use super::super::words::LaunchStatus;
use super::super::world::{Job, World};
use super::engine::Step;
use super::launching::{end, start_job};

/// Applies one step to a job.
pub(super) fn apply(world: &mut World, scene: &Scene, job_id: &str, step: &Step) {
    let Some(place) = world.jobs.iter().position(|job| job.id == job_id) else {
        return;
    };
    let mut job = world.jobs.remove(place);
    match step {
        Step::Begin => {
            start_job(scene, &mut job);
            for one in &mut job.participants {
                one.status = LaunchStatus::InProgress;
            }
        }
        Step::CleanupStart => {
            for index in 0..job.participants.len() {
                let server = job.participants[index].server.clone();
                job.note(scene.now, "CLEANUP_START", &[("sourceServerID", &server)]);
            }
        }
        Step::Settle(index) => settle(world, scene, &mut job, *index),
        Step::End => end(scene, &mut job),
        _ => {}
    }
    world.jobs.insert(place, job);
}

fn settle(world: &mut World, scene: &Scene, job: &mut Job, index: usize) {
    let id = job.participants[index].server.clone();
    if world.scripts.termination_fails(&id) {
        job.participants[index].status = LaunchStatus::Failed;
        let about = [
            ("sourceServerID", id.as_str()),
            ("rawError", "scripted termination failure"),
        ];
        job.note(scene.now, "CLEANUP_FAIL", &about);
        return;
    }
    for instance in world.instances.values_mut() {
        if instance.server == id && instance.exists() {
            instance.terminate(scene);
        }
    }
    if let Some(server) = world.servers.get_mut(&id) {
        server.launched = None;
    }
    job.participants[index].status = LaunchStatus::Terminated;
    job.note(scene.now, "CLEANUP_END", &[("sourceServerID", &id)]);
}
