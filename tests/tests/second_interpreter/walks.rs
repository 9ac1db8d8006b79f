//! Walks: one machine at a time, with services that answer what they answered in a scenario, but for one task, which fails
//! or answers otherwise the first time. So the states and transitions are run that no scenario comes to.

use super::history::{Task, edges, input_of, results, tasks};
use asl::mocks::MockCase;
use asl::{Engine, EngineOptions, TokioClock};
use runner::record;
use runner::world::{ACCOUNT, REGION, simulate};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Recorded executions of a machine that walks begin with.
const BASES: usize = 3;

/// A recording of walks: of every machine those that add a transition to what `recordings` and earlier walks went through.
/// They begin with what the machine was given in the last recordings.
pub fn record(recordings: &[Value]) -> Value {
    let definitions = recordings[0]["definitions"]
        .as_object()
        .expect("definitions by machine");
    let mut walked = Vec::new();
    for (machine, definition) in definitions {
        let mut known = edges(recordings, machine);
        let bases = recordings
            .iter()
            .rev()
            .filter_map(|recording| Some((recording, input_of(recording, machine)?)));
        for (recording, input) in bases.take(BASES) {
            let mut answers = results(recordings, machine);
            answers.extend(results(std::slice::from_ref(recording), machine));
            for changed in changes(definition, &answers) {
                let name = format!("walk-{}", walked.len());
                let execution = simulate(walk(
                    machine,
                    definition,
                    &name,
                    &input,
                    mocks(definition, &answers, &changed),
                ));
                let gone = edges(&[json!({ "executions": [execution] })], machine);
                if !gone.is_subset(&known) {
                    known.extend(gone);
                    walked.push(execution);
                }
            }
        }
    }
    json!({ "scenario": "walks", "definitions": definitions, "executions": walked })
}

/// A task and what comes of its first call: a mock's `Return` or `Throw`.
type Change = (String, Value);

/// Every task failing, and answering otherwise.
fn changes(definition: &Value, answers: &BTreeMap<String, Value>) -> Vec<Change> {
    let words = words(definition);
    let mut found = Vec::new();
    for task in tasks(definition) {
        for error in failures(&task) {
            found.push((task.name.clone(), thrown(&task, &error)));
        }
        let answer = answers.get(&task.name).cloned().unwrap_or_else(|| task.wrap(json!({})));
        let payload = task.payload_mut(&mut answer.clone()).clone();
        for (member, value) in task.otherwise(&payload, &words) {
            let mut changed = answer.clone();
            let payload = task.payload_mut(&mut changed);
            payload[member] = value;
            // Who answers otherwise says why.
            payload["why"] = json!("it said \"no\"");
            found.push((task.name.clone(), json!({ "Return": changed })));
        }
    }
    found
}

/// An error for each catcher of a task: one that only this catcher names, or that only the last one catches.
fn failures(task: &Task) -> Vec<String> {
    let named = |catcher: &Value| catcher["ErrorEquals"][0].as_str().unwrap_or_default().to_owned();
    let catchers = task.body["Catch"].as_array().cloned().unwrap_or_default();
    let other = if task.child { "States.Timeout" } else { "NobodyKnows" };
    catchers
        .iter()
        .map(named)
        .map(|error| if error == "States.ALL" { other.to_owned() } else { error })
        .collect()
}

fn thrown(task: &Task, error: &str) -> Value {
    let cause = json!({ "errorMessage": "it said \"no\"\nand why", "errorType": error }).to_string();
    let cause = if task.child { String::new() } else { cause };
    json!({ "Throw": { "Error": error, "Cause": cause } })
}

/// The words that the machine's conditions know, and one that they do not.
fn words(definition: &Value) -> BTreeSet<String> {
    let text = definition.to_string();
    let conditions = text
        .split("\"Condition\":\"")
        .skip(1)
        .filter_map(|rest| rest.split("%}").next());
    let quoted = conditions.flat_map(|condition| condition.split('\'').skip(1).step_by(2));
    quoted.map(str::to_owned).chain(["ANOTHER".to_owned()]).collect()
}

/// A case of a mock file: every task answers as recorded, the changed one otherwise at its first call.
fn mocks(definition: &Value, answers: &BTreeMap<String, Value>, (changed, first): &Change) -> MockCase {
    let mut responses = Map::new();
    let mut states = Map::new();
    for task in tasks(definition) {
        let answer = answers
            .get(&task.name)
            .cloned()
            .unwrap_or_else(|| task.wrap(json!({ "outcome": "OK" })));
        let mut calls = json!({ "0-99999": { "Return": answer } });
        if task.name == *changed {
            calls = json!({ "0": first, "1-99999": { "Return": answer } });
        }
        responses.insert(task.name.clone(), calls);
        states.insert(task.name.clone(), json!(task.name));
    }
    let file = json!({
        "StateMachines": { "walked": { "TestCases": { "walk": states } } },
        "MockedResponses": responses,
    });
    MockCase::read(&file, Some("walked"), "walk").expect("a mock file")
}

async fn walk(machine: &str, definition: &Value, name: &str, input: &Value, mocks: MockCase) -> Value {
    let engine = Engine::new(EngineOptions {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        seed: 1,
        clock: Arc::new(TokioClock::new("2026-03-07T06:00:00Z".parse().expect("a timestamp"))),
        stop_children_on_abort: true,
        role_arn: format!("arn:aws:iam::{ACCOUNT}:role/walked"),
    });
    engine.set_task_handler(Arc::new(mocks));
    let arn = engine
        .create_state_machine(machine, definition)
        .expect("a definition that loads");
    let started = engine
        .start_execution(&arn, Some(name), input.clone())
        .expect("an execution");
    let ended = engine
        .wait(&started.execution_arn)
        .await
        .expect("the execution is there");
    record::execution(&engine, &ended)
}
