//! Starting, on a cutover instance, the services that were stopped on its source. The instance is a copy of the disks
//! of a source whose services were stopped and disabled, so it comes up without them; the copy also holds the record of
//! what ran before. Starting them is no write by a client: traffic still goes to the source's address.

use crate::outcome::{failed, settled};
use crate::status;
use landfall_aws::commands::{Course, Intents};
use landfall_aws::table::Stored;
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::record::ServerRecord;
use landfall_domain::report::CheckPhase;
use std::collections::BTreeSet;

/// Starts on the instance what its source had recorded.
pub const START: Course = Course {
    facts: |server| &server.services_started,
    facts_mut: |server| &mut server.services_started,
    host: instance,
    command: |server| server.plan.quiesce.restart(server.wave_id.as_str()),
    does: "start the services on cutover instances",
};

fn instance(server: &ServerRecord) -> Option<String> {
    server.cutover.instance_id.as_ref().map(ToString::to_string)
}

/// Sends the command to instances that are ready for it, and reads those that were sent. Returns which servers have news
/// that is not saved yet. An instance that Systems Manager does not reach is tried again until the deadline.
pub async fn start(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    gathering: bool,
) -> Result<BTreeSet<usize>, StepError> {
    let intents = intend(deps, step, servers, gathering).await?;
    let ended = START.advance(deps, step, servers, &waits, &intents).await?;
    let mut changed = BTreeSet::new();
    for (index, result) in ended {
        let server = &mut servers[index];
        let reached = server.services_started.command_id.is_some();
        match result {
            Ok(()) => {}
            Err(_) if !reached => continue,
            Err(why) => {
                let instance = instance(server).unwrap_or_default();
                let text = format!("its services could not be started on {instance}: {why}");
                failed(server, CheckPhase::Cutover, text);
            }
        }
        changed.insert(index);
    }
    Ok(changed)
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
) -> Result<Intents, StepError> {
    let lacks =
        |server: &ServerRecord| !settled(server, CheckPhase::Cutover) && server.services_started.intent_id.is_none();
    let candidates: Vec<String> = servers
        .iter()
        .filter(|server| waits(server) && lacks(server))
        .filter_map(|server| instance(server))
        .collect();
    let lacking = servers.iter().filter(|server| lacks(server)).count();
    if candidates.is_empty() || (gathering && candidates.len() < lacking) {
        return Ok(Intents::default());
    }
    let online = deps.ssm.online(&candidates).await?;
    if gathering && online.len() < candidates.len() {
        return Ok(Intents::default());
    }
    let reached = |server: &ServerRecord| waits(server) && instance(server).is_some_and(|id| online.contains(&id));
    START.intend(deps, step, servers, &reached).await
}
