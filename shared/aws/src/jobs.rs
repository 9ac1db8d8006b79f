//! Starting an MGN job for a batch, once.
//!
//! MGN's start calls take no client token. So the intent is on record before the call and travels with the job as a tag;
//! whoever finds an intent without a job looks for the tagged job before it calls again; and a second call for servers
//! that are in a job already is refused by MGN itself, one job a server.

use crate::deps::Deps;
use crate::mgn::StartRefusal;
use crate::quota::{self, INTENT_TAG};
use crate::step::Step;
use crate::table::{Stored, Write};
use jiff::{SignedDuration, Timestamp};
use landfall_domain::StepError;
use landfall_domain::ids::{JobId, SourceServerId};
use landfall_domain::observe::JobView;
use landfall_domain::record::{BatchRecord, JobIntent, JobPhase, LaunchFacts, ServerRecord};
use std::collections::BTreeMap;

/// How much earlier than its intent a job may seem to be created: clocks of two services differ.
const CLOCK_DIFFERENCE_MAX: SignedDuration = SignedDuration::from_mins(5);

/// Starts the job of a phase for the servers, or finds the one that an earlier try has started. Afterwards the job is on
/// record at the batch and, for launches, at its servers.
pub async fn start(
    deps: &Deps,
    step: &Step,
    batch: &mut Stored<BatchRecord>,
    phase: JobPhase,
    servers: &mut [Stored<ServerRecord>],
) -> Result<(), StepError> {
    if let Some(intent) = batch.job(phase).cloned() {
        let current = intent.epoch == step.guard.epoch;
        match &intent.job_id {
            // A repeat of a step that is done, or a new attempt that finds the job of the old one still open.
            Some(_) if current || intent.closed_at.is_none() => return Ok(()),
            Some(_) => {}
            None => {
                if let Some(job) = find(deps, &intent).await? {
                    return note_job(deps, step, batch, phase, servers, &job.id).await;
                }
                if current {
                    return call(deps, step, batch, phase, servers, &intent).await;
                }
            }
        }
    }
    let intent = intend(deps, step, batch, phase, servers).await?;
    call(deps, step, batch, phase, servers, &intent).await
}

/// The job that carries the intent's id, if MGN shows one.
pub async fn find(deps: &Deps, intent: &JobIntent) -> Result<Option<JobView>, StepError> {
    let jobs = deps.mgn.jobs_since(intent.intended_at - CLOCK_DIFFERENCE_MAX).await?;
    Ok(jobs
        .into_iter()
        .find(|job| job.tags.get(INTENT_TAG) == Some(&intent.intent_id)))
}

async fn intend(
    deps: &Deps,
    step: &Step,
    batch: &mut Stored<BatchRecord>,
    phase: JobPhase,
    servers: &mut [Stored<ServerRecord>],
) -> Result<JobIntent, StepError> {
    let minutes = i64::from(step.wave.deadlines.job_minutes);
    let intent = JobIntent {
        intent_id: deps.ids.next(),
        epoch: step.guard.epoch,
        intended_at: step.now,
        deadline: step.now + SignedDuration::from_mins(minutes),
        servers: u32::try_from(servers.len()).unwrap_or(u32::MAX),
        job_id: None,
        closed_at: None,
    };
    batch.jobs.insert(phase.as_str().to_owned(), intent.clone());
    let mut writes = Vec::new();
    for server in servers.iter_mut() {
        if let Some(facts) = launch_facts(server, phase) {
            *facts = LaunchFacts {
                intended_at: Some(step.now),
                ..LaunchFacts::default()
            };
            writes.push(Write::save(server)?);
        }
    }
    // The batch comes last: when it is written, every server knows that it may be launched.
    writes.push(Write::save(batch)?);
    let text = format!(
        "{} of {} servers of batch {} is about to be asked for",
        phase.as_str(),
        servers.len(),
        batch.number
    );
    writes.push(step.log(deps, text)?);
    step.write(deps, writes).await?;
    Ok(intent)
}

