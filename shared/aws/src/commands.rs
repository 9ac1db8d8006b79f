//! Sending Systems Manager commands to many hosts, once.
//!
//! SendCommand takes no client token either: the id of the intent travels in the command's comment, and whoever finds an
//! intent without a command looks for that comment first.

use crate::deps::Deps;
use crate::ssm::{CommandRequest, InvocationOutcome, SendRefusal};
use crate::step::Step;
use crate::table::{Stored, Write};
use jiff::{SignedDuration, Timestamp};
use landfall_domain::StepError;
use landfall_domain::plan::checks::Command;
use landfall_domain::record::{CommandFacts, ServerRecord};
use landfall_domain::text::{QUOTE_CHARS_MAX, count, one_line};
use std::collections::{BTreeMap, BTreeSet};

/// Instances of one command. <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_SendCommand.html>
const INSTANCES_PER_COMMAND_MAX: usize = 50;

/// How long Systems Manager may take to deliver a command, in seconds; the shortest it allows is 30.
const DELIVERY_SECONDS: u32 = 120;

/// How much earlier than its intent a command may seem to be sent: clocks of two services differ.
const CLOCK_DIFFERENCE_MAX: SignedDuration = SignedDuration::from_mins(5);

/// What came of sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The command.
    Command(String),
    /// A host is not, or no longer, known to Systems Manager; what it said.
    NotManaged(String),
}

/// What to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The id of the intent, on record already.
    pub intent_id: String,
    /// When it was put on record.
    pub intended_at: Timestamp,
    /// The document.
    pub document: String,
    /// Its parameters.
    pub parameters: BTreeMap<String, Vec<String>>,
    /// The hosts, at most [`INSTANCES_PER_COMMAND_MAX`].
    pub instances: Vec<String>,
}

/// Sends a command whose intent is on record. `fresh` is true when this invocation has put it there, so that nobody can
/// have sent it before.
pub async fn send(deps: &Deps, order: &Order, fresh: bool) -> Result<Sent, StepError> {
    let comment = format!("landfall {}", order.intent_id);
    if !fresh {
        let since = order.intended_at - CLOCK_DIFFERENCE_MAX;
        if let Some(command) = deps.ssm.find_command(&comment, since).await? {
            return Ok(Sent::Command(command));
        }
    }
    let request = CommandRequest {
        document: order.document.clone(),
        parameters: order.parameters.clone(),
        instances: order.instances.clone(),
        comment,
        delivery_timeout_seconds: DELIVERY_SECONDS,
    };
    match deps.ssm.send(&request).await {
        Ok(command) => Ok(Sent::Command(command)),
        Err(SendRefusal::NotManaged(text)) => Ok(Sent::NotManaged(text)),
        Err(SendRefusal::Other(error)) => Err(error),
    }
}

/// Hands out ids of intents: one for all servers that take the same command, as many as a command can hold.
#[derive(Debug, Default)]
pub struct Intents {
    of_command: BTreeMap<String, (String, usize)>,
    fresh: BTreeSet<String>,
}

impl Intents {
    /// The id for one more server; `command` is the same for servers that take the same command.
    pub fn id_for(&mut self, deps: &Deps, command: String) -> String {
        let entry = self.of_command.entry(command).or_insert_with(|| (deps.ids.next(), 0));
        if entry.1 == INSTANCES_PER_COMMAND_MAX {
            *entry = (deps.ids.next(), 0);
        }
        entry.1 += 1;
        self.fresh.insert(entry.0.clone());
        entry.0.clone()
    }

    /// True for an id that was handed out here: nobody can have sent its command before.
    pub fn is_fresh(&self, intent_id: &str) -> bool {
        self.fresh.contains(intent_id)
    }
}

/// A command that each server of a batch takes once, on a host of its own.
#[derive(Clone, Copy)]
pub struct Course {
    /// What is known of it.
    pub facts: fn(&ServerRecord) -> &CommandFacts,
    /// The same, to be changed.
    pub facts_mut: fn(&mut ServerRecord) -> &mut CommandFacts,
    /// The host; none while there is none.
    pub host: fn(&ServerRecord) -> Option<String>,
    /// What it runs.
    pub command: fn(&ServerRecord) -> Command,
    /// What it does, for the audit trail: "stop the services".
    pub does: &'static str,
}

/// What came of servers' commands that came to an end, by their place in the slice.
pub type Ended = Vec<(usize, Result<(), String>)>;

/// Decides which servers of a batch are meant.
pub type Members<'a> = &'a (dyn Fn(&ServerRecord) -> bool + Sync);

