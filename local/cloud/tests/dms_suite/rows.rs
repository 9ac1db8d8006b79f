//! What becomes of rows.

use aws_sdk_databasemigration::types::StartReplicationTaskTypeValue;
use landfall_cloud::databases::{Change, Row, Table};
use landfall_cloud::dms::{Trouble, What, When};
use landfall_domain::database::TableName;
use serde_json::json;

use crate::support::{Bench, SOURCE, TARGET, fence, orders, settings, sleep};

#[tokio::test(start_paused = true)]
async fn validation_finds_a_row_that_was_left_out() {
    let bench = Bench::new();
    let [.., task] = bench.running(settings()).await;
    let skip = What::Skips("shop.orders".to_owned(), 100);
    bench.cloud.dms().add_trouble(Trouble::new(When::Always, skip));
    bench.commit(orders(), "100");
    bench.commit(fence(), "f1");
    sleep(3).await;
    assert!(
        bench.arrived(fence(), "f1").is_some(),
        "the fence does not show what is missing"
    );
    assert_eq!(bench.arrived(orders(), "100"), None);
    assert_eq!(
        bench.validation(&task, &orders()).await,
        ("Mismatched records".to_owned(), 1)
    );
    let failures = TableName::new("public", "awsdms_validation_failures_v1");
    let failures = bench.cloud.databases().table(TARGET, &failures).expect("the table");
    let row = failures.rows.values().next().expect("a failure");
    assert_eq!(
        (&row.value["KEY"], &row.value["FAILURE_TYPE"]),
        (&json!("100"), &json!("MISSING_TARGET"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_corrupted_row_is_found_when_the_source_is_closed_and_not_before() {
    let bench = Bench::with(When::Always, What::Corrupts("shop.orders".to_owned()));
    let [.., task] = bench.running(settings()).await;
    bench.commit(orders(), "100");
    sleep(60).await;
    assert_eq!(bench.validation(&task, &orders()).await, ("Validated".to_owned(), 0));
    bench.close_source();
    sleep(3).await;
    assert_eq!(
        bench.validation(&task, &orders()).await,
        ("Mismatched records".to_owned(), 1)
    );
}

#[tokio::test(start_paused = true)]
async fn in_batches_the_first_fence_overtakes_data_and_the_second_does_not() {
    let bench = Bench::new();
    let mut settings = settings();
    settings["TargetMetadata"]["BatchApplyEnabled"] = json!(true);
    bench.running(settings).await;
    bench.commit(orders(), "100");
    bench.commit(orders(), "101");
    bench.commit(fence(), "f1");
    while bench.arrived(fence(), "f1").is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(
        bench.arrived(orders(), "101"),
        None,
        "the fence is there before the data"
    );
    bench.commit(fence(), "f2");
    while bench.arrived(fence(), "f2").is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(bench.arrived(orders(), "101").is_some());
}

#[tokio::test(start_paused = true)]
async fn drop_and_create_drops_what_the_target_had_and_large_objects_are_cut_off() {
    let bench = Bench::new();
    let databases = bench.cloud.databases();
    let mut before = Table::keyed();
    before.rows.insert("999".to_owned(), Row::new("only here"));
    databases.add_table(TARGET, orders(), before);
    let large = Row {
        lob_bytes: Some(1024 * 1024),
        ..Row::new("large")
    };
    let change = Change::Insert {
        table: orders(),
        key: "500".to_owned(),
        row: large,
    };
    databases.apply(SOURCE, "dms", vec![change]).expect("a commit");
    let mut settings = settings();
    settings["FullLoadSettings"]["TargetTablePrepMode"] = json!("DROP_AND_CREATE");
    let [.., task] = bench.running(settings).await;
    assert_eq!(bench.arrived(orders(), "999"), None);
    let cut = bench.arrived(orders(), "500").expect("the row");
    assert_eq!(cut.lob_bytes, Some(32 * 1024), "LobMaxSize is in kilobytes");
    assert_eq!(
        bench.validation(&task, &orders()).await,
        ("Mismatched records".to_owned(), 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_row_that_the_target_refuses_suspends_its_table_and_is_written_down() {
    let bench = Bench::new();
    let [.., task] = bench.running(settings()).await;
    let clash = Change::Insert {
        table: orders(),
        key: "100".to_owned(),
        row: Row::new("already here"),
    };
    bench
        .cloud
        .databases()
        .apply(TARGET, "dms", vec![clash])
        .expect("a commit");
    bench.commit(orders(), "100");
    sleep(3).await;
    assert_eq!(bench.validation(&task, &orders()).await.0, "Table error");
    let shown = bench.shown(&task).await;
    assert_eq!(shown.replication_task_stats().expect("statistics").tables_errored(), 1);
    let exceptions = TableName::new("public", "awsdms_apply_exceptions");
    let exceptions = bench.cloud.databases().table(TARGET, &exceptions).expect("the table");
    assert_eq!(exceptions.rows.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_of_changes_begins_at_its_position_when_a_slot_has_held_the_log() {
    let bench = Bench::new();
    let [instance, _, target, _] = bench.task(settings()).await;
    let databases = bench.cloud.databases();
    bench.commit(orders(), "100");
    let position = databases.position_text(SOURCE, databases.position(SOURCE));
    bench.commit(orders(), "101");
    let with_slot = bench.slot_endpoint("lf_back").await;
    let test = bench.dms.test_connection().replication_instance_arn(&instance);
    test.endpoint_arn(&with_slot).send().await.expect("a test");
    sleep(60).await;
    let task = bench.changes_only(&instance, &with_slot, &target, &position).await;
    let start = StartReplicationTaskTypeValue::StartReplication;
    bench.start(&task, start).await.expect("a start");
    sleep(90).await;
    let shown = bench.shown(&task).await;
    assert_eq!(shown.status(), Some("failed"), "nobody made the slot");
    databases.add_slot(SOURCE, "lf_back", false);
    let resume = StartReplicationTaskTypeValue::ResumeProcessing;
    bench.start(&task, resume).await.expect("a start");
    sleep(90).await;
    assert_eq!(bench.arrived(orders(), "100"), None, "it was before the position");
    assert!(bench.arrived(orders(), "101").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_stuck_table_stays_pending_while_the_task_runs_and_restarts_go_unseen() {
    let bench = Bench::new();
    let [.., task] = bench.running(settings()).await;
    let dms = bench.cloud.dms();
    let stuck = What::Stuck(Some("shop.landfall_fence".to_owned()));
    dms.add_trouble(Trouble::new(When::SourceClosed, stuck));
    bench.commit(fence(), "f1");
    sleep(5).await;
    assert!(bench.arrived(fence(), "f1").is_some());
    bench.close_source();
    sleep(2).await;
    bench.commit(fence(), "f2");
    bench.commit(orders(), "100");
    sleep(600).await;
    assert_eq!(bench.arrived(fence(), "f2"), None);
    assert!(bench.arrived(orders(), "100").is_some());
    assert_eq!(bench.validation(&task, &fence()).await.0, "Pending records");
    dms.clear_troubles();
    sleep(5).await;
    assert!(
        bench.arrived(fence(), "f2").is_some(),
        "it arrives when the trouble is over"
    );

    dms.add_trouble(Trouble::new(When::Always, What::RestartsForever));
    sleep(5).await;
    bench.commit(orders(), "101");
    sleep(600).await;
    assert_eq!(bench.shown(&task).await.status(), Some("running"));
    assert_eq!(bench.arrived(orders(), "101"), None);
}
