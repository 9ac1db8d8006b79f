//! The scenarios of databases: an application writes all the time, and what it was told is kept must be kept.

mod expect;
mod moved;
mod refused;
mod returned;
mod taken_back;

use super::{Expect, Scenario, run_program};
use crate::operator::OperatorScript;
use crate::plans;
use crate::world::World;
use landfall_cloud::Knobs;
use landfall_cloud::dms::{Trouble, What, When};
use landfall_domain::plan::{DatabasePlan, ProgramPlan, WavePlan, load_wave};
use serde_json::json;
use std::time::Duration;

/// Every scenario of databases.
pub(super) const SCENARIOS: &[Scenario] = &[
    moved::TOGETHER,
    moved::ALONE,
    moved::EVENTS_LOST,
    moved::PRIVILEGED,
    moved::RECONNECTING,
    moved::CONVERTED,
    moved::DOCUMENT,
    moved::LATE_FENCE,
    moved::SLOW,
    refused::LAG,
    refused::NO_METRIC,
    refused::DEAD_LOAD,
    taken_back::FENCE_LOST,
    taken_back::MISMATCH,
    taken_back::DEAD_DRAIN,
    taken_back::BATCH,
    taken_back::HANGS,
    returned::CARRIED,
    returned::LOSS_ASKED,
    returned::LOSS_PLANNED,
];

/// The wave of every scenario here.
const WAVE: &str = "shop-wave";

/// Its database.
const SHOP: &str = "shop";

/// The pause between two writes of an application. Hours are simulated, so it is not shorter than it has to be.
const WRITES_EVERY: Duration = Duration::from_millis(250);

/// From the task's start to the trouble of a cutover: everything is loaded and compared by then, and the question for the
/// cutover is not answered yet.
const LOADED: When = When::After(Duration::from_secs(5 * 60));

/// A calm day with the shop's database, on which nothing is changed but what a scenario says.
const CALM: Scenario = Scenario {
    name: "",
    about: "",
    program: || shop(|_| {}),
    knobs: Knobs::default,
    operator: OperatorScript::default,
    prepare: applications,
    drive: run_program,
    expect: |_| {},
};

/// A wave of databases alone.
fn wave_of(databases: &[DatabasePlan]) -> WavePlan {
    let document = json!({
        "waveId": WAVE,
        "description": "databases",
        "databases": databases,
        "bakeMinutes": 5,
    });
    load_wave(&document).unwrap_or_else(|error| panic!("a wave of databases is a plan: {error}"))
}

/// A program of one wave.
fn program_of(wave: WavePlan) -> ProgramPlan {
    let mut program = plans::example_waves(0);
    program.waves = vec![wave];
    program
}

/// A program of one wave with the shop's database, whose plan is changed first.
fn shop(change: impl FnOnce(&mut DatabasePlan)) -> ProgramPlan {
    let mut database = plans::database(SHOP, WAVE);
    change(&mut database);
    program_of(wave_of(&[database]))
}

/// Starts the application of every database.
fn applications(world: &World) {
    write_every(world, WRITES_EVERY);
}

/// Starts the application of every database, with this pause between two writes.
pub(super) fn write_every(world: &World, pause: Duration) {
    for database in world.databases() {
        let mut application = world.application(database.plan.database_id.as_str());
        application.every = pause;
        world.cloud.databases().start_writer(application);
    }
}

/// Starts the applications, and adds a trouble to every task.
fn trouble(world: &World, when: When, what: What) {
    applications(world);
    world.cloud.dms().add_trouble(Trouble::new(when, what));
}
