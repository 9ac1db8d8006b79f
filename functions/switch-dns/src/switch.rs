//! Pointing the record sets of a move group at AWS.

use crate::{Outcome, Switched};
use landfall_aws::dns_change::{
    Aim, Seen, deadline, everywhere, foreign, leave_alone, look_everywhere, read_back, send,
};
use landfall_aws::ec2::InstanceView;
use landfall_aws::table::{Stored, Write};
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::decide::{lowered, switched};
use landfall_domain::ids::{InstanceId, SourceServerId};
use landfall_domain::plan::Address;
use landfall_domain::record::{
    ApprovalKind, Decision, DnsRecord, DnsTarget, Phase, RecordSet, ServerRecord, WaveRecord,
};
use landfall_domain::report::DnsState;
use std::collections::BTreeMap;

/// The wait, by the name under which its beginning is in the table.
pub(crate) const WAIT: &str = "SWITCH_DNS";

/// EC2's word for an instance that clients can reach.
const RUNNING: &str = "running";

/// The instances, by server.
type Instances = BTreeMap<SourceServerId, InstanceView>;

/// Switches the group. [`None`]: the change is not everywhere yet, and there is time.
pub(crate) async fn switch(deps: &Deps, mut step: Step, group: &str) -> Result<Option<Outcome>, StepError> {
    step.enter(deps, Phase::SwitchTraffic).await?;
    let mut servers = deps.table.servers(&step.wave.wave_id, None).await?;
    servers.retain(|server| server.move_group == group && server.takes_part());
    if servers.iter().all(|server| is_switched(server, &step.wave)) {
        return Ok(Some(Outcome {
            outcome: Switched::Switched,
            reasons: Vec::new(),
        }));
    }
    gate(&step.wave, &servers)?;
    let mut records = deps.table.dns(&step.wave.wave_id).await?;
    records.retain(|record| targets(record, &servers).next().is_some());
    let instances = instances(deps, &records, &servers).await?;
    let seen = look_everywhere(deps, records).await?;
    let mut aims = match aims(seen, &servers, &instances)? {
        Ok(aims) => aims,
        Err(refused) => return fail(deps, &step, refused).await,
    };
    record_intents(deps, &mut step, &mut aims, group).await?;
    send(deps, &step, &mut aims, &format!("point group {group} at AWS")).await?;
    if !everywhere(deps, &aims).await? {
        return late(deps, step, group).await;
    }
    let wrong = read_back(deps, &aims).await?;
    if !wrong.is_empty() {
        let refused = wrong
            .into_iter()
            .map(|(index, problem)| (aims[index].record.clone(), problem));
        return fail(deps, &step, refused.collect()).await;
    }
    record_outcomes(deps, &step, aims, servers, group).await?;
    Ok(Some(Outcome {
        outcome: Switched::Switched,
        reasons: Vec::new(),
    }))
}

/// True when it was switched by this attempt of the wave; an earlier one has been undone since.
fn is_switched(server: &ServerRecord, wave: &WaveRecord) -> bool {
    server.switched_at.is_some_and(|at| at >= wave.planned_at)
}

/// Looks at every gate again, in the table: between the approval and now servers may have failed.
fn gate(wave: &WaveRecord, servers: &[Stored<ServerRecord>]) -> Result<(), StepError> {
    if wave.decision(ApprovalKind::Cutover) != Some(Decision::Approved) {
        return Err(StepError::GateClosed {
            gate: "the approval of the cutover",
            observed: format!("nobody approved it in epoch {} of wave {}", wave.epoch, wave.wave_id),
        });
    }
    for server in servers {
        let id = &server.source_server_id;
        let observed = match &server.cutover {
            facts if facts.failure.is_some() => {
                format!("{id}: {}", facts.failure.as_deref().unwrap_or_default())
            }
            facts if facts.terminated_at.is_some() => format!("the cutover instance of {id} is terminated"),
            facts if facts.validated_at.is_none() => format!("the checks of {id} have not passed"),
            _ => continue,
        };
        return Err(StepError::GateClosed {
            gate: "the cutover instances",
            observed,
        });
    }
    Ok(())
}

/// The targets of a record whose server is among these; others stay as they are.
fn targets<'a>(record: &'a DnsRecord, servers: &'a [Stored<ServerRecord>]) -> impl Iterator<Item = &'a DnsTarget> {
    let among = |target: &&DnsTarget| {
        servers
            .iter()
            .any(|server| server.source_server_id == target.source_server_id)
    };
    record.targets.iter().filter(among)
}

/// The instances whose addresses are asked for, in one call.
async fn instances(
    deps: &Deps,
    records: &[Stored<DnsRecord>],
    servers: &[Stored<ServerRecord>],
) -> Result<Instances, StepError> {
    let mut wanted: BTreeMap<SourceServerId, InstanceId> = BTreeMap::new();
    for target in records.iter().flat_map(|record| targets(record, servers)) {
        let server = servers
            .iter()
            .find(|server| server.source_server_id == target.source_server_id);
        if let (Some(_), Some(server)) = (target.plan.address, server)
            && let Some(instance) = &server.cutover.instance_id
        {
            wanted.insert(server.source_server_id.clone(), instance.clone());
        }
    }
    if wanted.is_empty() {
        return Ok(Instances::new());
    }
    let ids: Vec<InstanceId> = wanted.values().cloned().collect();
    let mut views = deps.ec2.instances(&ids).await?;
    Ok(wanted
        .into_iter()
        .filter_map(|(server, id)| Some((server, views.remove(&id)?)))
        .collect())
}

