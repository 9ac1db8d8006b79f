//! Names, ARNs, and the identifiers the engine makes up.

use super::Inner;
use crate::error::{ApiError, ApiErrorCode};
use crate::jsonata;

/// A name may have this many characters.
const NAME_CHARS_MAX: usize = 80;

/// Checks the name of an execution or a state machine.
/// https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
pub(super) fn check(name: &str) -> Result<&str, ApiError> {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c);
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(forbidden) {
        return Err(ApiError::new(
            ApiErrorCode::InvalidName,
            format!("Invalid Name: '{name}'"),
        ));
    }
    Ok(name)
}

impl Inner {
    fn arn(&self, rest: &str) -> String {
        format!("arn:aws:states:{}:{}:{rest}", self.options.region, self.options.account)
    }

    pub(super) fn machine_arn(&self, name: &str) -> String {
        self.arn(&format!("stateMachine:{name}"))
    }

    pub(super) fn execution_arn(&self, machine: &str, name: &str) -> String {
        self.arn(&format!("execution:{machine}:{name}"))
    }

    pub(crate) fn map_run_arn(&self, machine: &str, label: &str) -> String {
        self.arn(&format!("mapRun:{machine}/{label}:{}", self.uuid()))
    }

    /// A version 4 UUID of the engine's seed.
    pub(crate) fn uuid(&self) -> String {
        jsonata::uuid(&self.random)
    }

    /// Eight hexadecimal digits: the label AWS makes up for a Map without one.
    pub(crate) fn short_id(&self) -> String {
        self.uuid().chars().take(8).collect()
    }
}
