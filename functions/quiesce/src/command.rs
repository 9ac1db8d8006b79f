//! One command to many sources: intents on record, sent once, read until it is over.

use landfall_aws::commands::{self, INSTANCES_PER_COMMAND_MAX, Order, Sent};
use landfall_aws::ssm::InvocationOutcome;
use landfall_aws::table::{Stored, Write};
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::plan::checks::Command;
use landfall_domain::record::{CommandFacts, ServerRecord};
use std::collections::{BTreeMap, BTreeSet};

/// Which of a server's two commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one that stops its services.
    Stop,
    /// The one that starts them again.
    Restart,
}

impl Which {
    fn facts(self, server: &ServerRecord) -> &CommandFacts {
        match self {
            Self::Stop => &server.quiesce.stop,
            Self::Restart => &server.quiesce.restart,
        }
    }

    fn facts_mut(self, server: &mut ServerRecord) -> &mut CommandFacts {
        match self {
            Self::Stop => &mut server.quiesce.stop,
            Self::Restart => &mut server.quiesce.restart,
        }
    }

    fn command(self, server: &ServerRecord) -> Command {
        let marker = server.wave_id.as_str();
        match self {
            Self::Stop => server.plan.quiesce.stop(marker),
            Self::Restart => server.plan.quiesce.restart(marker),
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Restart => "start",
        }
    }
}

/// What came of a server's command, for those that came to an end in this reading.
pub type Ended = Vec<(usize, Result<(), String>)>;

/// Puts intents on record for servers without one, sends what is not sent, reads what is under way. Returns what ended.
pub async fn run(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    which: Which,
) -> Result<Ended, StepError> {
    let fresh = intend(deps, step, servers, which).await?;
    let mut ended = send(deps, step, servers, which, &fresh).await?;
    ended.extend(read(deps, step, servers, which).await?);
    Ok(ended)
}

/// True while a command is under way, so that looking again soon is worth it.
pub fn under_way(servers: &[Stored<ServerRecord>], which: Which) -> bool {
    servers.iter().any(|server| {
        let facts = which.facts(server);
        facts.command_id.is_some() && facts.done_at.is_none()
    })
}

async fn intend(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    which: Which,
) -> Result<BTreeSet<String>, StepError> {
    let mut groups: BTreeMap<String, (String, usize)> = BTreeMap::new();
    let (mut fresh, mut writes) = (BTreeSet::new(), Vec::new());
    for server in servers
        .iter_mut()
        .filter(|server| which.facts(server).intent_id.is_none())
    {
        let entry = groups
            .entry(format!("{:?}", which.command(server)))
            .or_insert_with(|| (deps.ids.next(), 0));
        if entry.1 == INSTANCES_PER_COMMAND_MAX {
            *entry = (deps.ids.next(), 0);
        }
        entry.1 += 1;
        fresh.insert(entry.0.clone());
        *which.facts_mut(server) = CommandFacts::intended(entry.0.clone(), step.now);
        writes.push(Write::save(server)?);
    }
    if !writes.is_empty() {
        let text = format!("about to {} the services of {} sources", which.verb(), writes.len());
        writes.push(step.log(deps, text)?);
    }
    step.write(deps, writes).await?;
    Ok(fresh)
}

async fn send(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    which: Which,
    fresh: &BTreeSet<String>,
) -> Result<Ended, StepError> {
    let mut unsent: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, server) in servers.iter().enumerate() {
        let facts = which.facts(server);
        if let (Some(intent), None) = (&facts.intent_id, &facts.command_id) {
            unsent.entry(intent.clone()).or_default().push(index);
        }
    }
    let mut ended = Vec::new();
    for (intent_id, members) in unsent {
        let first = &servers[members[0]];
        let (document, parameters) = which.command(first);
        let order = Order {
            intent_id: intent_id.clone(),
            intended_at: which.facts(first).intended_at.unwrap_or(step.now),
            document,
            parameters,
            instances: members
                .iter()
                .map(|index| servers[*index].plan.quiesce.managed_instance_id.to_string())
                .collect(),
        };
        match commands::send(deps, &order, fresh.contains(&intent_id)).await? {
            Sent::NotManaged(text) => {
                let why = format!("Systems Manager does not reach it: {text}");
                ended.extend(members.into_iter().map(|index| (index, Err(why.clone()))));
            }
            Sent::Command(command) => {
                let mut writes = vec![step.log(deps, format!("{command} is sent to {} the services", which.verb()))?];
                for index in members {
                    which.facts_mut(&mut servers[index]).command_id = Some(command.clone());
                    writes.push(Write::save(&mut servers[index])?);
                }
                step.write(deps, writes).await?;
            }
        }
    }
    Ok(ended)
}

async fn read(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    which: Which,
) -> Result<Ended, StepError> {
    let open: BTreeSet<String> = servers
        .iter()
        .map(|server| which.facts(server))
        .filter(|facts| facts.done_at.is_none())
        .filter_map(|facts| facts.command_id.clone())
        .collect();
    let mut ended = Vec::new();
    for command in open {
        let invocations = deps.ssm.invocations(&command).await?;
        for (index, server) in servers.iter_mut().enumerate() {
            let facts = which.facts(server);
            if facts.command_id.as_ref() != Some(&command) || facts.done_at.is_some() {
                continue;
            }
            let Some(invocation) = invocations.get(server.plan.quiesce.managed_instance_id.as_str()) else {
                continue;
            };
            match &invocation.outcome {
                InvocationOutcome::Running => {}
                InvocationOutcome::Succeeded => {
                    which.facts_mut(server).done_at = Some(step.now);
                    ended.push((index, Ok(())));
                }
                InvocationOutcome::Failed(why) => {
                    ended.push((index, Err(format!("{why}: {}", invocation.output.trim()))))
                }
                InvocationOutcome::NotDelivered(why) => {
                    ended.push((index, Err(format!("the command never ran: {why}"))))
                }
            }
        }
    }
    Ok(ended)
}
