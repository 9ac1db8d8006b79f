//! Databases that were frozen, and are open on their source again within the deadline.

use super::*;
use crate::world::{Invocation, LambdaFailure};
use landfall_cloud::scheduler::ScheduleFate;
use std::sync::Arc;

/// The fence never arrives.
pub(super) const FENCE_LOST: Scenario = Scenario {
    name: "database-fence-lost",
    about: "nothing arrives after the freeze: the source opens again within the deadline, and the report says how long it was closed",
    prepare: |world| trouble(world, When::SourceClosed, What::Stuck(None)),
    expect: |expect| reopened(expect, "did not arrive"),
    ..CALM
};

/// A row differs.
pub(super) const MISMATCH: Scenario = Scenario {
    name: "database-mismatch",
    about: "a row arrives different, which is found after the freeze: the source opens again, and the row is named",
    prepare: |world| trouble(world, LOADED, What::Corrupts(orders())),
    expect: |expect| {
        reopened(expect, "could not be proven equal");
        let report = expect.database(expect.wave(0), SHOP);
        let named = report.is_some_and(|report| report.mismatches.iter().any(|one| one.contains(&orders())));
        expect.that(named, || {
            format!("no row is named: {:?}", report.map(|one| &one.mismatches))
        });
    },
    ..CALM
};

/// The task dies after the freeze.
pub(super) const DEAD_DRAIN: Scenario = Scenario {
    name: "database-dies-draining",
    about: "the task dies after the freeze, before the last changes arrived: the source opens again",
    prepare: |world| {
        let dies = What::Dies {
            status: "stopped",
            reason: "RECOVERABLE_ERROR",
            message: "Last Error  Stream component failed at subtask 0, component st_0",
        };
        trouble(world, When::SourceClosed, dies);
    },
    expect: |expect| reopened(expect, "the task"),
    ..CALM
};

/// Batches overtake each other, and rows are left out.
pub(super) const BATCH: Scenario = Scenario {
    name: "database-batch",
    about: "changes are applied in batches: the fence overtakes data of which rows are left out, and verification finds it",
    program: || {
        shop(|database| {
            database.task_settings.batch_apply.enabled = true;
            // A batch waits for many seconds by itself.
            database.lag.seconds_max = 20;
            database.waivers = serde_json::from_value(json!([{
                "rule": "BATCH_APPLY",
                "approvedBy": "Ada",
                "reason": "the shop writes more than can be applied one by one",
            }]))
            .expect("a waiver");
        })
    },
    prepare: |world| trouble(world, When::SourceClosed, What::Skips(orders(), 60)),
    expect: |expect| reopened(expect, "could not be proven equal"),
    ..CALM
};

/// A function that hangs.
pub(super) const HANGS: Scenario = Scenario {
    name: "database-hangs",
    about: "verify-data hangs while the source is frozen: the dead man's switch opens it at its deadline",
    prepare: |world| {
        applications(world);
        world.set_wrapper(Some(Arc::new(|invocation: Invocation| {
            Box::pin(async move {
                if invocation.function.rsplit(':').next() != Some("verify-data") {
                    return invocation.run().await;
                }
                tokio::time::sleep(Duration::from_secs(60)).await;
                Err(LambdaFailure {
                    error_type: "Sandbox.Timedout".to_owned(),
                    error_message: "Task timed out after 60.00 seconds".to_owned(),
                    request_id: "hangs".to_owned(),
                })
            })
        })));
    },
    expect: |expect| {
        reopened(expect, "deadline");
        let log = expect.world.cloud.scheduler().log();
        let fired = log.iter().any(|line| line.fate == ScheduleFate::Invoked);
        expect.that(fired, || format!("no schedule opened anything: {log:?}"));
        let told = expect.world.cloud.sns().published();
        let told = told
            .iter()
            .any(|message| message.message.contains("opened again at its deadline"));
        expect.that(told, || {
            "nobody was told that the deadline opened the source".to_owned()
        });
    },
    ..CALM
};

fn orders() -> String {
    format!("{SHOP}.orders")
}

/// Frozen once, and open again within the deadline.
fn reopened(expect: &mut Expect<'_>, why: &str) {
    let wave = expect.wave(0);
    expect.database_stayed(wave, SHOP, why);
    let deadline = Duration::from_secs(u64::from(wave.databases[0].freeze.deadline_seconds));
    let silence = expect.longest_silence(SHOP);
    let short = silence > Duration::from_secs(1) && silence < deadline + Duration::from_secs(5);
    expect.that(short, || format!("the application could not write for {silence:?}"));
    let report = expect.database(wave, SHOP);
    let downtime = report
        .and_then(|report| report.attempt_downtime_ms)
        .map(Duration::from_millis);
    let told = downtime.is_some_and(|told| told.abs_diff(silence) < Duration::from_secs(2));
    expect.that(told, || {
        format!("the report says {downtime:?} of a downtime of {silence:?}")
    });
}
