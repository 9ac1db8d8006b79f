//! What must be true before anything is finalized.

use landfall_aws::table::Stored;
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::ids::SourceServerId;
use landfall_domain::observe::Lifecycle;
use landfall_domain::record::{ApprovalKind, DatabaseRecord, DatabaseState, Decision, DnsRecord, ServerRecord};
use landfall_domain::report::DnsState;
use std::collections::{BTreeMap, BTreeSet};

/// Checks every gate; the first that is closed is the error.
pub async fn check(deps: &Deps, step: &Step, servers: &[Stored<ServerRecord>]) -> Result<(), StepError> {
    if step.wave.decision(ApprovalKind::Finalize) != Some(Decision::Approved) {
        return Err(closed(
            "approval",
            "nobody has approved the finalization in this epoch".to_owned(),
        ));
    }
    match step.wave.bake_until {
        Some(until) if until <= step.now => {}
        Some(until) => return Err(closed("bake", format!("the bake time lasts until {until}"))),
        None => return Err(closed("bake", "the bake time has not begun".to_owned())),
    }
    servers.iter().try_for_each(|server| validated(server))?;
    for database in deps.table.databases(&step.wave.wave_id).await? {
        moved(&database)?;
    }
    replication(deps, servers).await?;
    traffic(deps, step, servers).await
}

fn validated(server: &ServerRecord) -> Result<(), StepError> {
    let id = &server.source_server_id;
    let missing = [
        (
            server.cutover.validated_at.is_none() || server.cutover.failure.is_some(),
            "passed the checks of its cutover",
        ),
        (server.switched_at.is_none(), "its traffic on AWS"),
        (
            server.validated_after_switch_at.is_none(),
            "passed the checks after the switch",
        ),
    ];
    match missing.iter().find(|(missing, _)| *missing) {
        Some((_, what)) => Err(closed("validation", format!("{id} does not have {what}"))),
        None => Ok(()),
    }
}

/// Applications write on the target, and one of them was seen to be able to.
fn moved(database: &DatabaseRecord) -> Result<(), StepError> {
    let id = &database.database_id;
    if database.state != DatabaseState::OnTarget || database.cutover.switched_at.is_none() {
        return Err(closed("databases", format!("database {id} is not on its target")));
    }
    if database.cutover.checked_at.is_none() {
        return Err(closed(
            "databases",
            format!("no application's login was seen to work on the target of {id}"),
        ));
    }
    Ok(())
}

async fn replication(deps: &Deps, servers: &[Stored<ServerRecord>]) -> Result<(), StepError> {
    let ids: Vec<SourceServerId> = servers.iter().map(|server| server.source_server_id.clone()).collect();
    let views = deps.mgn.source_servers(&ids).await?;
    for server in servers {
        let id = &server.source_server_id;
        let state = views.get(id).map(|view| view.lifecycle.clone());
        let done = server.finalize_intended_at.is_some() && state == Some(Lifecycle::Cutover);
        if state != Some(Lifecycle::CuttingOver) && !done {
            let text = state.map_or_else(
                || "unknown to MGN".to_owned(),
                |state| format!("in lifecycle state {state}"),
            );
            return Err(closed("lifecycle", format!("{id} is {text}, not CUTTING_OVER")));
        }
    }
    Ok(())
}

/// The record sets of these servers still point where the switch left them.
async fn traffic(deps: &Deps, step: &Step, servers: &[Stored<ServerRecord>]) -> Result<(), StepError> {
    let records = deps.table.dns(&step.wave.wave_id).await?;
    let ours = |record: &DnsRecord| {
        record.targets.iter().any(|target| {
            servers
                .iter()
                .any(|server| server.source_server_id == target.source_server_id)
        })
    };
    let mut zones: BTreeMap<_, BTreeSet<(String, String)>> = BTreeMap::new();
    for record in records.iter().filter(|record| ours(record)) {
        if record.state != DnsState::Switched && record.state != DnsState::Settled {
            return Err(closed(
                "traffic",
                format!("{} {} is not switched", record.name, record.record_type),
            ));
        }
        let wanted = zones.entry(record.hosted_zone_id.clone()).or_default();
        wanted.insert((record.name.clone(), record.record_type.clone()));
    }
    for (zone, wanted) in zones {
        let found = deps.route53.record_sets(&zone, &wanted).await?;
        for record in records
            .iter()
            .filter(|record| ours(record) && record.hosted_zone_id == zone)
        {
            let key = (record.name.clone(), record.record_type.clone());
            if found.get(&key) != record.ours.last() {
                let text = format!(
                    "{} {} was changed by somebody else since the switch",
                    record.name, record.record_type
                );
                return Err(closed("traffic", text));
            }
        }
    }
    Ok(())
}

fn closed(gate: &'static str, observed: String) -> StepError {
    StepError::GateClosed { gate, observed }
}
