//! Reacts to EventBridge: MGN's and DMS's events and Step Functions' status changes. An event is only a reason to read:
//! the service is read again, then whoever waits is resumed. Nothing to undo.

mod dms;
mod executions;
mod follow;
mod mgn;

use landfall_aws::Deps;
use landfall_domain::StepError;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// An event. <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html>
#[derive(Debug, Deserialize)]
pub struct Event {
    /// Who sent it.
    pub source: String,
    /// What kind it is.
    #[serde(rename = "detail-type")]
    pub detail_type: String,
    /// What it is about.
    #[serde(default)]
    pub resources: Vec<String>,
    /// What it says.
    #[serde(default)]
    pub detail: Value,
}

/// Reads what the event is about. An event that nobody waits for, doubled or late, changes nothing.
pub async fn handle(deps: Arc<Deps>, event: Event) -> Result<Value, StepError> {
    let handled = match (event.source.as_str(), event.detail_type.as_str()) {
        ("aws.mgn", "MGN Source Server Launch Result") => mgn::launch_result(&deps, &event).await?,
        ("aws.mgn", "MGN Source Server Lifecycle State Change") => mgn::lifecycle(&deps, &event).await?,
        ("aws.dms", _) => dms::changed(&deps, &event).await?,
        ("aws.states", "Step Functions Execution Status Change") => executions::closed(&deps, &event).await?,
        // Stalls show in what is read anyway; the payload of the others is documented nowhere.
        _ => "nothing waits for this kind of event".to_owned(),
    };
    Ok(json!({ "handled": handled }))
}
