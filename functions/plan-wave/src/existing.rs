//! What is on record of a wave before it is planned.

use jiff::SignedDuration;
use landfall_aws::Deps;
use landfall_aws::table::{Key, Stored};
use landfall_domain::StepError;
use landfall_domain::plan::WavePlan;
use landfall_domain::record::{ApprovalKind, Decision, Direction, WaveRecord, WaveStatus};
use landfall_domain::report::WaveOutcome;

/// A claiming that is older than this was left by a function that died.
const CLAIMING_MAX: SignedDuration = SignedDuration::from_mins(15);

/// What was found.
pub enum Found {
    /// Nothing.
    Nothing,
    /// The wave, planned by this very execution: a repeat.
    Ours(Stored<WaveRecord>),
    /// The same plan, completed: there is nothing left to do.
    Completed(Stored<WaveRecord>),
    /// The same plan, whose execution is over: it can go on.
    ToGoOn(Stored<WaveRecord>),
    /// A wave that was rolled back: it can begin anew.
    Ended,
    /// A wave whose claims were never completed.
    HalfClaimed,
}

/// Looks, and refuses what must not be planned again.
pub async fn look(deps: &Deps, plan: &WavePlan, digest: &str, execution_arn: &str) -> Result<Found, StepError> {
    let Some(wave) = deps.table.get::<WaveRecord>(&Key::wave(&plan.wave_id)).await? else {
        return Ok(Found::Nothing);
    };
    match wave.status {
        WaveStatus::Closed if wave.outcome == Some(WaveOutcome::Completed) && wave.plan_digest == digest => {
            Ok(Found::Completed(wave))
        }
        WaveStatus::Closed if wave.outcome == Some(WaveOutcome::Completed) => Err(StepError::invalid(
            "$.waveId",
            format!("{:?}", plan.wave_id.as_str()),
            "an id that no completed wave has: this wave is finalized",
        )),
        WaveStatus::Closed => Ok(Found::Ended),
        WaveStatus::Claiming => {
            let stale = deps.now().duration_since(wave.claiming_since) > CLAIMING_MAX;
            let own = wave.execution_arn == execution_arn;
            if own || stale || !deps.sfn.is_open(&wave.execution_arn).await? {
                Ok(Found::HalfClaimed)
            } else {
                Err(open(&wave))
            }
        }
        WaveStatus::Open | WaveStatus::Held => {
            if wave.execution_arn == execution_arn
                && wave.direction == Direction::Forward
                && wave.status == WaveStatus::Open
            {
                return Ok(Found::Ours(wave));
            }
            let going_back = wave.direction == Direction::Rollback && !nothing_undone(&wave);
            if wave.plan_digest != digest || going_back {
                return Err(open(&wave));
            }
            if deps.sfn.is_open(&wave.execution_arn).await? && wave.execution_arn != execution_arn {
                return Err(open(&wave));
            }
            Ok(Found::ToGoOn(wave))
        }
    }
}

/// True for a rollback that nobody accepted: nothing was undone, so the wave can go on.
fn nothing_undone(wave: &WaveRecord) -> bool {
    wave.status == WaveStatus::Held
        && matches!(
            wave.decision(ApprovalKind::Rollback),
            Some(Decision::Rejected | Decision::Expired)
        )
}

fn open(wave: &WaveRecord) -> StepError {
    StepError::WaveOpen {
        wave: wave.wave_id.clone(),
        execution: wave.execution_arn.clone(),
    }
}
