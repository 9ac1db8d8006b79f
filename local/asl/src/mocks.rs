//! Mocked service integrations in the format of Step Functions Local's MockConfigFile.
//! https://docs.aws.amazon.com/step-functions/latest/dg/sfn-local-mock-cfg-file.html

use crate::engine::handler::{TaskCall, TaskFailure, TaskHandler};
use futures::future::BoxFuture;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Mutex;

/// One test case: the answers of its mocked states.
#[derive(Debug)]
pub struct MockCase {
    responses: HashMap<String, Vec<Response>>,
    calls: Mutex<HashMap<String, u64>>,
}

/// The answer to the calls numbered `from` to `to`.
#[derive(Debug, Clone, PartialEq)]
struct Response {
    from: u64,
    to: u64,
    answer: Result<Value, TaskFailure>,
}

impl MockCase {
    /// Reads one case of a mock file. `machine` is asked for first; a case of that name that only one
    /// machine has is found without. The error names the place in the file and what is wrong there.
    pub fn read(file: &Value, machine: Option<&str>, case: &str) -> Result<MockCase, String> {
        let file = object(file, "the mock file")?;
        let known = ["StateMachines", "MockedResponses"];
        if let Some(key) = file.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!(
                "/{key}: a mock file has only StateMachines and MockedResponses"
            ));
        }
        let machines = object(file.get("StateMachines").unwrap_or(&Value::Null), "/StateMachines")?;
        let responses = object(file.get("MockedResponses").unwrap_or(&Value::Null), "/MockedResponses")?;
        let states = find_case(machines, machine, case)?;
        let mut found = HashMap::new();
        for (state, response) in states {
            let list = match response {
                Value::String(name) => {
                    let response = responses.get(name).ok_or_else(|| {
                        format!("state '{state}' of case '{case}' names '{name}', which MockedResponses does not have")
                    })?;
                    numbered(response, &format!("/MockedResponses/{name}"))?
                }
                other => numbered(other, &format!("state '{state}' of case '{case}'"))?,
            };
            found.insert(state.clone(), list);
        }
        Ok(MockCase {
            responses: found,
            calls: Mutex::default(),
        })
    }

    fn answer(&self, state: &str) -> Result<Value, TaskFailure> {
        let mut calls = self.calls.lock().expect("mock calls poisoned");
        let call = calls.entry(state.to_owned()).or_default();
        let number = *call;
        *call += 1;
        drop(calls);
        let Some(list) = self.responses.get(state) else {
            return Err(missing(format!(
                "state '{state}' is a Task without a mock in this case: add it to the mock file"
            )));
        };
        match list
            .iter()
            .find(|response| (response.from..=response.to).contains(&number))
        {
            Some(response) => response.answer.clone(),
            None => Err(missing(format!(
                "state '{state}' was called a {number}. time (from 0), for which the mock has no answer"
            ))),
        }
    }
}

// Under a name that nothing catches: a hole in the mocks must not look like a failure that was handled.
fn missing(cause: String) -> TaskFailure {
    TaskFailure {
        error: "States.Runtime".to_owned(),
        cause,
    }
}

impl TaskHandler for MockCase {
    fn call(&self, call: TaskCall) -> BoxFuture<'static, Result<Value, TaskFailure>> {
        let answer = self.answer(&call.state_name);
        Box::pin(async move { answer })
    }

    fn replaces_integration(&self, _state_name: &str) -> bool {
        // A state without a mock must fail by name, startExecution included.
        true
    }
}

fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, String> {
    value.as_object().ok_or_else(|| format!("{what} must be an object"))
}

fn find_case<'a>(
    machines: &'a Map<String, Value>,
    machine: Option<&str>,
    case: &str,
) -> Result<&'a Map<String, Value>, String> {
    let cases_of = |value: &'a Value| value["TestCases"].as_object();
    let named = machine
        .and_then(|name| machines.get(name))
        .and_then(cases_of)
        .and_then(|cases| cases.get(case));
    let mut all = machines.values().filter_map(|value| cases_of(value)?.get(case));
    let found = match (named, all.next(), all.next()) {
        (Some(found), _, _) | (None, Some(found), None) => found,
        (None, None, _) => {
            let known: Vec<String> = machines
                .iter()
                .flat_map(|(name, value)| {
                    let cases = value["TestCases"].as_object().into_iter().flat_map(Map::keys);
                    cases.map(move |case| format!("{name}/{case}"))
                })
                .collect();
            return Err(format!("there is no case '{case}'; the file has: {}", known.join(", ")));
        }
        (None, Some(_), Some(_)) => {
            return Err(format!(
                "several state machines have a case '{case}': name the machine with --name"
            ));
        }
    };
    object(found, &format!("case '{case}'"))
}

fn numbered(value: &Value, place: &str) -> Result<Vec<Response>, String> {
    let mut list = Vec::new();
    for (key, answer) in object(value, place)? {
        let (from, to) =
            numbers(key).ok_or_else(|| format!("{place}/{key}: must be a call's number, or two as in \"1-3\""))?;
        list.push(Response {
            from,
            to,
            answer: answer_of(answer, &format!("{place}/{key}"))?,
        });
    }
    if list.is_empty() {
        return Err(format!("{place}: has no answers"));
    }
    list.sort_by_key(|response: &Response| response.from);
    if let Some(pair) = list.windows(2).find(|pair| pair[1].from <= pair[0].to) {
        return Err(format!("{place}: two answers to call {}", pair[1].from));
    }
    Ok(list)
}

fn numbers(key: &str) -> Option<(u64, u64)> {
    match key.split_once('-') {
        Some((from, to)) => {
            let (from, to) = (from.parse().ok()?, to.parse().ok()?);
            (from <= to).then_some((from, to))
        }
        None => key.parse().ok().map(|number| (number, number)),
    }
}

fn answer_of(value: &Value, place: &str) -> Result<Result<Value, TaskFailure>, String> {
    let fields = object(value, place)?;
    match (fields.len(), fields.get("Return"), fields.get("Throw")) {
        (1, Some(result), None) => Ok(Ok(result.clone())),
        (1, None, Some(thrown)) => {
            let thrown = object(thrown, &format!("{place}/Throw"))?;
            if let Some(key) = thrown.keys().find(|key| !["Error", "Cause"].contains(&key.as_str())) {
                return Err(format!("{place}/Throw/{key}: Throw has only Error and Cause"));
            }
            let text = |key: &str| match thrown.get(key) {
                Some(Value::String(text)) => Ok(text.clone()),
                None if key == "Cause" => Ok(String::new()),
                _ => Err(format!("{place}/Throw/{key}: must be a string")),
            };
            Ok(Err(TaskFailure {
                error: text("Error")?,
                cause: text("Cause")?,
            }))
        }
        _ => Err(format!("{place}: must have either Return or Throw")),
    }
}
