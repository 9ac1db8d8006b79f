//! How long a state may wait and how many events it may leave behind, as numbers.

use super::read::{State, errors, states};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A history never holds more events than this; the execution fails then, and nothing catches it.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>
pub const HISTORY_EVENTS_MAX: u64 = 25_000;

/// The period after which a waiting task is entered again, in seconds, at an attempt counted from 0.
pub fn period_seconds(state: &State<'_>, attempt: u64) -> u64 {
    match &state.body["TimeoutSeconds"] {
        Value::String(text) => {
            let expression = text.trim_start_matches("{%").trim_end_matches("%}");
            let states = json!({ "context": { "State": { "RetryCount": attempt } } });
            let bindings = Map::from_iter([("states".to_owned(), states)]);
            let answer = asl::evaluate_expression(expression, &bindings, 0, 0);
            answer
                .parse()
                .unwrap_or_else(|_| panic!("{}", state.says(format!("{text} is {answer}"))))
        }
        number => number.as_u64().unwrap_or_default(),
    }
}

/// How often a retrier enters the state again.
pub fn attempts(retrier: &Value) -> u64 {
    retrier["MaxAttempts"].as_u64().unwrap_or_default()
}

/// How long a waiting task goes on in all: every period until its re-entries are used up.
pub fn patience_seconds(state: &State<'_>) -> u64 {
    let again = state.retriers().find(|retrier| errors(retrier) == ["States.Timeout"]);
    let entries = 1 + again.map_or(0, attempts);
    (0..entries).map(|attempt| period_seconds(state, attempt)).sum()
}

/// What is assumed of an execution.
#[derive(Clone, Copy)]
pub struct Load {
    /// Batches of the wave.
    pub batches: u64,
    /// Databases of the wave.
    pub databases: u64,
    /// Turns of every loop: move groups, waves, invocations of one step.
    pub turns: u64,
    /// At most so many re-entries of a wait; the retriers' own limits if none.
    pub entries_max: Option<u64>,
}

/// The most events that an execution can record: every state entered, every attempt made.
pub fn history_events(machine: &str, document: &Value, load: Load) -> u64 {
    let all = states(machine, document);
    2 + all.iter().map(|state| share(state, &all, load)).sum::<u64>()
}

fn share(state: &State<'_>, all: &[State<'_>], load: Load) -> u64 {
    let holder = state
        .within
        .and_then(|name| all.iter().find(|other| other.name == name));
    let looped = in_a_loop(state);
    let runs = match holder {
        // The groups of a wave share its batches out, and its batches its servers: loops add turns, and multiply none.
        Some(holder) if holder.is("Map") => items(holder, load) + if looped { load.turns } else { 0 },
        // An event of DMS enters a wait once more, whose deadline stays what it was: its entries add, and multiply nothing.
        _ if looped && hears(state) => return events_once(state, load) + load.turns * events_once(state, once(load)),
        _ if looped => load.turns,
        _ => 1,
    };
    let iterations = if state.is("Map") { 2 * items(state, load) } else { 0 };
    runs * events_once(state, load) + iterations
}

/// What a Map goes through: batches or databases.
fn items(map: &State<'_>, load: Load) -> u64 {
    if map.body["ItemSelector"]["database"].is_string() {
        load.databases
    } else {
        load.batches
    }
}

/// Entered and exited, and what happens between.
fn events_once(state: &State<'_>, load: Load) -> u64 {
    let between = match state.body["Type"].as_str().unwrap_or_default() {
        // Scheduled, started, submitted, ended.
        "Task" if state.waits() || state.child().is_some() => 4 * entries(state, load),
        // Scheduled, started, ended.
        "Task" => 3 * entries(state, load),
        "Map" | "Parallel" => 2,
        _ => 0,
    };
    2 + between
}

fn entries(state: &State<'_>, load: Load) -> u64 {
    let again: u64 = state.retriers().map(attempts).sum();
    1 + again.min(load.entries_max.unwrap_or(u64::MAX))
}

/// Whether the state is a wait that events of DMS enter once more, or what decides that they do.
fn hears(state: &State<'_>) -> bool {
    let again = |body: &Value| {
        let mut choices = body["Choices"].as_array().into_iter().flatten();
        choices.any(|choice| {
            choice["Condition"]
                .as_str()
                .is_some_and(|text| text.contains("'AGAIN'"))
        })
    };
    again(state.body)
        || state.body["Next"]
            .as_str()
            .is_some_and(|next| again(&state.siblings[next]))
}

/// The load of a wait that is entered and ends.
fn once(load: Load) -> Load {
    Load {
        entries_max: Some(0),
        ..load
    }
}

/// Whether the state can be reached from itself.
fn in_a_loop(state: &State<'_>) -> bool {
    let mut reached = BTreeSet::new();
    let mut open = vec![state.name];
    while let Some(name) = open.pop() {
        for next in successors(&state.siblings[name]) {
            if next == state.name {
                return true;
            }
            if reached.insert(next) {
                open.push(next);
            }
        }
    }
    false
}

/// Where a state can go on.
pub fn successors(body: &Value) -> Vec<&str> {
    let choices = body["Choices"].as_array().into_iter().flatten();
    let catchers = body["Catch"].as_array().into_iter().flatten();
    let nexts = choices.chain(catchers).map(|one| &one["Next"]);
    nexts
        .chain([&body["Next"], &body["Default"]])
        .filter_map(Value::as_str)
        .collect()
}
