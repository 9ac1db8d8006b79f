//! JSONata as Step Functions speaks it: the standard language, `$states`, workflow variables, and six
//! functions of its own. Values of the engine are `Rc`, so everything here is synchronous and nothing
//! of it leaves a call.

mod functions;
mod messages;

pub(crate) use functions::uuid;

use crate::template::Template;
use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::parser;
use jsonata_core::value::JValue;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

/// Most parsed expressions kept per thread; past it the cache starts over.
const CACHED_EXPRESSIONS_MAX: usize = 20_000;
/// Real milliseconds an evaluation may take, so that an endless recursion fails its state. AWS bounds it too.
const EVALUATION_MS_MAX: u64 = 10_000;

thread_local! {
    // The syntax tree is not `Send`, so each thread keeps its own, keyed by the expression's text.
    static PARSED: RefCell<HashMap<Arc<str>, Rc<AstNode>>> = RefCell::new(HashMap::new());
}

/// Workflow variables by name, without the dollar sign.
pub(crate) type Variables = BTreeMap<String, Value>;

/// What one evaluation may read.
pub(crate) struct Bindings<'a> {
    pub input: &'a Value,
    pub result: Option<&'a Value>,
    pub error_output: Option<&'a Value>,
    /// Built only for expressions that read it: it carries the whole execution input.
    pub context: &'a dyn Fn() -> Value,
    pub variables: &'a Variables,
    pub random: &'a Arc<Mutex<fastrand::Rng>>,
    /// Milliseconds since the epoch, for `$now()` and `$millis()`.
    pub now_ms: i64,
}

/// A failed evaluation: AWS's sentence without the opening that names the state, and the field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EvalError {
    pub message: String,
    pub location: Option<String>,
}

impl EvalError {
    fn at(location: &str, message: String) -> EvalError {
        EvalError {
            message,
            location: Some(location.to_owned()),
        }
    }
}

/// Checks an expression's syntax. The error is the parser's sentence, without its code.
pub(crate) fn check_syntax(text: &str) -> Result<(), String> {
    parse(&Arc::from(text)).map(|_| ())
}

fn parse(text: &Arc<str>) -> Result<Rc<AstNode>, String> {
    PARSED.with(|cache| {
        if let Some(ast) = cache.borrow().get(text) {
            return Ok(ast.clone());
        }
        let ast = Rc::new(parser::parse(text).map_err(|error| error.to_string())?);
        let mut cache = cache.borrow_mut();
        if cache.len() >= CACHED_EXPRESSIONS_MAX {
            cache.clear();
        }
        cache.insert(text.clone(), ast.clone());
        Ok(ast)
    })
}

/// Evaluates a field. `location` is the field's name as AWS reports it: `Output/v`, `Choices[0]/Condition`.
pub(crate) fn evaluate(template: &Template, bindings: &Bindings<'_>, location: &str) -> Result<Value, EvalError> {
    match template {
        Template::Literal(value) => Ok(value.clone()),
        Template::Expr(text) => evaluate_text(text, bindings, location),
        Template::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| evaluate(item, bindings, &format!("{location}[{index}]")))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::Array),
        Template::Object(fields) => {
            let mut object = Map::new();
            for (key, field) in fields {
                object.insert(key.clone(), evaluate(field, bindings, &format!("{location}/{key}"))?);
            }
            Ok(Value::Object(object))
        }
    }
}

fn evaluate_text(text: &Arc<str>, bindings: &Bindings<'_>, location: &str) -> Result<Value, EvalError> {
    let sentence = format!("The JSONata expression '{text}' specified for the field '{location}'");
    let ast =
        parse(text).map_err(|error| EvalError::at(location, format!("{sentence} could not be parsed: {error}")))?;
    let options = EvaluatorOptions {
        timeout_ms: Some(EVALUATION_MS_MAX),
        ..EvaluatorOptions::default()
    };
    let mut evaluator = Evaluator::with_options(bind(text, bindings), options);
    functions::register(&mut evaluator, bindings.random, bindings.now_ms);
    match evaluator.evaluate(&ast, &JValue::Undefined) {
        Ok(value) if value.is_undefined() => Err(EvalError::at(
            location,
            format!("{sentence} returned nothing (undefined)."),
        )),
        Ok(value) if value.is_function() || value.is_regex() => Err(EvalError::at(
            location,
            format!("{sentence} returned an unsupported result type."),
        )),
        Ok(value) => Ok(to_json(&value)),
        Err(error) => Err(EvalError::at(location, thrown(&sentence, &error, text))),
    }
}

