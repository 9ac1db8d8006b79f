//! What DMS's words mean while a replication is provisioned or retired. A word that this version does not know holds.

use crate::error::StepError;
use crate::observe_dms::{InstanceStatus, TaskStatus};

/// Whose words these are.
const SERVICE: &str = "DMS";

/// How something that DMS works on stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// DMS works on it.
    Waits,
    /// It is usable, or over as it should be.
    Ready,
    /// It is not, as a sentence.
    Failed(String),
}

/// How a replication instance stands.
pub fn instance_standing(identifier: &str, status: &InstanceStatus) -> Result<Standing, StepError> {
    Ok(match status {
        InstanceStatus::Available => Standing::Ready,
        InstanceStatus::Creating
        | InstanceStatus::Modifying
        | InstanceStatus::Upgrading
        | InstanceStatus::Rebooting
        | InstanceStatus::Maintenance
        | InstanceStatus::ResettingMasterCredentials => Standing::Waits,
        InstanceStatus::StorageFull
        | InstanceStatus::IncompatibleCredentials
        | InstanceStatus::IncompatibleNetwork
        | InstanceStatus::Failed
        | InstanceStatus::Deleting
        | InstanceStatus::Deleted => Standing::Failed(format!("the replication instance {identifier} is {status}")),
        InstanceStatus::Unknown(word) => return Err(unknown(format!("replication instance {identifier}"), word)),
    })
}

/// How a premigration assessment run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssessmentStanding {
    /// It runs.
    Waits,
    /// Everything passed.
    Passed,
    /// Something is to be known.
    Warned,
    /// A check failed: the databases or the plan have to change.
    Refused,
    /// DMS could not run it, or somebody ended it; its status says which.
    Broken,
}

/// How an assessment run stands, by its status.
/// <https://docs.aws.amazon.com/dms/latest/APIReference/API_ReplicationTaskAssessmentRun.html>
pub fn assessment_standing(status: &str) -> Result<AssessmentStanding, StepError> {
    Ok(match status {
        "starting" | "provisioning" | "running" => AssessmentStanding::Waits,
        "passed" => AssessmentStanding::Passed,
        "warning" => AssessmentStanding::Warned,
        "failed" => AssessmentStanding::Refused,
        "cancelling" | "deleting" | "error-provisioning" | "error-executing" | "invalid state" => {
            AssessmentStanding::Broken
        }
        word => return Err(unknown("an assessment run".to_owned(), word)),
    })
}

/// How a request of the schema conversion stands, by its status.
/// <https://docs.aws.amazon.com/dms/latest/APIReference/API_SchemaConversionRequest.html>
pub fn conversion_standing(part: &str, status: &str, said: Option<&str>) -> Result<Standing, StepError> {
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    Ok(match status {
        "RECEIVED" | "IN_PROGRESS" => Standing::Waits,
        "SUCCESS" => Standing::Ready,
        "FAILED" => Standing::Failed(format!("the schema conversion's {part} failed{said}")),
        "CANCELING" | "CANCELED" => {
            Standing::Failed(format!("somebody cancelled the schema conversion's {part}{said}"))
        }
        word => return Err(unknown(format!("the schema conversion's {part}"), word)),
    })
}

/// What a task that is to be deleted needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEnd {
    /// It runs: it is stopped first.
    Stop,
    /// DMS works on it.
    Wait,
    /// It can be deleted.
    Delete,
}

/// What a task that is to be deleted needs next, by its status.
pub fn task_end(status: &TaskStatus) -> Result<TaskEnd, StepError> {
    Ok(match status {
        TaskStatus::Running | TaskStatus::Starting => TaskEnd::Stop,
        TaskStatus::Ready | TaskStatus::Stopped | TaskStatus::Failed | TaskStatus::FailedMove => TaskEnd::Delete,
        TaskStatus::Creating
        | TaskStatus::Stopping
        | TaskStatus::Modifying
        | TaskStatus::Moving
        | TaskStatus::Testing
        | TaskStatus::Deleting => TaskEnd::Wait,
        TaskStatus::Unknown(word) => return Err(unknown("a replication task".to_owned(), word)),
    })
}

fn unknown(what: String, word: &str) -> StepError {
    StepError::UnknownValue {
        service: SERVICE,
        what,
        value: word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_not_known_is_never_ready_and_never_leave_to_delete() {
        let word = InstanceStatus::read("resting");
        assert!(matches!(
            instance_standing("lf", &word),
            Err(StepError::UnknownValue { .. })
        ));
        assert!(assessment_standing("mostly-passed").is_err());
        assert!(conversion_standing("export", "DONE", None).is_err());
        assert!(task_end(&TaskStatus::read("resting")).is_err());
        assert_eq!(task_end(&TaskStatus::Testing), Ok(TaskEnd::Wait));
        assert_eq!(task_end(&TaskStatus::Failed), Ok(TaskEnd::Delete));
    }

    #[test]
    fn an_assessment_that_dms_could_not_run_is_not_one_that_found_something() {
        assert_eq!(assessment_standing("failed"), Ok(AssessmentStanding::Refused));
        assert_eq!(assessment_standing("error-executing"), Ok(AssessmentStanding::Broken));
        assert_eq!(assessment_standing("warning"), Ok(AssessmentStanding::Warned));
    }
}
