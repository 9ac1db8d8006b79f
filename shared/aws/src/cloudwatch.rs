//! CloudWatch: the metrics of a replication task. They may refuse a freeze, and never allow one.

use aws_sdk_cloudwatch::Client;
use jiff::Timestamp;
use landfall_domain::StepError;
use landfall_domain::observe_dms::Metric;

/// CloudWatch.
#[derive(Debug, Clone)]
pub struct CloudWatch {
    client: Client,
}

impl CloudWatch {
    /// Wraps a client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// `CDCLatencySource` and `CDCLatencyTarget` of a task, by the instance's identifier and the last segment of the
    /// task's ARN: the largest of the newest three points of a minute each; stale when the newest is older than three
    /// minutes.
    pub async fn latencies(
        &self,
        instance_identifier: &str,
        task_arn: &str,
        now: Timestamp,
    ) -> Result<[(&'static str, Metric); 2], StepError> {
        let _ = (&self.client, instance_identifier, task_arn, now);
        unimplemented!()
    }
}
