//! StartTest, StartCutover and TerminateTargetInstances: what is accepted, and what changes at once.
//!
//! A call is accepted or refused as a whole. What the accepted job then does is the engine's.

use serde_json::{Value, json};

use super::super::members::Members;
use super::super::times::scramble;
use super::super::words::{InitiatedBy, JobStatus, JobType, LaunchStatus, LifeCycleState, Purpose};
use super::super::world::{Course, Job, Participant, Server, World};
use super::super::{Fleet, Scene};
use super::errors::{BUSY, conflict, quota, unknown_ids, validation};
use super::{Answer, engine, jobs, members};
use crate::hub::AwsError;

/// StartTest or StartCutover. 202; the lifecycle changes now, before the job has begun.
pub(super) fn start(fleet: &Fleet, operation: &str, body: &Value, purpose: Purpose) -> Answer {
    let request = members(fleet, operation, body, &["sourceServerIDs", "tags"])?;
    let ids = server_ids(&request, fleet)?;
    let tags = request.text_map("tags")?;
    let (job, regressions, answer) = fleet.with(|world, scene| {
        check_startable(world, scene, &ids, purpose)?;
        let by = match purpose {
            Purpose::Test => InitiatedBy::StartTest,
            Purpose::Cutover => InitiatedBy::StartCutover,
        };
        let job = new_job(world, scene, JobType::Launch, by, &ids, tags);
        let mut regressions = Vec::new();
        for id in &ids {
            let due = world.scripts.regressions_on_launch(id, purpose);
            regressions.extend(due.into_iter().map(|(to, lasts)| (id.clone(), to, lasts)));
            let server = world.servers.get_mut(id).expect("checked above");
            server.life = match purpose {
                Purpose::Test => LifeCycleState::Testing,
                Purpose::Cutover => LifeCycleState::CuttingOver,
            };
            let marks = server.marks(purpose);
            marks.initiated = Some((scene.now, job.id.clone()));
            marks.reverted = None;
        }
        let answer = json!({"job": jobs::render(scene, &job)});
        let id = job.id.clone();
        world.add_job(job);
        Ok::<_, AwsError>((id, regressions, answer))
    })?;
    for (id, to, lasts) in regressions {
        fleet.regress(&id, to, lasts);
    }
    engine::run_launch(fleet, job, purpose);
    Ok((202, answer))
}

/// TerminateTargetInstances. 202; refused while the lifecycle says that the instance is in use.
pub(super) fn terminate(fleet: &Fleet, operation: &str, body: &Value) -> Answer {
    let request = members(fleet, operation, body, &["sourceServerIDs", "tags"])?;
    let ids = server_ids(&request, fleet)?;
    let tags = request.text_map("tags")?;
    let (job, answer) = fleet.with(|world, scene| {
        check_terminable(world, scene, &ids)?;
        let job = new_job(world, scene, JobType::Terminate, InitiatedBy::Terminate, &ids, tags);
        let answer = json!({"job": jobs::render(scene, &job)});
        let id = job.id.clone();
        world.add_job(job);
        Ok::<_, AwsError>((id, answer))
    })?;
    engine::run_terminate(fleet, job);
    Ok((202, answer))
}

fn server_ids(request: &Members<'_>, fleet: &Fleet) -> Result<Vec<String>, AwsError> {
    let ids = request.texts("sourceServerIDs")?.unwrap_or_default();
    let most = fleet.knobs().max_servers_per_job;
    if ids.is_empty() || ids.len() > most {
        return Err(validation(format!(
            "sourceServerIDs must hold 1 to {most} ids, not {}",
            ids.len()
        )));
    }
    let mut sorted = ids.clone();
    sorted.sort();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(validation("sourceServerIDs holds an id twice"));
    }
    Ok(ids)
}

/// The rules both kinds of call share: known ids, no archived server, no server in an open job, no quota passed.
fn check_common(world: &mut World, scene: &Scene, ids: &[String]) -> Result<(), AwsError> {
    let unknown: Vec<&str> = ids
        .iter()
        .filter(|id| !world.servers.contains_key(*id))
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        return Err(unknown_ids(scene, &unknown));
    }
    let busy: Vec<&str> = ids
        .iter()
        .filter(|id| world.open_job_of(id).is_some())
        .map(String::as_str)
        .collect();
    if !busy.is_empty() {
        return Err(conflict(BUSY, &busy));
    }
    let (open, servers) = world.load();
    let refusal = if open >= scene.knobs.max_open_jobs {
        Some(quota(scene, "Concurrent jobs in progress", scene.knobs.max_open_jobs))
    } else if servers + ids.len() > scene.knobs.max_servers_in_open_jobs {
        Some(quota(
            scene,
            "Max Source Servers in all jobs",
            scene.knobs.max_servers_in_open_jobs,
        ))
    } else {
        None
    };
    if let Some(refusal) = refusal {
        world.quota_refusals += 1;
        return Err(refusal);
    }
    Ok(())
}

