//! A set of states: their names, their start, and that every one of them can be reached.

use super::Loader;
use super::fields::Fields;
use crate::model::{Flow, Kind, State};
use indexmap::IndexMap;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// A state's name may have this many characters.
const STATE_NAME_CHARS_MAX: usize = 80;

impl Loader {
    /// Reads `StartAt` and `States`. `outer` names the variables that enclosing scopes assign.
    pub(super) fn flow(&mut self, fields: &Fields<'_>, outer: &[String]) -> Option<Flow> {
        let start_at = fields.string(self, "StartAt");
        if !fields.object.contains_key("StartAt") {
            self.problem(&fields.at("StartAt"), "is missing");
        }
        let Some(states_value) = fields.object.get("States") else {
            self.problem(&fields.at("States"), "is missing");
            return None;
        };
        let list = Fields::new(self, states_value, &fields.at("States"))?;
        if list.object.is_empty() {
            self.problem(&list.path, "must have at least one state");
        }
        let inner_outer = with_assigned(outer, states_value);
        let mut states = IndexMap::new();
        for (name, value) in list.object {
            let path = list.at(name);
            self.check_name(name, &path);
            if let Some(state) = self.state(name, value, &path, outer, &inner_outer) {
                states.insert(name.clone(), Arc::new(state));
            }
        }
        let start_at = start_at?;
        self.check_graph(&start_at, &states, list.object, fields);
        Some(Flow { start_at, states })
    }

    fn check_name(&mut self, name: &str, path: &str) {
        if name.is_empty() || name.chars().count() > STATE_NAME_CHARS_MAX {
            self.problem(path, "a state's name has 1 to 80 characters");
        }
        if !self.names.insert(name.to_owned()) {
            self.problem(
                path,
                format!("another state is already named '{name}': names are unique in a machine"),
            );
        }
    }

    fn check_graph(
        &mut self,
        start_at: &str,
        states: &IndexMap<String, Arc<State>>,
        declared: &serde_json::Map<String, Value>,
        fields: &Fields<'_>,
    ) {
        if !declared.contains_key(start_at) {
            self.problem(&fields.at("StartAt"), format!("there is no state '{start_at}'"));
        }
        for (name, state) in states {
            for (field, target) in targets(state) {
                if !declared.contains_key(&target) {
                    let path = format!("{}/{name}/{field}", fields.at("States"));
                    self.problem(&path, format!("there is no state '{target}'"));
                }
            }
        }
        // Reachability says nothing true when a state could not be read.
        if states.len() == declared.len() && declared.contains_key(start_at) {
            let reached = reachable(start_at, states);
            for name in states.keys().filter(|name| !reached.contains(name.as_str())) {
                self.problem(
                    &format!("{}/{name}", fields.at("States")),
                    "no path leads to this state",
                );
            }
        }
    }
}

fn with_assigned(outer: &[String], states: &Value) -> Vec<String> {
    let mut names = outer.to_vec();
    let objects = states.as_object().into_iter().flat_map(|map| map.values());
    for state in objects {
        let holders = std::iter::once(state)
            .chain(state["Choices"].as_array().into_iter().flatten())
            .chain(state["Catch"].as_array().into_iter().flatten());
        for holder in holders {
            let assigned = holder["Assign"].as_object().into_iter().flat_map(|map| map.keys());
            names.extend(assigned.cloned());
        }
    }
    names
}

/// Every transition of a state: the field that names it, and the state it leads to.
fn targets(state: &State) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Some(next) = &state.next {
        found.push(("Next".to_owned(), next.clone()));
    }
    for (index, catcher) in state.catch.iter().enumerate() {
        found.push((format!("Catch[{index}]/Next"), catcher.next.clone()));
    }
    if let Kind::Choice { rules, default } = &state.kind {
        for (index, rule) in rules.iter().enumerate() {
            found.push((format!("Choices[{index}]/Next"), rule.next.clone()));
        }
        if let Some(default) = default {
            found.push(("Default".to_owned(), default.clone()));
        }
    }
    found
}

fn reachable(start_at: &str, states: &IndexMap<String, Arc<State>>) -> HashSet<String> {
    let mut reached = HashSet::new();
    let mut open = vec![start_at.to_owned()];
    while let Some(name) = open.pop() {
        let Some(state) = states.get(&name) else { continue };
        if reached.insert(name) {
            open.extend(targets(state).into_iter().map(|(_, target)| target));
        }
    }
    reached
}
