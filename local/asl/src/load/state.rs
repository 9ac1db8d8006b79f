//! One state: its type, the fields that type takes, and what they hold.

use super::Loader;
use super::fields::{Fields, Reads};
use crate::model::{Kind, Rule, State, Task, WaitFor};
use crate::resource;
use crate::template::{Template, expression_text};
use serde_json::Value;
use std::sync::Arc;

const COMMON: &[&str] = &["Type", "Comment", "QueryLanguage"];
const BRANCH_FIELDS: &[&str] = &["StartAt", "States", "Comment"];
const RULE_FIELDS: &[&str] = &["Condition", "Next", "Assign", "Output", "Comment"];
/// The longest wait or timeout in seconds.
const SECONDS_MAX: u64 = 99_999_999;

/// The fields of each type besides the common ones.
fn fields_of(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "Pass" => &["Next", "End", "Assign", "Output"],
        "Succeed" => &["Output"],
        "Fail" => &["Error", "Cause"],
        "Wait" => &["Next", "End", "Assign", "Output", "Seconds", "Timestamp"],
        "Choice" => &["Choices", "Default", "Assign", "Output"],
        "Task" => &[
            "Next",
            "End",
            "Assign",
            "Output",
            "Resource",
            "Arguments",
            "TimeoutSeconds",
            "HeartbeatSeconds",
            "Retry",
            "Catch",
        ],
        "Parallel" => &[
            "Next",
            "End",
            "Assign",
            "Output",
            "Branches",
            "Arguments",
            "Retry",
            "Catch",
        ],
        "Map" => &[
            "Next",
            "End",
            "Assign",
            "Output",
            "Items",
            "ItemSelector",
            "ItemProcessor",
            "MaxConcurrency",
            "ToleratedFailureCount",
            "ToleratedFailurePercentage",
            "ItemBatcher",
            "Label",
            "Retry",
            "Catch",
        ],
        _ => return None,
    })
}

impl Loader {
    /// Reads a state. `outer` names variables of enclosing scopes; `inner_outer` adds this scope's own,
    /// which the state's branches may not assign.
    pub(super) fn state(
        &mut self,
        name: &str,
        value: &Value,
        path: &str,
        outer: &[String],
        inner_outer: &[String],
    ) -> Option<State> {
        let fields = Fields::new(self, value, path)?;
        let Some(kind_name) = fields.string(self, "Type") else {
            if !fields.object.contains_key("Type") {
                self.problem(&fields.at("Type"), "is missing");
            }
            return None;
        };
        let Some(own) = fields_of(&kind_name) else {
            self.problem(&fields.at("Type"), format!("'{kind_name}' is no state type"));
            return None;
        };
        fields.only(self, &[COMMON, own].concat(), &format!("a {kind_name} state"));
        self.query_language(&fields, name);
        let next = self.transition(&fields, own.contains(&"Next"));
        let reads = match kind_name.as_str() {
            "Task" | "Parallel" | "Map" => Reads::Result,
            _ => Reads::Input,
        };
        let assign = if own.contains(&"Assign") {
            fields.assign(self, reads, outer)
        } else {
            None
        };
        let output = if own.contains(&"Output") {
            fields.template(self, "Output", reads)
        } else {
            None
        };
        let retry = self.retriers(&fields);
        let catch = self.catchers(&fields, outer);
        let kind = self.kind(&kind_name, &fields, outer, inner_outer)?;
        Some(State {
            name: name.to_owned(),
            kind,
            next: next?,
            assign,
            output,
            retry,
            catch,
        })
    }

    fn query_language(&mut self, fields: &Fields<'_>, name: &str) {
        let path = fields.at("QueryLanguage");
        match fields.string(self, "QueryLanguage").as_deref() {
            Some("JSONata") => {}
            Some("JSONPath") => {
                self.problem(
                    &path,
                    format!("state '{name}' uses JSONPath, and only JSONata is simulated"),
                );
            }
            Some(other) => self.problem(&path, format!("'{other}' is no query language: write \"JSONata\"")),
            None if self.machine_is_jsonata => {}
            None => self.problem(
                &path,
                format!(
                    "state '{name}' uses JSONPath, the default, and only JSONata is simulated: \
                     write \"QueryLanguage\": \"JSONata\" here or at the top of the definition"
                ),
            ),
        }
    }

    /// `Some(None)` ends the flow; `None` means a problem was found.
    fn transition(&mut self, fields: &Fields<'_>, has_next: bool) -> Option<Option<String>> {
        if !has_next {
            return Some(None);
        }
        let next = fields.string(self, "Next");
        let end = fields.boolean(self, "End");
        match (fields.object.contains_key("Next"), end) {
            (true, Some(true)) => {
                self.problem(
                    &fields.path,
                    "has both Next and End: one of them goes on, the other stops",
                );
                None
            }
            (true, _) => next.map(Some),
            (false, Some(true)) => Some(None),
            (false, _) => {
                self.problem(&fields.path, "needs Next, or \"End\": true");
                None
            }
        }
    }

