//! Nothing goes wrong.

use super::databases::write_every;
use super::{Expect, Scenario, run_program};
use crate::operator::OperatorScript;
use crate::plans;
use crate::world::World;
use landfall_cloud::Knobs;
use landfall_domain::record::{ApprovalKind, Decision};
use landfall_domain::report::WaveOutcome;
use std::time::Duration;

/// The plain demo.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "demo",
    about: "20 servers and a database move in four waves, and nothing goes wrong",
    program: plans::example,
    knobs: Knobs::default,
    operator: OperatorScript::default,
    prepare: applications_write,
    drive: run_program,
    expect: everything_moved,
};

/// Applications write while their databases move. Hours are simulated, so they do not write often.
pub(super) fn applications_write(world: &World) {
    write_every(world, Duration::from_secs(1));
}

/// Every wave is complete, every server and every database lives on AWS.
pub(super) fn everything_moved(expect: &mut Expect<'_>) {
    for wave in &expect.program.waves {
        expect.outcome(wave, WaveOutcome::Completed);
        expect.migrated(wave, &[]);
        expect.answered(wave, ApprovalKind::Cutover, Decision::Approved);
        expect.answered(wave, ApprovalKind::Finalize, Decision::Approved);
        expect.never_asked(wave, ApprovalKind::Rollback);
        for database in &wave.databases {
            expect.database_moved(wave, database);
        }
    }
}
