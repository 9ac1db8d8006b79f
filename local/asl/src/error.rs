//! What the API calls and the loading of a definition answer when they refuse.

use std::fmt;

/// An exception of the Step Functions API that this engine can answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiErrorCode {
    /// The name is taken by a closed execution, or by an open one with another input.
    ExecutionAlreadyExists,
    /// No execution has this ARN.
    ExecutionDoesNotExist,
    /// `RedriveExecution` on an execution that succeeded, still runs, or is too large.
    ExecutionNotRedrivable,
    /// The ARN is not of the expected form.
    InvalidArn,
    /// The state machine's definition has problems.
    InvalidDefinition,
    /// The execution input is no JSON or larger than 256 KiB.
    InvalidExecutionInput,
    /// The name is empty, too long, or has characters that are not allowed.
    InvalidName,
    /// The output of `SendTaskSuccess` is no JSON or larger than 256 KiB.
    InvalidOutput,
    /// The token was never issued.
    InvalidToken,
    /// Another definition already has this state machine's name.
    StateMachineAlreadyExists,
    /// No state machine has this ARN.
    StateMachineDoesNotExist,
    /// The task behind the token is gone together with its execution.
    TaskDoesNotExist,
    /// The token expired, or its task was already closed.
    TaskTimedOut,
    /// A parameter is outside its limits.
    ValidationException,
}

impl ApiErrorCode {
    /// The exception's name on the wire, without the `Exception` suffix some SDKs add.
    pub fn as_str(self) -> &'static str {
        use ApiErrorCode::*;
        match self {
            ExecutionAlreadyExists => "ExecutionAlreadyExists",
            ExecutionDoesNotExist => "ExecutionDoesNotExist",
            ExecutionNotRedrivable => "ExecutionNotRedrivable",
            InvalidArn => "InvalidArn",
            InvalidDefinition => "InvalidDefinition",
            InvalidExecutionInput => "InvalidExecutionInput",
            InvalidName => "InvalidName",
            InvalidOutput => "InvalidOutput",
            InvalidToken => "InvalidToken",
            StateMachineAlreadyExists => "StateMachineAlreadyExists",
            StateMachineDoesNotExist => "StateMachineDoesNotExist",
            TaskDoesNotExist => "TaskDoesNotExist",
            TaskTimedOut => "TaskTimedOut",
            ValidationException => "ValidationException",
        }
    }
}

impl fmt::Display for ApiErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refused API call: the exception and AWS's sentence for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// Which exception.
    pub code: ApiErrorCode,
    /// The sentence that comes with it.
    pub message: String,
}

impl ApiError {
    pub(crate) fn new(code: ApiErrorCode, message: impl Into<String>) -> ApiError {
        ApiError {
            code,
            message: message.into(),
        }
    }
}

/// One thing wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// JSON Pointer into the definition, as AWS writes it: `/States/Wait/Seconds`.
    pub path: String,
    /// What is wrong there, and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        write!(f, "{path}: {}", self.message)
    }
}

/// Every problem of a definition at once, in document order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionErrors(pub Vec<Problem>);

impl fmt::Display for DefinitionErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} problem(s) in the definition", self.0.len())?;
        for problem in &self.0 {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for DefinitionErrors {}
