//! Recordings: what the executions of a scenario were given, did and gave, for whoever wants to run the same definitions on
//! another interpreter (`scripts/tools/second_interpreter.py`).

use crate::cli::say;
use crate::scenarios::{Ended, Scenario};
use crate::summary;
use crate::world::{ACCOUNT, REGION, machines, simulate};
use asl::{ExecutionDescription, HistoryEvent};
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
    let text = of(scenario.name, &ended)?.to_string();
    std::fs::write(file, text)
        .map_err(|error| format!("the recording cannot be written to {}: {error}", file.display()))?;
    Ok(true)
}

/// The recording of a scenario that ended: `scenario`; `definitions`, by machine, as they were deployed; `executions`, oldest
/// first, each as DescribeExecution gives it, with input and output as JSON and with its whole `history`.
///
/// # Errors
/// When the definitions cannot be read.
pub fn of(scenario: &str, ended: &Ended) -> Result<Value, String> {
    let definitions: serde_json::Map<String, Value> = machines::read(&machines::directory(), ACCOUNT, REGION)?
        .into_iter()
        .map(|definition| (definition.name, definition.document))
        .collect();
    let executions: Vec<Value> = ended
        .evidence
        .executions
        .iter()
        .map(|execution| recorded(execution, ended))
        .collect();
    Ok(json!({ "scenario": scenario, "definitions": definitions, "executions": executions }))
}

fn recorded(execution: &ExecutionDescription, ended: &Ended) -> Value {
    let history: Vec<HistoryEvent> = ended
        .world
        .engine()
        .get_execution_history(&execution.execution_arn)
        .expect("the execution is one of this world");
    json!({
        "executionArn": execution.execution_arn,
        "stateMachineArn": execution.state_machine_arn,
        "name": execution.name,
        "status": execution.status.as_str(),
        "startDate": format!("{:.3}", execution.start_date),
        "stopDate": execution.stop_date.map(|date| format!("{date:.3}")),
        "input": execution.input,
        "output": execution.output,
        "error": execution.error,
        "cause": execution.cause,
        "redriveCount": execution.redrive_count,
        "history": history,
    })
}
