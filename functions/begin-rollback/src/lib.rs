//! Turns a wave round: raises its epoch, so that whatever still goes forward refuses, and stops the executions that do.
//! Says which of three rollbacks it is before anything is undone. No undo: a wave that was turned round is rolled back to
//! the end, or held.

use jiff::SignedDuration;
use landfall_aws::Deps;
use landfall_aws::step::log_line;
use landfall_aws::table::{Stored, Write};
use landfall_domain::StepError;
use landfall_domain::decide::{loss_is_planned, way_back_kind};
use landfall_domain::ids::{DatabaseId, WaveId};
use landfall_domain::plan::Acceptance;
use landfall_domain::record::{Direction, Phase, PhaseRecord, WaveRecord, WaveStatus};
use landfall_domain::report::WayBackKind;
use landfall_domain::text::plain;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A function outlives its timed-out or stopped task for at most its own timeout; this is added for clocks.
const FUNCTIONS_END: SignedDuration = SignedDuration::from_secs(landfall_aws::deps::FUNCTION_SECONDS_MAX as i64 + 5);

/// What the function takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The wave.
    pub wave_id: WaveId,
    /// The execution of rollback-wave.
    pub execution_arn: String,
    /// The execution of migrate-wave that asked for the rollback and waits for it. It is not stopped.
    #[serde(default)]
    pub parent_execution_arn: Option<String>,
    /// The epoch that is to be rolled back, when an execution asks for it: it must not turn a newer attempt round.
    #[serde(default)]
    pub expected_epoch: Option<u64>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// A person who accepts that writes are lost.
    #[serde(default)]
    pub acceptance: Option<Acceptance>,
}

/// What it answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The wave.
    pub wave_id: WaveId,
    /// The epoch of the rollback.
    pub epoch: u64,
    /// Which rollback it is.
    pub kind: WayBackKind,
    /// Whether what it loses is accepted.
    pub accepted: bool,
    /// The wave's batches, newest first.
    pub batches: Vec<u32>,
    /// The wave's databases, those of the last move group first.
    pub databases: Vec<DatabaseId>,
    /// When the last function that went forward is over.
    pub quiet_at: jiff::Timestamp,
}

/// Raises the epoch and stops what goes forward.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Output, StepError> {
    let mut wave = deps.table.wave(&input.wave_id).await?;
    if wave.status == WaveStatus::Closed {
        return Err(StepError::NotApproved(format!(
            "wave {} has ended; there is nothing to roll back",
            input.wave_id
        )));
    }
    if !turned_by(&wave, &input.execution_arn) {
        if let Some(given) = input.expected_epoch.filter(|given| *given != wave.epoch) {
            return Err(StepError::EpochSuperseded {
                wave: input.wave_id,
                given,
                current: wave.epoch,
            });
        }
        refuse_other_rollback(&deps, &wave).await?;
        turn(&deps, &mut wave, &input).await?;
    }
    stop_forward(&deps, &wave, &input).await?;
    let parts = deps.table.parts(&input.wave_id).await?;
    let servers: Vec<_> = parts.servers.into_iter().map(|server| server.value).collect();
    let dns: Vec<_> = parts.dns.into_iter().map(|record| record.value).collect();
    let mut databases: Vec<_> = parts.databases.into_iter().map(|database| database.value).collect();
    databases.sort_by_key(|database| Reverse(wave.move_groups.iter().position(|name| name == &database.move_group)));
    let kind = way_back_kind(&wave, &servers, &databases, &dns);
    let free = matches!(kind, WayBackKind::Free | WayBackKind::NothingToUndo);
    let accepted = free || wave.rollback_acceptance.is_some() || loss_is_planned(&wave, &databases);
    let mut batches: Vec<u32> = parts.batches.iter().map(|batch| batch.number).collect();
    batches.reverse();
    let quiet_at = if kind == WayBackKind::NothingToUndo {
        deps.now()
    } else {
        deps.now() + FUNCTIONS_END
    };
    Ok(Output {
        wave_id: input.wave_id,
        epoch: wave.epoch,
        kind,
        accepted,
        batches,
        databases: databases.into_iter().map(|database| database.database_id).collect(),
        quiet_at,
    })
}

