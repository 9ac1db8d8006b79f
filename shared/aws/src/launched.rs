//! What a job launched and nobody noted: a function can end between the launch and its record, for want of a permission
//! or for a word that it does not know. A wave that goes back reads it again before it stops and ends instances, because
//! an instance that is not on record is neither isolated nor terminated nor named. Changes nothing at AWS.

use crate::deps::Deps;
use crate::jobs;
use crate::step::Step;
use crate::table::{Stored, Write};
use landfall_domain::StepError;
use landfall_domain::error::ErrorClass;
use landfall_domain::ids::{InstanceId, JobId, SourceServerId};
use landfall_domain::observe::{JobView, LaunchStatus};
use landfall_domain::record::{BatchRecord, JobPhase, LaunchFacts, ServerRecord};
use std::collections::{BTreeMap, BTreeSet};

/// EC2's words for an instance that is gone, or as good as gone.
const GONE: [&str; 2] = ["terminated", "shutting-down"];

/// The servers of which it could not be read what was launched for them, and why not.
pub type Unread = BTreeMap<SourceServerId, String>;

/// Puts on record the instances of launches that were intended and whose instance is not known. What cannot be read is
/// answered, for the caller to leave those servers alone: their launch stays open on record, and the wave is held for it.
/// A service that is only busy is an error, and the step is repeated.
pub async fn note(
    deps: &Deps,
    step: &Step,
    batch: &BatchRecord,
    servers: &mut [Stored<ServerRecord>],
) -> Result<Unread, StepError> {
    let mut unread = Unread::new();
    for phase in [JobPhase::Test, JobPhase::Cutover] {
        note_phase(deps, step, batch, servers, phase, &mut unread).await?;
    }
    Ok(unread)
}

async fn note_phase(
    deps: &Deps,
    step: &Step,
    batch: &BatchRecord,
    servers: &mut [Stored<ServerRecord>],
    phase: JobPhase,
    unread: &mut Unread,
) -> Result<(), StepError> {
    let mut of_job: BTreeMap<Option<JobId>, Vec<usize>> = BTreeMap::new();
    for (index, server) in servers.iter_mut().enumerate() {
        if let Some(facts) = facts(server, phase).filter(|facts| is_unknown(facts)) {
            of_job.entry(facts.job_id.clone()).or_default().push(index);
        }
    }
    for (job_id, members) in of_job {
        let ids: Vec<SourceServerId> = members
            .iter()
            .map(|index| servers[*index].source_server_id.clone())
            .collect();
        let (found, lost) = instances(deps, batch, phase, job_id.as_ref(), &ids).await?;
        if let Some(error) = lost {
            let left: Vec<_> = ids.into_iter().filter(|id| !found.contains_key(id)).collect();
            let text = format!(
                "what the {} launch of batch {} has launched cannot be read for {} servers: {error}",
                phase.as_str(),
                batch.number,
                left.len()
            );
            step.write(deps, vec![step.log(deps, text)?]).await?;
            unread.extend(left.into_iter().map(|id| (id, error.to_string())));
        }
        let mut writes = Vec::new();
        for index in members {
            let server = &mut servers[index];
            let Some((instance, job_id)) = found.get(&server.source_server_id) else {
                continue;
            };
            let text = format!(
                "{job_id} has launched {instance} for {}, which nobody had noted",
                server.plan.hostname
            );
            writes.push(step.log(deps, text)?);
            if let Some(facts) = facts(server, phase) {
                facts.instance_id = Some(instance.clone());
                facts.job_id = Some(job_id.clone());
                facts.launched_at = Some(step.now);
            }
            writes.push(Write::save(server)?);
        }
        step.write(deps, writes).await?;
    }
    Ok(())
}

fn is_unknown(facts: &LaunchFacts) -> bool {
    facts.intended_at.is_some() && facts.instance_id.is_none() && facts.terminated_at.is_none()
}

fn facts(server: &mut ServerRecord, phase: JobPhase) -> Option<&mut LaunchFacts> {
    match phase {
        JobPhase::Test => Some(&mut server.test),
        JobPhase::Cutover => Some(&mut server.cutover),
        JobPhase::TestTermination | JobPhase::RollbackTermination => None,
    }
}

