//! A function dies right after MGN accepted its StartCutover: nobody knows of the job, and it is found again.

use super::demo::everything_moved;
use super::{Expect, Scenario, run_program};
use crate::operator::OperatorScript;
use crate::plans;
use crate::world::World;
use landfall_cloud::fleet::InitiatedBy;
use landfall_cloud::{CallContext, Fault, Knobs, Outcome};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A death at the worst moment.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "killed",
    about: "a function dies right after its StartCutover was accepted: the job is found again, and started once",
    program: || plans::example_waves(2),
    knobs: Knobs::default,
    operator: OperatorScript::default,
    prepare,
    drive: run_program,
    expect,
};

fn prepare(world: &World) {
    let killed = AtomicBool::new(false);
    world.cloud.set_faults(Some(Arc::new(move |call: &CallContext| {
        let here = call.service == "mgn" && call.operation == "StartCutover";
        if here && !killed.swap(true, Ordering::Relaxed) {
            Fault::KillAfter
        } else {
            Fault::None
        }
    })));
}

fn expect(expect: &mut Expect<'_>) {
    everything_moved(expect);
    let died = expect.evidence.invocations.iter().any(|invocation| {
        let failure = invocation.failure.as_ref().map(|failure| failure.error_type.as_str());
        invocation.function == "cutover" && failure == Some("Runtime.ExitError")
    });
    expect.that(died, || "cutover did not die, so this run proves nothing".to_owned());
    let unheard = expect.evidence.calls.iter().any(|call| {
        call.operation == "StartCutover" && matches!(call.outcome, Outcome::Injected { .. }) && call.took_effect()
    });
    expect.that(unheard, || {
        "MGN did not accept the call, so this run proves nothing".to_owned()
    });
    let starts = expect.evidence.effects("mgn", "StartCutover");
    let waves = expect.program.waves.len();
    expect.that(starts == waves, || {
        format!("StartCutover took effect {starts} times for {waves} batches")
    });
    for wave in &expect.program.waves {
        for server in &wave.servers {
            let jobs = expect.jobs_of(InitiatedBy::StartCutover, server.source_server_id.as_str());
            let host = &server.hostname;
            expect.that(jobs == 1, || {
                format!("{host} was in {jobs} cutover jobs and not in one")
            });
        }
    }
}
