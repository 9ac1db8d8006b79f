//! MGN jobs: starting them and reading them.

use super::{ITEMS_PER_PAGE_MAX, Mgn, PAGES_MAX, SERVICE, texts, view};
use crate::classify::{code_of, next_page, step_error, too_many_pages, unknown};
use aws_sdk_mgn::config::Config;
use aws_sdk_mgn::config::retry::RetryConfig;
use aws_sdk_mgn::types::{DescribeJobsRequestFilters, Job};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;
use landfall_domain::StepError;
use landfall_domain::ids::{JobId, SourceServerId};
use landfall_domain::observe::JobView;
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;

/// Why a job was not started.
#[derive(Debug, Clone, PartialEq)]
pub enum StartRefusal {
    /// A server is in a job already; MGN rejects the call as a whole. What it said.
    Busy(String),
    /// A limit on open jobs, or on servers in them, is reached. What it said.
    /// <https://docs.aws.amazon.com/general/latest/gr/mgn.html>
    Full(String),
    /// Anything else. After [`StepError::ServiceUnavailable`] the job may exist all the same.
    Other(StepError),
}

/// Starts a job with one of the operations that do. The SDK does not send it again on its own: the call has no client
/// token, so a second one after a lost answer would be refused as busy with its own job. Whoever calls looks for the job
/// by its tag first.
macro_rules! start {
    ($mgn:ident, $operation:literal, $call:ident, $ids:ident, $tags:ident) => {{
        let tags: HashMap<String, String> = $tags.clone().into_iter().collect();
        let answer = $mgn
            .client
            .$call()
            .set_source_server_ids(Some(texts($ids)))
            .set_tags((!tags.is_empty()).then_some(tags))
            .customize()
            .config_override(Config::builder().retry_config(RetryConfig::disabled()))
            .send()
            .await;
        started($operation, answer.map(|answer| answer.job))
    }};
}

/// Pages of the log of one job: 200 servers with some ten lines each are 2,000 lines, and MGN may answer with pages
/// smaller than those asked for.
const LOG_PAGES_MAX: usize = 100;

impl Mgn {
    /// Launches test instances, one job for all servers, at most 200. Their lifecycle is TESTING at once.
    /// <https://docs.aws.amazon.com/mgn/latest/APIReference/API_StartTest.html>
    pub async fn start_test(
        &self,
        ids: &[SourceServerId],
        tags: &BTreeMap<String, String>,
    ) -> Result<JobView, StartRefusal> {
        start!(self, "StartTest", start_test, ids, tags)
    }

    /// Launches cutover instances, one job for all servers, at most 200. Their lifecycle is CUTTING_OVER at once.
    /// <https://docs.aws.amazon.com/mgn/latest/APIReference/API_StartCutover.html>
    pub async fn start_cutover(
        &self,
        ids: &[SourceServerId],
        tags: &BTreeMap<String, String>,
    ) -> Result<JobView, StartRefusal> {
        start!(self, "StartCutover", start_cutover, ids, tags)
    }

    /// Terminates the launched instances of servers, one job for all, at most 200. MGN refuses it for servers in TESTING,
    /// CUTTING_OVER and CUTOVER.
    /// <https://docs.aws.amazon.com/mgn/latest/APIReference/API_TerminateTargetInstances.html>
    pub async fn terminate_target_instances(
        &self,
        ids: &[SourceServerId],
        tags: &BTreeMap<String, String>,
    ) -> Result<JobView, StartRefusal> {
        start!(self, "TerminateTargetInstances", terminate_target_instances, ids, tags)
    }

    /// Reads a job; [`None`] when MGN does not know it.
    /// <https://docs.aws.amazon.com/mgn/latest/APIReference/API_DescribeJobs.html>
    pub async fn job(&self, id: &JobId) -> Result<Option<JobView>, StepError> {
        let filters = DescribeJobsRequestFilters::builder().job_ids(id.as_str()).build();
        let jobs = self.jobs(filters).await?;
        Ok(jobs.into_iter().find(|job| &job.id == id))
    }

    /// Reads all jobs that were created at or after `from`, ours and others', the newest first. More than 20,000 are
    /// refused with [`StepError::ServiceRefused`].
    /// <https://docs.aws.amazon.com/mgn/latest/APIReference/API_DescribeJobs.html>
    pub async fn jobs_since(&self, from: Timestamp) -> Result<Vec<JobView>, StepError> {
        let filters = DescribeJobsRequestFilters::builder()
            .from_date(from.to_string())
            .build();
        let mut jobs = self.jobs(filters).await?;
        // A job without a time could be the newest, so it is not put where nobody looks.
        jobs.sort_by_key(|job| Reverse(job.created_at.unwrap_or(Timestamp::MAX)));
        Ok(jobs)
    }

