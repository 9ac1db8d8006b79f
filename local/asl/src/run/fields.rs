//! Evaluating a state's fields, with AWS's error when the result has another type than the field takes.

use super::context::{Item, StateContext, context_object};
use super::flow::Frame;
use super::{Failure, Severity};
use crate::history::PAYLOAD_BYTES_MAX;
use crate::jsonata::{self, Bindings, EvalError};
use crate::template::Template;
use serde_json::{Value, json};

/// What a field may read, and for which state.
pub(crate) struct Reader<'a> {
    pub frame: &'a Frame,
    pub state: &'a StateContext,
    pub input: &'a Value,
    pub result: Option<&'a Value>,
    pub error_output: Option<&'a Value>,
    /// Overrides the flow's own item, in a Map's `ItemSelector`.
    pub item: Option<&'a Item>,
}

impl Reader<'_> {
    /// Evaluates a field. A failure waits for [`Frame::record_evaluation`] to become an event.
    pub(crate) fn value(&self, template: &Template, location: &str) -> Result<Value, Failure> {
        let context = || context_object(self.frame, self.state, self.item.or(self.frame.item.as_deref()));
        let bindings = Bindings {
            input: self.input,
            result: self.result,
            error_output: self.error_output,
            context: &context,
            variables: &self.frame.variables,
            random: &self.frame.inner.random,
            now_ms: self.frame.inner.options.clock.now().as_millisecond(),
        };
        jsonata::evaluate(template, &bindings, location).map_err(|error| self.failed(error))
    }

    /// The failure for an evaluation error.
    pub(crate) fn failed(&self, error: EvalError) -> Failure {
        let cause = self.cause(&error.message);
        Failure {
            error: Some("States.QueryEvaluationError".to_owned()),
            cause: Some(cause),
            severity: Severity::Error,
            timed_out: false,
            heartbeat: false,
            oversized_result: false,
            evaluation: Some(error),
        }
    }

    /// AWS's opening for a cause that arises in a state.
    pub(crate) fn cause(&self, message: &str) -> String {
        format!(
            "An error occurred while executing the state '{}' (entered at the event id #{}). {message}",
            self.state.name, self.state.entered_id
        )
    }

    fn mismatch(&self, template: &Template, location: &str, expected: &str, value: &Value) -> Failure {
        self.failed(jsonata::unexpected_type(template, location, expected, value))
    }

    /// A field that gives an integer from `min` to `max`.
    pub(crate) fn integer(&self, field: &Template, location: &str, min: u64, max: u64) -> Result<u64, Failure> {
        let value = self.value(field, location)?;
        let Some(number) = value.as_f64() else {
            return Err(self.mismatch(field, location, "number", &value));
        };
        if number.fract() != 0.0 || number < min as f64 || number > max as f64 {
            let message = format!("The field '{location}' must be an integer from {min} to {max}, but was: {value}");
            return Err(self.failed(EvalError {
                message,
                location: Some(location.to_owned()),
            }));
        }
        Ok(number as u64)
    }

    /// A field that gives a number from `min` to `max`.
    pub(crate) fn number(&self, field: &Template, location: &str, min: f64, max: f64) -> Result<f64, Failure> {
        let value = self.value(field, location)?;
        match value.as_f64() {
            Some(number) if (min..=max).contains(&number) => Ok(number),
            Some(_) => {
                let message = format!("The field '{location}' must be from {min} to {max}, but was: {value}");
                Err(self.failed(EvalError {
                    message,
                    location: Some(location.to_owned()),
                }))
            }
            None => Err(self.mismatch(field, location, "number", &value)),
        }
    }

    /// A field that gives a boolean.
    pub(crate) fn boolean(&self, field: &Template, location: &str) -> Result<bool, Failure> {
        let value = self.value(field, location)?;
        value
            .as_bool()
            .ok_or_else(|| self.mismatch(field, location, "boolean", &value))
    }

    /// A field that gives a string.
    pub(crate) fn string(&self, field: &Template, location: &str) -> Result<String, Failure> {
        match self.value(field, location)? {
            Value::String(text) => Ok(text),
            value => Err(self.mismatch(field, location, "string", &value)),
        }
    }

    /// A field that gives an array.
    pub(crate) fn array(&self, field: &Template, location: &str) -> Result<Vec<Value>, Failure> {
        match self.value(field, location)? {
            Value::Array(items) => Ok(items),
            value => Err(self.mismatch(field, location, "array", &value)),
        }
    }

    /// Refuses a payload larger than 256 KiB.
    pub(crate) fn within_limit(&self, value: &Value) -> Result<(), Failure> {
        within_limit(value, &self.state.name)
    }
}

/// Refuses a payload larger than 256 KiB; `what` is the state, or the service whose answer it is.
pub(crate) fn within_limit(value: &Value, what: &str) -> Result<(), Failure> {
    if json_bytes(value) <= PAYLOAD_BYTES_MAX {
        return Ok(());
    }
    let cause = format!(
        "The state/task '{what}' returned a result with a size exceeding the maximum number of bytes service limit."
    );
    Err(Failure::new("States.DataLimitExceeded", Some(cause)))
}

/// The size of a value as JSON text, in bytes.
pub(crate) fn json_bytes(value: &Value) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Neither the value nor the counter can fail to be written.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}

/// The error output that catchers read: `Error` and `Cause`. What a token's failure leaves out is null, the cause of a timeout
/// is empty.
pub(crate) fn error_output(failure: &Failure) -> Value {
    let empty = failure.timed_out.then_some("");
    json!({ "Error": failure.error, "Cause": failure.cause.as_deref().or(empty) })
}
