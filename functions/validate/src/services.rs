//! Starting, on a cutover instance, the services that were stopped on its source. The instance is a copy of the disks
//! of a source whose services were stopped and disabled, so it comes up without them; the copy also holds the record of
//! what ran before. Starting them is no write by a client: traffic still goes to the source's address.

use crate::outcome::{failed, settled};
use crate::status;
use landfall_aws::commands::{self, INSTANCES_PER_COMMAND_MAX, Order, Sent};
use landfall_aws::ssm::InvocationOutcome;
use landfall_aws::table::{Stored, Write};
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::record::{CommandFacts, ServerRecord};
use landfall_domain::report::CheckPhase;
use std::collections::{BTreeMap, BTreeSet};

/// Sends the command to instances that are ready for it, and reads those that were sent.
pub async fn start(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    gathering: bool,
) -> Result<(), StepError> {
    let fresh = intend(deps, step, servers, gathering).await?;
    send(deps, step, servers, &fresh).await?;
    settle(deps, step, servers).await
}

fn waits(server: &ServerRecord) -> bool {
    !settled(server, CheckPhase::Cutover) && status::has_passed(server, CheckPhase::Cutover)
}

/// Puts intents on record, one for all servers that take the same command.
async fn intend(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    gathering: bool,
) -> Result<BTreeSet<String>, StepError> {
    let candidates: Vec<String> = servers
        .iter()
        .filter(|server| waits(server) && server.services_started.intent_id.is_none())
        .filter_map(|server| server.cutover.instance_id.as_ref().map(ToString::to_string))
        .collect();
    let mut fresh = BTreeSet::new();
    let lacks = |server: &&Stored<ServerRecord>| {
        !settled(server, CheckPhase::Cutover) && server.services_started.intent_id.is_none()
    };
    let lacking = servers.iter().filter(lacks).count();
    if candidates.is_empty() || (gathering && candidates.len() < lacking) {
        return Ok(fresh);
    }
    let online = deps.ssm.online(&candidates).await?;
    if gathering && online.len() < candidates.len() {
        return Ok(fresh);
    }
    let mut groups: BTreeMap<String, (String, usize)> = BTreeMap::new();
    let mut writes = Vec::new();
    for server in servers
        .iter_mut()
        .filter(|server| waits(server) && server.services_started.intent_id.is_none())
    {
        let instance = server
            .cutover
            .instance_id
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        if !online.contains(&instance) {
            continue;
        }
        let command = format!("{:?}", server.plan.quiesce.restart(step.wave.wave_id.as_str()));
        let entry = groups.entry(command).or_insert_with(|| (deps.ids.next(), 0));
        if entry.1 == INSTANCES_PER_COMMAND_MAX {
            *entry = (deps.ids.next(), 0);
        }
        entry.1 += 1;
        fresh.insert(entry.0.clone());
        server.services_started = CommandFacts::intended(entry.0.clone(), step.now);
        writes.push(Write::save(server)?);
    }
    step.write(deps, writes).await?;
    Ok(fresh)
}

async fn send(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    fresh: &BTreeSet<String>,
) -> Result<(), StepError> {
    let unsent: BTreeSet<String> = servers
        .iter()
        .filter(|server| waits(server) && server.services_started.command_id.is_none())
        .filter_map(|server| server.services_started.intent_id.clone())
        .collect();
    for intent_id in unsent {
        let of_intent = |server: &ServerRecord| server.services_started.intent_id.as_ref() == Some(&intent_id);
        let instances = servers
            .iter()
            .filter(|server| of_intent(server))
            .filter_map(|server| server.cutover.instance_id.as_ref().map(ToString::to_string))
            .collect();
        let Some(first) = servers.iter().find(|server| of_intent(server)) else {
            continue;
        };
        let (document, parameters) = first.plan.quiesce.restart(step.wave.wave_id.as_str());
        let intended_at = first.services_started.intended_at.unwrap_or(step.now);
        let order = Order {
            intent_id: intent_id.clone(),
            intended_at,
            document,
            parameters,
            instances,
        };
        let Sent::Command(command) = commands::send(deps, &order, fresh.contains(&intent_id)).await? else {
            continue;
        };
        let mut writes = vec![step.log(deps, format!("{command} starts services on cutover instances"))?];
        for server in servers.iter_mut().filter(|server| of_intent(server)) {
            server.services_started.command_id = Some(command.clone());
            writes.push(Write::save(server)?);
        }
        step.write(deps, writes).await?;
    }
    Ok(())
}

async fn settle(deps: &Deps, step: &Step, servers: &mut [Stored<ServerRecord>]) -> Result<(), StepError> {
    let open: BTreeSet<String> = servers
        .iter()
        .filter(|server| waits(server) && server.services_started.done_at.is_none())
        .filter_map(|server| server.services_started.command_id.clone())
        .collect();
    for command in open {
        let invocations = deps.ssm.invocations(&command).await?;
        let mut writes = Vec::new();
        for server in servers.iter_mut() {
            if server.services_started.command_id.as_ref() != Some(&command)
                || server.services_started.done_at.is_some()
            {
                continue;
            }
            let instance = server
                .cutover
                .instance_id
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            let Some(invocation) = invocations.get(&instance) else {
                continue;
            };
            match &invocation.outcome {
                InvocationOutcome::Running => continue,
                InvocationOutcome::Succeeded => server.services_started.done_at = Some(step.now),
                InvocationOutcome::Failed(why) | InvocationOutcome::NotDelivered(why) => {
                    let text = format!("its services could not be started on {instance}: {why}");
                    failed(server, CheckPhase::Cutover, text);
                }
            }
            writes.push(Write::save(server)?);
        }
        step.write(deps, writes).await?;
    }
    Ok(())
}
