//! Running the plan's checks: one command for all instances that take the same check.

use crate::outcome::{failed, passed, settled};
use crate::status;
use landfall_aws::commands::{self, Intents, Order, Sent};
use landfall_aws::ssm::{Invocation, InvocationOutcome};
use landfall_aws::table::{Stored, Write};
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::plan::Check;
use landfall_domain::record::{CheckRun, ServerRecord};
use landfall_domain::report::{CheckPhase, CheckReport};
use landfall_domain::text::{QUOTE_CHARS_MAX, one_line};
use std::collections::{BTreeMap, BTreeSet};

/// How much of a check's output the report keeps, in characters.
const DETAIL_CHARS_MAX: usize = 400;

fn waits(server: &ServerRecord, phase: CheckPhase) -> bool {
    let started = phase != CheckPhase::Cutover || server.services_started.done_at.is_some();
    !settled(server, phase) && status::has_passed(server, phase) && started
}

fn checks_of(server: &ServerRecord, phase: CheckPhase) -> Vec<(u32, Check)> {
    let checks = server
        .plan
        .checks
        .iter()
        .enumerate()
        .filter(|(_, check)| check.phases.contains(&phase));
    checks
        .map(|(index, check)| (u32::try_from(index).unwrap_or(u32::MAX), check.clone()))
        .collect()
}

fn has_run(server: &ServerRecord, phase: CheckPhase, index: u32) -> bool {
    server
        .check_runs
        .iter()
        .any(|run| run.phase == phase && run.check == index)
}

/// True while commands of this phase are under way, so that looking again soon is worth it.
pub fn under_way(servers: &[Stored<ServerRecord>], phase: CheckPhase) -> bool {
    servers.iter().any(|server| {
        let starting = server.services_started.command_id.is_some() && server.services_started.done_at.is_none();
        let running = waits(server, phase) && server.check_runs.iter().any(|run| run.phase == phase);
        !settled(server, phase) && (running || (phase == CheckPhase::Cutover && starting))
    })
}

