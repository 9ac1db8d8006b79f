//! Event patterns, as far as they compare for equality.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a rule listens to. An empty list matches anything; several entries are alternatives.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventPattern {
    /// As in `aws.mgn`.
    pub source: Vec<String>,
    /// As in `MGN Source Server Launch Result`.
    pub detail_type: Vec<String>,
    /// Allowed values by path into the detail, as in `state` or `server.id`.
    pub detail: BTreeMap<String, Vec<Value>>,
}

impl EventPattern {
    /// Everything of one source.
    pub fn source(source: &str) -> EventPattern {
        EventPattern {
            source: vec![source.to_owned()],
            ..EventPattern::default()
        }
    }

    /// Reads a pattern as a template holds it. Comparisons other than equality (`prefix`, `anything-but`, ...) and
    /// members other than source, detail-type and detail are refused by name.
    pub fn from_json(pattern: &Value) -> Result<EventPattern, String> {
        let members = pattern.as_object().ok_or("an event pattern is a JSON object")?;
        let mut read = EventPattern::default();
        for (name, value) in members {
            match name.as_str() {
                "source" => read.source = words(name, value)?,
                "detail-type" => read.detail_type = words(name, value)?,
                "detail" => collect(value, String::new(), &mut read.detail)?,
                other => return Err(format!("local AWS does not simulate {other} in an event pattern")),
            }
        }
        Ok(read)
    }

    /// Whether an event, in its envelope, matches.
    pub fn matches(&self, event: &Value) -> bool {
        let one_of = |allowed: &[String], member: &str| {
            allowed.is_empty()
                || event[member]
                    .as_str()
                    .is_some_and(|value| allowed.iter().any(|word| word == value))
        };
        let detail = |(path, allowed): (&String, &Vec<Value>)| {
            let found = path.split('.').fold(&event["detail"], |value, name| &value[name]);
            match found {
                Value::Array(items) => items.iter().any(|item| allowed.contains(item)),
                other => allowed.contains(other),
            }
        };
        one_of(&self.source, "source") && one_of(&self.detail_type, "detail-type") && self.detail.iter().all(detail)
    }
}

fn words(name: &str, value: &Value) -> Result<Vec<String>, String> {
    let word = |item: &Value| item.as_str().map(str::to_owned);
    let words = value.as_array().and_then(|items| items.iter().map(word).collect());
    words.ok_or_else(|| format!("{name} in an event pattern is a list of strings"))
}

fn collect(value: &Value, path: String, found: &mut BTreeMap<String, Vec<Value>>) -> Result<(), String> {
    match value {
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            collect(value, path, found)
        }),
        Value::Array(items) if items.iter().any(Value::is_object) => Err(format!(
            "local AWS does not simulate the comparison at detail.{path} in an event pattern"
        )),
        Value::Array(items) => {
            found.insert(path, items.clone());
            Ok(())
        }
        _ => Err(format!("detail.{path} in an event pattern is a list or an object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pattern_compares_nested_detail_for_equality() {
        let pattern = EventPattern::from_json(&json!({
            "source": ["aws.mgn"],
            "detail": {"state": ["READY", "DONE"], "server": {"id": ["s-1"]}},
        }))
        .expect("a plain pattern");
        let event = |state: &str| json!({"source": "aws.mgn", "detail": {"state": state, "server": {"id": "s-1"}}});
        assert!(pattern.matches(&event("DONE")));
        assert!(!pattern.matches(&event("LOST")));
        assert!(!pattern.matches(&json!({"source": "aws.mgn", "detail": {"state": "DONE"}})));
    }

    #[test]
    fn a_comparison_that_is_not_simulated_is_refused_by_name() {
        let refused = EventPattern::from_json(&json!({"detail": {"state": [{"prefix": "RE"}]}}));
        assert!(refused.expect_err("prefix is not simulated").contains("detail.state"));
    }
}
