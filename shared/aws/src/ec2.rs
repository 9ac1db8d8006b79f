//! EC2: launched instances, their status checks, their end, and snapshots of their volumes.

use crate::classify::{code_of, next_page, step_error, too_many_pages, unknown};
use aws_sdk_ec2::config::Config;
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::types::{
    Filter, Instance, InstanceSpecification, InstanceStatus, InstanceStatusSummary, ResourceType, SnapshotState, Tag,
    TagSpecification,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use landfall_domain::StepError;
use landfall_domain::ids::InstanceId;
use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;

/// The service's name in errors.
const SERVICE: &str = "EC2";

/// Instances that `DescribeInstanceStatus` takes, and that EC2 advises for the other operations.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceStatus.html>
const INSTANCES_PER_CALL_MAX: usize = 100;

/// Pages of snapshots that are read: 20,000, far beyond the volumes of a batch.
const PAGES_MAX: usize = 20;

/// The code for an instance that EC2 does not know: it ended more than about an hour ago, or was launched a moment ago.
/// The call fails as a whole.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>
const NOT_FOUND: &str = "InvalidInstanceID.NotFound";

/// EC2, in the domain's words.
#[derive(Debug, Clone)]
pub struct Ec2 {
    client: aws_sdk_ec2::Client,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceView {
    /// Its state, in EC2's word: `running` for example.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html>
    pub state: String,
    /// Its private IPv4 address. A terminated instance has none.
    pub private_ip: Option<String>,
    /// Its public IPv4 address.
    pub public_ip: Option<String>,
}

/// What EC2's own checks say of an instance.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-system-instance-status-check.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusChecks {
    /// They have not ended yet, or EC2 does not show the instance yet.
    Initializing,
    /// The system check and the instance check passed.
    Passed,
    /// One failed, or the instance does not run; which, and how.
    Impaired(String),
    /// A word that this version does not know.
    Unknown(String),
}

impl Ec2 {
    /// Wraps a client.
    pub fn new(client: aws_sdk_ec2::Client) -> Self {
        Self { client }
    }

    /// Reads instances. One that EC2 does not know is absent from the answer.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html>
    pub async fn instances(&self, ids: &[InstanceId]) -> Result<BTreeMap<InstanceId, InstanceView>, StepError> {
        let answers = for_known(ids, "DescribeInstances", |ids| {
            self.client.describe_instances().set_instance_ids(Some(ids)).send()
        })
        .await?;
        answers
            .iter()
            .flat_map(|answer| answer.reservations())
            .flat_map(|reservation| reservation.instances())
            .map(|instance| Ok((parsed(instance.instance_id())?, view(instance)?)))
            .collect()
    }

    /// Reads the status checks of instances; each instance that was asked for has an entry.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceStatus.html>
    pub async fn status_checks(&self, ids: &[InstanceId]) -> Result<BTreeMap<InstanceId, StatusChecks>, StepError> {
        let answers = for_known(ids, "DescribeInstanceStatus", |ids| {
            self.client
                .describe_instance_status()
                .set_instance_ids(Some(ids))
                .include_all_instances(true)
                .send()
        })
        .await?;
        let mut checks: BTreeMap<InstanceId, StatusChecks> =
            ids.iter().map(|id| (id.clone(), StatusChecks::Initializing)).collect();
        for status in answers.iter().flat_map(|answer| answer.instance_statuses()) {
            checks.insert(parsed(status.instance_id())?, status_checks(status));
        }
        Ok(checks)
    }

    /// Stops instances. One that EC2 does not know has nothing to stop; one that is terminated is refused with
    /// `IncorrectInstanceState`.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StopInstances.html>
    pub async fn stop(&self, ids: &[InstanceId]) -> Result<(), StepError> {
        for_known(ids, "StopInstances", |ids| {
            self.client.stop_instances().set_instance_ids(Some(ids)).send()
        })
        .await?;
        Ok(())
    }

    /// Terminates instances. Repeating it does no harm, and one that EC2 does not know is gone already; EC2 would
    /// otherwise spare all others of the call.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TerminateInstances.html>
    pub async fn terminate(&self, ids: &[InstanceId]) -> Result<(), StepError> {
        for_known(ids, "TerminateInstances", |ids| {
            self.client.terminate_instances().set_instance_ids(Some(ids)).send()
        })
        .await?;
        Ok(())
    }

    /// Takes snapshots of all volumes of an instance at one moment, and returns their ids. The call has no client token,
    /// so the SDK does not send it again on its own: after [`StepError::ServiceUnavailable`] look for the tag with
    /// [`Ec2::snapshots_tagged`] first.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshots.html>
    pub async fn create_snapshots(
        &self,
        instance: &InstanceId,
        tags: &BTreeMap<String, String>,
        description: &str,
    ) -> Result<Vec<String>, StepError> {
        let tags = tags
            .iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build());
        let tags = TagSpecification::builder()
            .resource_type(ResourceType::Snapshot)
            .set_tags(Some(tags.collect()))
            .build();
        let answer = self
            .client
            .create_snapshots()
            .instance_specification(InstanceSpecification::builder().instance_id(instance.as_str()).build())
            .description(description)
            .tag_specifications(tags)
            .customize()
            .config_override(Config::builder().retry_config(RetryConfig::disabled()))
            .send()
            .await
            .map_err(|error| step_error(SERVICE, "CreateSnapshots", error))?;
        answer
            .snapshots()
            .iter()
            .map(|snapshot| snapshot_id(snapshot.snapshot_id()))
            .collect()
    }

    /// The ids of this account's snapshots with a tag. Those that failed are left out: they restore nothing.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshots.html>
    pub async fn snapshots_tagged(&self, key: &str, value: &str) -> Result<Vec<String>, StepError> {
        const OPERATION: &str = "DescribeSnapshots";
        let filter = Filter::builder().name(format!("tag:{key}")).values(value).build();
        let mut ids = Vec::new();
        let mut token = None;
        for _ in 0..PAGES_MAX {
            let page = self
                .client
                .describe_snapshots()
                .owner_ids("self")
                .filters(filter.clone())
                .max_results(1000)
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| step_error(SERVICE, OPERATION, error))?;
            for snapshot in page.snapshots() {
                if snapshot.state() != Some(&SnapshotState::Error) {
                    ids.push(snapshot_id(snapshot.snapshot_id())?);
                }
            }
            token = next_page(page.next_token);
            if token.is_none() {
                ids.sort_unstable();
                return Ok(ids);
            }
        }
        Err(too_many_pages(SERVICE, OPERATION, PAGES_MAX))
    }
}

