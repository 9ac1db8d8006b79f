//! Whether an execution still works on something.

use crate::sfn::{ExecutionState, Sfn};
use landfall_domain::StepError;

impl Sfn {
    /// True while the execution can still act. A state that is not known counts as open: unknown is never leave to take
    /// something over.
    pub async fn is_open(&self, execution_arn: &str) -> Result<bool, StepError> {
        Ok(match self.status(execution_arn).await? {
            Some(ExecutionState::Running | ExecutionState::PendingRedrive | ExecutionState::Unknown(_)) => true,
            Some(
                ExecutionState::Succeeded | ExecutionState::Failed | ExecutionState::TimedOut | ExecutionState::Aborted,
            )
            | None => false,
        })
    }
}
