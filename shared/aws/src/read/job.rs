//! Reading an MGN job of a batch, and recording what became of its servers.

use crate::deps::Deps;
use crate::step::Step;
use crate::table::{Stored, Write};
use crate::{jobs, quota};
use jiff::SignedDuration;
use landfall_domain::StepError;
use landfall_domain::decide::{JobVerdict, ServerResult, job_verdict};
use landfall_domain::ids::{JobId, SourceServerId, WaveId};
use landfall_domain::record::{BatchRecord, Direction, JobPhase, LaunchFacts, ServerRecord, WaveRecord};
use landfall_domain::text::few;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How long after its intent a job may not show yet in DescribeJobs. How late MGN shows a job is documented nowhere; a job
/// that does not show for longer is none that this version knows of.
const SHOWS_WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// Which job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobRead {
    /// The wave.
    pub wave_id: WaveId,
    /// The epoch.
    pub epoch: u64,
    /// Which way the wave moves.
    pub direction: Direction,
    /// The batch.
    pub batch: u32,
    /// What the job is for.
    pub phase: JobPhase,
}

/// What became of the job as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobResult {
    /// Every server did what was asked.
    Ok,
    /// Some did.
    Partial,
    /// None did.
    Failed,
    /// It is not over and its deadline has passed.
    TimedOut,
}

/// The outcome of the wait for a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobOutcome {
    /// As a whole.
    pub outcome: JobResult,
    /// How many servers did what was asked.
    pub done: usize,
    /// How many did not.
    pub failed: usize,
    /// Why not, a sentence a server, the first five.
    #[serde(default)]
    pub reasons: Vec<String>,
}

impl JobOutcome {
    /// Nothing was started because no server was left to start.
    fn nothing() -> Self {
        Self {
            outcome: JobResult::Ok,
            done: 0,
            failed: 0,
            reasons: Vec::new(),
        }
    }
}

/// What a reading showed.
#[derive(Debug, Clone, PartialEq)]
pub enum JobReading {
    /// The job goes on.
    Running,
    /// It is over, and what became of it is on record.
    Over(JobOutcome),
}

/// Reads the job, and records what became of its servers when it is over.
pub async fn read(deps: &Deps, input: &JobRead) -> Result<JobReading, StepError> {
    let (wave, batch) = deps.table.wave_and_batch(&input.wave_id, input.batch).await?;
    read_for(deps, input, wave, batch).await
}

/// The same, with a wave and a batch that were read a moment ago: what is written is conditional on both.
pub async fn read_for(
    deps: &Deps,
    input: &JobRead,
    wave: Stored<WaveRecord>,
    mut batch: Stored<BatchRecord>,
) -> Result<JobReading, StepError> {
    let step = Step::at(deps, wave, input.epoch, input.direction)?;
    let Some(intent) = batch.job(input.phase).cloned() else {
        return Ok(JobReading::Over(JobOutcome::nothing()));
    };
    if intent.closed_at.is_some() {
        let servers = deps.table.servers(&input.wave_id, Some(input.batch)).await?;
        let job_id = intent.job_id.as_ref();
        return Ok(JobReading::Over(outcome(&servers, input.phase, job_id)));
    }
    let job_id = match known_or_found(deps, &step, input, &mut batch).await? {
        Known::Job(job_id) => job_id,
        Known::NotYet => return Ok(JobReading::Running),
        Known::None => {
            return Ok(JobReading::Over(JobOutcome::nothing()));
        }
    };
    let Some(job) = deps.mgn.job(&job_id).await? else {
        if step.now < intent.intended_at + SHOWS_WITHIN {
            return Ok(JobReading::Running);
        }
        return Err(StepError::UnknownValue {
            service: "MGN",
            what: format!("job {job_id}"),
            value: "no such job".to_owned(),
        });
    };
    match job_verdict(&job)? {
        JobVerdict::Running if step.now < intent.deadline => Ok(JobReading::Running),
        JobVerdict::Running => {
            let text = format!("{job_id} was to end by {} and has not", intent.deadline);
            step.write(deps, vec![step.log(deps, text.clone())?]).await?;
            let failed = job.participants.len();
            Ok(JobReading::Over(JobOutcome {
                outcome: JobResult::TimedOut,
                done: 0,
                failed,
                reasons: vec![text],
            }))
        }
        JobVerdict::Over(results) => record(deps, &step, input, &mut batch, &job_id, &results).await,
    }
}

/// What is known of the job of an intent.
enum Known {
    /// It.
    Job(JobId),
    /// It may exist and not show yet.
    NotYet,
    /// None was started.
    None,
}

