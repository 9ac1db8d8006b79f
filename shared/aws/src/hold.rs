//! Holding a wave: it stands still, keeps its servers, and a person is told what to do.

use crate::deps::Deps;
use crate::step::log_line;
use crate::table::{Stored, Write};
use landfall_domain::StepError;
use landfall_domain::ids::WaveId;
use landfall_domain::record::{Direction, NextStep, WaveRecord, WaveStatus};
use landfall_domain::report::WaveOutcome;

/// Holds an open wave whose execution is over. False when there was nothing to hold: the wave has ended, is held
/// already, or another execution works on it.
pub async fn hold_orphan(deps: &Deps, wave: &WaveId, execution_arn: &str, how: &str) -> Result<bool, StepError> {
    let mut stored = match deps.table.wave(wave).await {
        Ok(stored) => stored,
        Err(StepError::WaveUnknown(_)) => return Ok(false),
        Err(error) => return Err(error),
    };
    if stored.status != WaveStatus::Open || stored.execution_arn != execution_arn {
        return Ok(false);
    }
    let back = format!("Start rollback-wave with {{\"waveId\": \"{wave}\"}}");
    let what = match stored.direction {
        Direction::Forward => {
            format!("{back} to go back, or start migrate-wave with the same plan to go on from where it stands")
        }
        Direction::Rollback => format!("{back} once more: it goes on with what is not undone yet"),
    };
    let step = NextStep {
        who: "the operator on call".to_owned(),
        what,
        by: None,
    };
    let headline =
        format!("Its execution is over ({how}) while the wave is under way; nothing moves until somebody acts.");
    hold(deps, &mut stored, headline, step).await?;
    Ok(true)
}

/// Holds a wave and tells a person. The record comes first: a notification that is lost is repeated by nobody, but the
/// report and the table say the same.
pub async fn hold(
    deps: &Deps,
    wave: &mut Stored<WaveRecord>,
    headline: String,
    next: NextStep,
) -> Result<(), StepError> {
    wave.status = WaveStatus::Held;
    wave.outcome = Some(WaveOutcome::NeedsOperator);
    wave.headline = Some(headline.clone());
    wave.next_step = Some(next.clone());
    let line = log_line(deps, &wave.wave_id, format!("held: {headline}"))?;
    let write = Write::save(wave)?;
    deps.table.write(None, vec![write, line]).await?;
    notify_held(deps, &wave.wave_id, &headline, &next).await
}

/// Tells a person that a wave needs one.
pub async fn notify_held(deps: &Deps, wave: &WaveId, headline: &str, next: &NextStep) -> Result<(), StepError> {
    let by = next.by.map(|by| format!(" By {by}.")).unwrap_or_default();
    let message = format!("Wave {wave} needs {}.\n\n{headline}\n\n{}.{by}\n", next.who, next.what);
    deps.sns
        .publish(
            &deps.config.topic_arn,
            &format!("Landfall: wave {wave} needs an operator"),
            &message,
        )
        .await
}
