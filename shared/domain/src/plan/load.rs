//! From a JSON document to a plan, or to everything that is wrong with it.

use super::{ProgramPlan, WavePlan, rules, secrets};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::fmt;

/// The largest number of problems that are said at once. A document with more is broken as a whole, and an error
/// message has to fit into the 32,768 characters of a cause.
pub const PROBLEMS_MAX: usize = 100;

/// The longest value that is repeated in a problem, in characters.
const VALUE_CHARS_MAX: usize = 80;

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where, as a JSON path: `$.servers[3].launch.bootMode`.
    pub path: String,
    /// The value that stands there, shortened.
    pub value: String,
    /// What is allowed there, or what to do.
    pub allowed: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}: {}", self.path, self.value, self.allowed)
    }
}

/// Everything that is wrong with a document, in the order of the document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct LoadError(pub Vec<Problem>);

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// Reads the plan of one wave, or says everything that is wrong with it.
pub fn load_wave(document: &Value) -> Result<WavePlan, LoadError> {
    load(document, rules::wave_problems)
}

/// Reads the plan of a program, or says everything that is wrong with it and with its waves.
pub fn load_program(document: &Value) -> Result<ProgramPlan, LoadError> {
    load(document, rules::program_problems)
}

fn truncate(problems: &mut Vec<Problem>) {
    let more = problems.len().saturating_sub(PROBLEMS_MAX);
    if more > 0 {
        problems.truncate(PROBLEMS_MAX);
        problems.push(Problem {
            path: "$".to_owned(),
            value: format!("a document with {} problems", PROBLEMS_MAX + more),
            allowed: format!("{more} more are not listed"),
        });
    }
}

/// Problems of sense in a plan that could be read, with the document for the values.
type Rules<T> = fn(&T, &Value) -> Vec<Problem>;

fn load<T: JsonSchema + DeserializeOwned>(document: &Value, rules: Rules<T>) -> Result<T, LoadError> {
    let (document, secrets) = secrets::hide(document);
    let document = &document;
    let mut problems = problems_of_shape::<T>(document)?;
    // Where a secret stands, nothing else needs to be said.
    problems.retain(|problem| !secrets.iter().any(|secret| problem.path.starts_with(&secret.path)));
    problems.splice(0..0, secrets);
    if problems.is_empty() {
        let plan = read::<T>(document)?;
        problems = rules(&plan, document);
        if problems.is_empty() {
            return Ok(plan);
        }
    } else {
        let sense = problems_of_sense(document, &problems, rules);
        problems.extend(sense);
    }
    truncate(&mut problems);
    Err(LoadError(problems))
}

fn problems_of_shape<T: JsonSchema>(document: &Value) -> Result<Vec<Problem>, LoadError> {
    let schema = schema_of::<T>();
    let validator = jsonschema::validator_for(&schema)
        .map_err(|error| LoadError(vec![broken(document, format!("the schema itself is broken: {error}"))]))?;
    Ok(validator
        .iter_errors(document)
        .flat_map(|error| problems_of(&error))
        .collect())
}

/// What the rules say of a document whose shape is wrong, as far as it can be read without what is wrong. A rule about
/// a place that has the wrong shape has nothing to add.
fn problems_of_sense<T: DeserializeOwned>(document: &Value, shape: &[Problem], rules: Rules<T>) -> Vec<Problem> {
    let mut rest = document.clone();
    for problem in shape {
        if let Some((parent, member)) = problem.path.rsplit_once('.')
            && let Some(Value::Object(members)) = rest.pointer_mut(&rules::pointer(parent))
        {
            members.remove(member);
        }
    }
    let Ok(plan) = serde_json::from_value::<T>(rest) else {
        return Vec::new();
    };
    let known = |found: &Problem| {
        let related = |one: &Problem| found.path.starts_with(&one.path) || one.path.starts_with(&found.path);
        shape.iter().any(related)
    };
    let mut found = rules(&plan, document);
    found.retain(|problem| !known(problem));
    found
}

fn read<T: DeserializeOwned>(document: &Value) -> Result<T, LoadError> {
    serde_path_to_error::deserialize(document).map_err(|error| {
        let path = format!("$.{}", error.path());
        LoadError(vec![Problem {
            value: rules::lookup(document, &path).map_or_else(|| "absent".to_owned(), shown),
            allowed: error.inner().to_string(),
            path,
        }])
    })
}

fn broken(document: &Value, allowed: String) -> Problem {
    Problem {
        path: "$".to_owned(),
        value: shown(document),
        allowed,
    }
}

