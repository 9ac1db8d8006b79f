//! What must be true at the moment of a cutover launch.

use landfall_aws::table::Stored;
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::decide::{LaunchGate, launch_gate};
use landfall_domain::ids::SourceServerId;
use landfall_domain::observe::Lifecycle;
use landfall_domain::plan::WaivedRule;
use landfall_domain::record::{ApprovalKind, Decision, ServerRecord};
use landfall_domain::report::DnsState;

/// Checks every gate; the first that is closed is the error.
pub async fn check(deps: &Deps, step: &Step, servers: &[Stored<ServerRecord>]) -> Result<(), StepError> {
    if step.wave.decision(ApprovalKind::Cutover) != Some(Decision::Approved) {
        return Err(closed(
            "approval",
            "nobody has approved the cutover in this epoch".to_owned(),
        ));
    }
    if let Some(window) = &step.wave.window
        && !(window.not_before..=window.not_after).contains(&step.now)
    {
        let text = format!(
            "it is {}, outside the window {} to {}",
            step.now, window.not_before, window.not_after
        );
        return Err(closed("window", text));
    }
    traffic(deps, step, servers).await?;
    for server in servers {
        tested(server)?;
    }
    replication(deps, servers).await
}

/// The record sets of these servers are prepared: clients must not keep the old address for longer than planned.
async fn traffic(deps: &Deps, step: &Step, servers: &[Stored<ServerRecord>]) -> Result<(), StepError> {
    for record in deps.table.dns(&step.wave.wave_id).await? {
        let ours = record.targets.iter().any(|target| {
            servers
                .iter()
                .any(|server| server.source_server_id == target.source_server_id)
        });
        if ours && !matches!(record.state, DnsState::Prepared | DnsState::Switched) {
            let text = format!("{} {} is not prepared", record.name, record.record_type);
            return Err(closed("traffic", text));
        }
    }
    Ok(())
}

fn tested(server: &ServerRecord) -> Result<(), StepError> {
    let id = &server.source_server_id;
    let waived = server
        .waivers
        .iter()
        .any(|waiver| waiver.rule == WaivedRule::UntestedCutover);
    if server.test.validated_at.is_none() && !waived {
        return Err(closed("test", format!("{id} has passed no test")));
    }
    if server.marked_ready_at.is_none() {
        return Err(closed("test", format!("{id} is not marked as ready for cutover")));
    }
    if server.test.instance_id.is_some() && server.test.terminated_at.is_none() {
        return Err(closed("test", format!("the test instance of {id} is not terminated")));
    }
    Ok(())
}

async fn replication(deps: &Deps, servers: &[Stored<ServerRecord>]) -> Result<(), StepError> {
    let ids: Vec<SourceServerId> = servers.iter().map(|server| server.source_server_id.clone()).collect();
    let views = deps.mgn.source_servers(&ids).await?;
    for server in servers {
        let id = &server.source_server_id;
        let Some(view) = views.get(id) else {
            return Err(closed("source server", format!("MGN does not know {id} any more")));
        };
        if view.lifecycle != Lifecycle::ReadyForCutover {
            let text = format!("{id} is in lifecycle state {}, not READY_FOR_CUTOVER", view.lifecycle);
            return Err(closed("lifecycle", text));
        }
        let Some(stopped_at) = server
            .quiesce
            .stopped_at
            .filter(|_| server.quiesce.restarted_at.is_none())
        else {
            return Err(closed("quiesce", format!("the source of {id} is not stopped")));
        };
        if let LaunchGate::Closed(text) = launch_gate(view, stopped_at)? {
            return Err(closed("snapshot", text));
        }
    }
    Ok(())
}

fn closed(gate: &'static str, observed: String) -> StepError {
    StepError::GateClosed { gate, observed }
}
