//! Taking a lifecycle back, so that MGN lets the instance be terminated and the server be tested again.

use futures::{StreamExt, TryStreamExt, stream};
use landfall_aws::lifecycle::ensure;
use landfall_aws::mgn::LifecycleTarget;
use landfall_aws::table::{Stored, Write};
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::ids::SourceServerId;
use landfall_domain::observe::Lifecycle;
use landfall_domain::record::{JobPhase, ServerRecord};
use landfall_domain::text::count;
use std::collections::BTreeSet;

/// Calls under way at once: MGN publishes no rate limit, and 200 servers are reverted in seconds at this number.
const CALLS_AT_ONCE: usize = 8;

/// Reverts servers to READY_FOR_TEST: after a rollback all of them, after a test those that did not pass. A server that
/// passed stays READY_FOR_CUTOVER, from which terminating is legal. A revert is repeated safely: the state is read first.
pub async fn revert(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    phase: JobPhase,
) -> Result<(), StepError> {
    let ids: Vec<SourceServerId> = servers.iter().map(|server| server.source_server_id.clone()).collect();
    let views = deps.mgn.source_servers(&ids).await?;
    let mut calls = Vec::new();
    for server in servers.iter() {
        let Some(view) = views.get(&server.source_server_id) else {
            continue;
        };
        let back_to_test = phase == JobPhase::RollbackTermination || server.marked_ready_at.is_none();
        for target in steps_back(&view.lifecycle, back_to_test) {
            calls.push((server.source_server_id.clone(), target));
        }
    }
    if calls.is_empty() {
        return Ok(());
    }
    let reverted: BTreeSet<&SourceServerId> = calls.iter().map(|(id, _)| id).collect();
    let text = format!("about to revert the lifecycle of {}", count(reverted.len(), "server"));
    step.write(deps, vec![step.log(deps, text)?]).await?;
    // Two steps of one server follow each other: first all from CUTTING_OVER, then all from READY_FOR_CUTOVER.
    for wave in [LifecycleTarget::ReadyForCutover, LifecycleTarget::ReadyForTest] {
        let of_wave = calls.iter().filter(|(_, target)| *target == wave);
        stream::iter(of_wave)
            .map(|(id, target)| ensure(deps, id, *target))
            .buffer_unordered(CALLS_AT_ONCE)
            .try_for_each(|()| async { Ok(()) })
            .await?;
    }
    let mut writes = vec![step.log(deps, "the lifecycles are reverted")?];
    if phase == JobPhase::RollbackTermination {
        for server in servers.iter_mut() {
            server.marked_ready_at = None;
            server.mark_intended_at = None;
            writes.push(Write::save(server)?);
        }
    }
    step.write(deps, writes).await
}

fn steps_back(lifecycle: &Lifecycle, back_to_test: bool) -> Vec<LifecycleTarget> {
    match lifecycle {
        Lifecycle::CuttingOver if back_to_test => vec![LifecycleTarget::ReadyForCutover, LifecycleTarget::ReadyForTest],
        Lifecycle::CuttingOver => vec![LifecycleTarget::ReadyForCutover],
        Lifecycle::Testing | Lifecycle::ReadyForCutover if back_to_test => vec![LifecycleTarget::ReadyForTest],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_passed_its_test_stays_ready_for_cutover() {
        assert!(steps_back(&Lifecycle::ReadyForCutover, false).is_empty());
        assert_eq!(steps_back(&Lifecycle::Testing, true), [LifecycleTarget::ReadyForTest]);
        assert_eq!(
            steps_back(&Lifecycle::CuttingOver, true),
            [LifecycleTarget::ReadyForCutover, LifecycleTarget::ReadyForTest]
        );
    }
}