impl Course {
    /// Puts intents on record for members without one.
    pub async fn intend(
        self,
        deps: &Deps,
        step: &Step,
        servers: &mut [Stored<ServerRecord>],
        members: Members<'_>,
    ) -> Result<Intents, StepError> {
        let (mut intents, mut writes) = (Intents::default(), Vec::new());
        for server in servers.iter_mut() {
            if !members(server) || (self.facts)(server).intent_id.is_some() {
                continue;
            }
            let id = intents.id_for(deps, format!("{:?}", (self.command)(server)));
            *(self.facts_mut)(server) = CommandFacts::intended(id, step.now);
            writes.push(Write::save(server)?);
        }
        if !writes.is_empty() {
            let text = format!("about to {} of {}", self.does, count(writes.len(), "server"));
            writes.push(step.log(deps, text)?);
        }
        step.write(deps, writes).await?;
        Ok(intents)
    }

    /// Sends what members have on record and is not sent, then reads what was under way before. Returns what ended; that
    /// a command is done is noted in its facts, which the caller saves.
    pub async fn advance(
        self,
        deps: &Deps,
        step: &Step,
        servers: &mut [Stored<ServerRecord>],
        members: Members<'_>,
        intents: &Intents,
    ) -> Result<Ended, StepError> {
        // What is sent now has no result yet.
        let open: BTreeSet<String> = servers
            .iter()
            .filter(|server| members(server))
            .map(|server| (self.facts)(server))
            .filter(|facts| facts.done_at.is_none())
            .filter_map(|facts| facts.command_id.clone())
            .collect();
        let mut ended = self.send(deps, step, servers, members, intents).await?;
        for command in open {
            ended.extend(self.read(deps, step, servers, members, &command).await?);
        }
        Ok(ended)
    }

    /// True while a command is under way, so that looking again soon is worth it.
    pub fn under_way(self, servers: &[Stored<ServerRecord>]) -> bool {
        servers.iter().any(|server| {
            let facts = (self.facts)(server);
            facts.command_id.is_some() && facts.done_at.is_none()
        })
    }

    async fn send(
        self,
        deps: &Deps,
        step: &Step,
        servers: &mut [Stored<ServerRecord>],
        members: Members<'_>,
        intents: &Intents,
    ) -> Result<Ended, StepError> {
        let mut unsent: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, server) in servers.iter().enumerate().filter(|(_, server)| members(server)) {
            let facts = (self.facts)(server);
            if let (Some(intent), None) = (&facts.intent_id, &facts.command_id) {
                unsent.entry(intent.clone()).or_default().push(index);
            }
        }
        let mut ended = Vec::new();
        for (intent_id, of_intent) in unsent {
            let first = &servers[of_intent[0]];
            let (document, parameters) = (self.command)(first);
            let order = Order {
                intended_at: (self.facts)(first).intended_at.unwrap_or(step.now),
                document,
                parameters,
                instances: of_intent
                    .iter()
                    .filter_map(|index| (self.host)(&servers[*index]))
                    .collect(),
                intent_id,
            };
            match send(deps, &order, intents.is_fresh(&order.intent_id)).await? {
                Sent::NotManaged(text) => {
                    let why = format!("Systems Manager does not reach it: {text}");
                    ended.extend(of_intent.into_iter().map(|index| (index, Err(why.clone()))));
                }
                Sent::Command(command) => {
                    let mut writes = vec![step.log(deps, format!("{command} is sent to {}", self.does))?];
                    for index in of_intent {
                        (self.facts_mut)(&mut servers[index]).command_id = Some(command.clone());
                        writes.push(Write::save(&mut servers[index])?);
                    }
                    step.write(deps, writes).await?;
                }
            }
        }
        Ok(ended)
    }

    async fn read(
        self,
        deps: &Deps,
        step: &Step,
        servers: &mut [Stored<ServerRecord>],
        members: Members<'_>,
        command: &str,
    ) -> Result<Ended, StepError> {
        let invocations = deps.ssm.invocations(command).await?;
        let mut ended = Vec::new();
        for (index, server) in servers.iter_mut().enumerate() {
            let facts = (self.facts)(server);
            if !members(server) || facts.command_id.as_deref() != Some(command) || facts.done_at.is_some() {
                continue;
            }
            let Some(invocation) = (self.host)(server).and_then(|host| invocations.get(&host)) else {
                continue;
            };
            match &invocation.outcome {
                InvocationOutcome::Running => {}
                InvocationOutcome::Succeeded => {
                    (self.facts_mut)(server).done_at = Some(step.now);
                    ended.push((index, Ok(())));
                }
                InvocationOutcome::Failed(why) => {
                    let said = one_line(&invocation.output, QUOTE_CHARS_MAX);
                    ended.push((index, Err(format!("{why}: {said}"))));
                }
                InvocationOutcome::NotDelivered(why) => {
                    ended.push((index, Err(format!("the command never ran: {why}"))));
                }
            }
        }
        Ok(ended)
    }
}