/// The job of the intent. When a function died between its call and the record of the answer, only the tag of the job
/// tells; when MGN shows no such job, none was started, and the intent is closed.
async fn known_or_found(
    deps: &Deps,
    step: &Step,
    input: &JobRead,
    batch: &mut Stored<BatchRecord>,
) -> Result<Known, StepError> {
    let Some(intent) = batch.job(input.phase).cloned() else {
        return Ok(Known::None);
    };
    if let Some(job_id) = intent.job_id {
        return Ok(Known::Job(job_id));
    }
    if let Some(job) = jobs::find(deps, &intent).await? {
        let mut servers = deps.table.servers(&input.wave_id, Some(input.batch)).await?;
        servers.retain(|server| {
            job.participants
                .iter()
                .any(|part| part.server == server.source_server_id)
        });
        jobs::note_job(deps, step, batch, input.phase, &mut servers, &job.id).await?;
        return Ok(Known::Job(job.id));
    }
    if step.now < intent.intended_at + SHOWS_WITHIN {
        return Ok(Known::NotYet);
    }
    close(batch, input.phase, step);
    let text = format!("no job came of the intent {}", intent.intent_id);
    step.write(deps, vec![Write::save(batch)?, step.log(deps, text)?])
        .await?;
    Ok(Known::None)
}

async fn record(
    deps: &Deps,
    step: &Step,
    input: &JobRead,
    batch: &mut Stored<BatchRecord>,
    job_id: &JobId,
    results: &[(SourceServerId, ServerResult)],
) -> Result<JobReading, StepError> {
    let stale = match (input.phase, input.direction) {
        // On the way back it is of no interest what an instance was made from: it is ended.
        (JobPhase::Cutover, Direction::Forward) => deps.mgn.previous_snapshot_used(job_id).await?,
        _ => BTreeSet::new(),
    };
    let mut servers = deps.table.servers(&input.wave_id, Some(input.batch)).await?;
    let mut writes = Vec::new();
    for server in &mut servers {
        let Some((_, result)) = results.iter().find(|(id, _)| id == &server.source_server_id) else {
            continue;
        };
        let stale = stale.contains(&server.source_server_id);
        note(server, input.phase, job_id, result, stale, step);
        writes.push(Write::save(server)?);
    }
    let outcome = outcome(&servers, input.phase, Some(job_id));
    let intent_id = close(batch, input.phase, step);
    writes.push(Write::save(batch)?);
    let text = format!(
        "{job_id} ({}) is over for batch {}: {} done, {} not",
        input.phase.as_str(),
        input.batch,
        outcome.done,
        outcome.failed
    );
    writes.push(step.log(deps, text)?);
    step.write(deps, writes).await?;
    if let Some(intent_id) = intent_id {
        quota::release(deps, &intent_id).await?;
    }
    Ok(JobReading::Over(outcome))
}

fn close(batch: &mut BatchRecord, phase: JobPhase, step: &Step) -> Option<String> {
    let intent = batch.jobs.get_mut(phase.as_str())?;
    intent.closed_at = Some(step.now);
    Some(intent.intent_id.clone())
}

fn facts(server: &mut ServerRecord, phase: JobPhase) -> Vec<&mut LaunchFacts> {
    match phase {
        JobPhase::Test | JobPhase::TestTermination => vec![&mut server.test],
        JobPhase::Cutover => vec![&mut server.cutover],
        JobPhase::RollbackTermination => vec![&mut server.cutover, &mut server.test],
    }
}

fn note(server: &mut ServerRecord, phase: JobPhase, job_id: &JobId, result: &ServerResult, stale: bool, step: &Step) {
    for facts in facts(server, phase) {
        match (phase, result) {
            (JobPhase::Test | JobPhase::Cutover, ServerResult::Launched(instance)) => {
                facts.launched_at = Some(step.now);
                facts.instance_id = Some(instance.clone());
                if stale {
                    facts.failure = Some(format!(
                        "{job_id} launched it from a snapshot older than the stop of its source: what was written after that snapshot is missing on {instance}"
                    ));
                }
            }
            (JobPhase::Test | JobPhase::Cutover, ServerResult::Failed(why)) => facts.failure = Some(why.clone()),
            (JobPhase::Test | JobPhase::Cutover, ServerResult::Terminated) => {
                facts.failure = Some(format!("its instance was terminated while {job_id} ran"));
                facts.terminated_at = Some(step.now);
            }
            (_, ServerResult::Terminated) if facts.intended_at.is_some() => facts.terminated_at = Some(step.now),
            _ => {}
        }
    }
}

fn outcome(servers: &[Stored<ServerRecord>], phase: JobPhase, job_id: Option<&JobId>) -> JobOutcome {
    let (mut done, mut failed) = (0, 0);
    let mut reasons = Vec::new();
    for server in servers {
        let ended = |facts: &LaunchFacts| match facts.terminated_at {
            Some(_) => None,
            None => Some("its instance is not terminated".to_owned()),
        };
        let failure = match phase {
            JobPhase::Test if server.test.job_id.as_ref() == job_id => server.test.failure.clone(),
            JobPhase::Cutover if server.cutover.job_id.as_ref() == job_id => server.cutover.failure.clone(),
            JobPhase::TestTermination if server.test.intended_at.is_some() => ended(&server.test),
            JobPhase::RollbackTermination if server.cutover.instance_id.is_some() => ended(&server.cutover),
            _ => continue,
        };
        match failure {
            None => done += 1,
            Some(why) => {
                failed += 1;
                reasons.push(format!("{}: {why}", server.plan.hostname));
            }
        }
    }
    let outcome = match (done, failed) {
        (_, 0) => JobResult::Ok,
        (0, _) => JobResult::Failed,
        _ => JobResult::Partial,
    };
    JobOutcome {
        outcome,
        done,
        failed,
        reasons: few(reasons),
    }
}
