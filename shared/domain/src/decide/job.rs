//! What became of an MGN job.

use crate::error::StepError;
use crate::ids::{InstanceId, SourceServerId};
use crate::observe::{JobStatus, JobView, LaunchStatus};

/// What became of one server of a job that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerResult {
    /// Launched as this instance.
    Launched(InstanceId),
    /// Its instance is gone.
    Terminated,
    /// It failed, or was skipped.
    Failed(String),
}

/// What became of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobVerdict {
    /// It goes on.
    Running,
    /// It is over; what became of each server.
    Over(Vec<(SourceServerId, ServerResult)>),
}

/// Decides what became of a job. COMPLETED says nothing of its servers, so each is looked at; a server that is launched
/// without an instance id, or still in progress in a completed job, is waited for.
///
/// A word that is not known is an error: unknown is not success, and not failure either.
pub fn job_verdict(job: &JobView) -> Result<JobVerdict, StepError> {
    let completed = match &job.status {
        JobStatus::Completed => true,
        JobStatus::Pending | JobStatus::Started => false,
        JobStatus::Unknown(word) => return Err(unknown(format!("the status of job {}", job.id), word)),
    };
    let mut results = Vec::new();
    let mut open = false;
    for participant in &job.participants {
        let unfinished = participant
            .post_launch
            .iter()
            .any(|(_, status)| status == "IN_PROGRESS");
        let result = match &participant.status {
            LaunchStatus::Launched if unfinished => None,
            LaunchStatus::Launched => participant.instance.clone().map(ServerResult::Launched),
            LaunchStatus::Terminated => Some(ServerResult::Terminated),
            LaunchStatus::Failed => Some(ServerResult::Failed(format!("MGN job {} failed for it", job.id))),
            // A server that was skipped stays PENDING for ever; it is settled when its job is over.
            LaunchStatus::Pending if completed => Some(ServerResult::Failed(format!("MGN job {} skipped it", job.id))),
            LaunchStatus::Pending | LaunchStatus::InProgress => None,
            LaunchStatus::Unknown(word) => {
                let what = format!("the launch status of {} in job {}", participant.server, job.id);
                return Err(unknown(what, word));
            }
        };
        match result {
            Some(result) => results.push((participant.server.clone(), result)),
            None => open = true,
        }
    }
    if completed && !open {
        Ok(JobVerdict::Over(results))
    } else {
        Ok(JobVerdict::Running)
    }
}

fn unknown(what: String, value: &str) -> StepError {
    StepError::UnknownValue {
        service: "MGN",
        what,
        value: value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::JobId;
    use crate::observe::ParticipantView;

    fn job(status: &str, participants: &[(&str, Option<&str>)]) -> JobView {
        JobView {
            id: JobId::parse("mgnjob-00000000000000001").unwrap(),
            status: JobStatus::read(status),
            participants: participants
                .iter()
                .enumerate()
                .map(|(index, (status, instance))| ParticipantView {
                    server: SourceServerId::parse(format!("s-{index:017}")).unwrap(),
                    status: LaunchStatus::read(status),
                    instance: instance.map(|id| InstanceId::parse(id).unwrap()),
                    post_launch: Vec::new(),
                })
                .collect(),
            tags: Default::default(),
            created_at: None,
        }
    }

    #[test]
    fn a_completed_job_is_not_success_of_its_servers() {
        let JobVerdict::Over(results) = job_verdict(&job(
            "COMPLETED",
            &[("LAUNCHED", Some("i-00000001")), ("FAILED", None), ("PENDING", None)],
        ))
        .unwrap() else {
            panic!("the job is over");
        };
        assert!(matches!(results[0].1, ServerResult::Launched(_)));
        assert!(matches!(&results[1].1, ServerResult::Failed(why) if why.contains("failed")));
        assert!(matches!(&results[2].1, ServerResult::Failed(why) if why.contains("skipped")));
    }

    #[test]
    fn a_completed_job_with_an_unsettled_server_is_waited_for() {
        let running = JobVerdict::Running;
        assert_eq!(
            job_verdict(&job("COMPLETED", &[("IN_PROGRESS", None)])).unwrap(),
            running
        );
        assert_eq!(job_verdict(&job("COMPLETED", &[("LAUNCHED", None)])).unwrap(), running);
    }

    #[test]
    fn an_unknown_word_is_neither_success_nor_failure() {
        assert!(matches!(
            job_verdict(&job("PAUSED", &[])),
            Err(StepError::UnknownValue { .. })
        ));
        assert!(matches!(
            job_verdict(&job("COMPLETED", &[("THAWING", None)])),
            Err(StepError::UnknownValue { .. })
        ));
    }
}