/// Turns one schema violation into problems whose path points at the member to change: an unknown or missing member is
/// reported at the member, not at the object around it.
fn problems_of(error: &jsonschema::ValidationError<'_>) -> Vec<Problem> {
    use jsonschema::error::ValidationErrorKind as Kind;
    let at = json_path(&error.instance_path().to_string());
    match error.kind() {
        Kind::AdditionalProperties { unexpected } => unexpected
            .iter()
            .map(|name| Problem {
                path: format!("{at}.{name}"),
                value: error.instance().get(name).map_or_else(|| "absent".to_owned(), shown),
                allowed: "no such member; the schema in docs/ lists those that exist".to_owned(),
            })
            .collect(),
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            vec![Problem {
                path: format!("{at}.{name}"),
                value: "absent".to_owned(),
                allowed: "required".to_owned(),
            }]
        }
        // An optional part is a choice between the part and null: what is wrong is wrong with the part.
        Kind::AnyOf { context } => {
            let parts = context.iter().filter(|branch| !branch.iter().any(wants_null));
            parts.flatten().flat_map(problems_of).collect()
        }
        // Of several shapes told apart by their one member, what is wrong is wrong with the one that is named.
        Kind::OneOfNotValid { context } if words(context).is_empty() => {
            let here = error.instance_path().to_string();
            let named = |branch: &&Vec<_>| !branch.iter().any(|one| is_another_shape(one, &here));
            match context.iter().find(named) {
                Some(branch) => branch.iter().flat_map(problems_of).collect(),
                None => vec![Problem {
                    path: at,
                    value: shown(error.instance()),
                    allowed: format!("one of the members {}, and no other", members(context).join(", ")),
                }],
            }
        }
        kind => {
            vec![Problem {
                path: at,
                value: shown(error.instance()),
                allowed: allowed_by(kind, error),
            }]
        }
    }
}

/// Whether a branch of a choice fails because another shape is meant: its member is not there, or another one is.
fn is_another_shape(error: &jsonschema::ValidationError<'_>, here: &str) -> bool {
    use jsonschema::error::ValidationErrorKind as Kind;
    let shape = matches!(
        error.kind(),
        Kind::Required { .. } | Kind::AdditionalProperties { .. } | Kind::Type { .. }
    );
    shape && error.instance_path().to_string() == here
}

/// The members that tell the shapes of a choice apart.
fn members(context: &[Vec<jsonschema::ValidationError<'_>>]) -> Vec<String> {
    use jsonschema::error::ValidationErrorKind as Kind;
    let required = |error: &jsonschema::ValidationError<'_>| match error.kind() {
        Kind::Required { property } => property.as_str().map(str::to_owned),
        _ => None,
    };
    context.iter().flatten().filter_map(required).collect()
}

fn allowed_by(kind: &jsonschema::error::ValidationErrorKind, error: &jsonschema::ValidationError<'_>) -> String {
    use jsonschema::error::ValidationErrorKind as Kind;
    match kind {
        Kind::Enum { options } => format!("one of {options}"),
        Kind::Pattern { pattern } => format!("text that matches {pattern}"),
        Kind::Minimum { limit } => format!("at least {limit}"),
        Kind::Maximum { limit } => format!("at most {limit}"),
        Kind::MinLength { limit } => format!("at least {limit} characters"),
        Kind::MaxLength { limit } => format!("at most {limit} characters"),
        Kind::MinItems { limit } => format!("at least {limit} entries"),
        Kind::MaxItems { limit } => format!("at most {limit} entries"),
        Kind::Type {
            kind: jsonschema::error::TypeKind::Single(name),
        } => format!("must be of type {name}"),
        Kind::Type {
            kind: jsonschema::error::TypeKind::Multiple(types),
        } => {
            let names = types.iter().filter(|name| *name != jsonschema::JsonType::Null);
            let names: Vec<String> = names.map(|name| name.to_string()).collect();
            format!("must be of type {}", names.join(" or "))
        }
        Kind::OneOfNotValid { context } => format!("one of {}", words(context).join(", ")),
        _ => error.to_string(),
    }
}

fn wants_null(error: &jsonschema::ValidationError<'_>) -> bool {
    use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
    matches!(
        error.kind(),
        Kind::Type {
            kind: TypeKind::Single(jsonschema::JsonType::Null)
        }
    )
}

/// What can be chosen, where the schema lists it word by word.
fn words(context: &[Vec<jsonschema::ValidationError<'_>>]) -> Vec<String> {
    use jsonschema::error::ValidationErrorKind as Kind;
    let word = |error: &jsonschema::ValidationError<'_>| match error.kind() {
        Kind::Constant { expected_value } => Some(expected_value.to_string()),
        _ => None,
    };
    context.iter().flatten().filter_map(word).collect()
}

/// From a JSON pointer to the path that people write: `/servers/0/launch` to `$.servers[0].launch`.
fn json_path(pointer: &str) -> String {
    let mut path = "$".to_owned();
    for part in pointer.split('/').skip(1) {
        if part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty() {
            path.push_str(&format!("[{part}]"));
        } else {
            path.push('.');
            path.push_str(&part.replace("~1", "/").replace("~0", "~"));
        }
    }
    path
}

/// A value as it is repeated in a problem: JSON, shortened.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= VALUE_CHARS_MAX {
        return text;
    }
    let short: String = text.chars().take(VALUE_CHARS_MAX).collect();
    format!("{short}…")
}

fn schema_of<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// The JSON Schema of the plan of one wave, as it is checked in.
pub fn schema_text() -> String {
    text_of(&schema_of::<WavePlan>())
}

/// The JSON Schema of the plan of a program, as it is checked in.
pub fn program_schema_text() -> String {
    text_of(&schema_of::<ProgramPlan>())
}

fn text_of(schema: &Value) -> String {
    let mut text = serde_json::to_string_pretty(schema).expect("a schema is plain JSON");
    text.push('\n');
    text
}