/// The instances of servers, with the job that launched them.
type Found = BTreeMap<SourceServerId, (InstanceId, JobId)>;

/// The instances as the job shows them, otherwise as MGN shows the servers, if it names the same job. With what was found
/// comes why the rest could not be read, if it could not.
async fn instances(
    deps: &Deps,
    batch: &BatchRecord,
    phase: JobPhase,
    job_id: Option<&JobId>,
    ids: &[SourceServerId],
) -> Result<(Found, Option<StepError>), StepError> {
    let job = match lasting(job(deps, batch, phase, job_id).await)? {
        Ok(Some(job)) => job,
        Ok(None) => return Ok((Found::new(), None)),
        Err(error) => {
            let found = match job_id {
                Some(job_id) => lasting(shown(deps, job_id, ids).await)?.unwrap_or_default(),
                None => Found::new(),
            };
            return Ok((found, Some(error)));
        }
    };
    let mut found = Found::new();
    let mut silent = Vec::new();
    let mut doubtful = BTreeSet::new();
    for part in job.participants.iter().filter(|part| ids.contains(&part.server)) {
        match (&part.status, &part.instance) {
            (LaunchStatus::Terminated, _) => {}
            (status, Some(instance)) => {
                if matches!(status, LaunchStatus::Failed) {
                    doubtful.insert(instance.clone());
                }
                found.insert(part.server.clone(), (instance.clone(), job.id.clone()));
            }
            (_, None) => silent.push(part.server.clone()),
        }
    }
    drop_gone(deps, &mut found, doubtful).await?;
    match lasting(shown(deps, &job.id, &silent).await)? {
        Ok(more) => found.extend(more),
        Err(error) => return Ok((found, Some(error))),
    }
    Ok((found, None))
}

/// Errors that waiting ends are errors of the step; the others are answers.
fn lasting<T>(answer: Result<T, StepError>) -> Result<Result<T, StepError>, StepError> {
    match answer {
        Err(error) if error.class() == ErrorClass::RetrySoon => Err(error),
        other => Ok(other),
    }
}

/// The instances that MGN shows for servers, where it names the job as the one that launched them.
async fn shown(deps: &Deps, job_id: &JobId, ids: &[SourceServerId]) -> Result<Found, StepError> {
    let views = deps.mgn.source_servers(ids).await?;
    let of_job = views.into_iter().filter_map(|(id, view)| match view.instance {
        Some((instance, Some(job))) if &job == job_id => Some((id, (instance, job))),
        _ => None,
    });
    Ok(of_job.collect())
}

/// The job of a launch: the one on record, or the one that carries the tag of the batch's intent. None was started when
/// there is none.
async fn job(
    deps: &Deps,
    batch: &BatchRecord,
    phase: JobPhase,
    job_id: Option<&JobId>,
) -> Result<Option<JobView>, StepError> {
    let Some(job_id) = job_id else {
        return match batch.job(phase) {
            Some(intent) => jobs::find(deps, intent).await,
            None => Ok(None),
        };
    };
    let job = deps.mgn.job(job_id).await?;
    job.map(Some).ok_or_else(|| StepError::UnknownValue {
        service: "MGN",
        what: format!("job {job_id}"),
        value: "no such job".to_owned(),
    })
}

/// A launch that failed can leave an instance behind, or have ended it: EC2 says which.
async fn drop_gone(deps: &Deps, found: &mut Found, doubtful: BTreeSet<InstanceId>) -> Result<(), StepError> {
    if doubtful.is_empty() {
        return Ok(());
    }
    let doubtful: Vec<InstanceId> = doubtful.into_iter().collect();
    let views = deps.ec2.instances(&doubtful).await?;
    found.retain(|_, (instance, _)| {
        let exists = views
            .get(instance)
            .is_some_and(|view| !GONE.contains(&view.state.as_str()));
        exists || !doubtful.contains(instance)
    });
    Ok(())
}
