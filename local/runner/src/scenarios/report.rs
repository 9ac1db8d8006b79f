//! Landfall's own report of a run, made by the function `report`.

use crate::world::World;
use landfall_domain::plan::ProgramPlan;
use landfall_domain::report::Report;
use serde_json::{Value, json};

/// A report in its two forms.
#[derive(Debug, Clone)]
pub struct Pages {
    /// As data, typed.
    pub report: Report,
    /// As data, as the function wrote it.
    pub json: Value,
    /// As a page.
    pub html: String,
}

/// Has the report made for all waves of a program.
pub(super) async fn make(world: &World, program: &ProgramPlan) -> Result<Pages, String> {
    let mut answer = ask(world, program, "JSON").await?;
    let json = answer["report"].take();
    let report = serde_json::from_value(json.clone()).map_err(|error| format!("the report is no report: {error}"))?;
    let page = ask(world, program, "HTML").await?;
    let html = page["html"]
        .as_str()
        .ok_or("the function report gave no html")?
        .to_owned();
    Ok(Pages { report, json, html })
}

async fn ask(world: &World, program: &ProgramPlan, format: &str) -> Result<Value, String> {
    let ids: Vec<&str> = program.waves.iter().map(|wave| wave.wave_id.as_str()).collect();
    let input = json!({ "waveIds": ids, "title": program.program_id, "format": format });
    let answer = world.invoke("report", input).await;
    answer.map_err(|failure| {
        format!(
            "the report could not be made: {}: {}",
            failure.error_type, failure.error_message
        )
    })
}