/// A result as JSON. Whole numbers become integers, as JavaScript prints them; what JSON cannot hold
/// becomes null, as `JSON.stringify` has it.
fn to_json(value: &JValue) -> Value {
    /// Above it, doubles are no longer exact integers.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match value {
        JValue::Bool(flag) => Value::Bool(*flag),
        JValue::Number(number) if number.fract() == 0.0 && number.abs() <= EXACT_MAX => Value::from(*number as i64),
        JValue::Number(number) => serde_json::Number::from_f64(*number).map_or(Value::Null, Value::Number),
        JValue::String(text) => Value::from(&**text),
        JValue::Array(items) => items.iter().map(to_json).collect(),
        JValue::Object(fields) => fields
            .iter()
            .map(|(key, field)| (key.clone(), to_json(field)))
            .collect(),
        _ => Value::Null,
    }
}

// AWS ends the sentence with a full stop before a coded message and with a colon before any other.
fn thrown(sentence: &str, error: &EvaluatorError, text: &str) -> String {
    let separator = if error.code().is_some() { "." } else { ":" };
    format!(
        "{sentence} threw an error during evaluation{separator} {}",
        messages::reworded(error.message(), text)
    )
}

fn bind(text: &str, bindings: &Bindings<'_>) -> Context {
    let mut context = Context::new();
    if text.contains("$states") {
        context.bind("states".to_owned(), JValue::from(states_value(text, bindings)));
    }
    for (name, value) in bindings.variables {
        // Binding copies the value, so only what the expression names is bound; a longer name that
        // contains this one merely binds it needlessly.
        if text.contains(name.as_str()) {
            context.bind(name.clone(), JValue::from(value.clone()));
        }
    }
    context
}

fn states_value(text: &str, bindings: &Bindings<'_>) -> Value {
    let mut states = Map::new();
    let whole = mentions_whole_states(text);
    if whole || text.contains("input") {
        states.insert("input".to_owned(), bindings.input.clone());
    }
    if let Some(result) = bindings.result {
        states.insert("result".to_owned(), result.clone());
    }
    if let Some(error) = bindings.error_output {
        states.insert("errorOutput".to_owned(), error.clone());
    }
    if whole || text.contains("context") {
        states.insert("context".to_owned(), (bindings.context)());
    }
    Value::Object(states)
}

// True unless every `$states` is followed by one of its member names.
fn mentions_whole_states(text: &str) -> bool {
    text.split("$states").skip(1).any(|rest| {
        let rest = rest.trim_start();
        !["input", "result", "errorOutput", "context"].iter().any(|member| {
            rest.strip_prefix('.')
                .is_some_and(|tail| tail.trim_start().starts_with(member))
        })
    })
}

/// The JSON type's name as AWS writes it in "Expected 'array', but was 'number'".
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// AWS's error for a field whose expression gave another type than the field takes.
pub(crate) fn unexpected_type(template: &Template, location: &str, expected: &str, value: &Value) -> EvalError {
    let subject = match template {
        Template::Expr(text) => format!("The JSONata expression '{text}' specified for the field '{location}'"),
        _ => format!("The value specified for the field '{location}'"),
    };
    EvalError::at(
        location,
        format!(
            "{subject} returned an unexpected result type. Expected '{expected}', but was '{}' for value: {value}",
            type_name(value)
        ),
    )
}

/// Evaluates one expression outside of any workflow: `bindings` holds the variables by name, `states`
/// among them if the expression reads it. The answer is compact JSON, `undefined`, or the error's
/// JSONata code (or its message, where it has none) after `ERR `.
pub fn evaluate_expression(text: &str, bindings: &Map<String, Value>, seed: u64, now_ms: i64) -> String {
    let ast = match parse(&Arc::from(text)) {
        Ok(ast) => ast,
        Err(error) => return format!("ERR {error}"),
    };
    let mut context = Context::new();
    for (name, value) in bindings {
        context.bind(name.clone(), JValue::from(value.clone()));
    }
    let mut evaluator = Evaluator::with_context(context);
    let random = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
    functions::register(&mut evaluator, &random, now_ms);
    match evaluator.evaluate(&ast, &JValue::Undefined) {
        Ok(value) if value.is_undefined() => "undefined".to_owned(),
        Ok(value) => value.to_json_string().unwrap_or_else(|error| format!("ERR {error}")),
        Err(error) => format!("ERR {}", error.code().unwrap_or(error.message())),
    }
}