/// Calls for instances, a hundred at a time. A call that EC2 refuses because it does not know an instance is halved until
/// the unknown one stands alone and is left out: `2 n` calls at most for `n` instances, and a handful when one is unknown.
/// With ids given EC2 does not cut its answers into pages.
async fn for_known<T, E, F>(
    ids: &[InstanceId],
    operation: &'static str,
    call: impl Fn(Vec<String>) -> F,
) -> Result<Vec<T>, StepError>
where
    E: ProvideErrorMetadata + Error + 'static,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    let mut answers = Vec::new();
    let mut open: Vec<&[InstanceId]> = ids.chunks(INSTANCES_PER_CALL_MAX).rev().collect();
    while let Some(some) = open.pop() {
        match call(some.iter().map(|id| id.as_str().to_owned()).collect()).await {
            Ok(answer) => answers.push(answer),
            Err(error) if code_of(&error).as_deref() == Some(NOT_FOUND) => {
                let (first, second) = some.split_at(some.len() / 2);
                if !first.is_empty() {
                    open.extend([second, first]);
                }
            }
            Err(error) => return Err(step_error(SERVICE, operation, error)),
        }
    }
    Ok(answers)
}

fn parsed(id: Option<&str>) -> Result<InstanceId, StepError> {
    InstanceId::parse(id.unwrap_or_default()).map_err(|error| unknown(SERVICE, error.what, error.value))
}

fn snapshot_id(id: Option<&str>) -> Result<String, StepError> {
    id.map(str::to_owned)
        .ok_or_else(|| unknown(SERVICE, "the id of a snapshot", "(absent)"))
}

fn view(instance: &Instance) -> Result<InstanceView, StepError> {
    let state = instance.state().and_then(|state| state.name());
    let state = state.ok_or_else(|| unknown(SERVICE, "the state of an instance", "(absent)"))?;
    Ok(InstanceView {
        state: state.as_str().to_owned(),
        private_ip: instance.private_ip_address().map(str::to_owned),
        public_ip: instance.public_ip_address().map(str::to_owned),
    })
}

