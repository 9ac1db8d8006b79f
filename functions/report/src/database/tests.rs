//! What the report of a database says.

use super::*;
use landfall_domain::record::{CanaryFacts, FenceFacts};
use serde_json::{Value, json};

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_770_000_000_000 + milliseconds).expect("an instant")
}

/// The database of the example with one.
fn database(change: impl FnOnce(&mut Value)) -> DatabaseRecord {
    let text = include_str!("../../../../examples/database-wave.json");
    let mut example: Value = serde_json::from_str(text).expect("the example is JSON");
    let plan = &mut example["databases"][0];
    change(plan);
    let plan = serde_json::from_value(plan.take()).expect("a plan");
    let wave = serde_json::from_value(json!("shop-db")).expect("a wave id");
    DatabaseRecord::new(wave, "shop".to_owned(), plan)
}

fn wave(direction: &str, status: &str) -> WaveRecord {
    let plan: landfall_domain::plan::WavePlan =
        serde_json::from_str(include_str!("../../../../examples/database-wave.json")).expect("the example is a plan");
    serde_json::from_value(json!({
        "waveId": plan.wave_id, "epoch": 1, "direction": direction, "status": status, "executionArn": "arn",
        "plannedAt": at(0), "claimingSince": at(0), "planDigest": "", "batches": 1, "servers": 2,
        "moveGroups": ["shop"], "failuresAllowed": 0, "maxConcurrentBatches": 1, "retainSourceDays": 30,
        "approvalsPlan": plan.approvals, "bakeMinutes": 60, "deadlines": plan.deadlines,
        "rollback": plan.rollback, "phases": [], "approvals": {},
    }))
    .expect("a wave record")
}

fn frozen(database: &mut DatabaseRecord) {
    database.state = DatabaseState::Frozen;
    database.replication.loaded_at = Some(at(-1_000));
    database.source_closing.intended_at = Some(at(0));
    database.source_closing.deadline = Some(at(120_000));
    database.source_closing.closed_at = Some(at(400));
    database.cutover.fence = FenceFacts {
        id: Some("f".to_owned()),
        written_at: Some(at(500)),
        seen_at: Some(at(1_600)),
    };
}

fn switched(database: &mut DatabaseRecord) {
    frozen(database);
    database.state = DatabaseState::OnTarget;
    database.cutover.verified_at = Some(at(5_100));
    database.cutover.ready_at = Some(at(5_800));
    database.cutover.committed_at = Some(at(5_900));
    database.cutover.target_open_at = Some(at(6_000));
    database.cutover.switched_at = Some(at(6_300));
}

fn told(database: &DatabaseRecord) -> DatabaseReport {
    report(&wave("FORWARD", "OPEN"), database, at(10_000))
}

#[test]
fn the_parts_of_a_downtime_add_up_to_the_time_from_the_intent_to_the_switch() {
    let mut database = database(|_| {});
    switched(&mut database);
    let downtime = told(&database).downtime.expect("it was switched");
    let expected = DatabaseDowntime {
        freeze_ms: 400,
        drain_ms: 1_200,
        verify_ms: 3_500,
        ready_ms: 700,
        switch_ms: 500,
    };
    assert_eq!(downtime, expected);
    assert_eq!(downtime.total_ms(), 6_300);
    database.cutover.verified_at = None;
    let downtime = told(&database).downtime.expect("it was switched");
    assert_eq!((downtime.verify_ms, downtime.total_ms()), (0, 6_300));
}

#[test]
fn with_batch_apply_the_drain_ends_with_the_second_fence() {
    let mut database = database(|plan| plan["taskSettings"]["batchApply"] = json!({ "enabled": true }));
    switched(&mut database);
    database.cutover.second_fence.seen_at = Some(at(4_000));
    let downtime = told(&database).downtime.expect("it was switched");
    assert_eq!((downtime.drain_ms, downtime.verify_ms), (3_600, 1_100));
}