fn check_startable(world: &mut World, scene: &Scene, ids: &[String], purpose: Purpose) -> Result<(), AwsError> {
    let wrong: Vec<&str> = ids
        .iter()
        .filter(|id| {
            let server = world.servers.get(*id);
            server.is_some_and(|server| !startable(server, scene, purpose))
        })
        .map(String::as_str)
        .collect();
    let wrong_error = (!wrong.is_empty()).then(|| {
        let message = format!(
            "One or more of the Source Servers included in API call are in a lifecycle state that does not allow {}",
            if purpose == Purpose::Test {
                "StartTest"
            } else {
                "StartCutover"
            }
        );
        conflict(&message, &wrong)
    });
    check_common(world, scene, ids)?;
    wrong_error.map_or(Ok(()), Err)
}

/// May a launch of this purpose begin from the server's state? Two of the rows are knobs, for nobody documents them.
fn startable(server: &Server, scene: &Scene, purpose: Purpose) -> bool {
    use LifeCycleState::{CuttingOver, ReadyForCutover, ReadyForTest, Testing};
    let state = match (purpose, server.life) {
        (Purpose::Test, ReadyForTest | Testing) => true,
        (Purpose::Test, ReadyForCutover) => scene.knobs.test_from_ready_for_cutover,
        (Purpose::Cutover, ReadyForCutover | CuttingOver) => true,
        (Purpose::Cutover, ReadyForTest) => scene.knobs.cutover_from_ready_for_test,
        _ => false,
    };
    state && !server.archived && server.replication.launchable(scene.now)
}

fn check_terminable(world: &mut World, scene: &Scene, ids: &[String]) -> Result<(), AwsError> {
    use LifeCycleState::{Cutover, CuttingOver, Testing};
    let in_use = |id: &&String| {
        world
            .servers
            .get(*id)
            .is_some_and(|server| server.archived || matches!(server.life, Testing | CuttingOver | Cutover))
    };
    let wrong: Vec<&str> = ids.iter().filter(in_use).map(String::as_str).collect();
    let wrong_error = (!wrong.is_empty()).then(|| {
        conflict(
            "TerminateTargetInstances is not allowed in lifecycle states TESTING, CUTTING_OVER and CUTOVER",
            &wrong,
        )
    });
    let bare = |id: &&String| world.servers.get(*id).is_some_and(|server| server.launched.is_none());
    let without: Vec<&str> = ids.iter().filter(bare).map(String::as_str).collect();
    let without_error = (!without.is_empty() && !scene.knobs.terminate_without_instance)
        .then(|| conflict("Source Server has no launched instance", &without));
    check_common(world, scene, ids)?;
    wrong_error.or(without_error).map_or(Ok(()), Err)
}

fn new_job(
    world: &World,
    scene: &Scene,
    kind: JobType,
    initiated_by: InitiatedBy,
    ids: &[String],
    tags: std::collections::BTreeMap<String, String>,
) -> Job {
    let participants = ids.iter().map(|id| Participant {
        server: id.clone(),
        status: LaunchStatus::Pending,
        instance: None,
        instance_visible_at: None,
        life_before: world
            .servers
            .get(id)
            .map_or(LifeCycleState::NotReady, |server| server.life),
        course: Course::default(),
    });
    Job {
        id: scene.id("mgnjob-", 17),
        kind,
        initiated_by,
        status: JobStatus::Pending,
        created_at: scene.now,
        ended_at: None,
        participants: participants.collect(),
        tags,
        log: Vec::new(),
    }
}

/// A number of the server's own in a job, to spread the participants' ends.
pub(super) fn spread(job: &str, server: &str) -> u64 {
    let bytes = job.bytes().chain(server.bytes());
    bytes.fold(0, |mixed, byte| scramble(mixed ^ u64::from(byte)))
}
