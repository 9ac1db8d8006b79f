//! An execution ended otherwise than in success: nothing inside it could tell, so its wave is held here.

use crate::Event;
use landfall_aws::Deps;
use landfall_aws::hold::hold_orphan;
use landfall_domain::StepError;

/// Holds the wave that the execution worked on, if it still does.
pub async fn closed(deps: &Deps, event: &Event) -> Result<String, StepError> {
    let text = |name: &str| {
        event
            .detail
            .get(name)
            .and_then(|value| value.as_str())
            .unwrap_or_default()
    };
    let (execution, status) = (text("executionArn"), text("status"));
    if !matches!(status, "FAILED" | "TIMED_OUT" | "ABORTED") {
        return Ok(format!("nothing to do for {status}"));
    }
    for id in deps.table.open_waves().await? {
        if hold_orphan(deps, &id, execution, status).await? {
            return Ok(format!("wave {id} is held"));
        }
    }
    Ok("no open wave is run by that execution".to_owned())
}