    async fn jobs(&self, filters: DescribeJobsRequestFilters) -> Result<Vec<JobView>, StepError> {
        const OPERATION: &str = "DescribeJobs";
        let mut jobs = Vec::new();
        let mut token = None;
        for _ in 0..PAGES_MAX {
            let page = self
                .client
                .describe_jobs()
                .filters(filters.clone())
                .max_results(ITEMS_PER_PAGE_MAX)
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| step_error(SERVICE, OPERATION, error))?;
            for job in page.items() {
                jobs.push(view::job(job)?);
            }
            token = next_page(page.next_token);
            if token.is_none() {
                return Ok(jobs);
            }
        }
        Err(too_many_pages(SERVICE, OPERATION, PAGES_MAX))
    }

    /// The servers of a job that were launched from a snapshot older than the launch, because a new one could not be
    /// taken. What was written since is missing from their instances.
    /// <https://docs.aws.amazon.com/mgn/latest/APIReference/API_DescribeJobLogItems.html>
    pub async fn previous_snapshot_used(&self, id: &JobId) -> Result<BTreeSet<SourceServerId>, StepError> {
        const OPERATION: &str = "DescribeJobLogItems";
        let mut servers = BTreeSet::new();
        let mut token = None;
        for _ in 0..LOG_PAGES_MAX {
            let page = self
                .client
                .describe_job_log_items()
                .job_id(id.as_str())
                .max_results(ITEMS_PER_PAGE_MAX)
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| step_error(SERVICE, OPERATION, error))?;
            for item in page.items() {
                if item
                    .event()
                    .is_some_and(|event| event.as_str() == "USING_PREVIOUS_SNAPSHOT")
                {
                    let server = item.event_data().and_then(|data| data.source_server_id());
                    // It happened to some server: unknown which one is not none.
                    let server = server
                        .ok_or_else(|| unknown(SERVICE, format!("the server of a log item of {id}"), "(absent)"))?;
                    servers.insert(SourceServerId::parse(server).map_err(view::not_an_id)?);
                }
            }
            token = next_page(page.next_token);
            if token.is_none() {
                return Ok(servers);
            }
        }
        Err(too_many_pages(SERVICE, OPERATION, LOG_PAGES_MAX))
    }
}

fn started<E>(
    operation: &'static str,
    answer: Result<Option<Job>, SdkError<E, HttpResponse>>,
) -> Result<JobView, StartRefusal>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match answer {
        Ok(Some(job)) => view::job(&job).map_err(StartRefusal::Other),
        // The call was accepted, so there may be a job: as if the answer had been lost.
        Ok(None) => Err(StartRefusal::Other(StepError::ServiceUnavailable {
            service: SERVICE,
            operation,
            message: "it accepted the call and named no job".to_owned(),
        })),
        Err(error) => {
            let body = error.raw_response().and_then(|answer| answer.body().bytes());
            let said = said(error.message(), body.unwrap_or_default());
            let refusal = refusal(code_of(&error).as_deref(), &said);
            Err(refusal.unwrap_or_else(|| StartRefusal::Other(step_error(SERVICE, operation, error))))
        }
    }
}

/// The message of a refusal, with those of its single errors, which name the servers.
/// <https://docs.aws.amazon.com/mgn/latest/APIReference/API_ErrorDetails.html>
fn said(message: Option<&str>, body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let errors = body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let single = errors.iter().filter_map(|error| {
        let message = error["message"].as_str()?;
        Some(match error["resourceId"].as_str() {
            Some(id) => format!("{id}: {message}"),
            None => message.to_owned(),
        })
    });
    message
        .map(str::to_owned)
        .into_iter()
        .chain(single)
        .collect::<Vec<_>>()
        .join("; ")
}

