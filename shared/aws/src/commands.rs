//! Sending Systems Manager commands to many hosts, once.
//!
//! SendCommand takes no client token either: the id of the intent travels in the command's comment, and whoever finds an
//! intent without a command looks for that comment first.

use crate::deps::Deps;
use crate::ssm::{CommandRequest, SendRefusal};
use jiff::{SignedDuration, Timestamp};
use landfall_domain::StepError;

/// Instances of one command. <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_SendCommand.html>
pub const INSTANCES_PER_COMMAND_MAX: usize = 50;

/// How long Systems Manager may take to deliver a command, in seconds; the shortest it allows is 30.
const DELIVERY_SECONDS: u32 = 120;

/// How much earlier than its intent a command may seem to be sent: clocks of two services differ.
const CLOCK_DIFFERENCE_MAX: SignedDuration = SignedDuration::from_mins(5);

/// What came of sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The command.
    Command(String),
    /// A host is not, or no longer, known to Systems Manager; what it said.
    NotManaged(String),
}

/// What to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The id of the intent, on record already.
    pub intent_id: String,
    /// When it was put on record.
    pub intended_at: Timestamp,
    /// The document.
    pub document: String,
    /// Its parameters.
    pub parameters: std::collections::BTreeMap<String, Vec<String>>,
    /// The hosts, at most [`INSTANCES_PER_COMMAND_MAX`].
    pub instances: Vec<String>,
}

/// Sends a command whose intent is on record. `fresh` is true when this invocation has put it there, so that nobody can
/// have sent it before.
pub async fn send(deps: &Deps, order: &Order, fresh: bool) -> Result<Sent, StepError> {
    let comment = format!("landfall {}", order.intent_id);
    if !fresh {
        let since = order.intended_at - CLOCK_DIFFERENCE_MAX;
        if let Some(command) = deps.ssm.find_command(&comment, since).await? {
            return Ok(Sent::Command(command));
        }
    }
    let request = CommandRequest {
        document: order.document.clone(),
        parameters: order.parameters.clone(),
        instances: order.instances.clone(),
        comment,
        delivery_timeout_seconds: DELIVERY_SECONDS,
    };
    match deps.ssm.send(&request).await {
        Ok(command) => Ok(Sent::Command(command)),
        Err(SendRefusal::NotManaged(text)) => Ok(Sent::NotManaged(text)),
        Err(SendRefusal::Other(error)) => Err(error),
    }
}
