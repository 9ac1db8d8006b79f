//! Recordings: what the executions of a scenario were given, did and gave, for whoever wants to run the same definitions on
//! another interpreter (`scripts/tools/second_interpreter.py`).

use crate::cli::say;
use crate::scenarios::{Ended, Scenario};
use crate::summary;
use crate::world::{ACCOUNT, REGION, machines, simulate};
use asl::{Engine, ExecutionDescription, HistoryEvent};
use serde_json::{Value, json};
use std::path::Path;

/// Runs a scenario and writes its recording. False when the scenario did not end as it must; nothing is written then.
///
/// # Errors
/// When the state machines cannot be deployed, or the file cannot be written.
pub fn write(scenario: &Scenario, seed: u64, file: &Path) -> Result<bool, String> {
    let ended = simulate(scenario.run(seed, |_, _| {}))?;
    if !ended.failures.is_empty() {
        say(&summary::failures(&ended.failures));
        return Ok(false);
    }
    let text = of(scenario, &ended)?.to_string();
    std::fs::write(file, text)
        .map_err(|error| format!("the recording cannot be written to {}: {error}", file.display()))?;
    Ok(true)
}

/// The recording of a scenario that ended: `scenario`; `definitions`, by machine, as they were deployed; `executions`, oldest
/// first, each with its input as JSON and with its whole `history`.
///
/// # Errors
/// When the definitions cannot be read.
pub fn of(scenario: &Scenario, ended: &Ended) -> Result<Value, String> {
    let definitions: serde_json::Map<String, Value> = machines::read(&machines::directory(), ACCOUNT, REGION)?
        .into_iter()
        .map(|definition| (definition.name, definition.document))
        .collect();
    let executions: Vec<Value> = ended
        .evidence
        .executions
        .iter()
        .map(|described| execution(ended.world.engine(), described))
        .collect();
    Ok(json!({ "scenario": scenario.name, "definitions": definitions, "executions": executions }))
}

/// One execution of an engine, as it stands in a recording.
///
/// # Panics
/// When the execution is not one of this engine.
pub fn execution(engine: &Engine, described: &ExecutionDescription) -> Value {
    let history: Vec<HistoryEvent> = engine
        .get_execution_history(&described.execution_arn)
        .expect("the execution is one of this engine");
    json!({
        "executionArn": described.execution_arn,
        "stateMachineArn": described.state_machine_arn,
        "name": described.name,
        "status": described.status.as_str(),
        "startDate": format!("{:.3}", described.start_date),
        "input": described.input,
        "redriveCount": described.redrive_count,
        "history": history,
    })
}
