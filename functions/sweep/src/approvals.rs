//! Questions whose time is over: their waits are entered again only once a day, so they are ended here.

use landfall_aws::table::{Stored, Write};
use landfall_aws::waiting::complete;
use landfall_aws::{Deps, step::log_line};
use landfall_domain::StepError;
use landfall_domain::record::{Decision, WaveRecord};
use serde_json::json;

/// Puts on record that nobody answered, then resumes who waits. Nobody's answer never advances a wave.
pub async fn expire(deps: &Deps, wave: &mut Stored<WaveRecord>) -> Result<usize, StepError> {
    let now = deps.now();
    let epoch = wave.epoch;
    let over: Vec<String> = wave
        .approvals
        .iter()
        .filter(|(_, asked)| asked.epoch == epoch && asked.decision.is_none() && asked.deadline <= now)
        .map(|(kind, _)| kind.clone())
        .collect();
    for kind in &over {
        if let Some(asked) = wave.approvals.get_mut(kind) {
            asked.decision = Some(Decision::Expired);
            asked.at = Some(now);
        }
        let line = log_line(
            deps,
            &wave.wave_id,
            format!("nobody answered the question {kind} in time"),
        )?;
        let write = Write::save(wave)?;
        match deps.table.write(None, vec![write, line]).await {
            // Somebody answered at this very moment, or the wait itself saw it: theirs counts.
            Err(StepError::WriteConflict { .. }) => return Ok(0),
            other => other?,
        }
        for waiting in deps
            .table
            .awaiting(&format!("APPROVAL#{}#{kind}", wave.wave_id))
            .await?
        {
            if waiting.epoch == epoch {
                complete(deps, &waiting, &json!({ "decision": Decision::Expired })).await?;
            }
        }
    }
    Ok(over.len())
}
