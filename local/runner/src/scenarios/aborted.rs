//! An operator stops the execution in the middle of a cutover. The wave is held, somebody is told, and rollback-wave,
//! started by hand, brings everything back.

use super::{Expect, Scenario};
use crate::operator::OperatorScript;
use crate::plans;
use crate::world::{Notice, World};
use futures::future::BoxFuture;
use landfall_cloud::Knobs;
use landfall_cloud::fleet::{InitiatedBy, JobStatus};
use landfall_domain::plan::ProgramPlan;
use landfall_domain::record::{ApprovalKind, WaveStatus};
use landfall_domain::report::WaveOutcome;
use serde_json::json;
use std::time::Duration;

/// Long after every deadline of the plan: what has not happened by then never will.
const PATIENCE_SECONDS: u64 = 3 * 24 * 3600;

/// A stop in the middle.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "aborted",
    about: "an operator stops the execution in the middle of a cutover, then starts rollback-wave",
    program: || plans::example_waves(1),
    knobs: Knobs::default,
    operator: OperatorScript::default,
    prepare: |_| {},
    drive,
    expect,
};

fn drive(world: World, program: ProgramPlan) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let wave = &program.waves[0];
        let arn = world.start("migrate-wave", wave.wave_id.as_str(), plans::document(wave));
        if !until(&world, cutover_is_under_way).await {
            return;
        }
        // In the middle: the job has run for some minutes, sources are stopped, instances are not there yet.
        tokio::time::sleep(Duration::from_secs(180)).await;
        world.tell(&Notice::Script(
            "the operator stops the execution in the middle of the cutover".to_owned(),
        ));
        let stopped = world
            .engine()
            .stop_execution(&arn, Some("Operator.Stop"), Some("stopped by hand"));
        stopped.expect("the execution exists");
        if !until(&world, |world| is_held(world, wave.wave_id.as_str())).await {
            return;
        }
        tokio::time::sleep(Duration::from_secs(600)).await;
        world.tell(&Notice::Script("the operator starts rollback-wave".to_owned()));
        let input = json!({ "waveId": wave.wave_id, "reason": "the cutover was stopped by hand" });
        let arn = world.start("rollback-wave", &format!("{}-by-hand", wave.wave_id), input);
        world.finished(&arn).await;
    })
}

/// Looks every second; false when it never comes.
async fn until(world: &World, condition: impl Fn(&World) -> bool) -> bool {
    for _ in 0..PATIENCE_SECONDS {
        if condition(world) {
            return true;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    false
}

fn cutover_is_under_way(world: &World) -> bool {
    let jobs = world.cloud.fleet().jobs();
    jobs.iter()
        .any(|job| job.initiated_by == InitiatedBy::StartCutover && job.status == JobStatus::Started)
}

fn is_held(world: &World, wave: &str) -> bool {
    world
        .records()
        .wave(wave)
        .is_some_and(|wave| wave.status == WaveStatus::Held)
}

fn expect(expect: &mut Expect<'_>) {
    let wave = expect.wave(0);
    expect.outcome(wave, WaveOutcome::RolledBack);
    expect.source_serves(wave);
    // No client ever reached AWS: going back is free.
    expect.never_asked(wave, ApprovalKind::Rollback);
    expect.never_asked(wave, ApprovalKind::Finalize);
    let status = expect
        .evidence
        .executions_of("migrate-wave")
        .next()
        .map(|execution| execution.status);
    expect.that(status == Some(asl::ExecutionStatus::Aborted), || {
        format!("migrate-wave is {status:?} and was not stopped, so this run proves nothing")
    });
    let stopped = wave.servers.iter().all(|server| {
        let server = expect.evidence.server(server.source_server_id.as_str());
        server.is_some_and(|server| server.writing_periods.len() == 2)
    });
    expect.that(stopped, || {
        "not every source was stopped and started again, so this run proves nothing".to_owned()
    });
    let told = expect.world.cloud.sns().published().iter().any(|message| {
        message
            .subject
            .as_ref()
            .is_some_and(|subject| subject.contains("needs an operator"))
            && message.message.contains("rollback-wave")
    });
    expect.that(told, || {
        "nobody was told that the wave stands still and what to start".to_owned()
    });
}
