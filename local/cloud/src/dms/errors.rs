//! DMS's refusals, in its names. All of them have status 400.

use crate::hub::AwsError;

/// InvalidParameterValueException: not declared by any operation, and sent by most.
pub(super) fn invalid_value(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidParameterValueException", message)
}

/// InvalidParameterCombinationException: likewise.
pub(super) fn invalid_combination(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidParameterCombinationException", message)
}

/// InvalidResourceStateFault.
pub(super) fn wrong_state(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidResourceStateFault", message)
}

/// ResourceNotFoundFault.
pub(super) fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "ResourceNotFoundFault", message)
}

/// ResourceAlreadyExistsFault, with the ARN of what has the identifier.
pub(super) fn exists(message: impl Into<String>, arn: &str) -> AwsError {
    AwsError::new(400, "ResourceAlreadyExistsFault", message).with("resourceArn", arn)
}