fn turned_by(wave: &WaveRecord, execution_arn: &str) -> bool {
    wave.direction == Direction::Rollback && wave.execution_arn == execution_arn && wave.status == WaveStatus::Open
}

async fn refuse_other_rollback(deps: &Deps, wave: &WaveRecord) -> Result<(), StepError> {
    if wave.direction == Direction::Rollback && deps.sfn.is_open(&wave.execution_arn).await? {
        return Err(StepError::WaveOpen {
            wave: wave.wave_id.clone(),
            execution: wave.execution_arn.clone(),
        });
    }
    Ok(())
}

async fn turn(deps: &Deps, wave: &mut Stored<WaveRecord>, input: &Input) -> Result<(), StepError> {
    let stopped = wave.execution_arn.clone();
    let now = deps.now();
    wave.epoch += 1;
    wave.direction = Direction::Rollback;
    wave.status = WaveStatus::Open;
    wave.execution_arn = input.execution_arn.clone();
    wave.outcome = None;
    wave.next_step = None;
    wave.undo_failures.clear();
    // On record, because what is lost of a database is decided by the function that takes it back.
    wave.rollback_acceptance = input.acceptance.clone();
    // Always a phase of its own: what an earlier rollback could not do is tried again in this one.
    wave.phases.push(PhaseRecord {
        phase: Phase::RollBack,
        at: now,
    });
    let why = plain(input.reason.as_deref().unwrap_or("asked for by hand"));
    let mut writes = vec![log_line(
        deps,
        &wave.wave_id,
        format!("rollback, epoch {}: {why}; it was run by {stopped}", wave.epoch),
    )?];
    if let Some(acceptance) = &input.acceptance {
        let text = format!(
            "{} accepts what the rollback loses: {}",
            acceptance.accepted_by, acceptance.reason
        );
        writes.push(log_line(deps, &wave.wave_id, text)?);
    }
    writes.push(Write::save(wave)?);
    remember_forward(deps, wave, stopped, input, writes).await
}

/// The execution that ran the wave before is kept in its batches' leases too; migrate-wave itself is kept here, in a
/// line of the audit trail, and stopped below.
async fn remember_forward(
    deps: &Deps,
    wave: &Stored<WaveRecord>,
    stopped: String,
    input: &Input,
    writes: Vec<Write>,
) -> Result<(), StepError> {
    deps.table.write(None, writes).await?;
    let own = [Some(&input.execution_arn), input.parent_execution_arn.as_ref()];
    if !own.contains(&Some(&stopped)) && deps.sfn.is_open(&stopped).await? {
        deps.sfn
            .stop(&stopped, "RolledBack", &format!("wave {} is rolled back", wave.wave_id))
            .await?;
    }
    Ok(())
}

/// Stops the executions that work on batches and databases. Each is shut out by the epoch already; stopping them ends
/// their waits.
async fn stop_forward(deps: &Deps, wave: &WaveRecord, input: &Input) -> Result<(), StepError> {
    let batches = deps.table.batches(&wave.wave_id).await?;
    let databases = deps.table.databases(&wave.wave_id).await?;
    let of_batches = batches.iter().filter_map(|batch| batch.lease.as_ref());
    let of_databases = databases.iter().filter_map(|database| database.lease.as_ref());
    let mut executions: BTreeSet<String> = of_batches
        .chain(of_databases)
        .map(|lease| lease.execution_arn.clone())
        .collect();
    executions.remove(&input.execution_arn);
    if let Some(parent) = &input.parent_execution_arn {
        executions.remove(parent);
    }
    for execution in executions {
        if deps.sfn.is_open(&execution).await? {
            deps.sfn
                .stop(
                    &execution,
                    "RolledBack",
                    &format!("wave {} is rolled back", wave.wave_id),
                )
                .await?;
        }
    }
    Ok(())
}
