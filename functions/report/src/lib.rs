//! Tells the story of waves: as a summary, as JSON, or as one self-contained HTML page. Reads the table only; nothing to
//! undo.

mod assemble;
mod database;
mod page;
mod server;
mod wave;

use landfall_aws::Deps;
use landfall_domain::StepError;
use landfall_domain::ids::WaveId;
use landfall_domain::report::Report;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Format {
    /// A few sentences, small enough for an execution's output.
    Summary,
    /// Everything. For a call by hand: the answer may be larger than an execution's output can be.
    Json,
    /// The page. For a call by hand.
    Html,
}

/// What the function takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The waves, in the order of the report.
    pub wave_ids: Vec<WaveId>,
    /// What the report is about.
    pub title: String,
    /// In which form.
    pub format: Format,
}

/// Reads the waves and tells.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Value, StepError> {
    let report = assemble::report(&deps, &input.wave_ids, &input.title).await?;
    Ok(match input.format {
        Format::Summary => summary(&report),
        Format::Json => json!({ "report": report }),
        Format::Html => json!({ "html": page::render(&report) }),
    })
}

fn summary(report: &Report) -> Value {
    let waves: Vec<Value> = report
        .waves
        .iter()
        .map(|wave| {
            json!({
                "waveId": wave.wave_id,
                "outcome": wave.outcome,
                "headline": wave.headline,
                "nextAction": wave.next_action,
                "wayBack": wave.way_back.kind,
                "running": wave.running.len(),
            })
        })
        .collect();
    json!({ "headline": report.headline, "waves": waves })
}
