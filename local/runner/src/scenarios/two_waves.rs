//! Two waves of 150 servers at once: more than MGN takes, so each waits for the other where it must.

use super::demo::everything_moved;
use super::{Expect, Scenario};
use crate::operator::OperatorScript;
use crate::plans;
use crate::world::World;
use futures::future::BoxFuture;
use landfall_cloud::Knobs;
use landfall_domain::plan::ProgramPlan;

/// Servers of each wave.
const SERVERS: usize = 150;

/// Two waves at once.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "two-waves",
    about: "two waves of 150 servers at once stay inside MGN's limits",
    program,
    knobs: Knobs::default,
    operator: OperatorScript::default,
    prepare: |_| {},
    drive,
    expect,
};

fn program() -> ProgramPlan {
    let mut program = plans::example_waves(0);
    program.waves = vec![
        plans::wide_wave("floor-1", 1, SERVERS, 50),
        plans::wide_wave("floor-2", 1 + SERVERS, SERVERS, 50),
    ];
    program
}

fn drive(world: World, program: ProgramPlan) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let start = |wave| {
            let id: &landfall_domain::ids::WaveId = wave;
            let plan = program
                .waves
                .iter()
                .find(|wave| &wave.wave_id == id)
                .expect("a wave of the program");
            world.start("migrate-wave", id.as_str(), plans::document(plan))
        };
        let arns: Vec<String> = program.waves.iter().map(|wave| start(&wave.wave_id)).collect();
        for arn in arns {
            world.finished(&arn).await;
        }
    })
}

fn expect(expect: &mut Expect<'_>) {
    everything_moved(expect);
    let overlapping = expect.evidence.peaks.servers_in_jobs;
    expect.that(overlapping > SERVERS, || {
        format!("at most {overlapping} servers were in jobs at once, so the waves did not compete")
    });
    let refusals = expect.evidence.peaks.refusals;
    expect.that(refusals == 0, || format!("MGN refused {refusals} calls"));
}
