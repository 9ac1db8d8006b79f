//! What a simulated service may ask of the cloud around it: time, randomness, an event bus and its own address.

use serde_json::{Map, Value};

/// The services' only way out. A service never reads a clock or draws a number by other means.
pub trait Hub: Send + Sync + 'static {
    /// Virtual time, as every service and every client sees it.
    fn now(&self) -> jiff::Timestamp;
    /// The next number of the seeded generator; the same seed and the same calls give the same numbers.
    fn random(&self) -> u64;
    /// Puts an event on the account's default EventBridge bus, where the knobs may lose, double or delay it.
    fn emit(&self, event: EventDetail);
    /// The twelve-digit account id.
    fn account(&self) -> String;
    /// The Region, as in `eu-west-1`.
    fn region(&self) -> String;
}

/// What a service says of an event; the bus adds id, time, account and Region.
#[derive(Debug, Clone, PartialEq)]
pub struct EventDetail {
    /// As in `aws.mgn`.
    pub source: String,
    /// As in `MGN Source Server Lifecycle State Change`.
    pub detail_type: String,
    /// ARNs of what the event is about.
    pub resources: Vec<String>,
    /// The event's own content.
    pub detail: Value,
}

/// What a service answers when it refuses; each protocol renders it in its own form.
#[derive(Debug, Clone, PartialEq)]
pub struct AwsError {
    /// HTTP status.
    pub status: u16,
    /// The service's name for it, as in `ConflictException`.
    pub code: String,
    /// The sentence for people.
    pub message: String,
    /// Further members of the error's shape, as in `resourceId`; boxed, so that a `Result` of it stays small.
    pub members: Box<Map<String, Value>>,
    /// Seconds for the `Retry-After` header, where the service sends one.
    pub retry_after_s: Option<u64>,
}

impl AwsError {
    /// The code of what the simulation does not know.
    pub const NOT_SIMULATED: &'static str = "NotSimulated";
    /// How the sentence of such an error begins; what it does not know follows.
    pub(crate) const NOT_SIMULATED_SENTENCE: &'static str = "local AWS does not simulate ";

    /// An error without further members.
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> AwsError {
        AwsError {
            status,
            code: code.to_owned(),
            message: message.into(),
            members: Box::default(),
            retry_after_s: None,
        }
    }

    /// The loud answer to anything the simulation does not know: `what` names it, as in `mgn:Foo`.
    pub fn not_simulated(what: &str) -> AwsError {
        let sentence = format!("{}{what}", AwsError::NOT_SIMULATED_SENTENCE);
        AwsError::new(400, AwsError::NOT_SIMULATED, sentence)
    }

    /// Adds one member of the error's shape.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> AwsError {
        self.members.insert(name.to_owned(), value.into());
        self
    }
}

impl std::fmt::Display for AwsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.code, self.status, self.message)
    }
}

impl std::error::Error for AwsError {}
