//! Starts one MGN job that launches the test instances of a batch. Undone by `terminate`.
//!
//! A server that MGN would refuse, or that a plan exempts from testing, is left out alone: one busy or illegal server
//! would make MGN reject the whole call.

use landfall_aws::jobs::{self, take_lease};
use landfall_aws::table::{Stored, Write};
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::ids::{SourceServerId, WaveId};
use landfall_domain::observe::{Lifecycle, ServerView};
use landfall_domain::plan::WaivedRule;
use landfall_domain::record::{Direction, JobPhase, Phase, ServerRecord};
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
    /// The batch.
    pub batch: u32,
    /// The execution that works on the batch.
    pub execution_arn: String,
}

/// What it answers.
#[derive(Debug, Serialize)]
pub struct Output {
    /// How many servers are in the job; 0: there is no job.
    pub servers: usize,
}

/// Starts the job, or finds the one that an earlier try has started.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Output, StepError> {
    let mut step = Step::begin(&deps, &input.wave_id, input.epoch, Direction::Forward).await?;
    step.enter(&deps, Phase::Test).await?;
    let mut batch = deps.table.batch(&input.wave_id, input.batch).await?;
    take_lease(&deps, &step, &mut batch, &input.execution_arn, step.now).await?;
    let mut servers = deps.table.servers(&input.wave_id, Some(input.batch)).await?;
    servers.retain(needs_test);
    let mut servers = leave_out_illegal(&deps, &step, servers).await?;
    if servers.is_empty() {
        return Ok(Output { servers: 0 });
    }
    jobs::start(&deps, &step, &mut batch, JobPhase::Test, &mut servers).await?;
    Ok(Output { servers: servers.len() })
}

fn needs_test(server: &Stored<ServerRecord>) -> bool {
    let waived = server
        .waivers
        .iter()
        .any(|waiver| waiver.rule == WaivedRule::UntestedCutover);
    let launched = server.test.launched_at.is_some() && server.test.terminated_at.is_none();
    server.takes_part() && !waived && server.marked_ready_at.is_none() && !launched && server.test.failure.is_none()
}

/// Puts on record why servers cannot be tested, and returns the others. A server of our own job, under way since an
/// earlier try, is at TESTING and belongs to the others.
async fn leave_out_illegal(
    deps: &Deps,
    step: &Step,
    servers: Vec<Stored<ServerRecord>>,
) -> Result<Vec<Stored<ServerRecord>>, StepError> {
    if servers.is_empty() {
        return Ok(servers);
    }
    let ids: Vec<SourceServerId> = servers.iter().map(|server| server.source_server_id.clone()).collect();
    let views = deps.mgn.source_servers(&ids).await?;
    let (mut legal, mut writes) = (Vec::new(), Vec::new());
    for mut server in servers {
        match illegal(views.get(&server.source_server_id)) {
            None => legal.push(server),
            Some(why) => {
                writes.push(step.log(deps, format!("{} is not tested: {why}", server.source_server_id))?);
                server.test.failure = Some(why);
                writes.push(Write::save(&mut server)?);
            }
        }
    }
    if !writes.is_empty() {
        step.write(deps, writes).await?;
    }
    Ok(legal)
}

fn illegal(view: Option<&ServerView>) -> Option<String> {
    let Some(view) = view else {
        return Some("MGN does not know it any more".to_owned());
    };
    match &view.lifecycle {
        _ if view.archived => Some("it was archived".to_owned()),
        Lifecycle::ReadyForTest | Lifecycle::Testing => None,
        state => Some(format!(
            "it is in lifecycle state {state}, from which a test launch is not legal"
        )),
    }
}