/// Reads why MGN did not start a job; [`None`] is a reason that waiting does not end.
///
/// The start operations declare no quota error, and nobody documents which one they send, so a conflict or a validation
/// error that speaks of a limit counts as one too. A server in a job is known by the text that MGN was seen to send:
/// "One or more of the Source Servers included in API call are currently being processed by a Job".
fn refusal(code: Option<&str>, said: &str) -> Option<StartRefusal> {
    let text = said.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let limit = has(&["limit", "quota", "exceed", "maximum", "too many"]) && has(&["job", "server"]);
    match code? {
        "ConflictException" if has(&["processed by a job", "being processed"]) => {
            Some(StartRefusal::Busy(said.to_owned()))
        }
        "ServiceQuotaExceededException" => Some(StartRefusal::Full(said.to_owned())),
        "ConflictException" | "ValidationException" if limit => Some(StartRefusal::Full(said.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::canned::{Canned, json};
    use super::*;

    const BUSY: &str = "One or more of the Source Servers included in API call are currently being processed by a Job";

    fn servers() -> Vec<SourceServerId> {
        vec![SourceServerId::parse("s-00000000000000001").unwrap()]
    }

    async fn start(answers: impl IntoIterator<Item = super::super::canned::Answer>) -> (Canned, StartRefusal) {
        let aws = Canned::new(answers).with_retries();
        let tags = BTreeMap::from([("landfall:intent".to_owned(), "x".to_owned())]);
        let refusal = Mgn::new(aws.mgn()).start_cutover(&servers(), &tags).await.unwrap_err();
        (aws, refusal)
    }

    #[test]
    fn a_limit_is_known_in_each_of_the_errors_that_could_tell_it() {
        let full = |code, text| matches!(refusal(Some(code), text), Some(StartRefusal::Full(_)));
        assert!(full("ServiceQuotaExceededException", ""));
        assert!(full("ConflictException", "Limit of concurrent jobs exceeded"));
        assert!(full(
            "ValidationException",
            "Source servers in all jobs: the quota is 200"
        ));
        assert!(!full("ThrottlingException", "Rate exceeded for jobs"));
        assert_eq!(refusal(Some("ConflictException"), "s-1 is in state CUTOVER"), None);
        assert_eq!(refusal(Some("ValidationException"), "source server not found"), None);
        assert_eq!(refusal(None, BUSY), None);
    }

    #[tokio::test]
    async fn a_server_in_a_job_makes_the_call_busy_and_is_named() {
        let body = format!(
            r#"{{"__type":"ConflictException","message":"{BUSY}",
                "errors":[{{"message":"in mgnjob-1","resourceId":"s-00000000000000001"}}]}}"#
        );
        let (_, refusal) = start([json(409, body)]).await;
        let StartRefusal::Busy(text) = refusal else {
            panic!("{refusal:?}");
        };
        assert_eq!(text, format!("{BUSY}; s-00000000000000001: in mgnjob-1"));
    }

    #[tokio::test]
    async fn a_start_whose_answer_was_lost_is_not_sent_again() {
        let (aws, refusal) = start([None, json(202, "{}")]).await;
        assert!(matches!(
            refusal,
            StartRefusal::Other(StepError::ServiceUnavailable { .. })
        ));
        assert_eq!(aws.requests().len(), 1);
        assert!(aws.requests()[0].contains(r#""tags":{"landfall:intent":"x"}"#));
    }

    #[tokio::test]
    async fn an_accepted_call_without_a_job_is_a_lost_answer() {
        let (_, refusal) = start([json(202, "{}")]).await;
        assert!(matches!(
            refusal,
            StartRefusal::Other(StepError::ServiceUnavailable { .. })
        ));
    }

    #[tokio::test]
    async fn jobs_are_given_the_newest_first() {
        let job = |id: &str, at: &str| format!(r#"{{"jobID":"mgnjob-{id:0>17}","creationDateTime":"{at}"}}"#);
        let (old, new) = (job("1", "2026-01-10T02:00:00+00:00"), job("2", "2026-01-10T03:00:00Z"));
        let aws = Canned::new([
            json(200, format!(r#"{{"items":[{old}],"nextToken":"t"}}"#)),
            json(200, format!(r#"{{"items":[{new}]}}"#)),
        ]);
        let from = "2026-01-10T01:00:00Z".parse().unwrap();
        let jobs = Mgn::new(aws.mgn()).jobs_since(from).await.unwrap();
        assert!(jobs[0].id.as_str().ends_with('2') && jobs.len() == 2);
        assert!(aws.requests()[0].contains(r#""fromDate":"2026-01-10T01:00:00Z""#));
    }

    #[tokio::test]
    async fn a_job_that_mgn_does_not_know_is_none() {
        let aws = Canned::new([json(200, r#"{"items":[]}"#)]);
        let id = JobId::parse("mgnjob-00000000000000001").unwrap();
        assert_eq!(Mgn::new(aws.mgn()).job(&id).await, Ok(None));
    }

    #[tokio::test]
    async fn a_server_launched_from_an_older_snapshot_is_found_in_the_log() {
        let log = r#"{"items":[{"event":"JOB_START"},{"event":"USING_PREVIOUS_SNAPSHOT",
            "eventData":{"sourceServerID":"s-00000000000000001"}}]}"#;
        let nameless = r#"{"items":[{"event":"USING_PREVIOUS_SNAPSHOT","eventData":{}}]}"#;
        let mgn = Mgn::new(Canned::new([json(200, log), json(200, nameless)]).mgn());
        let id = JobId::parse("mgnjob-00000000000000001").unwrap();
        let found = mgn.previous_snapshot_used(&id).await.unwrap();
        assert!(found.iter().eq(&servers()));
        let error = mgn.previous_snapshot_used(&id).await.unwrap_err();
        assert_eq!(error.name(), "UnknownValue");
    }
}
