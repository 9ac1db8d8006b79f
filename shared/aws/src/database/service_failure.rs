//! How a failed service is written into an answer of `reach-database`, and read there again. That function calls one
//! operation of one service, so only what was said of it travels.

use landfall_domain::StepError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const SERVICE: &str = "Secrets Manager";
const OPERATION: &str = "GetSecretValue";

#[derive(Serialize, Deserialize)]
#[serde(tag = "error", deny_unknown_fields)]
enum ServiceFailure {
    Throttled { message: String },
    ServiceUnavailable { message: String },
    AccessDenied { message: String },
    ServiceRefused { code: String, message: String },
    DatabaseRefused { message: String },
}

impl From<&StepError> for ServiceFailure {
    fn from(error: &StepError) -> Self {
        match error.clone() {
            StepError::Throttled { message, .. } => Self::Throttled { message },
            StepError::ServiceUnavailable { message, .. } => Self::ServiceUnavailable { message },
            StepError::AccessDenied { message, .. } => Self::AccessDenied { message },
            StepError::ServiceRefused { code, message, .. } => Self::ServiceRefused { code, message },
            StepError::DatabaseRefused(message) => Self::DatabaseRefused { message },
            // None of them comes from reading a secret; one that did would wait for a person, with its own sentence.
            other => Self::DatabaseRefused {
                message: other.to_string(),
            },
        }
    }
}

impl From<ServiceFailure> for StepError {
    fn from(failure: ServiceFailure) -> Self {
        let (service, operation) = (SERVICE, OPERATION);
        match failure {
            ServiceFailure::Throttled { message } => Self::Throttled {
                service,
                operation,
                message,
            },
            ServiceFailure::ServiceUnavailable { message } => Self::ServiceUnavailable {
                service,
                operation,
                message,
            },
            ServiceFailure::AccessDenied { message } => Self::AccessDenied {
                service,
                operation,
                message,
            },
            ServiceFailure::ServiceRefused { code, message } => Self::ServiceRefused {
                service,
                operation,
                code,
                message,
            },
            ServiceFailure::DatabaseRefused { message } => Self::DatabaseRefused(message),
        }
    }
}

pub(super) fn serialize<S: Serializer>(error: &StepError, serializer: S) -> Result<S::Ok, S::Error> {
    ServiceFailure::from(error).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<StepError>, D::Error> {
    Ok(Box::new(ServiceFailure::deserialize(deserializer)?.into()))
}
