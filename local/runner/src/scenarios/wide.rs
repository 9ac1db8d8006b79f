//! One wave of 200 servers in one batch, with jobs of a quarter of an hour: the wave whose numbers are measured.

use super::Scenario;
use super::demo::everything_moved;
use crate::operator::OperatorScript;
use crate::plans;
use crate::world::World;
use futures::future::BoxFuture;
use landfall_cloud::Knobs;
use landfall_cloud::fleet::{FleetKnobs, Spread};
use landfall_domain::plan::ProgramPlan;
use std::time::Duration;

/// The largest batch.
pub const WIDE: Scenario = Scenario {
    name: "wide",
    about: "one wave of 200 servers in one batch, with jobs of 15 minutes",
    program,
    knobs,
    operator: OperatorScript::default,
    prepare: |_| {},
    drive,
    expect: everything_moved,
};

fn program() -> ProgramPlan {
    let mut program = plans::example_waves(0);
    program.waves = vec![plans::wide_wave("wide", 1, 200, 200)];
    program
}

fn knobs() -> Knobs {
    let launch = Spread::exactly(Duration::from_secs(15 * 60));
    Knobs {
        fleet: FleetKnobs {
            launch,
            ..FleetKnobs::default()
        },
        ..Knobs::default()
    }
}

fn drive(world: World, program: ProgramPlan) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let arn = world.start("migrate-wave", "wide", plans::document(&program.waves[0]));
        world.finished(&arn).await;
    })
}