async fn call(
    deps: &Deps,
    step: &Step,
    batch: &mut Stored<BatchRecord>,
    phase: JobPhase,
    servers: &mut [Stored<ServerRecord>],
    intent: &JobIntent,
) -> Result<(), StepError> {
    quota::reserve(deps, &intent.intent_id, servers.len()).await?;
    let ids: Vec<SourceServerId> = servers.iter().map(|server| server.source_server_id.clone()).collect();
    let tags = tags(step, batch, phase, intent);
    let answer = match phase {
        JobPhase::Test => deps.mgn.start_test(&ids, &tags).await,
        JobPhase::Cutover => deps.mgn.start_cutover(&ids, &tags).await,
        JobPhase::TestTermination | JobPhase::RollbackTermination => {
            deps.mgn.terminate_target_instances(&ids, &tags).await
        }
    };
    let refusal = match answer {
        Ok(job) => return note_job(deps, step, batch, phase, servers, &job.id).await,
        Err(StartRefusal::Other(error @ StepError::ServiceUnavailable { .. })) => return Err(error),
        Err(refusal) => refusal,
    };
    // The SDK may have sent the call twice: the refusal of the second can be the success of the first.
    if let Some(job) = find(deps, intent).await? {
        return note_job(deps, step, batch, phase, servers, &job.id).await;
    }
    quota::release(deps, &intent.intent_id).await?;
    Err(match refusal {
        StartRefusal::Busy(_) => StepError::ServersBusy {
            servers: ids,
            job: None,
        },
        StartRefusal::Full(_) => StepError::QuotaFull {
            wanted: ids.len(),
            open_jobs: 0,
            open_servers: 0,
        },
        StartRefusal::Other(error) => error,
    })
}

/// Puts a job on record, at the batch and, for launches, at its servers.
pub async fn note_job(
    deps: &Deps,
    step: &Step,
    batch: &mut Stored<BatchRecord>,
    phase: JobPhase,
    servers: &mut [Stored<ServerRecord>],
    job_id: &JobId,
) -> Result<(), StepError> {
    let mut writes = Vec::new();
    for server in servers.iter_mut() {
        if let Some(facts) = launch_facts(server, phase) {
            facts.job_id = Some(job_id.clone());
            writes.push(Write::save(server)?);
        }
    }
    if let Some(intent) = batch.jobs.get_mut(phase.as_str()) {
        intent.job_id = Some(job_id.clone());
    }
    writes.push(Write::save(batch)?);
    writes.push(step.log(
        deps,
        format!("{job_id} ({}) is started for batch {}", phase.as_str(), batch.number),
    )?);
    step.write(deps, writes).await
}

fn launch_facts(server: &mut ServerRecord, phase: JobPhase) -> Option<&mut LaunchFacts> {
    match phase {
        JobPhase::Test => Some(&mut server.test),
        JobPhase::Cutover => Some(&mut server.cutover),
        JobPhase::TestTermination | JobPhase::RollbackTermination => None,
    }
}

fn tags(step: &Step, batch: &BatchRecord, phase: JobPhase, intent: &JobIntent) -> BTreeMap<String, String> {
    BTreeMap::from([
        (INTENT_TAG.to_owned(), intent.intent_id.clone()),
        ("landfall:wave".to_owned(), step.wave.wave_id.to_string()),
        ("landfall:epoch".to_owned(), step.guard.epoch.to_string()),
        ("landfall:batch".to_owned(), batch.number.to_string()),
        ("landfall:phase".to_owned(), phase.as_str().to_owned()),
    ])
}

/// Takes the batch for an execution, or says who has it. A lease of an execution that is over, or of an older epoch, is
/// taken over; whoever wrote under it is shut out by the epoch or by the versions of the items.
pub async fn take_lease(
    deps: &Deps,
    step: &Step,
    batch: &mut Stored<BatchRecord>,
    execution_arn: &str,
    now: Timestamp,
) -> Result<(), StepError> {
    if let Some(lease) = &batch.lease {
        if lease.execution_arn == execution_arn && lease.epoch == step.guard.epoch {
            return Ok(());
        }
        let other = lease.execution_arn != execution_arn && lease.epoch == step.guard.epoch;
        if other && deps.sfn.is_open(&lease.execution_arn).await? {
            return Err(StepError::LeaseHeld {
                wave: batch.wave_id.clone(),
                part: format!("batch {}", batch.number),
                owner: lease.execution_arn.clone(),
            });
        }
    }
    batch.lease = Some(landfall_domain::record::Lease {
        execution_arn: execution_arn.to_owned(),
        epoch: step.guard.epoch,
        at: now,
    });
    step.write(deps, vec![Write::save(batch)?]).await
}
