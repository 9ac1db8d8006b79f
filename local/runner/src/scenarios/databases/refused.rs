//! Databases whose cutover is refused, with nothing frozen: their applications notice nothing.

use super::*;

/// The lag never falls.
pub(super) const LAG: Scenario = Scenario {
    name: "database-lag",
    about: "changes arrive a minute late and never faster: the cutover is refused, and nothing is frozen",
    program: impatient,
    prepare: |world| trouble(world, LOADED, What::ApplyDelay(Duration::from_secs(60))),
    expect: |expect| unfrozen(expect, "canaries"),
    ..CALM
};

/// CloudWatch has no metric.
pub(super) const NO_METRIC: Scenario = Scenario {
    name: "database-no-metric",
    about: "DMS publishes no latency: a metric that is missing is no small one, so the cutover is refused",
    program: impatient,
    prepare: |world| trouble(world, When::Always, What::NoMetrics),
    expect: |expect| unfrozen(expect, "CDCLatencySource is missing"),
    ..CALM
};

/// The task dies while it loads.
pub(super) const DEAD_LOAD: Scenario = Scenario {
    name: "database-dies-loading",
    about: "the task dies in the middle of the full load: the wave is taken back before anything was frozen",
    prepare: |world| {
        let dies = What::Dies {
            status: "failed",
            reason: "FATAL_ERROR",
            message: "Last Error  Task error notification received from subtask 3, thread 0",
        };
        trouble(world, When::After(Duration::from_secs(25)), dies);
    },
    expect: |expect| unfrozen(expect, "the task failed"),
    ..CALM
};

/// A plan that does not wait for long.
fn impatient() -> ProgramPlan {
    shop(|database| database.lag.wait_minutes = 5)
}

fn unfrozen(expect: &mut Expect<'_>, why: &str) {
    let wave = expect.wave(0);
    expect.database_stayed(wave, SHOP, why);
    let record = expect.evidence.records.database(SHOP);
    let frozen = record.and_then(|record| record.source_closing.intended_at);
    expect.that(frozen.is_none(), || format!("the source was frozen at {frozen:?}"));
    let silence = expect.longest_silence(SHOP);
    expect.that(silence < Duration::from_secs(1), || {
        format!("the application could not write for {silence:?}")
    });
}
