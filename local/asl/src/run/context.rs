//! The context object: `$states.context`.

use super::flow::Frame;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The state being run, as the context object shows it.
#[derive(Clone, Debug)]
pub(crate) struct StateContext {
    pub name: String,
    pub entered_id: u64,
    pub entered_time: Timestamp,
    /// How often it was retried; only for states that can be.
    pub retry_count: Option<u32>,
    pub token: Option<String>,
}

/// The item an iteration runs for.
#[derive(Debug)]
pub(crate) struct Item {
    pub index: usize,
    pub value: Value,
}

/// An instant as the context object and the API's JSON show it: milliseconds, UTC.
pub(crate) fn iso(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// Builds the context object for a state.
pub(crate) fn context_object(frame: &Frame, state: &StateContext, item: Option<&Item>) -> Value {
    let origin = &frame.execution.origin;
    let (redrive_count, redrive_date) = frame.execution.redrive();
    let mut execution = Map::new();
    execution.insert("Id".to_owned(), json!(origin.arn));
    execution.insert("Input".to_owned(), origin.input.clone());
    execution.insert("StartTime".to_owned(), json!(iso(origin.start)));
    execution.insert("Name".to_owned(), json!(origin.name));
    execution.insert("RoleArn".to_owned(), json!(frame.inner.options.role_arn));
    execution.insert("RedriveCount".to_owned(), json!(redrive_count));
    if let Some(date) = redrive_date {
        execution.insert("RedriveTime".to_owned(), json!(iso(date)));
    }
    let mut state_object = Map::new();
    state_object.insert("Name".to_owned(), json!(state.name));
    state_object.insert("EnteredTime".to_owned(), json!(iso(state.entered_time)));
    if let Some(count) = state.retry_count {
        state_object.insert("RetryCount".to_owned(), json!(count));
    }
    let mut context = Map::new();
    context.insert("Execution".to_owned(), Value::Object(execution));
    context.insert(
        "StateMachine".to_owned(),
        json!({ "Id": origin.machine_arn, "Name": origin.machine_name }),
    );
    context.insert("State".to_owned(), Value::Object(state_object));
    if let Some(token) = &state.token {
        context.insert("Task".to_owned(), json!({ "Token": token }));
    }
    if let Some(item) = item {
        context.insert(
            "Map".to_owned(),
            json!({ "Item": { "Index": item.index, "Value": item.value } }),
        );
    }
    Value::Object(context)
}
