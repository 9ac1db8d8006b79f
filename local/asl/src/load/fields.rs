//! Reading an object's fields by type, with a problem for each that has another.

use super::Loader;
use crate::jsonata;
use crate::template::{Template, expression_text};
use serde_json::{Map, Value};

/// Fields of JSONPath states: each is refused by its name.
const JSONPATH_FIELDS: &[&str] = &[
    "InputPath",
    "OutputPath",
    "ResultPath",
    "Parameters",
    "ResultSelector",
    "Result",
    "ItemsPath",
    "SecondsPath",
    "TimestampPath",
    "TimeoutSecondsPath",
    "HeartbeatSecondsPath",
    "MaxConcurrencyPath",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentagePath",
    "MaxItemsPerBatchPath",
    "MaxInputBytesPerBatchPath",
    "ErrorPath",
    "CausePath",
    "Variable",
    "And",
    "Or",
    "Not",
];

/// Fields that Step Functions has and this engine does not simulate.
const NOT_SIMULATED: &[(&str, &str)] = &[
    (
        "Credentials",
        "cross-account roles are not simulated: leave Credentials out",
    ),
    (
        "ItemReader",
        "reading items from Amazon S3 is not simulated: give Items",
    ),
    (
        "ResultWriter",
        "writing results to Amazon S3 is not simulated: use the Map's result",
    ),
    ("Iterator", "Iterator is the old name: write ItemProcessor"),
];

/// Which members of `$states` an expression may read besides `input` and `context`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    Input,
    Result,
    ErrorOutput,
}

/// An object of the definition and where it stands.
pub(super) struct Fields<'a> {
    pub object: &'a Map<String, Value>,
    pub path: String,
}

impl<'a> Fields<'a> {
    pub(super) fn new(loader: &mut Loader, value: &'a Value, path: &str) -> Option<Fields<'a>> {
        match value.as_object() {
            Some(object) => Some(Fields {
                object,
                path: path.to_owned(),
            }),
            None => {
                loader.problem(path, format!("must be an object, not {}", jsonata::type_name(value)));
                None
            }
        }
    }

    pub(super) fn at(&self, key: &str) -> String {
        format!("{}/{key}", self.path)
    }

    /// Refuses every field that is not in `known`, each by name.
    pub(super) fn only(&self, loader: &mut Loader, known: &[&str], what: &str) {
        for key in self.object.keys() {
            let path = self.at(key);
            if known.contains(&key.as_str()) {
                continue;
            } else if let Some((_, remedy)) = NOT_SIMULATED.iter().find(|(name, _)| name == key) {
                loader.problem(&path, *remedy);
            } else if JSONPATH_FIELDS.contains(&key.as_str()) || is_comparison(key) {
                loader.problem(
                    &path,
                    format!("{key} is a field of JSONPath states, and only JSONata is simulated"),
                );
            } else {
                loader.problem(&path, format!("{key} is no field of {what}"));
            }
        }
    }

    pub(super) fn string(&self, loader: &mut Loader, key: &str) -> Option<String> {
        match self.object.get(key)? {
            Value::String(text) => Some(text.clone()),
            other => {
                loader.problem(
                    &self.at(key),
                    format!("must be a string, not {}", jsonata::type_name(other)),
                );
                None
            }
        }
    }

    pub(super) fn boolean(&self, loader: &mut Loader, key: &str) -> Option<bool> {
        match self.object.get(key)? {
            Value::Bool(flag) => Some(*flag),
            other => {
                loader.problem(
                    &self.at(key),
                    format!("must be a boolean, not {}", jsonata::type_name(other)),
                );
                None
            }
        }
    }

    pub(super) fn integer(&self, loader: &mut Loader, key: &str, min: u64, max: u64) -> Option<u64> {
        let value = self.object.get(key)?;
        match value.as_u64() {
            Some(number) if (min..=max).contains(&number) => Some(number),
            _ => {
                loader.problem(
                    &self.at(key),
                    format!("must be an integer from {min} to {max}, not {value}"),
                );
                None
            }
        }
    }

    /// A field that takes any JSON with expressions in it.
    pub(super) fn template(&self, loader: &mut Loader, key: &str, reads: Reads) -> Option<Template> {
        let template = Template::compile(self.object.get(key)?);
        check_expressions(loader, &template, &self.at(key), reads);
        Some(template)
    }

    /// A field that takes an integer or an expression that gives one.
    pub(super) fn number_template(&self, loader: &mut Loader, key: &str, min: u64, max: u64) -> Option<Template> {
        match self.object.get(key)? {
            Value::String(text) if expression_text(text).is_some() => self.template(loader, key, Reads::Input),
            Value::Number(_) => {
                self.integer(loader, key, min, max)?;
                self.template(loader, key, Reads::Input)
            }
            other => {
                let found = jsonata::type_name(other);
                loader.problem(
                    &self.at(key),
                    format!("must be an integer from {min} to {max} or a JSONata expression, not {found}"),
                );
                None
            }
        }
    }

    /// A field that takes a string, an expression among them.
    pub(super) fn string_template(&self, loader: &mut Loader, key: &str) -> Option<Template> {
        self.string(loader, key)?;
        self.template(loader, key, Reads::Input)
    }

    /// `Assign`: an object whose keys are variable names.
    pub(super) fn assign(&self, loader: &mut Loader, reads: Reads, outer: &[String]) -> Option<Template> {
        let value = self.object.get("Assign")?;
        let path = self.at("Assign");
        let Some(object) = value.as_object() else {
            loader.problem(&path, format!("must be an object, not {}", jsonata::type_name(value)));
            return None;
        };
        for name in object.keys() {
            let at = format!("{path}/{name}");
            if !is_variable_name(name) {
                loader.problem(
                    &at,
                    "a variable's name starts with a letter and has at most 80 letters, digits and _",
                );
            } else if name == "states" {
                loader.problem(&at, "the variable 'states' is reserved");
            } else if outer.contains(name) {
                loader.problem(
                    &at,
                    format!("'{name}' is a variable of an outer scope, which this scope may only read"),
                );
            }
        }
        self.template(loader, "Assign", reads)
    }
}

fn is_comparison(key: &str) -> bool {
    ["String", "Numeric", "Boolean", "Timestamp"].iter().any(|kind| {
        key.starts_with(kind) && (key.contains("Equals") || key.contains("Than") || key.contains("Matches"))
    }) || [
        "IsNull",
        "IsPresent",
        "IsNumeric",
        "IsString",
        "IsBoolean",
        "IsTimestamp",
    ]
    .contains(&key)
}

fn is_variable_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(char::is_alphabetic)
        && name.chars().count() <= 80
        && chars.all(|c| c.is_alphanumeric() || c == '_')
}

fn check_expressions(loader: &mut Loader, template: &Template, path: &str, reads: Reads) {
    let mut found = Vec::new();
    template.for_each_expression(path, &mut |at, text| {
        if let Err(error) = jsonata::check_syntax(text) {
            found.push((at.to_owned(), format!("'{text}' is not JSONata: {error}")));
        }
        if reads != Reads::Result && text.contains("$states.result") {
            found.push((at.to_owned(), "$states.result has no value here".to_owned()));
        }
        if reads != Reads::ErrorOutput && text.contains("$states.errorOutput") {
            found.push((
                at.to_owned(),
                "$states.errorOutput has a value only in a Catch".to_owned(),
            ));
        }
    });
    for (at, message) in found {
        loader.problem(&at, message);
    }
}
