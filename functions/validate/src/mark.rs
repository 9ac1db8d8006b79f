//! After the tests of a batch: servers that passed are marked as ready for cutover, the others are left out by name.

use crate::Input;
use crate::outcome::{failure, has_passed};
use futures::{StreamExt, TryStreamExt, stream};
use landfall_aws::lifecycle::ensure;
use landfall_aws::mgn::LifecycleTarget;
use landfall_aws::table::{Stored, Write};
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::ids::SourceServerId;
use landfall_domain::record::ServerRecord;
use landfall_domain::report::CheckPhase;

/// Calls under way at once: MGN publishes no rate limit, and 200 servers are marked in seconds at this number.
const CALLS_AT_ONCE: usize = 8;

/// Marks and leaves out. Marking twice is no second effect: MGN holds the state.
pub async fn mark(
    deps: &Deps,
    step: &mut Step,
    servers: &mut [Stored<ServerRecord>],
    input: &Input,
) -> Result<(), StepError> {
    if input.phase != CheckPhase::Test {
        return Ok(());
    }
    leave_out(deps, step, servers).await?;
    let ready = |server: &ServerRecord| has_passed(server, CheckPhase::Test) && server.marked_ready_at.is_none();
    let ids: Vec<SourceServerId> = servers
        .iter()
        .filter(|server| ready(server))
        .map(|server| server.source_server_id.clone())
        .collect();
    if ids.is_empty() {
        return Ok(());
    }
    save(deps, step, servers, ready, |server, at| {
        server.mark_intended_at = Some(at)
    })
    .await?;
    stream::iter(&ids)
        .map(|id| ensure(deps, id, LifecycleTarget::ReadyForCutover))
        .buffer_unordered(CALLS_AT_ONCE)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    save(deps, step, servers, ready, |server, at| {
        server.marked_ready_at = Some(at)
    })
    .await
}

/// A wave that allows no failure unwinds as a whole; nobody is left out of it.
async fn leave_out(deps: &Deps, step: &Step, servers: &mut [Stored<ServerRecord>]) -> Result<(), StepError> {
    if step.wave.failures_allowed == 0 {
        return Ok(());
    }
    let mut writes = Vec::new();
    for server in servers.iter_mut() {
        let Some(why) = failure(server, CheckPhase::Test).cloned() else {
            continue;
        };
        writes.push(step.log(deps, format!("{} is left out: {why}", server.plan.hostname))?);
        server.excluded = Some(why);
        writes.push(Write::save(server)?);
    }
    step.write(deps, writes).await
}

async fn save(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    which: impl Fn(&ServerRecord) -> bool,
    change: impl Fn(&mut ServerRecord, jiff::Timestamp),
) -> Result<(), StepError> {
    let mut writes = Vec::new();
    for server in servers.iter_mut().filter(|server| which(server)) {
        change(server, step.now);
        writes.push(Write::save(server)?);
    }
    step.write(deps, writes).await
}
