//! Reading requests strictly: a member nobody simulates is an error that names it, never a quiet default.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::hub::AwsError;

/// The members of one JSON request.
pub(crate) struct Members<'a> {
    service: &'static str,
    map: &'a Map<String, Value>,
}

/// The refusal of something that is not simulated.
pub(crate) fn not_simulated(what: impl std::fmt::Display) -> AwsError {
    AwsError::not_simulated(&what.to_string())
}

/// The services' refusal of a request whose form is wrong.
pub(crate) fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "ValidationException", message)
}

impl<'a> Members<'a> {
    /// The request's members, once all of them are known ones.
    pub fn of(
        service: &'static str,
        operation: &str,
        body: &'a Value,
        known: &[&str],
    ) -> Result<Members<'a>, AwsError> {
        let map = body
            .as_object()
            .ok_or_else(|| invalid("the request body is not a JSON object"))?;
        for name in map.keys() {
            if !known.contains(&name.as_str()) {
                return Err(not_simulated(format_args!("{service}:{operation} member {name}")));
            }
        }
        Ok(Members { service, map })
    }

    fn member(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn wrong(&self, name: &str, wanted: &str) -> AwsError {
        invalid(format!("{}: member {name} must be {wanted}", self.service))
    }

    /// A string.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>, AwsError> {
        self.member(name)
            .map(|value| value.as_str().ok_or_else(|| self.wrong(name, "a string")))
            .transpose()
    }

    /// A string that must be there.
    pub fn required(&self, name: &str) -> Result<&'a str, AwsError> {
        self.text(name)?.ok_or_else(|| self.wrong(name, "present"))
    }

    /// A boolean.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, AwsError> {
        self.member(name)
            .map(|value| value.as_bool().ok_or_else(|| self.wrong(name, "a boolean")))
            .transpose()
    }

    /// A whole number within bounds.
    pub fn number(&self, name: &str, least: i64, most: i64) -> Result<Option<i64>, AwsError> {
        self.member(name)
            .map(|value| {
                value
                    .as_i64()
                    .filter(|number| (least..=most).contains(number))
                    .ok_or_else(|| self.wrong(name, &format!("a number from {least} to {most}")))
            })
            .transpose()
    }

    /// A list of strings.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<String>>, AwsError> {
        let Some(value) = self.member(name) else {
            return Ok(None);
        };
        texts_of(value)
            .map(Some)
            .ok_or_else(|| self.wrong(name, "a list of strings"))
    }

    /// A map from string to string.
    pub fn text_map(&self, name: &str) -> Result<BTreeMap<String, String>, AwsError> {
        let Some(value) = self.member(name) else {
            return Ok(BTreeMap::new());
        };
        value
            .as_object()
            .and_then(|map| {
                map.iter()
                    .map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                    .collect()
            })
            .ok_or_else(|| self.wrong(name, "a map of strings"))
    }

    /// A list of anything.
    pub fn list(&self, name: &str) -> Result<&'a [Value], AwsError> {
        match self.member(name) {
            None => Ok(&[]),
            Some(value) => value
                .as_array()
                .map(Vec::as_slice)
                .ok_or_else(|| self.wrong(name, "a list")),
        }
    }

    /// A nested structure, as it is.
    pub fn value(&self, name: &str) -> Option<&'a Value> {
        self.member(name)
    }
}

/// A list of strings, if the value is one.
pub(crate) fn texts_of(value: &Value) -> Option<Vec<String>> {
    value
        .as_array()?
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect()
}

/// One page of a list: the items from the token's place on, and the token of the next page. None if the token is not ours.
pub(crate) fn page<T>(
    items: Vec<T>,
    token: Option<&str>,
    asked: Option<usize>,
    cap: usize,
) -> Option<(Vec<T>, Option<String>)> {
    let start = match token {
        None => 0,
        Some(token) => token.strip_prefix("landfall-page-")?.parse::<usize>().ok()?,
    };
    let size = asked.unwrap_or(cap).min(cap).max(1);
    let total = items.len();
    let rows: Vec<T> = items.into_iter().skip(start).take(size).collect();
    let end = start.saturating_add(rows.len());
    Some((rows, (end < total).then(|| format!("landfall-page-{end}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_member_is_named_in_the_refusal() {
        let body = serde_json::json!({"sourceServerIDs": [], "colour": "red"});
        let error = Members::of("mgn", "StartTest", &body, &["sourceServerIDs"]).err();
        let error = error.expect("refused");
        assert_eq!(error.code, "NotSimulated");
        assert!(
            error.message.contains("mgn:StartTest member colour"),
            "{}",
            error.message
        );
    }

    #[test]
    fn pages_cover_every_item_once() {
        let (first, token) = page((0..5).collect(), None, Some(2), 10).expect("ours");
        let (second, token) = page((0..5).collect(), token.as_deref(), None, 2).expect("ours");
        let (third, token) = page((0..5).collect(), token.as_deref(), None, 2).expect("ours");
        assert_eq!([first, second, third].concat(), vec![0, 1, 2, 3, 4]);
        assert_eq!(token, None);
        assert!(page(vec![1], Some("somebody's"), None, 2).is_none());
    }
}
