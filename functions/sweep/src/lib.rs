//! Every five minutes: finds open waves whose execution is over, because the event that says so is best effort, and
//! holds them; ends questions that nobody answered in time; and tells of sources that are closed beyond their deadline.
//! Nothing to undo.

mod approvals;
mod closed;

use landfall_aws::Deps;
use landfall_aws::hold::hold_orphan;
use landfall_domain::StepError;
use landfall_domain::record::{Phase, WaveStatus};
use serde_json::{Value, json};
use std::sync::Arc;

/// Looks at every open wave. The event of the schedule is not looked at.
pub async fn handle(deps: Arc<Deps>, _event: Value) -> Result<Value, StepError> {
    let (mut held, mut expired, mut closed) = (Vec::new(), 0, 0);
    let waves = deps.table.open_waves().await?;
    for id in &waves {
        let mut wave = match deps.table.wave(id).await {
            Ok(wave) => wave,
            Err(StepError::WaveUnknown(_)) => continue,
            Err(error) => return Err(error),
        };
        if wave.status == WaveStatus::Closed {
            continue;
        }
        // Before that phase no source is frozen, and most waves have none to look for.
        if wave
            .phases
            .iter()
            .any(|entered| entered.phase == Phase::CutOverDatabases)
        {
            closed += closed::tell(&deps, id).await?;
        }
        if wave.status != WaveStatus::Open {
            continue;
        }
        expired += approvals::expire(&deps, &mut wave).await?;
        if !deps.sfn.is_open(&wave.execution_arn).await? {
            let how = "found by the sweep";
            if hold_orphan(&deps, id, &wave.execution_arn, how).await? {
                held.push(id.to_string());
            }
        }
    }
    Ok(json!({ "openWaves": waves.len(), "held": held, "expiredQuestions": expired, "closedSources": closed }))
}