    fn kind(&mut self, kind: &str, fields: &Fields<'_>, outer: &[String], inner_outer: &[String]) -> Option<Kind> {
        Some(match kind {
            "Pass" => Kind::Pass,
            "Succeed" => Kind::Succeed,
            "Fail" => Kind::Fail {
                error: fields.string_template(self, "Error"),
                cause: fields.string_template(self, "Cause"),
            },
            "Wait" => Kind::Wait(self.wait(fields)?),
            "Choice" => self.choice(fields, outer)?,
            "Task" => Kind::Task(self.task(fields)?),
            "Parallel" => self.parallel(fields, inner_outer)?,
            _ => Kind::Map(Box::new(self.map(fields, inner_outer)?)),
        })
    }

    fn wait(&mut self, fields: &Fields<'_>) -> Option<WaitFor> {
        match (fields.object.contains_key("Seconds"), fields.object.get("Timestamp")) {
            (true, None) => Some(WaitFor::Seconds(fields.number_template(
                self,
                "Seconds",
                0,
                SECONDS_MAX,
            )?)),
            (false, Some(value)) => {
                let literal = value.as_str().filter(|text| expression_text(text).is_none());
                if literal.is_some_and(|text| text.parse::<jiff::Timestamp>().is_err()) {
                    self.problem(&fields.at("Timestamp"), "String does not match RFC3339 timestamp");
                }
                Some(WaitFor::Timestamp(fields.string_template(self, "Timestamp")?))
            }
            _ => {
                self.problem(&fields.path, "needs exactly one of Seconds and Timestamp");
                None
            }
        }
    }

    fn choice(&mut self, fields: &Fields<'_>, outer: &[String]) -> Option<Kind> {
        let default = fields.string(self, "Default");
        let list = match fields.object.get("Choices") {
            Some(Value::Array(list)) if !list.is_empty() => list,
            _ => {
                self.problem(&fields.at("Choices"), "must be an array of at least one rule");
                return None;
            }
        };
        let mut rules = Vec::new();
        for (index, value) in list.iter().enumerate() {
            let path = format!("{}[{index}]", fields.at("Choices"));
            let rule = Fields::new(self, value, &path).and_then(|entry| self.rule(&entry, outer));
            rules.extend(rule);
        }
        (rules.len() == list.len()).then_some(Kind::Choice { rules, default })
    }

    fn rule(&mut self, entry: &Fields<'_>, outer: &[String]) -> Option<Rule> {
        entry.only(self, RULE_FIELDS, "a choice rule");
        let next = entry.string(self, "Next");
        if !entry.object.contains_key("Next") {
            self.problem(&entry.at("Next"), "is missing");
        }
        let condition = match entry.object.get("Condition") {
            Some(Value::Bool(_)) => entry.template(self, "Condition", Reads::Input),
            Some(Value::String(text)) if expression_text(text).is_some() => {
                entry.template(self, "Condition", Reads::Input)
            }
            _ => {
                self.problem(
                    &entry.at("Condition"),
                    "must be a JSONata expression that gives a boolean",
                );
                None
            }
        };
        Some(Rule {
            condition: condition?,
            next: next?,
            assign: entry.assign(self, Reads::Input, outer),
            output: entry.template(self, "Output", Reads::Input),
        })
    }

    fn task(&mut self, fields: &Fields<'_>) -> Option<Task> {
        let arguments = fields.template(self, "Arguments", Reads::Input);
        let timeout_seconds = fields.number_template(self, "TimeoutSeconds", 1, SECONDS_MAX);
        let heartbeat_seconds = fields.number_template(self, "HeartbeatSeconds", 1, SECONDS_MAX);
        if let (Some(Template::Literal(timeout)), Some(Template::Literal(heartbeat))) =
            (&timeout_seconds, &heartbeat_seconds)
            && heartbeat.as_u64() >= timeout.as_u64()
        {
            self.problem(&fields.at("HeartbeatSeconds"), "must be smaller than TimeoutSeconds");
        }
        let path = fields.at("Resource");
        let Some(text) = fields.string(self, "Resource") else {
            if !fields.object.contains_key("Resource") {
                self.problem(&path, "is missing");
            }
            return None;
        };
        match resource::parse(&text) {
            Ok(resource) => Some(Task {
                resource,
                arguments,
                timeout_seconds,
                heartbeat_seconds,
            }),
            Err(message) => {
                self.problem(&path, message);
                None
            }
        }
    }

    fn parallel(&mut self, fields: &Fields<'_>, inner_outer: &[String]) -> Option<Kind> {
        let arguments = fields.template(self, "Arguments", Reads::Input);
        let list = match fields.object.get("Branches") {
            Some(Value::Array(list)) if !list.is_empty() => list,
            _ => {
                self.problem(&fields.at("Branches"), "must be an array of at least one branch");
                return None;
            }
        };
        let mut branches = Vec::new();
        for (index, value) in list.iter().enumerate() {
            let path = format!("{}[{index}]", fields.at("Branches"));
            let Some(branch) = Fields::new(self, value, &path) else {
                continue;
            };
            branch.only(self, BRANCH_FIELDS, "a branch");
            branches.extend(self.flow(&branch, inner_outer).map(Arc::new));
        }
        (branches.len() == list.len()).then_some(Kind::Parallel { branches, arguments })
    }
}
