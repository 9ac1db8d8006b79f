//! MGN's refusals, with the members of their shapes.

use serde_json::{Value, json};

use crate::fleet::Scene;
use crate::fleet::knobs::{QuotaError, UnknownIdError};
use crate::hub::AwsError;

/// The sentence observed when a job holds a server of the call.
pub(super) const BUSY: &str =
    "One or more of the Source Servers included in API call are currently being processed by a Job";

/// ConflictException, 409, about some source servers.
pub(super) fn conflict(message: &str, servers: &[&str]) -> AwsError {
    let errors: Vec<Value> = servers
        .iter()
        .map(|id| {
            json!({"message": message, "code": "ConflictException", "resourceId": id, "resourceType": "SourceServer"})
        })
        .collect();
    let error = AwsError::new(409, "ConflictException", message)
        .with("code", "ConflictException")
        .with("errors", errors)
        .with("resourceType", "SourceServer");
    match servers {
        [only] => error.with("resourceId", *only),
        _ => error,
    }
}

/// ValidationException, 400.
pub(super) fn validation(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "ValidationException", message)
        .with("code", "ValidationException")
        .with("reason", "fieldValidationFailed")
}

/// ResourceNotFoundException, 404, about one source server.
pub(super) fn not_found(id: &str) -> AwsError {
    AwsError::new(
        404,
        "ResourceNotFoundException",
        format!("Source Server {id} not found"),
    )
    .with("code", "ResourceNotFoundException")
    .with("resourceId", id)
    .with("resourceType", "SourceServer")
}

/// The refusal of unknown ids in a start or terminate call, in the class of the knob.
pub(super) fn unknown_ids(scene: &Scene, ids: &[&str]) -> AwsError {
    match scene.knobs.unknown_id_error {
        UnknownIdError::Validation => validation(format!("Source Servers do not exist: {}", ids.join(", "))),
        UnknownIdError::NotFound => not_found(ids.first().copied().unwrap_or_default()),
    }
}

/// The refusal of a call that would pass a quota on jobs, in the class of the knob.
pub(super) fn quota(scene: &Scene, name: &str, value: usize) -> AwsError {
    let message = format!("Quota exceeded: {name} ({value})");
    match scene.knobs.quota_error {
        QuotaError::Conflict => AwsError::new(409, "ConflictException", message).with("code", "ConflictException"),
        QuotaError::Validation => validation(message),
        QuotaError::Quota => AwsError::new(402, "ServiceQuotaExceededException", message)
            .with("code", "ServiceQuotaExceededException")
            .with("serviceCode", "mgn")
            .with("quotaCode", name)
            .with("quotaValue", value),
    }
}
