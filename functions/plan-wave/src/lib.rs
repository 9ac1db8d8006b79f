//! Validates a plan, claims its servers and databases, cuts batches and records the wave. Undone by `close-wave`, which gives the
//! claims back.
//!
//! Everything that can be refused is refused before anything is written. A plan that is started again goes on from where
//! its wave stands, with a higher epoch; a wave that was rolled back begins anew.

mod claims;
mod existing;
mod records;

use existing::Found;
use landfall_aws::Deps;
use landfall_aws::table::Write;
use landfall_domain::StepError;
use landfall_domain::decide::{is_switched, plannable};
use landfall_domain::ids::{DatabaseId, SourceServerId};
use landfall_domain::plan::database::FailBack;
use landfall_domain::plan::{LoadError, Problem, WavePlan, load_program, load_wave};
use landfall_domain::record::{BatchRecord, DatabaseRecord, DatabaseState, Direction, WaveRecord, WaveStatus};
use landfall_domain::report::WaveOutcome;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    /// Plan the wave.
    Plan,
    /// Only check a program and all its waves: nothing is called, nothing is written.
    CheckProgram,
}

/// What the function takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// What is asked.
    pub mode: Mode,
    /// The plan, as it was given to the execution.
    pub document: Value,
    /// The execution that will work on the wave.
    pub execution_arn: String,
}

/// Checks or plans.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Value, StepError> {
    let refused = |error: LoadError| StepError::InvalidInput(error.0);
    if input.mode == Mode::CheckProgram {
        let program = load_program(&input.document).map_err(refused)?;
        let ids: Vec<&str> = program.waves.iter().map(|wave| wave.wave_id.as_str()).collect();
        return Ok(json!({ "programId": program.program_id, "waves": ids.len(), "waveIds": ids }));
    }
    let plan = load_wave(&input.document).map_err(refused)?;
    meant_for_here(&deps, &plan)?;
    let digest = records::digest(&plan)?;
    match existing::look(&deps, &plan, &digest, &input.execution_arn).await? {
        Found::Ours(wave) | Found::Completed(wave) => answer(&deps, &wave).await,
        Found::ToGoOn(mut wave) => {
            servers_can(&deps, &plan, true).await?;
            go_on(&deps, &mut wave, &input.execution_arn).await?;
            answer(&deps, &wave).await
        }
        Found::Nothing | Found::Ended | Found::HalfClaimed => {
            // Whose a server or a database is comes first: the remedy for its state would be done to another wave.
            claims::read(&deps, &plan).await?;
            servers_can(&deps, &plan, false).await?;
            let wave = records::plan(&deps, &plan, digest, &input.execution_arn).await?;
            answer(&deps, &wave).await
        }
    }
}

fn meant_for_here(deps: &Deps, plan: &WavePlan) -> Result<(), StepError> {
    let mut problems = Vec::new();
    for (path, given, here) in [
        ("$.accountId", &plan.account_id, &deps.config.account),
        ("$.region", &plan.region, &deps.config.region),
    ] {
        if let Some(given) = given.as_ref().filter(|given| *given != here) {
            problems.push(Problem {
                path: path.to_owned(),
                value: format!("{given:?}"),
                allowed: format!("{here}: this Landfall works there; deploy one where the plan belongs"),
            });
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(StepError::InvalidInput(problems))
    }
}

/// Refuses servers that MGN does not know, or from whose state a wave cannot start; all of them at once.
async fn servers_can(deps: &Deps, plan: &WavePlan, own: bool) -> Result<(), StepError> {
    let ids: Vec<SourceServerId> = plan
        .servers
        .iter()
        .map(|server| server.source_server_id.clone())
        .collect();
    let views = deps.mgn.source_servers(&ids).await?;
    let mut refusals = Vec::new();
    for id in &ids {
        match views.get(id) {
            None => refusals.push(format!(
                "server {id} is not known to MGN in {}; install its agent there, or mend the id",
                deps.config.region
            )),
            // What an earlier attempt of this wave has finalized is not asked again.
            Some(view) if own && (view.archived || view.lifecycle.as_str() == "CUTOVER") => {}
            Some(view) => refusals.extend(plannable(view, own)),
        }
    }
    if refusals.is_empty() {
        Ok(())
    } else {
        Err(StepError::ServersRefused(refusals))
    }
}

/// Takes a wave up again where it stands: whatever is done stays done.
async fn go_on(
    deps: &Deps,
    wave: &mut landfall_aws::table::Stored<WaveRecord>,
    execution_arn: &str,
) -> Result<(), StepError> {
    wave.epoch += 1;
    wave.direction = Direction::Forward;
    wave.status = WaveStatus::Open;
    wave.execution_arn = execution_arn.to_owned();
    wave.rollback_acceptance = None;
    wave.outcome = None;
    wave.headline = None;
    wave.next_step = None;
    let line = landfall_aws::step::log_line(deps, &wave.wave_id, format!("taken up again, epoch {}", wave.epoch))?;
    let write = Write::save(wave)?;
    deps.table.write(None, vec![write, line]).await
}

/// True when nothing of the cutover is left to do, replication back included, where it is planned.
fn is_cut_over(database: &DatabaseRecord) -> bool {
    let back = matches!(database.plan.fail_back, Some(FailBack::ReverseReplication {}));
    let replicates_back = !back || database.fail_back.running_at.is_some();
    database.state == DatabaseState::OnTarget
        && database.cutover.checked_at.is_some()
        && database.replication.stopped_at.is_some()
        && replicates_back
}

/// What the state machine needs: ids only. What an earlier attempt has switched is not replicated again, and what it has
/// cut over is left alone.
async fn answer(deps: &Deps, wave: &WaveRecord) -> Result<Value, StepError> {
    let batches = deps.table.batches(&wave.wave_id).await?;
    let of_group = |group: &String| -> Vec<u32> {
        batches
            .iter()
            .filter(|batch| &batch.move_group == group)
            .map(|batch: &_| number(batch))
            .collect()
    };
    let databases: Vec<DatabaseRecord> = deps
        .table
        .databases(&wave.wave_id)
        .await?
        .into_iter()
        .map(|item| item.value)
        .collect();
    let ids = |wanted: &dyn Fn(&DatabaseRecord) -> bool| -> Vec<DatabaseId> {
        let wanted = databases.iter().filter(|database| wanted(database));
        wanted.map(|database| database.database_id.clone()).collect()
    };
    let groups: Vec<Value> = wave
        .move_groups
        .iter()
        .map(|name| {
            let open = ids(&|database| &database.move_group == name && !is_cut_over(database));
            json!({ "name": name, "batches": of_group(name), "databases": open })
        })
        .collect();
    let all: Vec<u32> = batches.iter().map(|batch| number(batch)).collect();
    let window_start = wave.window.as_ref().map_or(wave.planned_at, |window| window.not_before);
    Ok(json!({
        "waveId": wave.wave_id,
        "epoch": wave.epoch,
        "groups": groups,
        "batches": all,
        "databases": ids(&|_| true),
        "databasesToReplicate": ids(&|database| !is_switched(database.state)),
        "windowStart": window_start,
        "failuresAllowed": wave.failures_allowed,
        "maxConcurrentBatches": wave.max_concurrent_batches,
        "completed": wave.outcome == Some(WaveOutcome::Completed),
    }))
}

fn number(batch: &BatchRecord) -> u32 {
    batch.number
}
