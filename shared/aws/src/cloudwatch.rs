//! CloudWatch: the metrics of a replication task. They may refuse a freeze, and never allow one.
//! <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Monitoring.html>

use crate::classify::{next_page, step_error, too_many_pages, unknown};
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{
    Dimension, Metric as MetricName, MetricDataQuery, MetricDataResult, MetricStat, StatusCode,
};
use aws_smithy_types::DateTime;
use jiff::{SignedDuration, Timestamp};
use landfall_domain::StepError;
use landfall_domain::observe_dms::Metric;

/// The service's name in errors.
const SERVICE: &str = "CloudWatch";

/// How long what the source has committed waits to be read, in seconds.
const SOURCE: &str = "CDCLatencySource";

/// How long what was read waits to be on the target, in seconds.
const TARGET: &str = "CDCLatencyTarget";

/// Seconds of a point: DMS writes one a minute.
const PERIOD_SECONDS: i32 = 60;

/// How far back is read.
const WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// Points that count, newest first.
const POINTS: usize = 3;

/// A newest point older than this is stale: three minutes, of which the point itself is one, and CloudWatch shows it one
/// to two minutes late.
const FRESH_SECONDS_MAX: u64 = 180;

/// Pages that are read: two metrics of ten points each are one.
const PAGES_MAX: usize = 5;

/// CloudWatch.
#[derive(Debug, Clone)]
pub struct CloudWatch {
    client: Client,
}

/// A point of a metric: the beginning of its minute, in seconds since 1970, and the largest value in it.
type Point = (i64, f64);

impl CloudWatch {
    /// Wraps a client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// `CDCLatencySource` and `CDCLatencyTarget` of a task, by the instance's identifier and the last segment of the
    /// task's ARN: the largest of the newest three points of a minute each; stale when the newest is older than three
    /// minutes.
    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>
    pub async fn latencies(
        &self,
        instance_identifier: &str,
        task_arn: &str,
        now: Timestamp,
    ) -> Result<[(&'static str, Metric); 2], StepError> {
        const OPERATION: &str = "GetMetricData";
        let resource = task_arn.rsplit(':').next().unwrap_or(task_arn);
        let queries = vec![
            query("source", SOURCE, instance_identifier, resource),
            query("target", TARGET, instance_identifier, resource),
        ];
        let (mut source, mut target, mut token) = (Vec::new(), Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let page = self
                .client
                .get_metric_data()
                .set_metric_data_queries(Some(queries.clone()))
                .start_time(DateTime::from_secs((now - WINDOW).as_second()))
                .end_time(DateTime::from_secs(now.as_second()))
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| step_error(SERVICE, OPERATION, error))?;
            for result in page.metric_data_results() {
                match result.id() {
                    Some("source") => source.extend(points(SOURCE, result)?),
                    Some("target") => target.extend(points(TARGET, result)?),
                    other => return Err(unknown(SERVICE, "the id of a result", other.unwrap_or("(absent)"))),
                }
            }
            token = next_page(page.next_token);
            if token.is_none() {
                return Ok([(SOURCE, metric(source, now)), (TARGET, metric(target, now))]);
            }
        }
        Err(too_many_pages(SERVICE, OPERATION, PAGES_MAX))
    }
}

/// Asks for a metric. Dimensions that are wrong get no error and no points: the task goes by the last segment of its ARN,
/// not by its identifier.
fn query(id: &str, name: &str, instance: &str, task: &str) -> MetricDataQuery {
    let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
    let metric = MetricName::builder()
        .namespace("AWS/DMS")
        .metric_name(name)
        .dimensions(dimension("ReplicationInstanceIdentifier", instance))
        .dimensions(dimension("ReplicationTaskIdentifier", task))
        .build();
    let stat = MetricStat::builder()
        .metric(metric)
        .period(PERIOD_SECONDS)
        .stat("Maximum")
        .build();
    MetricDataQuery::builder().id(id).metric_stat(stat).build()
}

fn points(name: &str, result: &MetricDataResult) -> Result<Vec<Point>, StepError> {
    match result.status_code() {
        // What is partial goes on in the next page.
        Some(StatusCode::Complete | StatusCode::PartialData) => {}
        Some(StatusCode::InternalError) => {
            return Err(StepError::ServiceUnavailable {
                service: SERVICE,
                operation: "GetMetricData",
                message: format!("it could not read {name}"),
            });
        }
        other => {
            let status = other.map_or("(absent)", |status| status.as_str());
            return Err(unknown(SERVICE, format!("the status of {name}"), status));
        }
    }
    let (times, values) = (result.timestamps(), result.values());
    if times.len() != values.len() {
        let text = format!("{} times and {} values", times.len(), values.len());
        return Err(unknown(SERVICE, format!("the points of {name}"), text));
    }
    Ok(times.iter().map(DateTime::secs).zip(values.iter().copied()).collect())
}

/// What a metric says now.
fn metric(mut points: Vec<Point>, now: Timestamp) -> Metric {
    points.sort_unstable_by_key(|(at, _)| std::cmp::Reverse(*at));
    let Some((newest, _)) = points.first() else {
        return Metric::Absent;
    };
    // A clock that is behind CloudWatch's makes a point of the future, which is as fresh as can be.
    let age = u64::try_from(now.as_second() - newest).unwrap_or(0);
    if age > FRESH_SECONDS_MAX {
        return Metric::Stale(age);
    }
    let values = points.iter().take(POINTS).map(|(_, value)| *value);
    Metric::Fresh(values.fold(f64::NEG_INFINITY, f64::max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mgn::canned::Canned;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_metric_that_is_missing_or_old_is_not_a_metric_that_is_low() {
        assert_eq!(metric(Vec::new(), at(1000)), Metric::Absent);
        let points = vec![(600, 9.0), (780, 1.0), (660, 4.0), (720, 2.0)];
        assert_eq!(metric(points.clone(), at(960)), Metric::Fresh(4.0));
        assert_eq!(metric(points.clone(), at(961)), Metric::Stale(181));
        assert_eq!(metric(points, at(700)), Metric::Fresh(4.0));
    }

    #[test]
    fn a_result_that_cloudwatch_could_not_read_is_no_empty_one() {
        let result = |status| MetricDataResult::builder().id("source").status_code(status).build();
        assert_eq!(points(SOURCE, &result(StatusCode::Complete)), Ok(Vec::new()));
        let failed = |status| points(SOURCE, &result(status)).unwrap_err().name();
        assert_eq!(failed(StatusCode::InternalError), "ServiceUnavailable");
        assert_eq!(failed(StatusCode::Forbidden), "UnknownValue");
    }

    #[tokio::test]
    async fn a_task_goes_by_the_last_segment_of_its_arn() {
        let aws = Canned::new([]);
        let arn = "arn:aws:dms:eu-west-1:111122223333:task:ABCDEF";
        let asked = CloudWatch::new(aws.cloudwatch())
            .latencies("lf-w-shop", arn, at(1000))
            .await;
        assert_eq!(asked.unwrap_err().name(), "ServiceUnavailable");
        let request = &aws.requests()[0];
        assert!(request.contains("ABCDEF") && request.contains("lf-w-shop"), "{request}");
        assert!(!request.contains("task:ABCDEF"), "{request}");
    }
}
