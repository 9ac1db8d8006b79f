//! Writes, snapshots, and what of the source a launched instance holds.

use std::time::Duration;

use landfall_cloud::fleet::{CostKind, Purpose, ReplicationState, Script, When};
use serde_json::json;

use crate::support::{A, B, Bench, node};

fn info(bench: &Bench, id: &str) -> serde_json::Value {
    bench.describe(id)["dataReplicationInfo"].clone()
}

fn backlog(bench: &Bench, id: &str) -> u64 {
    info(bench, id)["replicatedDisks"][0]["backloggedStorageBytes"]
        .as_u64()
        .expect("a number")
}

/// Quiesces and waits as the procedure says: backlog zero, lag zero, a snapshot later than that.
async fn quiesce_and_drain(bench: &Bench, id: &str) {
    bench.quiesce(&node(id), "Quiesce", "w1").await;
    while backlog(bench, id) > 0 || info(bench, id)["lagDuration"] != "P0D" {
        bench.sleep(5).await;
    }
    let drained = landfall_cloud::Hub::now(bench.hub.as_ref());
    while bench.fleet.server(id).and_then(|server| server.last_snapshot_at) < Some(drained) {
        bench.sleep(5).await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_quiesce_backlog_drains_and_a_later_snapshot_holds_every_write() {
    let bench = Bench::plain();
    bench.bring(A, "READY_FOR_CUTOVER").await;
    assert!(bench.fleet.server(A).expect("there").writing);
    let output = bench.quiesce(&node(A), "Quiesce", "w1").await;
    assert_eq!(
        output,
        "nginx was=enabled/active now=disabled/inactive\napp was=enabled/active now=disabled/inactive\n"
    );
    assert!(!bench.fleet.server(A).expect("there").writing);
    assert!(backlog(&bench, A) > 0, "the last writes are still on their way");
    assert_ne!(info(&bench, A)["lagDuration"], "P0D");
    quiesce_and_drain(&bench, A).await;
    bench.finish("StartCutover", &[A]).await;
    let launches = bench.fleet.launches();
    let seen = &launches[0];
    assert!(!seen.source_was_writing && !seen.writes_missing && !seen.used_previous_snapshot);
    assert!(Some(seen.snapshot_at) > seen.source_last_write_at);
}

#[tokio::test(start_paused = true)]
async fn a_cutover_while_the_source_writes_misses_writes() {
    let bench = Bench::plain();
    bench.bring(A, "CUTTING_OVER").await;
    let seen = bench.fleet.launches().remove(0);
    assert!(seen.source_was_writing && seen.writes_missing);
    assert!(seen.snapshot_data_through < seen.snapshot_at);
}

#[tokio::test(start_paused = true)]
async fn a_previous_snapshot_older_than_the_quiesce_is_seen_although_the_server_reads_launched() {
    let bench = Bench::plain();
    bench.bring(A, "READY_FOR_CUTOVER").await;
    // Replication is taken away before the quiesce, so that no later snapshot exists.
    bench.fleet.script(Script::RegressReplication {
        server: A.to_owned(),
        when: When::Now,
        to: ReplicationState::Rescan,
        lasts: None,
    });
    bench.quiesce(&node(A), "Quiesce", "w1").await;
    let job = bench.finish("StartCutover", &[A]).await;
    assert_eq!(bench.job(&job)["participatingServers"][0]["launchStatus"], "LAUNCHED");
    assert!(bench.log(&job).contains(&"USING_PREVIOUS_SNAPSHOT".to_owned()));
    let seen = bench.fleet.launches().remove(0);
    assert!(seen.used_previous_snapshot && seen.writes_missing);
    assert!(Some(seen.snapshot_at) < seen.source_last_write_at);
}

#[tokio::test(start_paused = true)]
async fn a_scripted_previous_snapshot_is_the_last_periodic_one() {
    let bench = Bench::plain();
    bench.bring(A, "READY_FOR_CUTOVER").await;
    quiesce_and_drain(&bench, A).await;
    bench.fleet.script(Script::UsePreviousSnapshot {
        server: A.to_owned(),
        purpose: Purpose::Cutover,
    });
    let job = bench.finish("StartCutover", &[A]).await;
    assert!(bench.log(&job).contains(&"USING_PREVIOUS_SNAPSHOT".to_owned()));
    let seen = bench.fleet.launches().remove(0);
    assert!(seen.used_previous_snapshot);
    assert!(!seen.writes_missing, "it was taken after everything had drained");
}

#[tokio::test(start_paused = true)]
async fn a_stall_between_gate_and_launch_is_told_and_ends() {
    let bench = Bench::plain();
    bench.bring(A, "READY_FOR_CUTOVER").await;
    bench.fleet.script(Script::RegressReplication {
        server: A.to_owned(),
        when: When::OnLaunch(Purpose::Cutover),
        to: ReplicationState::Stalled,
        lasts: Some(Duration::from_secs(3600)),
    });
    assert_eq!(info(&bench, A)["dataReplicationState"], "CONTINUOUS");
    let job = bench.start("StartCutover", &[A]);
    bench.sleep(60).await;
    let stalled = info(&bench, A);
    assert_eq!(stalled["dataReplicationState"], "STALLED");
    assert!(stalled["lagDuration"].as_str().is_some_and(|lag| lag.starts_with("PT")));
    assert_eq!(stalled["dataReplicationError"]["error"], "UNSTABLE_NETWORK");
    bench.settled(&job).await;
    assert!(bench.fleet.launches()[0].used_previous_snapshot);
    bench.sleep(3600).await;
    assert_eq!(info(&bench, A)["dataReplicationState"], "CONTINUOUS");
    let told: Vec<_> = bench
        .events("MGN Source Server Data Replication Stalled Change")
        .iter()
        .map(|event| event.detail["state"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(told, ["STALLED", "NOT_STALLED"]);
}

#[tokio::test(start_paused = true)]
async fn initial_sync_ends_in_ready_for_test_with_one_event() {
    let bench = Bench::plain();
    let id = "s-0000000000000000c";
    bench.syncing(id, Duration::from_secs(600));
    bench.sleep(300).await;
    assert_eq!(bench.state(id), "NOT_READY");
    let half = info(&bench, id);
    assert_eq!(half["dataReplicationState"], "INITIAL_SYNC");
    assert!(half.get("lagDuration").is_none() && half["etaDateTime"].is_string());
    let disk = &half["replicatedDisks"][0];
    assert!(disk["replicatedStorageBytes"].as_u64() < disk["totalStorageBytes"].as_u64());
    bench.sleep(301).await;
    assert_eq!(bench.state(id), "READY_FOR_TEST");
    assert!(info(&bench, id)["lastSnapshotDateTime"].is_string());
    bench.finish("StartTest", &[id]).await;
    bench.change(id, "READY_FOR_TEST").expect("legal");
    let events = bench.events("MGN Source Server Lifecycle State Change");
    assert_eq!(events.len(), 1, "only the first time");
    assert_eq!(events[0].detail, json!({"state": "READY_FOR_TEST"}));
}

#[tokio::test(start_paused = true)]
async fn backlog_shows_now_and_then_while_writing_and_never_when_caught_up() {
    let bench = Bench::plain();
    bench.quiesce(&node(B), "Quiesce", "w1").await;
    bench.sleep(120).await;
    let (mut busy, mut idle) = (0, 0);
    for _ in 0..100 {
        bench.sleep(11).await;
        busy += usize::from(backlog(&bench, A) > 0);
        idle += usize::from(backlog(&bench, B) > 0);
        assert_eq!(info(&bench, B)["lagDuration"], "P0D");
    }
    assert!((5..60).contains(&busy), "{busy}");
    assert_eq!(idle, 0);
}

#[tokio::test(start_paused = true)]
async fn an_instance_made_after_the_quiesce_starts_its_services_only_by_its_marker() {
    let bench = Bench::plain();
    bench.bring(A, "READY_FOR_CUTOVER").await;
    let test = bench.fleet.instances().remove(0);
    assert!(
        test.services.iter().all(|service| service.active),
        "a test instance is a live clone"
    );
    quiesce_and_drain(&bench, A).await;
    bench.finish("StartCutover", &[A]).await;
    let cutover = bench
        .fleet
        .server(A)
        .and_then(|server| server.cutover_instance)
        .expect("launched");
    let view = || {
        bench
            .fleet
            .instances()
            .into_iter()
            .find(|one| one.id == cutover)
            .expect("there")
    };
    assert!(
        view()
            .services
            .iter()
            .all(|service| !service.enabled && !service.active)
    );
    assert!(view().writing_periods.is_empty());
    bench.sleep(180).await;
    let output = bench.quiesce(&cutover, "Restart", "w1").await;
    assert!(
        output.contains("nginx was=disabled/inactive now=enabled/active"),
        "{output}"
    );
    assert!(view().services.iter().all(|service| service.enabled && service.active));
    assert_eq!(view().writing_periods.len(), 1);
    assert!(
        !bench.fleet.server(A).expect("there").writing,
        "the source stays stopped"
    );
}

#[tokio::test(start_paused = true)]
async fn what_costs_money_is_listed_until_it_is_gone() {
    let bench = Bench::plain();
    bench.bring(A, "CUTOVER").await;
    let instance = bench
        .fleet
        .server(A)
        .and_then(|server| server.cutover_instance)
        .expect("launched");
    bench
        .ec2("CreateSnapshots", &[("InstanceSpecification.InstanceId", &instance)])
        .expect("made");
    let kinds = || -> Vec<CostKind> { bench.fleet.running_costs().into_iter().map(|item| item.kind).collect() };
    assert_eq!(
        kinds(),
        [
            CostKind::RunningInstance,
            CostKind::Snapshot,
            CostKind::ReplicatingServer
        ]
    );
    bench
        .ec2("TerminateInstances", &[("InstanceId.1", &instance)])
        .expect("terminated");
    bench.ok("DisconnectFromService", json!({"sourceServerID": B}));
    assert_eq!(kinds(), [CostKind::Snapshot]);
}

#[tokio::test(start_paused = true)]
async fn a_server_can_be_made_to_say_what_nobody_has_seen_or_nothing() {
    let bench = Bench::plain();
    let now = landfall_cloud::Hub::now(bench.hub.as_ref());
    let misreport = |pointer: &str, value| Script::Misreport {
        server: A.to_owned(),
        pointer: pointer.to_owned(),
        value,
        from: now,
        lasts: Some(Duration::from_secs(60)),
    };
    let backlogged = "/dataReplicationInfo/replicatedDisks/0/backloggedStorageBytes";
    bench.fleet.script(misreport(backlogged, None));
    bench
        .fleet
        .script(misreport("/lifeCycle/state", Some(json!("TELEPORTING"))));
    let told = bench.describe(A);
    assert!(told.pointer(backlogged).is_none());
    assert_eq!(told["lifeCycle"]["state"], "TELEPORTING");
    assert!(bench.describe(B).pointer(backlogged).is_some());
    bench.sleep(61).await;
    assert!(bench.describe(A).pointer(backlogged).is_some());
}
