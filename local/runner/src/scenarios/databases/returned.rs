//! Databases that come back from their target.

use super::*;
use crate::operator::Answer;
use futures::future::BoxFuture;
use landfall_domain::record::{ApprovalKind, DatabaseState, Decision};
use landfall_domain::report::WaveOutcome;

/// With a replication back.
pub(super) const CARRIED: Scenario = Scenario {
    name: "database-fail-back",
    about: "the operator goes back after the switch: what was written on the target is carried to the source first",
    program: || {
        shop(|database| {
            database.fail_back = serde_json::from_value(json!({ "reverseReplication": {} })).expect("a way back");
        })
    },
    expect: |expect| {
        returned(expect);
        expect.never_asked(expect.wave(0), ApprovalKind::Rollback);
        expect.nothing_lost(SHOP);
    },
    ..GOES_BACK
};

/// Without one: somebody is asked.
pub(super) const LOSS_ASKED: Scenario = Scenario {
    name: "database-loss-asked",
    about: "the operator goes back after the switch, and nothing carries the target's writes back: somebody accepts the loss",
    expect: |expect| {
        returned(expect);
        expect.answered(expect.wave(0), ApprovalKind::Rollback, Decision::Approved);
        accepted(expect, crate::operator::OPERATOR_ARN);
    },
    ..GOES_BACK
};

/// Without one, accepted beforehand.
pub(super) const LOSS_PLANNED: Scenario = Scenario {
    name: "database-loss-planned",
    about: "the operator goes back after the switch: the plan accepts that the target's writes are lost, so nobody is asked",
    program: || {
        shop(|database| {
            let accepted =
                json!({ "acceptLoss": { "acceptedBy": "Ada", "reason": "a catalogue that is loaded anew" } });
            database.fail_back = serde_json::from_value(accepted).expect("an acceptance");
        })
    },
    expect: |expect| {
        returned(expect);
        expect.never_asked(expect.wave(0), ApprovalKind::Rollback);
        accepted(expect, "Ada");
    },
    ..GOES_BACK
};

/// The operator does not finalize, and starts rollback-wave.
const GOES_BACK: Scenario = Scenario {
    operator: || OperatorScript {
        finalize: Answer::Reject,
        ..OperatorScript::default()
    },
    drive: go_back,
    ..CALM
};

fn go_back(world: World, program: ProgramPlan) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let forward = world.start("migrate-wave", WAVE, plans::document(&program.waves[0]));
        world.finished(&forward).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let input = json!({ "waveId": WAVE, "reason": "the shop is slow on its new database" });
        let back = world.start("rollback-wave", &format!("{WAVE}-back"), input);
        world.finished(&back).await;
    })
}

/// The database is back on its source, after applications have written on its target.
fn returned(expect: &mut Expect<'_>) {
    let wave = expect.wave(0);
    expect.outcome(wave, WaveOutcome::RolledBack);
    let database = expect.world.database(SHOP);
    expect.writes_at_last(SHOP, &database.source_host);
    let rows = expect.acknowledged_to("shop-application");
    let there = rows.iter().filter(|row| row.host == database.target_host).count();
    expect.that(there > 100, || {
        format!("{there} rows were written on the target, so this run proves nothing")
    });
    let record = expect.evidence.records.database(SHOP);
    let state = record.map(|record| record.state);
    expect.that(state == Some(DatabaseState::OnSource), || {
        format!("{SHOP} is {state:?}")
    });
    let back = record.and_then(|record| record.fail_back.returned_at);
    expect.that(back.is_some(), || format!("{SHOP} never returned"));
}

/// The loss is on record with who accepted it.
fn accepted(expect: &mut Expect<'_>, who: &str) {
    let record = expect.evidence.records.database(SHOP);
    let by = record.and_then(|record| record.fail_back.loss_accepted_by.as_deref());
    expect.that(by == Some(who), || {
        format!("the loss was accepted by {by:?} and not by {who}")
    });
}
