//! Premigration assessment runs.

use super::{AssessmentView, Dms, Made, PAGES_MAX, SERVICE, filter, made, required, unless_gone};
use crate::classify::{next_page, step_error, too_many_pages};
use aws_sdk_databasemigration::types::ReplicationTaskAssessmentRun;
use landfall_domain::StepError;

/// Statuses of a run that is not over: its individual assessments say nothing yet.
const UNDER_WAY: [&str; 3] = ["starting", "provisioning", "running"];

impl Dms {
    /// Begins an assessment run of that name; its ARN. A name that is taken is [`Made::Exists`].
    /// <https://docs.aws.amazon.com/dms/latest/APIReference/API_StartReplicationTaskAssessmentRun.html>
    pub async fn start_assessment(
        &self,
        task_arn: &str,
        role_arn: &str,
        bucket: &str,
        name: &str,
    ) -> Result<Made, StepError> {
        let answer = self
            .client
            .start_replication_task_assessment_run()
            .replication_task_arn(task_arn)
            .service_access_role_arn(role_arn)
            .result_location_bucket(bucket)
            .assessment_run_name(name)
            .send()
            .await;
        made("StartReplicationTaskAssessmentRun", answer, |answer| {
            answer
                .replication_task_assessment_run?
                .replication_task_assessment_run_arn
        })
    }

    /// The newest assessment run of a task of that name, with what did not pass once it is over.
    /// <https://docs.aws.amazon.com/dms/latest/APIReference/API_DescribeReplicationTaskAssessmentRuns.html>
    pub async fn assessment(&self, task_arn: &str, name: &str) -> Result<Option<AssessmentView>, StepError> {
        const OPERATION: &str = "DescribeReplicationTaskAssessmentRuns";
        let (mut newest, mut marker): (Option<ReplicationTaskAssessmentRun>, _) = (None, None);
        for _ in 0..PAGES_MAX {
            let answer = self
                .client
                .describe_replication_task_assessment_runs()
                .filters(filter("replication-task-arn", task_arn))
                .set_marker(marker)
                .send()
                .await;
            let Some(page) = unless_gone(OPERATION, answer)? else {
                return Ok(None);
            };
            marker = next_page(page.marker);
            let runs = page.replication_task_assessment_runs.unwrap_or_default();
            let ours = runs.into_iter().filter(|run| run.assessment_run_name() == Some(name));
            newest = ours
                .chain(newest)
                .max_by_key(|run| run.replication_task_assessment_run_creation_date().map(|at| at.secs()));
            if marker.is_none() {
                return match newest {
                    Some(run) => self.assessment_view(&run, name).await.map(Some),
                    None => Ok(None),
                };
            }
        }
        Err(too_many_pages(SERVICE, OPERATION, PAGES_MAX))
    }

    async fn assessment_view(
        &self,
        run: &ReplicationTaskAssessmentRun,
        name: &str,
    ) -> Result<AssessmentView, StepError> {
        let what = format!("assessment run {name}");
        let arn = required(run.replication_task_assessment_run_arn(), "ARN", &what)?;
        let status = required(run.status(), "status", &what)?;
        let over = !UNDER_WAY.contains(&status.as_str());
        Ok(AssessmentView {
            not_passed: if over { self.not_passed(&arn).await? } else { Vec::new() },
            last_failure: run
                .last_failure_message()
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
            arn,
            status,
        })
    }

    /// Individual assessments that did not pass, as `name: status`. One that was skipped did not pass either.
    async fn not_passed(&self, run_arn: &str) -> Result<Vec<String>, StepError> {
        const OPERATION: &str = "DescribeReplicationTaskIndividualAssessments";
        let (mut names, mut marker) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let page = self
                .client
                .describe_replication_task_individual_assessments()
                .filters(filter("replication-task-assessment-run-arn", run_arn))
                .set_marker(marker)
                .send()
                .await
                .map_err(|error| step_error(SERVICE, OPERATION, error))?;
            for one in page.replication_task_individual_assessments() {
                let status = one.status().unwrap_or("(no status)");
                if status != "passed" {
                    let name = one.individual_assessment_name().unwrap_or("(unnamed)");
                    names.push(format!("{name}: {status}"));
                }
            }
            marker = next_page(page.marker);
            if marker.is_none() {
                return Ok(names);
            }
        }
        Err(too_many_pages(SERVICE, OPERATION, PAGES_MAX))
    }
}