/// Decides what the checks say. `insufficient-data` and `not-applicable` are what EC2 says of a running instance before
/// the first result. The check of attached volumes exists on some instance types only: it can fail, but is not waited for.
fn status_checks(status: &InstanceStatus) -> StatusChecks {
    let state = status.instance_state().and_then(|state| state.name());
    match state.map_or("(absent)", |state| state.as_str()) {
        "running" => {}
        "pending" => return StatusChecks::Initializing,
        state @ ("shutting-down" | "terminated" | "stopping" | "stopped") => {
            return StatusChecks::Impaired(format!("the instance is {state}"));
        }
        state => return StatusChecks::Unknown(format!("instance state {state}")),
    }
    let volumes = status.attached_ebs_status().and_then(|volumes| volumes.status());
    if volumes.is_some_and(|status| status.as_str() == "impaired") {
        return StatusChecks::Impaired("attached volumes: impaired".to_owned());
    }
    let (system, instance) = (word(status.system_status()), word(status.instance_status()));
    for (check, word) in [("system", system), ("instance", instance)] {
        match word {
            "impaired" => return StatusChecks::Impaired(format!("{check} status check: impaired")),
            "ok" | "initializing" | "insufficient-data" | "not-applicable" => {}
            word => return StatusChecks::Unknown(format!("{check} status check: {word}")),
        }
    }
    match (system, instance) {
        ("ok", "ok") => StatusChecks::Passed,
        _ => StatusChecks::Initializing,
    }
}

