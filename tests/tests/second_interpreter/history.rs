//! Definitions and recorded histories, read.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A Task state.
pub struct Task {
    pub name: String,
    pub body: Value,
    /// Starts another machine.
    pub child: bool,
    /// Waits for its token.
    pub waits: bool,
}

impl Task {
    /// What a function gives, as the task's result.
    pub fn wrap(&self, payload: Value) -> Value {
        match (self.child, self.waits) {
            (true, _) => json!({
                "ExecutionArn": "arn:aws:states:eu-west-1:111122223333:execution:child:one",
                "Status": "SUCCEEDED",
                "Output": payload,
            }),
            (_, true) => payload,
            _ => json!({ "Payload": payload, "StatusCode": 200 }),
        }
    }

    /// The other way round.
    pub fn payload_mut<'a>(&self, result: &'a mut Value) -> &'a mut Value {
        match (self.child, self.waits) {
            (true, _) => &mut result["Output"],
            (_, true) => result,
            _ => &mut result["Payload"],
        }
    }

    /// What it could answer instead: the members that decide what follows, with other values, one at a time.
    pub fn otherwise(&self, payload: &Value, words: &BTreeSet<String>) -> Vec<(&'static str, Value)> {
        let words = || words.iter().map(|word| json!(word)).collect::<Vec<_>>();
        let members = [
            ("outcome", words()),
            ("decision", words()),
            ("kind", words()),
            ("accepted", vec![json!(true), json!(false)]),
            ("completed", vec![json!(true), json!(false)]),
            ("passed", vec![json!(0)]),
            ("failed", vec![json!(99)]),
        ];
        let has = |name: &str| !payload[name].is_null() || (name == "outcome" && payload == &json!({}));
        let there = members.into_iter().filter(|(name, _)| has(name));
        there
            .flat_map(|(name, values)| values.into_iter().map(move |value| (name, value)))
            .collect()
    }
}

/// The Task states of a definition, those inside of Maps and Parallels too.
pub fn tasks(definition: &Value) -> Vec<Task> {
    let mut found = Vec::new();
    for (name, state) in definition["States"].as_object().into_iter().flatten() {
        if let Some(resource) = state["Resource"].as_str() {
            found.push(Task {
                name: name.clone(),
                body: state.clone(),
                child: resource.contains(":startExecution"),
                waits: resource.ends_with(".waitForTaskToken"),
            });
        }
        found.extend(tasks(&state["ItemProcessor"]));
        found.extend(state["Branches"].as_array().into_iter().flatten().flat_map(tasks));
    }
    found
}

/// Recorded executions of a machine.
fn executions<'a>(recordings: &'a [Value], machine: &'a str) -> impl Iterator<Item = &'a Value> {
    let all = recordings
        .iter()
        .flat_map(|recording| recording["executions"].as_array().into_iter().flatten());
    let suffix = format!(":{machine}");
    all.filter(move |one| {
        one["stateMachineArn"]
            .as_str()
            .is_some_and(|arn| arn.ends_with(&suffix))
    })
}

/// The input of the last execution of a machine.
pub fn input_of(recording: &Value, machine: &str) -> Option<Value> {
    let recordings = std::slice::from_ref(recording);
    executions(recordings, machine).last().map(|one| one["input"].clone())
}

/// What the tasks of a machine gave last.
pub fn results(recordings: &[Value], machine: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for execution in executions(recordings, machine) {
        let events = events(execution);
        for event in events.values().filter(|event| event["type"] == "TaskSucceeded") {
            let output = event["taskSucceededEventDetails"]["output"]
                .as_str()
                .expect("an output");
            let output = serde_json::from_str(output).expect("JSON");
            found.insert(before(&events, event).expect("the state of the task"), output);
        }
    }
    found
}

/// Which state followed which; an execution's first state follows "".
pub fn edges(recordings: &[Value], machine: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for execution in executions(recordings, machine) {
        let events = events(execution);
        for event in events.values() {
            if let Some(name) = event["stateEnteredEventDetails"]["name"].as_str() {
                found.insert((before(&events, event).unwrap_or_default(), name.to_owned()));
            }
        }
    }
    found
}

fn events(execution: &Value) -> BTreeMap<u64, &Value> {
    let history = execution["history"].as_array().expect("a history");
    history
        .iter()
        .map(|event| (event["id"].as_u64().expect("an id"), event))
        .collect()
}

/// The state that was entered or left last before an event, in its branch.
fn before(events: &BTreeMap<u64, &Value>, event: &Value) -> Option<String> {
    let mut event = event;
    loop {
        event = events.get(&event["previousEventId"].as_u64()?)?;
        for details in ["stateEnteredEventDetails", "stateExitedEventDetails"] {
            if let Some(name) = event[details]["name"].as_str() {
                return Some(name.to_owned());
            }
        }
    }
}
