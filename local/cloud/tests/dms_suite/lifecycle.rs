//! What may happen to a task, and in which order.

use std::sync::{Arc, Mutex};

use aws_sdk_databasemigration::types::StartReplicationTaskTypeValue as Kind;
use landfall_cloud::dms::{What, When};

use crate::common::code;
use crate::support::{Bench, orders, settings, sleep};

#[tokio::test(start_paused = true)]
async fn a_task_loads_follows_stops_and_goes_on_where_it_stopped() {
    let bench = Bench::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = told.clone();
    let keep = move |event: &serde_json::Value| kept.lock().expect("no panic").push(event.clone());
    bench.cloud.events().on_emit(Arc::new(keep));
    let [.., task] = bench.task(settings()).await;
    assert_eq!(bench.shown(&task).await.status(), Some("ready"));
    let early = bench.start(&task, Kind::ResumeProcessing).await;
    assert_eq!(early, Err("InvalidParameterCombinationException".to_owned()));
    bench.start(&task, Kind::StartReplication).await.expect("a start");
    sleep(180).await;
    let shown = bench.shown(&task).await;
    let stats = shown.replication_task_stats().expect("statistics");
    assert_eq!(
        (shown.status(), stats.full_load_progress_percent()),
        (Some("running"), 100)
    );
    assert!(stats.full_load_finish_date().is_some());
    let states = bench.tables(&task).await.into_iter().map(|table| {
        let name = table.table_name.unwrap_or_default();
        (name, table.full_load_rows, table.validation_state.unwrap_or_default())
    });
    let states: Vec<(String, i64, String)> = states.collect();
    let expect = [
        ("audit", 0, "No primary key"),
        ("landfall_fence", 0, "Validated"),
        ("orders", 10, "Validated"),
    ];
    assert_eq!(
        states,
        expect.map(|(name, rows, state)| (name.to_owned(), rows, state.to_owned()))
    );

    bench.commit(orders(), "100");
    assert_eq!(bench.arrived(orders(), "100"), None);
    sleep(1).await;
    assert!(bench.arrived(orders(), "100").is_some());

    let stop = bench.dms.stop_replication_task().replication_task_arn(&task);
    stop.send().await.expect("a stop");
    assert_eq!(bench.shown(&task).await.status(), Some("stopping"));
    bench.commit(orders(), "101");
    sleep(60).await;
    let shown = bench.shown(&task).await;
    assert_eq!(
        (shown.status(), shown.stop_reason()),
        (Some("stopped"), Some("Stop Reason NORMAL"))
    );
    assert_eq!(bench.arrived(orders(), "101"), None);
    let again = bench.start(&task, Kind::StartReplication).await;
    assert_eq!(again, Err("InvalidParameterCombinationException".to_owned()));
    bench.start(&task, Kind::ResumeProcessing).await.expect("a start");
    sleep(90).await;
    assert_eq!(bench.shown(&task).await.stop_reason(), None);
    assert!(bench.arrived(orders(), "101").is_some());
    let told = told.lock().expect("no panic");
    let of_task: Vec<&str> = told
        .iter()
        .filter(|event| event["resources"][0] == task.as_str())
        .filter_map(|event| event["detail"]["eventType"].as_str())
        .collect();
    let expect = ["CREATED", "STARTED", "STOPPED", "STARTED"].map(|kind| format!("REPLICATION_TASK_{kind}"));
    assert_eq!(of_task, expect);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_before_what_needs_it() {
    let bench = Bench::new();
    let [instance, source, target, task] = bench.running(settings()).await;
    let dms = &bench.dms;
    let refused = dms.delete_replication_task().replication_task_arn(&task).send().await;
    assert_eq!(code(&refused.expect_err("it runs")), "InvalidResourceStateFault");
    let refused = dms.delete_endpoint().endpoint_arn(&source).send().await;
    assert_eq!(code(&refused.expect_err("a task has it")), "InvalidResourceStateFault");
    let refused = dms
        .delete_replication_instance()
        .replication_instance_arn(&instance)
        .send()
        .await;
    assert_eq!(
        code(&refused.expect_err("a task is on it")),
        "InvalidResourceStateFault"
    );

    dms.stop_replication_task()
        .replication_task_arn(&task)
        .send()
        .await
        .expect("a stop");
    sleep(60).await;
    dms.delete_replication_task()
        .replication_task_arn(&task)
        .send()
        .await
        .expect("a deletion");
    assert_eq!(bench.shown(&task).await.status(), Some("deleting"));
    sleep(60).await;
    for endpoint in [source, target] {
        dms.delete_endpoint()
            .endpoint_arn(endpoint)
            .send()
            .await
            .expect("a deletion");
    }
    dms.delete_replication_instance()
        .replication_instance_arn(&instance)
        .send()
        .await
        .expect("a deletion");
    sleep(600).await;
    assert_eq!(bench.cloud.dms().inventory(), Vec::<String>::new());
    let gone = dms.delete_replication_task().replication_task_arn(&task).send().await;
    assert_eq!(code(&gone.expect_err("it is gone")), "ResourceNotFoundFault");
}

#[tokio::test(start_paused = true)]
async fn a_dead_task_says_why_on_three_fields() {
    let what = What::Dies {
        status: "stopped",
        reason: "STOPPED_DUE_TO_LOW_MEMORY",
        message: "out of memory",
    };
    // In the middle of the load.
    let bench = Bench::with(When::After(std::time::Duration::from_secs(15)), what);
    let [.., task] = bench.running(settings()).await;
    let shown = bench.shown(&task).await;
    assert_eq!(shown.status(), Some("stopped"));
    assert_eq!(shown.stop_reason(), Some("Stop Reason STOPPED_DUE_TO_LOW_MEMORY"));
    assert_eq!(shown.last_failure_message(), Some("out of memory"));
    let stats = shown.replication_task_stats().expect("statistics");
    assert!(stats.full_load_progress_percent() < 100 && stats.full_load_finish_date().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_identifier_is_taken_once_and_what_is_unknown_is_named() {
    let bench = Bench::new();
    let instance = bench.instance().await;
    let again = bench
        .dms
        .create_replication_instance()
        .replication_instance_identifier("LF-w1-shop")
        .replication_instance_class("dms.c5.large");
    let error = again.send().await.expect_err("it is taken");
    assert_eq!(code(&error), "ResourceAlreadyExistsFault");
    let tags = bench.dms.list_tags_for_resource().resource_arn(&instance).send().await;
    assert_eq!(tags.expect("tags").tag_list()[0].value(), Some("w1"));
    let strange = bench
        .dms
        .create_replication_instance()
        .replication_instance_identifier("other")
        .replication_instance_class("dms.c5.large")
        .availability_zone("eu-west-1a");
    assert_eq!(code(&strange.send().await.expect_err("unknown")), "NotSimulated");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_calls_pass_at_once_and_four_each_second() {
    let bench = Bench::new();
    let call = || {
        bench
            .cloud
            .dms()
            .handle("DescribeReplicationTasks", &serde_json::json!({}))
    };
    let passed = (0..150).filter(|_| call().is_ok()).count();
    assert_eq!(passed, 100);
    assert_eq!(call().expect_err("too many").code, "ThrottlingException");
    sleep(10).await;
    assert_eq!((0..150).filter(|_| call().is_ok()).count(), 40);
}