fn word(summary: Option<&InstanceStatusSummary>) -> &str {
    let status = summary.and_then(|summary| summary.status());
    // EC2 leaves a check out until it has begun.
    status.map_or("initializing", |status| status.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mgn::canned::{Answer, Canned, json};
    use aws_sdk_ec2::types::{EbsStatusSummary, InstanceState, InstanceStateName, SummaryStatus};

    fn ids(count: usize) -> Vec<InstanceId> {
        (1..=count)
            .map(|number| InstanceId::parse(format!("i-{number:08x}")).unwrap())
            .collect()
    }

    fn found(id: &str) -> Answer {
        let instance = format!(
            "<instanceId>{id}</instanceId><instanceState><name>running</name></instanceState>
             <privateIpAddress>172.31.0.9</privateIpAddress>"
        );
        let set = format!("<item><instancesSet><item>{instance}</item></instancesSet></item>");
        json(
            200,
            format!("<DescribeInstancesResponse><reservationSet>{set}</reservationSet></DescribeInstancesResponse>"),
        )
    }

    fn refused(code: &str) -> Answer {
        let error = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
        json(
            400,
            format!("<Response><Errors>{error}</Errors><RequestID>r</RequestID></Response>"),
        )
    }

    fn checks(state: &str, system: &str, instance: &str, volumes: Option<&str>) -> StatusChecks {
        let summary = |word: &str| {
            InstanceStatusSummary::builder()
                .status(SummaryStatus::from(word))
                .build()
        };
        let volumes = volumes.map(|word| EbsStatusSummary::builder().status(SummaryStatus::from(word)).build());
        let state = InstanceState::builder().name(InstanceStateName::from(state)).build();
        let status = InstanceStatus::builder()
            .instance_state(state)
            .system_status(summary(system))
            .instance_status(summary(instance))
            .set_attached_ebs_status(volumes)
            .build();
        status_checks(&status)
    }

    #[test]
    fn an_instance_passes_only_when_both_checks_are_ok() {
        assert_eq!(checks("running", "ok", "ok", None), StatusChecks::Passed);
        assert_eq!(
            checks("running", "ok", "ok", Some("initializing")),
            StatusChecks::Passed
        );
        for (system, instance) in [
            ("ok", "initializing"),
            ("insufficient-data", "ok"),
            ("not-applicable", "ok"),
        ] {
            assert_eq!(checks("running", system, instance, None), StatusChecks::Initializing);
        }
        assert_eq!(
            checks("pending", "not-applicable", "ok", None),
            StatusChecks::Initializing
        );
    }

    #[test]
    fn an_instance_that_fails_a_check_or_does_not_run_is_impaired() {
        let impaired = |checks| matches!(checks, StatusChecks::Impaired(_));
        assert!(impaired(checks("running", "ok", "impaired", None)));
        assert!(impaired(checks("running", "impaired", "initializing", None)));
        assert!(impaired(checks("running", "ok", "ok", Some("impaired"))));
        assert!(impaired(checks("stopped", "not-applicable", "not-applicable", None)));
        assert!(impaired(checks("terminated", "ok", "ok", None)));
    }

    #[test]
    fn a_word_that_is_not_known_is_no_pass() {
        let unknown = |checks| matches!(checks, StatusChecks::Unknown(_));
        assert!(unknown(checks("running", "splendid", "ok", None)));
        assert!(unknown(checks("hibernating", "ok", "ok", None)));
    }

    #[tokio::test]
    async fn an_unknown_instance_does_not_hide_the_known_ones() {
        // Of three the second is unknown: all, then 1, then 2 with 3, then 2, then 3.
        let aws = Canned::new([
            refused(NOT_FOUND),
            found("i-00000001"),
            refused(NOT_FOUND),
            refused(NOT_FOUND),
            found("i-00000003"),
        ]);
        let seen = Ec2::new(aws.ec2()).instances(&ids(3)).await.unwrap();
        assert!(seen.keys().eq([&ids(3)[0], &ids(3)[2]]));
        assert_eq!(aws.requests().len(), 5);
    }

    #[tokio::test]
    async fn every_other_error_is_passed_on() {
        let ec2 = Ec2::new(Canned::new([refused("UnauthorizedOperation"), refused("RequestLimitExceeded")]).ec2());
        let error = ec2.terminate(&ids(2)).await.unwrap_err();
        assert_eq!(error.name(), "AccessDenied");
        let error = ec2.instances(&ids(1)).await.unwrap_err();
        assert_eq!(error.name(), "Throttled");
    }

    #[tokio::test]
    async fn terminating_what_is_gone_is_done() {
        let aws = Canned::new([refused(NOT_FOUND)]);
        assert_eq!(Ec2::new(aws.ec2()).terminate(&ids(1)).await, Ok(()));
        assert_eq!(Ec2::new(aws.ec2()).terminate(&[]).await, Ok(()));
    }

    #[tokio::test]
    async fn more_than_a_hundred_instances_are_asked_for_in_parts() {
        let aws = Canned::new([found("i-00000001"), found("i-00000065")]);
        let seen = Ec2::new(aws.ec2()).instances(&ids(101)).await.unwrap();
        assert_eq!(seen.len(), 2);
        let one = &seen[&ids(1)[0]];
        assert_eq!(
            (one.state.as_str(), one.private_ip.as_deref()),
            ("running", Some("172.31.0.9"))
        );
        assert!(aws.requests()[0].contains("InstanceId.100=") && !aws.requests()[1].contains("InstanceId.2="));
    }

    #[tokio::test]
    async fn an_instance_that_ec2_does_not_show_yet_has_checks_to_come() {
        let ec2 = Ec2::new(Canned::new([refused(NOT_FOUND)]).ec2());
        let checks = ec2.status_checks(&ids(1)).await.unwrap();
        assert_eq!(checks[&ids(1)[0]], StatusChecks::Initializing);
    }

    #[tokio::test]
    async fn failed_snapshots_are_not_found_and_a_lost_answer_is_not_asked_for_again() {
        let item =
            |id: &str, state: &str| format!("<item><snapshotId>{id}</snapshotId><status>{state}</status></item>");
        let set = format!("{}{}", item("snap-2", "pending"), item("snap-1", "error"));
        let body = format!("<DescribeSnapshotsResponse><snapshotSet>{set}</snapshotSet></DescribeSnapshotsResponse>");
        let answers = [json(200, body), None, json(200, "<CreateSnapshotsResponse/>")];
        let aws = Canned::new(answers).with_retries();
        let ec2 = Ec2::new(aws.ec2());
        assert_eq!(ec2.snapshots_tagged("landfall:wave", "w").await.unwrap(), ["snap-2"]);
        let tags = BTreeMap::from([("landfall:wave".to_owned(), "w".to_owned())]);
        let error = ec2.create_snapshots(&ids(1)[0], &tags, "evidence").await.unwrap_err();
        assert_eq!(error.name(), "ServiceUnavailable");
        assert_eq!(aws.requests().len(), 2);
    }
}
