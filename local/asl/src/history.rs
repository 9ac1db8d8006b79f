//! Events as `GetExecutionHistory` gives them.

use jiff::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

/// Events an execution may have: the last one is always the failure that says so.
pub(crate) const HISTORY_EVENTS_MAX: u64 = 25_000;

/// Bytes of UTF-8 a state's input, a state's output or a task's result may have.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 262_144;

/// One event of an execution's history. Serialises to AWS's JSON; `timestamp` becomes RFC 3339 with
/// milliseconds, as the AWS CLI prints it (the wire format counts seconds since the epoch instead).
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEvent {
    /// Counts from 1 within an execution.
    pub id: u64,
    /// The event this one follows; 0 for the first events and for what ends an execution from outside.
    pub previous_event_id: u64,
    /// When it happened.
    pub timestamp: Timestamp,
    /// AWS's type name, such as `TaskStateEntered`.
    pub event_type: String,
    /// The details member's name and content, such as `stateEnteredEventDetails`; some types have none.
    pub details: Option<(String, Value)>,
}

impl Serialize for HistoryEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &format!("{:.3}", self.timestamp))?;
        map.serialize_entry("type", &self.event_type)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("previousEventId", &self.previous_event_id)?;
        if let Some((name, details)) = &self.details {
            map.serialize_entry(name, details)?;
        }
        map.end()
    }
}

/// `{"truncated": false}`: this engine never shortens a payload.
pub(crate) fn whole() -> Value {
    json!({ "truncated": false })
}

/// `error` and `cause` as failure events carry them: an absent one is left out.
pub(crate) fn failure_details(error: Option<&str>, cause: Option<&str>) -> Value {
    let mut details = serde_json::Map::new();
    if let Some(error) = error {
        details.insert("error".to_owned(), error.into());
    }
    if let Some(cause) = cause {
        details.insert("cause".to_owned(), cause.into());
    }
    Value::Object(details)
}

/// The name of the member that holds an event type's details.
pub(crate) fn details_member(event_type: &str) -> String {
    let stem = if event_type.ends_with("StateEntered") {
        "stateEntered"
    } else if event_type.ends_with("StateExited") {
        "stateExited"
    } else {
        let mut chars = event_type.chars();
        let first = chars.next().map(|c| c.to_ascii_lowercase());
        return first.into_iter().chain(chars).chain("EventDetails".chars()).collect();
    };
    format!("{stem}EventDetails")
}
