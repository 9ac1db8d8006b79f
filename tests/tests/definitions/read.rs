//! The definitions as they are checked in, taken apart for rules, and broken on purpose to see that a rule notices.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A path of the repository.
pub fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Every definition by the machine's name, its substitutions not made.
pub fn definitions() -> BTreeMap<String, Value> {
    let mut definitions = BTreeMap::new();
    let directory = repository("statemachines");
    for entry in std::fs::read_dir(&directory).expect("the directory is there").flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        if let Some(machine) = file.strip_suffix(".asl.json") {
            let text = std::fs::read_to_string(entry.path()).expect("a definition can be read");
            let document = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
            definitions.insert(machine.to_owned(), document);
        }
    }
    assert!(definitions.len() >= 5, "only {:?} were found", definitions.keys());
    definitions
}

/// One state of a machine.
#[derive(Clone, Copy)]
pub struct State<'a> {
    /// Its machine.
    pub machine: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What it is.
    pub body: &'a Value,
    /// The states beside it.
    pub siblings: &'a Map<String, Value>,
    /// The Map or Parallel that it is an iteration or a branch of.
    pub within: Option<&'a str>,
}

impl State<'_> {
    /// Whether it is of a type.
    pub fn is(&self, kind: &str) -> bool {
        self.body["Type"] == kind
    }

    /// Whether it is a Task that waits for its token.
    pub fn waits(&self) -> bool {
        self.is("Task") && self.resource().ends_with(".waitForTaskToken")
    }

    /// What it calls; nothing if it is no Task.
    pub fn resource(&self) -> &str {
        self.body["Resource"].as_str().unwrap_or_default()
    }

    /// The function it calls, as in `check-job`; nothing if it calls none.
    pub fn function(&self) -> Option<String> {
        let name = self.body["Arguments"]["FunctionName"].as_str()?;
        Some(kebab_case(name.strip_prefix("${")?.strip_suffix("FunctionArn}")?))
    }

    /// The machine it starts.
    pub fn child(&self) -> Option<String> {
        let name = self.body["Arguments"]["StateMachineArn"].as_str()?;
        Some(kebab_case(name.strip_prefix("${")?.strip_suffix("StateMachineArn}")?))
    }

    /// Its retriers.
    pub fn retriers(&self) -> impl Iterator<Item = &Value> {
        self.body["Retry"].as_array().into_iter().flatten()
    }

    /// A sentence about it.
    pub fn says(&self, what: impl std::fmt::Display) -> String {
        format!("{}/{}: {what}", self.machine, self.name)
    }
}

/// The names that a retrier or a catcher matches.
pub fn errors(handler: &Value) -> Vec<&str> {
    let names = handler["ErrorEquals"].as_array().into_iter().flatten();
    names.filter_map(Value::as_str).collect()
}

/// Every state, those inside Maps and Parallels too.
pub fn states<'a>(machine: &'a str, document: &'a Value) -> Vec<State<'a>> {
    let mut found = Vec::new();
    walk(machine, document, None, &mut found);
    found
}

fn walk<'a>(machine: &'a str, level: &'a Value, within: Option<&'a str>, found: &mut Vec<State<'a>>) {
    let Some(siblings) = level["States"].as_object() else {
        return;
    };
    for (name, body) in siblings {
        found.push(State {
            machine,
            name,
            body,
            siblings,
            within,
        });
        let branches = body["Branches"].as_array().into_iter().flatten();
        for inner in branches.chain(body.get("ItemProcessor")) {
            walk(machine, inner, Some(name), found);
        }
    }
}

/// Every text anywhere in a definition.
pub fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(entries) => entries.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// From `PlanWave` to `plan-wave`.
pub fn kebab_case(name: &str) -> String {
    let mut result = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !result.is_empty() {
            result.push('-');
        }
        result.push(letter.to_ascii_lowercase());
    }
    result
}

/// What a rule has to say about a definition; nothing when it holds.
pub type Rule = fn(&str, &Value) -> Vec<String>;

/// A way to break a definition: the machine, a state anywhere in it, a pointer below the state, what to put there
/// (nothing takes it out), and part of the complaint that must follow.
pub type Break = (&'static str, &'static str, &'static str, Option<Value>, &'static str);

/// Asserts that a rule holds for every definition, and that it notices each break.
pub fn hold(rule: Rule, breaks: Vec<Break>) {
    let definitions = definitions();
    let complaints: Vec<String> = definitions
        .iter()
        .flat_map(|(machine, document)| rule(machine, document))
        .collect();
    for (machine, state, pointer, value, expected) in breaks {
        let mut document = definitions[machine].clone();
        put(&mut document, state, pointer, value);
        let found = rule(machine, &document);
        let fresh: Vec<&String> = found
            .iter()
            .filter(|complaint| !complaints.contains(complaint))
            .collect();
        assert!(
            fresh.iter().any(|complaint| complaint.contains(expected)),
            "{machine}/{state}{pointer} is broken, and the rule does not say {expected:?} but {fresh:#?}"
        );
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

fn put(document: &mut Value, state: &str, pointer: &str, value: Option<Value>) {
    let body = find(document, state).unwrap_or_else(|| panic!("there is no state {state}"));
    let (parent, member) = pointer.rsplit_once('/').expect("a pointer below the state");
    let parent = body
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("{state} has no {pointer}"));
    match (parent, value) {
        (Value::Object(members), Some(value)) => drop(members.insert(member.to_owned(), value)),
        (Value::Object(members), None) => drop(members.remove(member).expect("what is taken out is there")),
        (Value::Array(entries), value) => {
            let index: usize = member.parse().expect("an index");
            match value {
                Some(value) => entries[index] = value,
                None => drop(entries.remove(index)),
            }
        }
        _ => panic!("{state}{pointer} has no members"),
    }
}

fn find<'a>(level: &'a mut Value, state: &str) -> Option<&'a mut Value> {
    if level["States"].get(state).is_some() {
        return level["States"].get_mut(state);
    }
    let states = level["States"].as_object_mut()?;
    states.values_mut().find_map(|body| {
        if body.get("ItemProcessor").is_some() {
            return find(&mut body["ItemProcessor"], state);
        }
        let branches = body.get_mut("Branches")?.as_array_mut()?;
        branches.iter_mut().find_map(|branch| find(branch, state))
    })
}
