//! What CloudWatch has of a task, over CBOR.

use std::time::Duration;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use aws_sdk_databasemigration::types::StartReplicationTaskTypeValue as Kind;
use landfall_cloud::Caller;
use landfall_cloud::databases::{Place, WriterKind, WriterSpec};
use landfall_cloud::dms::{What, When};

use crate::common;
use crate::support::{Bench, SOURCE, orders, settings, sleep};

/// The points of the last hours, newest first: seconds since the epoch and values.
async fn points(bench: &Bench, metric: &str, instance: &str, task: &str) -> Vec<(i64, f64)> {
    let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
    let metric = Metric::builder()
        .namespace("AWS/DMS")
        .metric_name(metric)
        .dimensions(dimension("ReplicationInstanceIdentifier", instance))
        .dimensions(dimension("ReplicationTaskIdentifier", task));
    let stat = MetricStat::builder().metric(metric.build()).period(60).stat("Maximum");
    let query = MetricDataQuery::builder().id("lag").metric_stat(stat.build()).build();
    let now = bench.cloud.clock().now().as_second();
    let client = common::cloudwatch(&bench.cloud, &Caller::new("operator", 1));
    let answer = client
        .get_metric_data()
        .metric_data_queries(query)
        .start_time(DateTime::from_secs(now - 3 * 3600))
        .end_time(DateTime::from_secs(now))
        .send()
        .await
        .expect("an answer");
    let result = answer.metric_data_results().first().expect("a result").clone();
    assert_eq!(result.status_code().map(|code| code.as_str()), Some("Complete"));
    let times = result.timestamps().iter().map(DateTime::secs);
    times.zip(result.values().iter().copied()).collect()
}

fn resource(arn: &str) -> &str {
    arn.rsplit(':').next().expect("a segment")
}

#[tokio::test(start_paused = true)]
async fn an_idle_task_reads_zero_a_minute_late_and_a_stopped_one_reads_nothing() {
    let bench = Bench::new();
    let [.., task] = bench.running(settings()).await;
    sleep(600).await;
    let seen = points(&bench, "CDCLatencyTarget", "lf-w1-shop", resource(&task)).await;
    assert!(
        seen.len() >= 8 && seen.iter().all(|(_, value)| *value == 0.0),
        "{seen:?}"
    );
    assert!(seen.windows(2).all(|pair| pair[0].0 - pair[1].0 == 60), "{seen:?}");
    let age = bench.cloud.clock().now().as_second() - seen[0].0;
    assert!((105..180).contains(&age), "{age} s");
    for (instance, task) in [("lf-w1-shop", "lf-w1-shop"), ("other", resource(&task))] {
        assert_eq!(points(&bench, "CDCLatencyTarget", instance, task).await, []);
    }
    let stop = bench.dms.stop_replication_task().replication_task_arn(&task);
    stop.send().await.expect("a stop");
    sleep(300).await;
    let before = points(&bench, "CDCLatencyTarget", "lf-w1-shop", resource(&task)).await;
    sleep(600).await;
    let after = points(&bench, "CDCLatencyTarget", "lf-w1-shop", resource(&task)).await;
    assert_eq!(after, before, "a stopped task has no new points");
    bench.start(&task, Kind::ResumeProcessing).await.expect("a start");
}

#[tokio::test(start_paused = true)]
async fn an_open_transaction_lets_the_source_lag_grow() {
    let bench = Bench::new();
    let [.., task] = bench.running(settings()).await;
    let writer = WriterSpec {
        kind: WriterKind::LongTransaction(Duration::from_secs(3600)),
        ..WriterSpec::steady("report", "shop", Place::Host(SOURCE.to_owned()), orders())
    };
    bench.cloud.databases().start_writer(writer);
    sleep(900).await;
    let seen = points(&bench, "CDCLatencySource", "lf-w1-shop", resource(&task)).await;
    assert!(seen[0].1 > 600.0, "{seen:?}");
    assert!((seen[0].1 - seen[1].1 - 60.0).abs() < 1.0, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn metrics_can_read_zero_while_rows_are_late_and_can_be_missing() {
    let bench = Bench::with(When::Always, What::ApplyDelay(Duration::from_secs(300)));
    let [.., task] = bench.running(settings()).await;
    let late = || async {
        bench.commit(orders(), &bench.cloud.clock().now().to_string());
        sleep(240).await;
        points(&bench, "CDCLatencyTarget", "lf-w1-shop", resource(&task)).await
    };
    assert!(late().await[0].1 > 60.0);
    let trouble = |what| {
        bench
            .cloud
            .dms()
            .add_trouble(landfall_cloud::dms::Trouble::new(When::Always, what))
    };
    trouble(What::ZeroMetrics);
    let seen = late().await;
    assert_eq!(seen[0].1, 0.0, "{seen:?}");
    trouble(What::NoMetrics);
    sleep(180).await;
    let count = late().await.len();
    assert_eq!(late().await.len(), count);
}
