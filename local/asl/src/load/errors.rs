//! `Retry` and `Catch`.

use super::Loader;
use super::fields::{Fields, Reads};
use crate::model::{Catcher, Retrier};
use serde_json::Value;

const RETRY_FIELDS: &[&str] = &[
    "ErrorEquals",
    "IntervalSeconds",
    "MaxAttempts",
    "BackoffRate",
    "MaxDelaySeconds",
    "JitterStrategy",
    "Comment",
];
const CATCH_FIELDS: &[&str] = &["ErrorEquals", "Next", "Assign", "Output", "Comment"];
/// The longest a retry may wait, in seconds: a year and a day.
const MAX_DELAY_SECONDS_MAX: u64 = 31_622_400;

impl Loader {
    pub(super) fn retriers(&mut self, fields: &Fields<'_>) -> Vec<Retrier> {
        let list = self.list(fields, "Retry");
        let count = list.len();
        let mut found = Vec::new();
        for (index, value) in list.into_iter().enumerate() {
            let path = format!("{}[{index}]", fields.at("Retry"));
            let Some(entry) = Fields::new(self, value, &path) else {
                continue;
            };
            entry.only(self, RETRY_FIELDS, "a retrier");
            if let Some(error_equals) = self.error_equals(&entry, index + 1 == count) {
                found.push(self.retrier(&entry, error_equals));
            }
        }
        found
    }

    fn retrier(&mut self, entry: &Fields<'_>, error_equals: Vec<String>) -> Retrier {
        let interval_seconds = entry.integer(self, "IntervalSeconds", 0, 99_999_999).unwrap_or(1);
        let max_delay_seconds = entry.integer(self, "MaxDelaySeconds", 1, MAX_DELAY_SECONDS_MAX);
        if max_delay_seconds.is_some_and(|max| max <= interval_seconds) {
            self.problem(&entry.at("MaxDelaySeconds"), "must be greater than IntervalSeconds");
        }
        let backoff_rate = match entry.object.get("BackoffRate").map(|value| (value, value.as_f64())) {
            None => 2.0,
            Some((_, Some(rate))) if rate >= 1.0 => rate,
            Some((value, _)) => {
                self.problem(
                    &entry.at("BackoffRate"),
                    format!("must be a number of at least 1.0, not {value}"),
                );
                2.0
            }
        };
        let full_jitter = match entry.string(self, "JitterStrategy").as_deref() {
            None | Some("NONE") => false,
            Some("FULL") => true,
            Some(other) => {
                self.problem(
                    &entry.at("JitterStrategy"),
                    format!("must be NONE or FULL, not {other}"),
                );
                false
            }
        };
        Retrier {
            error_equals,
            interval_seconds,
            max_attempts: entry.integer(self, "MaxAttempts", 0, 99_999_999).unwrap_or(3),
            backoff_rate,
            max_delay_seconds,
            full_jitter,
        }
    }

    pub(super) fn catchers(&mut self, fields: &Fields<'_>, outer: &[String]) -> Vec<Catcher> {
        let list = self.list(fields, "Catch");
        let count = list.len();
        let mut found = Vec::new();
        for (index, value) in list.into_iter().enumerate() {
            let path = format!("{}[{index}]", fields.at("Catch"));
            let Some(entry) = Fields::new(self, value, &path) else {
                continue;
            };
            entry.only(self, CATCH_FIELDS, "a catcher");
            let error_equals = self.error_equals(&entry, index + 1 == count);
            let next = entry.string(self, "Next");
            if !entry.object.contains_key("Next") {
                self.problem(&entry.at("Next"), "is missing");
            }
            let assign = entry.assign(self, Reads::ErrorOutput, outer);
            let output = entry.template(self, "Output", Reads::ErrorOutput);
            if let (Some(error_equals), Some(next)) = (error_equals, next) {
                found.push(Catcher {
                    error_equals,
                    next,
                    assign,
                    output,
                });
            }
        }
        found
    }

    fn list<'a>(&mut self, fields: &Fields<'a>, key: &str) -> Vec<&'a Value> {
        match fields.object.get(key) {
            None => Vec::new(),
            Some(Value::Array(items)) => items.iter().collect(),
            Some(_) => {
                self.problem(&fields.at(key), "must be an array");
                Vec::new()
            }
        }
    }

    fn error_equals(&mut self, entry: &Fields<'_>, last: bool) -> Option<Vec<String>> {
        let path = entry.at("ErrorEquals");
        let names: Option<Vec<String>> = entry
            .object
            .get("ErrorEquals")
            .and_then(Value::as_array)
            .and_then(|list| list.iter().map(|name| name.as_str().map(str::to_owned)).collect());
        match names {
            Some(names) if !names.is_empty() => {
                if names.iter().any(|name| name == "States.ALL") && (names.len() > 1 || !last) {
                    self.problem(&path, "States.ALL stands alone, and in the last entry");
                }
                Some(names)
            }
            _ => {
                self.problem(&path, "must be an array of at least one error name");
                None
            }
        }
    }
}
