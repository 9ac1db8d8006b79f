//! A report of several waves.

use crate::wave;
use landfall_aws::Deps;
use landfall_domain::StepError;
use landfall_domain::ids::WaveId;
use landfall_domain::report::{Report, WaveOutcome, WaveReport};

/// Reads the waves, those that were never planned included.
pub async fn report(deps: &Deps, waves: &[WaveId], title: &str) -> Result<Report, StepError> {
    let mut reports = Vec::new();
    for id in waves {
        reports.push(match deps.table.parts(id).await {
            Ok(parts) => wave::report(deps, parts).await?,
            Err(StepError::WaveUnknown(_)) => wave::not_started(id),
            Err(error) => return Err(error),
        });
    }
    Ok(Report {
        title: title.to_owned(),
        generated_at: deps.now(),
        account: deps.config.account.clone(),
        region: deps.config.region.clone(),
        headline: headline(&reports),
        waves: reports,
    })
}

fn headline(waves: &[WaveReport]) -> String {
    if let [only] = waves {
        return only.headline.clone();
    }
    let count = |outcome: WaveOutcome| waves.iter().filter(|wave| wave.outcome == outcome).count();
    let parts = [
        (count(WaveOutcome::Completed), "completed"),
        (count(WaveOutcome::InProgress), "under way"),
        (count(WaveOutcome::RolledBack), "rolled back"),
        (count(WaveOutcome::NeedsOperator), "waiting for a person"),
        (count(WaveOutcome::NotStarted), "not started"),
    ];
    let said: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    format!("{} waves: {}.", waves.len(), said.join(", "))
}
