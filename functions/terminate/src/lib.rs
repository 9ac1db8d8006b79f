//! Ends instances: reverts the lifecycle, then starts one MGN job that terminates them. No undo: an instance that is
//! gone is launched again by the step that launched it.
//!
//! In this order because MGN refuses to terminate in TESTING and CUTTING_OVER, and because reverting terminates nothing.
//! <https://docs.aws.amazon.com/mgn/latest/APIReference/API_TerminateTargetInstances.html>

mod evidence;
mod revert;

use landfall_aws::table::{Stored, Write};
use landfall_aws::{Deps, Step, jobs, launched};
use landfall_domain::StepError;
use landfall_domain::ids::{SourceServerId, WaveId};
use landfall_domain::record::{Direction, JobPhase, ServerRecord};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What the function takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The wave.
    pub wave_id: WaveId,
    /// Its epoch.
    pub epoch: u64,
    /// Which way the wave moves.
    pub direction: Direction,
    /// The batch.
    pub batch: u32,
    /// `TEST_TERMINATION` or `ROLLBACK_TERMINATION`.
    pub phase: JobPhase,
}

/// What it answers.
#[derive(Debug, Serialize)]
pub struct Output {
    /// How many servers are in the job; 0: there is no job.
    pub servers: usize,
}

/// Reverts, takes evidence where instances of a cutover end, and starts the job or finds it.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Output, StepError> {
    let (wave, mut batch) = deps.table.wave_and_batch(&input.wave_id, input.batch).await?;
    let step = Step::at(&deps, wave, input.epoch, input.direction)?;
    let mut servers = deps.table.servers(&input.wave_id, Some(input.batch)).await?;
    let unread = launched::note(&deps, &step, &batch, &mut servers).await?;
    // What may run unseen is not settled: the launch stays open on record, and whoever ends the wave names it.
    servers.retain(|server| !unread.contains_key(&server.source_server_id));
    match input.phase {
        JobPhase::TestTermination => servers.retain(has_test_instance),
        JobPhase::RollbackTermination => servers.retain(|server| was_launched(server) || was_marked(server)),
        other => {
            return Err(StepError::invalid(
                "$.phase",
                other.as_str(),
                "TEST_TERMINATION or ROLLBACK_TERMINATION",
            ));
        }
    }
    if servers.is_empty() {
        return Ok(Output { servers: 0 });
    }
    if input.phase == JobPhase::RollbackTermination {
        evidence::take(&deps, &step, &mut servers).await?;
    }
    revert::revert(&deps, &step, &mut servers, input.phase).await?;
    if input.phase == JobPhase::RollbackTermination {
        servers.retain(was_launched);
    }
    let mut with_instance = forget_what_never_was(&deps, &step, servers).await?;
    if with_instance.is_empty() {
        return Ok(Output { servers: 0 });
    }
    jobs::start(&deps, &step, &mut batch, input.phase, &mut with_instance).await?;
    Ok(Output {
        servers: with_instance.len(),
    })
}

fn has_test_instance(server: &Stored<ServerRecord>) -> bool {
    server.test.instance_id.is_some() && server.test.terminated_at.is_none()
}

/// A server that was marked as ready for cutover and never cut over has no instance, but its lifecycle has to go back.
fn was_marked(server: &Stored<ServerRecord>) -> bool {
    server.mark_intended_at.is_some() && server.finalize_intended_at.is_none()
}

fn was_launched(server: &Stored<ServerRecord>) -> bool {
    let open =
        |facts: &landfall_domain::record::LaunchFacts| facts.intended_at.is_some() && facts.terminated_at.is_none();
    (open(&server.test) || open(&server.cutover)) && server.finalized_at.is_none()
}

/// Settles the record of servers whose launch came to nothing: MGN shows no instance for them, so there is nothing to
/// terminate.
async fn forget_what_never_was(
    deps: &Deps,
    step: &Step,
    servers: Vec<Stored<ServerRecord>>,
) -> Result<Vec<Stored<ServerRecord>>, StepError> {
    if servers.is_empty() {
        return Ok(servers);
    }
    let ids: Vec<SourceServerId> = servers.iter().map(|server| server.source_server_id.clone()).collect();
    let views = deps.mgn.source_servers(&ids).await?;
    let (mut kept, mut writes) = (Vec::new(), Vec::new());
    for mut server in servers {
        let shown = views
            .get(&server.source_server_id)
            .is_some_and(|view| view.instance.is_some());
        if shown
            || server.test.instance_id.is_some() && server.test.terminated_at.is_none()
            || server.cutover.instance_id.is_some() && server.cutover.terminated_at.is_none()
        {
            kept.push(server);
            continue;
        }
        let record = &mut server.value;
        for facts in [&mut record.test, &mut record.cutover] {
            if facts.intended_at.is_some() && facts.terminated_at.is_none() {
                facts.terminated_at = Some(step.now);
            }
        }
        writes.push(Write::save(&mut server)?);
    }
    if !writes.is_empty() {
        step.write(deps, writes).await?;
    }
    Ok(kept)
}