#[test]
fn an_attempt_that_was_taken_back_says_why_and_how_long_applications_waited() {
    let mut database = database(|_| {});
    frozen(&mut database);
    database.state = DatabaseState::OnSource;
    database.source_closing.opened_at = Some(at(31_200));
    database.cutover.failure = Some("shop.orders: 2 rows differ".to_owned());
    let told = told(&database);
    assert_eq!((told.downtime, told.attempt_downtime_ms), (None, Some(31_200)));
    assert_eq!(
        (told.outcome, told.writes_on.as_str()),
        (DatabaseOutcome::TakenBack, "SOURCE")
    );
    assert_eq!(
        told.sentence,
        "Its cutover was taken back: shop.orders: 2 rows differ; applications write on the source again, after 31.2 s."
    );
    database.source_closing.opened_at = None;
    database.source_closing.left = vec!["the role app is locked; run: ALTER ROLE \"app\" LOGIN".to_owned()];
    let told = super::report(&wave("FORWARD", "OPEN"), &database, at(40_000));
    assert!(
        told.sentence.contains("do what is listed as left, now"),
        "{}",
        told.sentence
    );
    assert_eq!(told.left, database.source_closing.left);
}

#[test]
fn a_source_that_is_closed_says_when_it_opens_and_whether_it_should_have() {
    let mut database = database(|_| {});
    frozen(&mut database);
    let told = told(&database);
    assert_eq!((told.writes_on.as_str(), told.closed_since), ("NOWHERE", Some(at(0))));
    assert_eq!(told.opens_at, Some(at(120_000)));
    assert!(told.sentence.contains("opens by itself at"), "{}", told.sentence);
    let late = report(&wave("FORWARD", "HELD"), &database, at(120_001));
    assert!(late.sentence.contains("open it by hand"), "{}", late.sentence);
    assert_eq!(late.outcome, DatabaseOutcome::Held);
    database.state = DatabaseState::Switching;
    let told = super::report(&wave("FORWARD", "HELD"), &database, at(10_000));
    assert_eq!(
        (told.writes_on.as_str(), told.opens_at),
        ("NOWHERE", None),
        "it never opens by itself now"
    );
    assert!(told.sentence.contains("start migrate-wave"), "{}", told.sentence);
}

#[test]
fn what_a_rollback_costs_changes_with_the_reverse_task() {
    let mut database = database(|_| {});
    assert!(told(&database).fail_back.starts_with("After the switch a reverse task"));
    switched(&mut database);
    assert!(told(&database).fail_back.contains("does not run yet"));
    database.fail_back.running_at = Some(at(9_000));
    assert!(told(&database).fail_back.contains("loses nothing"));
    database.fail_back.running_at = None;
    database.plan.fail_back = None;
    assert!(told(&database).fail_back.contains("somebody is asked first"));
}

#[test]
fn a_database_that_went_back_says_whether_something_was_lost() {
    let mut database = database(|_| {});
    switched(&mut database);
    database.state = DatabaseState::OnSource;
    database.target_closing.intended_at = Some(at(100_000));
    database.fail_back.returned_at = Some(at(101_000));
    database.source_closing.opened_at = Some(at(102_500));
    let back = wave("ROLLBACK", "CLOSED");
    let told = report(&back, &database, at(200_000));
    assert_eq!(told.outcome, DatabaseOutcome::RolledBack);
    assert_eq!(told.attempt_downtime_ms, Some(2_500), "the way back alone");
    assert!(
        told.sentence.contains("with everything that was written"),
        "{}",
        told.sentence
    );
    database.fail_back.loss_accepted_by = Some("ada".to_owned());
    assert!(
        report(&back, &database, at(200_000))
            .sentence
            .contains("which ada accepted")
    );
}

#[test]
fn the_lag_is_the_slowest_canary_and_what_runs_is_named() {
    let mut database = database(|_| {});
    let canary = |written: i64, lag: Option<i64>| CanaryFacts {
        id: "c".to_owned(),
        written_at: at(written),
        seen_at: lag.map(|lag| at(written + lag)),
    };
    database.cutover.canaries = vec![canary(0, Some(300)), canary(1_000, Some(900)), canary(2_000, None)];
    assert_eq!(told(&database).lag_ms, Some(900));
    database.replication.instance.intended_at = Some(at(0));
    database.replication.instance.arn = Some("arn:rep".to_owned());
    let running = running(&wave("FORWARD", "OPEN"), &database);
    assert_eq!(running.len(), 1);
    assert_eq!(
        (running[0].what.as_str(), running[0].id.as_str()),
        ("replication instance of database shop", "arn:rep")
    );
}