/// The values that a target points at.
fn values(target: &DnsTarget, instances: &Instances) -> Result<Vec<String>, StepError> {
    let Some(address) = target.plan.address else {
        return Ok(target.plan.values.clone());
    };
    let gate = "the addresses to switch to";
    let server = &target.source_server_id;
    let instance = instances.get(server);
    if let Some(instance) = instance.filter(|instance| instance.state != RUNNING) {
        let observed = format!("the cutover instance of {server} is {}", instance.state);
        return Err(StepError::GateClosed { gate, observed });
    }
    let (kind, value) = match address {
        Address::PrivateIp => ("private", instance.and_then(|instance| instance.private_ip.clone())),
        Address::PublicIp => ("public", instance.and_then(|instance| instance.public_ip.clone())),
    };
    let observed = format!("the cutover instance of {server} has no {kind} IPv4 address");
    value
        .map(|value| vec![value])
        .ok_or(StepError::GateClosed { gate, observed })
}

/// A record that cannot be switched, and why.
type Refused = (Stored<DnsRecord>, String);

/// What the sets are to become; or which of them are not what Landfall left, so that none is changed in any zone.
fn aims(
    seen: Vec<Seen>,
    servers: &[Stored<ServerRecord>],
    instances: &Instances,
) -> Result<Result<Vec<Aim>, Vec<Refused>>, StepError> {
    let mut aims = Vec::new();
    let mut refused = Vec::new();
    for Seen { record, found } in seen {
        prepared(&record)?;
        match found {
            Ok(found) if record.is_ours(&found) => {
                let wanted = wanted(&record, &found, servers, instances)?;
                aims.push(Aim::at(record, &found, wanted));
            }
            Ok(found) => refused.push((record, foreign(&found))),
            Err(problem) => refused.push((record, problem)),
        }
    }
    Ok(if refused.is_empty() { Ok(aims) } else { Err(refused) })
}

/// A record without an original could not be restored; one whose TTL is not lowered could not be restored quickly.
fn prepared(record: &DnsRecord) -> Result<(), StepError> {
    if record.original.is_some() && record.prepared_at.is_some() {
        return Ok(());
    }
    let observed = format!(
        "{} {} in zone {} is not",
        record.name, record.record_type, record.hosted_zone_id
    );
    Err(StepError::GateClosed {
        gate: "record sets are prepared first",
        observed,
    })
}

/// The sets with the new values of these servers' targets, and the TTL of the cutover.
fn wanted(
    record: &DnsRecord,
    found: &[RecordSet],
    servers: &[Stored<ServerRecord>],
    instances: &Instances,
) -> Result<Vec<RecordSet>, StepError> {
    let mut by_member = BTreeMap::new();
    for target in targets(record, servers) {
        by_member.insert(target.plan.set_identifier.clone(), values(target, instances)?);
    }
    Ok(switched(&lowered(record, found), &|member| {
        by_member.get(member).cloned()
    }))
}

/// Puts on record, before the first change, what the sets will be and that clients may write on AWS from now on. A group
/// without record sets is open from here too: its clients find their way by means that Landfall does not see.
async fn record_intents(deps: &Deps, step: &mut Step, aims: &mut [Aim], group: &str) -> Result<(), StepError> {
    let mut writes = Vec::new();
    if step.wave.open_to_writes_at.is_none() {
        step.wave.open_to_writes_at = Some(step.now);
        writes.push(Write::save(&mut step.wave)?);
    }
    for aim in aims.iter_mut().filter(|aim| aim.new) {
        aim.intend();
        writes.push(Write::save(&mut aim.record)?);
    }
    if writes.is_empty() {
        return Ok(());
    }
    let text = format!(
        "group {group} is switched next, with {} record sets; it may be written to on AWS",
        aims.len()
    );
    writes.push(step.log(deps, text)?);
    step.write(deps, writes).await
}

/// Notes that the group is switched: records first, so that switched servers mean switched records.
async fn record_outcomes(
    deps: &Deps,
    step: &Step,
    aims: Vec<Aim>,
    servers: Vec<Stored<ServerRecord>>,
    group: &str,
) -> Result<(), StepError> {
    let at = deps.now();
    let text = format!(
        "group {group} is switched: {} record sets, {} servers",
        aims.len(),
        servers.len()
    );
    let mut writes = vec![step.log(deps, text)?];
    for Aim { mut record, .. } in aims {
        record.state = DnsState::Switched;
        record.change_id = None;
        record.held = None;
        writes.push(Write::save(&mut record)?);
    }
    for mut server in servers {
        server.switched_at = Some(at);
        writes.push(Write::save(&mut server)?);
    }
    step.write(deps, writes).await
}

async fn late(deps: &Deps, mut step: Step, group: &str) -> Result<Option<Outcome>, StepError> {
    let deadline = deadline(deps, &mut step, &format!("{WAIT}#{group}")).await?;
    if deps.now() < deadline {
        return Ok(None);
    }
    let text = format!("the switch of group {group} was to be on all authoritative servers by {deadline} and is not");
    step.write(deps, vec![step.log(deps, text.clone())?]).await?;
    Ok(Some(Outcome {
        outcome: Switched::Failed,
        reasons: vec![text],
    }))
}

async fn fail(deps: &Deps, step: &Step, refused: Vec<Refused>) -> Result<Option<Outcome>, StepError> {
    let reasons = leave_alone(deps, step, refused, "traffic is not switched").await?;
    Ok(Some(Outcome {
        outcome: Switched::Failed,
        reasons,
    }))
}
