//! Nothing goes wrong.

use super::{Expect, Scenario, run_program};
use crate::operator::OperatorScript;
use crate::plans;
use landfall_cloud::Knobs;
use landfall_domain::record::{ApprovalKind, Decision};
use landfall_domain::report::WaveOutcome;

/// The plain demo.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "demo",
    about: "20 servers move in four waves, and nothing goes wrong",
    program: plans::example,
    knobs: Knobs::default,
    operator: OperatorScript::default,
    prepare: |_| {},
    drive: run_program,
    expect: everything_moved,
};

/// Every wave is complete, every server lives on AWS.
pub(super) fn everything_moved(expect: &mut Expect<'_>) {
    for wave in &expect.program.waves {
        expect.outcome(wave, WaveOutcome::Completed);
        expect.migrated(wave, &[]);
        expect.answered(wave, ApprovalKind::Cutover, Decision::Approved);
        expect.answered(wave, ApprovalKind::Finalize, Decision::Approved);
        expect.never_asked(wave, ApprovalKind::Rollback);
    }
}
