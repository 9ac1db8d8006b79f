//! Checks the launched instances of a batch: EC2's status checks, then the plan's checks through Systems Manager. On
//! cutover instances it first starts the services that were stopped on the source, because the instance is a copy of a
//! stopped source. On test instances it marks the servers that passed as ready for cutover, and leaves out the others.
//!
//! Undo: a mark is taken back by `terminate`; checks change nothing.

mod mark;
mod outcome;
mod runs;
mod services;
mod status;

use jiff::SignedDuration;
use landfall_aws::table::{Stored, Write};
use landfall_aws::waiting::{self, Wait};
use landfall_aws::{Callback, Deps, Step};
use landfall_domain::StepError;
use landfall_domain::ids::WaveId;
use landfall_domain::record::{Direction, Phase, ServerRecord};
use landfall_domain::report::CheckPhase;
use outcome::{Outcome, failed, outcome, settled};
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// How long one invocation watches commands that are under way, in turns of [`WATCH_PAUSE`].
const WATCH_TURNS: usize = 4;

/// The pause between two looks at commands that are under way.
const WATCH_PAUSE: Duration = Duration::from_secs(2);

/// How long servers that could be checked wait for those that cannot yet: one command for all of them is quicker than
/// one for each, and the batch is settled when the last server is. After this, nobody waits for a straggler.
const GATHERING: SignedDuration = SignedDuration::from_mins(10);

/// What the function takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The wave.
    pub wave_id: WaveId,
    /// Its epoch.
    pub epoch: u64,
    /// The batch.
    pub batch: u32,
    /// Which instances, and when.
    pub phase: CheckPhase,
    /// The task that waits.
    pub callback: Callback,
}

/// Records the token, moves the checks on, and completes the token when every server is settled.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Value, StepError> {
    let wait = Wait::poll(
        format!("POLL#{}#VALIDATE-{:?}#{}", input.wave_id, input.phase, input.batch),
        &input.wave_id,
        input.epoch,
        &input.callback,
    );
    waiting::wait(&deps, wait, read(&deps, &input)).await
}

async fn read(deps: &Deps, input: &Input) -> Result<Option<Outcome>, StepError> {
    let mut step = Step::begin(deps, &input.wave_id, input.epoch, Direction::Forward).await?;
    if input.phase == CheckPhase::AfterSwitch {
        step.enter(deps, Phase::Bake).await?;
    }
    let began = step
        .wait_began(deps, &format!("VALIDATE-{:?}-{}", input.phase, input.batch))
        .await?;
    let deadline = began + SignedDuration::from_mins(i64::from(step.wave.deadlines.validation_minutes));
    let mut unsaved = BTreeSet::new();
    let mut servers = deps.table.servers(&input.wave_id, Some(input.batch)).await?;
    servers.retain(|server| concerns(server, input.phase));
    for turn in 0..=WATCH_TURNS {
        step.now = deps.now();
        let gathering = step.now < began + GATHERING;
        unsaved.extend(advance(deps, &step, &mut servers, input.phase, gathering).await?);
        if servers.iter().all(|server| settled(server, input.phase)) {
            save(deps, &step, &mut servers, &unsaved).await?;
            mark::mark(deps, &mut step, &mut servers, input).await?;
            return outcome(deps, &mut step, &servers, input).await.map(Some);
        }
        if step.now >= deadline {
            save(deps, &step, &mut servers, &unsaved).await?;
            give_up(deps, &step, &mut servers, input).await?;
            mark::mark(deps, &mut step, &mut servers, input).await?;
            return outcome(deps, &mut step, &servers, input).await.map(Some);
        }
        if turn == WATCH_TURNS || !runs::under_way(&servers, input.phase) {
            break;
        }
        tokio::time::sleep(WATCH_PAUSE).await;
    }
    save(deps, &step, &mut servers, &unsaved).await?;
    Ok(None)
}

/// Saves what an invocation has read, once: what is lost with a crash is read again.
async fn save(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    unsaved: &BTreeSet<usize>,
) -> Result<(), StepError> {
    let writes = unsaved.iter().map(|index| Write::save(&mut servers[*index]));
    step.write(deps, writes.collect::<Result<_, _>>()?).await
}

/// Which servers a phase is about. A server that is waived has no test instance, but is marked all the same.
fn concerns(server: &ServerRecord, phase: CheckPhase) -> bool {
    server.takes_part()
        && match phase {
            CheckPhase::Test => true,
            CheckPhase::Cutover => server.cutover.intended_at.is_some(),
            CheckPhase::AfterSwitch => server.switched_at.is_some(),
        }
}

/// Moves everything on as far as it goes now. Returns which servers have news that is not saved yet.
async fn advance(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    phase: CheckPhase,
    gathering: bool,
) -> Result<BTreeSet<usize>, StepError> {
    outcome::fail_unlaunched(deps, step, servers, phase).await?;
    let mut unsaved = status::check(deps, step, servers, phase).await?;
    if phase == CheckPhase::Cutover {
        unsaved.extend(services::start(deps, step, servers, gathering).await?);
    }
    // What is sent now has no result yet.
    let open = runs::open(servers, phase);
    runs::begin(deps, step, servers, phase, gathering).await?;
    unsaved.extend(runs::settle(deps, step, servers, phase, open).await?);
    Ok(unsaved)
}

/// At the deadline, what is not settled has failed: silence is not success.
async fn give_up(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    input: &Input,
) -> Result<(), StepError> {
    let mut writes = Vec::new();
    for server in servers.iter_mut().filter(|server| !settled(server, input.phase)) {
        let minutes = step.wave.deadlines.validation_minutes;
        let missing = runs::missing(server, input.phase);
        failed(
            server,
            input.phase,
            format!("after {minutes} minutes there is still no result of {missing}"),
        );
        writes.push(Write::save(server)?);
    }
    step.write(deps, writes).await
}
