//! The Lambda function `freeze-source`.

use landfall_aws::Deps;
use landfall_domain::StepError;
use serde_json::Value;
use std::sync::Arc;

/// Not written yet.
pub async fn handle(_deps: Arc<Deps>, _input: Value) -> Result<Value, StepError> {
    Err(StepError::Corrupt("not written yet".to_owned()))
}