/// What a server still lacks, in words.
pub fn missing(server: &ServerRecord, phase: CheckPhase) -> String {
    if !status::has_passed(server, phase) {
        return status::NAME.to_owned();
    }
    if phase == CheckPhase::Cutover && server.services_started.done_at.is_none() {
        return "the start of its services (is the Systems Manager agent running on the instance?)".to_owned();
    }
    let reported = |name: &str| {
        server
            .checks
            .iter()
            .any(|check| check.phase == phase && check.name == name)
    };
    let names: Vec<String> = checks_of(server, phase)
        .into_iter()
        .map(|(_, check)| check.name)
        .collect();
    names
        .into_iter()
        .filter(|name| !reported(name))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Puts the runs of all checks on record and sends them, to the instances that Systems Manager reaches.
pub async fn begin(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    phase: CheckPhase,
    gathering: bool,
) -> Result<(), StepError> {
    let intents = intend(deps, step, servers, phase, gathering).await?;
    let mut unsent: BTreeMap<String, (u32, Vec<usize>)> = BTreeMap::new();
    for (index, server) in servers.iter().enumerate().filter(|(_, server)| waits(server, phase)) {
        for run in server
            .check_runs
            .iter()
            .filter(|run| run.phase == phase && run.command_id.is_none())
        {
            unsent
                .entry(run.intent_id.clone())
                .or_insert((run.check, Vec::new()))
                .1
                .push(index);
        }
    }
    let mut touched = BTreeSet::new();
    for (intent_id, (check, members)) in unsent {
        let order = order(servers, phase, &intent_id, check, &members);
        let Sent::Command(command) = commands::send(deps, &order, intents.is_fresh(&intent_id)).await? else {
            continue;
        };
        for index in members {
            for run in servers[index]
                .check_runs
                .iter_mut()
                .filter(|run| run.intent_id == intent_id)
            {
                run.command_id = Some(command.clone());
            }
            touched.insert(index);
        }
    }
    let writes = touched.into_iter().map(|index| Write::save(&mut servers[index]));
    let writes = writes.collect::<Result<Vec<_>, _>>()?;
    step.write(deps, writes).await
}

fn order(servers: &[Stored<ServerRecord>], phase: CheckPhase, intent_id: &str, check: u32, members: &[usize]) -> Order {
    let first = &servers[members[0]];
    let index = usize::try_from(check).unwrap_or(usize::MAX);
    let (document, parameters) = first.plan.checks[index].command();
    let run = first.check_runs.iter().find(|run| run.intent_id == intent_id);
    let instances = members
        .iter()
        .filter_map(|index| servers[*index].launch(phase).instance_id.as_ref());
    Order {
        intent_id: intent_id.to_owned(),
        intended_at: run.map(|run| run.intended_at).unwrap_or_default(),
        document,
        parameters,
        instances: instances.map(ToString::to_string).collect(),
    }
}

async fn intend(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    phase: CheckPhase,
    gathering: bool,
) -> Result<Intents, StepError> {
    let mut intents = Intents::default();
    let lacking = |server: &ServerRecord| {
        let unsent = |(index, _): &(u32, Check)| !has_run(server, phase, *index);
        !settled(server, phase) && checks_of(server, phase).iter().any(unsent)
    };
    let wanting = |server: &ServerRecord| waits(server, phase) && lacking(server);
    if gathering && servers.iter().any(|server| lacking(server) && !wanting(server)) {
        return Ok(intents);
    }
    let instance = |server: &ServerRecord| server.launch(phase).instance_id.as_ref().map(ToString::to_string);
    let candidates: Vec<String> = servers
        .iter()
        .filter(|server| wanting(server))
        .filter_map(|s| instance(s))
        .collect();
    if candidates.is_empty() {
        return Ok(intents);
    }
    let online = deps.ssm.online(&candidates).await?;
    if gathering && online.len() < candidates.len() {
        return Ok(intents);
    }
    let mut writes = Vec::new();
    for server in servers.iter_mut().filter(|server| wanting(server)) {
        if !instance(server).is_some_and(|id| online.contains(&id)) {
            continue;
        }
        for (index, check) in checks_of(server, phase) {
            if has_run(server, phase, index) {
                continue;
            }
            let intent_id = intents.id_for(deps, format!("{index} {check:?}"));
            server.check_runs.push(CheckRun {
                phase,
                check: index,
                intent_id,
                intended_at: step.now,
                command_id: None,
            });
        }
        writes.push(Write::save(server)?);
    }
    step.write(deps, writes).await?;
    Ok(intents)
}

/// The commands that are under way.
pub fn open(servers: &[Stored<ServerRecord>], phase: CheckPhase) -> BTreeSet<String> {
    servers
        .iter()
        .filter(|server| waits(server, phase))
        .flat_map(|server| server.check_runs.iter().filter(|run| run.phase == phase))
        .filter_map(|run| run.command_id.clone())
        .collect()
}

/// Reads commands, and settles servers whose checks are all reported. Returns which servers have news that is not saved
/// yet.
pub async fn settle(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    phase: CheckPhase,
    commands: BTreeSet<String>,
) -> Result<BTreeSet<usize>, StepError> {
    let mut results = BTreeMap::new();
    for command in commands {
        results.insert(command.clone(), deps.ssm.invocations(&command).await?);
    }
    let mut changed = BTreeSet::new();
    for (index, server) in servers.iter_mut().enumerate() {
        if waits(server, phase) && report(server, phase, &results, step) {
            changed.insert(index);
        }
    }
    Ok(changed)
}

/// Moves finished runs of a server to its reports. False when nothing has changed.
fn report(
    server: &mut ServerRecord,
    phase: CheckPhase,
    results: &BTreeMap<String, BTreeMap<String, Invocation>>,
    step: &Step,
) -> bool {
    let Some(instance) = server.launch(phase).instance_id.as_ref().map(ToString::to_string) else {
        return false;
    };
    let mut changed = false;
    for (index, check) in checks_of(server, phase) {
        let reported = server
            .checks
            .iter()
            .any(|report| report.phase == phase && report.name == check.name);
        let run = server
            .check_runs
            .iter()
            .find(|run| run.phase == phase && run.check == index);
        let command = run.and_then(|run| run.command_id.as_ref());
        let invocation = command.and_then(|id| results.get(id)).and_then(|of| of.get(&instance));
        let Some((success, detail)) = invocation.filter(|_| !reported).and_then(|found| judge(&check, found)) else {
            continue;
        };
        server.checks.push(CheckReport {
            name: check.name,
            phase,
            passed: success,
            detail,
            at: step.now,
        });
        changed = true;
    }
    let of_phase = |report: &&CheckReport| report.phase == phase && report.name != status::NAME;
    let reports: Vec<CheckReport> = server.checks.iter().filter(of_phase).cloned().collect();
    if reports.len() == checks_of(server, phase).len() {
        let bad: Vec<String> = reports
            .iter()
            .filter(|report| !report.passed)
            .map(|report| {
                let said = one_line(&report.detail, QUOTE_CHARS_MAX);
                format!("check \"{}\" did not pass on {instance}: {said}", report.name)
            })
            .collect();
        if bad.is_empty() {
            passed(server, phase, step.now);
        } else {
            failed(server, phase, bad.join("; "));
        }
        server.check_runs.retain(|run| run.phase != phase);
        changed = true;
    }
    changed
}

/// Whether a check passed, and what it said. [`None`] while it runs.
fn judge(check: &Check, invocation: &Invocation) -> Option<(bool, String)> {
    match &invocation.outcome {
        InvocationOutcome::Running => None,
        InvocationOutcome::Succeeded => match &check.expect_output {
            Some(expected) if !invocation.output.contains(expected.as_str()) => Some((
                false,
                format!("its output does not hold {expected:?}: {}", tail(&invocation.output)),
            )),
            _ => Some((true, tail(&invocation.output))),
        },
        InvocationOutcome::Failed(why) => Some((false, format!("{why}: {}", tail(&invocation.output)))),
        InvocationOutcome::NotDelivered(why) => Some((false, format!("it never ran: {why}"))),
    }
}

/// The end of an output, where errors stand.
fn tail(output: &str) -> String {
    let text = output.trim();
    let skip = text.chars().count().saturating_sub(DETAIL_CHARS_MAX);
    text.chars().skip(skip).collect()
}
