//! What a function is called with. A payload is parsed here, so that a bad one is `InvalidInput` with a path, and not
//! the name of a Rust type.

use jiff::Timestamp;
use landfall_domain::StepError;
use landfall_domain::record::TokenAge;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Parses a payload.
pub fn parse<T: DeserializeOwned>(payload: &Value) -> Result<T, StepError> {
    serde_path_to_error::deserialize(payload).map_err(|error| {
        let path = format!("$.{}", error.path());
        let value = payload
            .pointer(&pointer(&path))
            .map_or_else(|| "absent".to_owned(), Value::to_string);
        StepError::invalid(path, value, error.inner().to_string())
    })
}

fn pointer(path: &str) -> String {
    path.trim_start_matches('$')
        .replace('[', ".")
        .replace(']', "")
        .replace('.', "/")
}

/// What a task that waits gives its function: the token, and enough of the context object to tell a newer token from an
/// older one. <https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html>
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Callback {
    /// `$states.context.Task.Token`
    pub token: String,
    /// `$states.context.Execution.Id`
    pub execution_arn: String,
    /// `$states.context.State.Name`
    pub state: String,
    /// `$states.context.State.EnteredTime`
    pub entered_at: Timestamp,
    /// `$states.context.State.RetryCount`
    pub retry_count: u64,
    /// `$states.context.Execution.RedriveCount`
    pub redrive_count: u64,
}

impl Callback {
    /// How new the token is.
    pub fn age(&self) -> TokenAge {
        TokenAge {
            entered_at: self.entered_at,
            redrive_count: self.redrive_count,
            retry_count: self.retry_count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Input {
        #[allow(dead_code)]
        wave_id: landfall_domain::ids::WaveId,
    }

    #[test]
    fn a_bad_payload_is_invalid_input_with_its_path() {
        let error = parse::<Input>(&serde_json::json!({ "waveId": "Wave One" })).unwrap_err();
        assert_eq!(error.name(), "InvalidInput");
        assert!(error.to_string().contains("$.waveId is \"Wave One\""), "{error}");
    }
}
