//! One server's cutover launch fails: its wave rolls back, the program stops, the waves before it stay finished.

use super::{Expect, Scenario, run_program};
use crate::operator::OperatorScript;
use crate::plans;
use crate::world::World;
use landfall_cloud::Knobs;
use landfall_cloud::fleet::{InitiatedBy, Purpose, Script};
use landfall_domain::record::ApprovalKind;
use landfall_domain::report::{ServerOutcome, WaveOutcome};

/// Which wave, from 0.
const WAVE: usize = 1;
/// Which of its servers.
const SERVER: usize = 2;

/// One launch fails.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "launch-failure",
    about: "one server's cutover launch fails: its wave rolls back, the program stops, the waves before it stay finished",
    program: plans::example,
    knobs: Knobs::default,
    operator: OperatorScript::default,
    prepare,
    drive: run_program,
    expect,
};

fn prepare(world: &World) {
    let server = world.plans()[WAVE].servers[SERVER].source_server_id.to_string();
    world.cloud.fleet().script(Script::FailLaunch {
        server,
        purpose: Purpose::Cutover,
        times: u32::MAX,
    });
}

fn expect(expect: &mut Expect<'_>) {
    let (before, failed) = (expect.wave(WAVE - 1), expect.wave(WAVE));
    expect.outcome(before, WaveOutcome::Completed);
    expect.migrated(before, &[]);
    expect.outcome(failed, WaveOutcome::RolledBack);
    expect.source_serves(failed);
    // No client ever reached AWS, so going back was free and nobody had to be asked.
    expect.never_asked(failed, ApprovalKind::Rollback);
    expect.never_asked(failed, ApprovalKind::Finalize);
    for server in &failed.servers {
        let id = server.source_server_id.as_str();
        let (host, jobs) = (&server.hostname, expect.jobs_of(InitiatedBy::StartCutover, id));
        expect.that(jobs == 1, || {
            format!("{host} was in {jobs} cutover jobs and not in one")
        });
        let outcome = expect.reported(failed, id).map(|report| report.outcome);
        expect.that(outcome == Some(ServerOutcome::RolledBack), || {
            format!("the report says {outcome:?} of {host}")
        });
    }
    let server = &failed.servers[SERVER];
    let sentence = expect
        .reported(failed, server.source_server_id.as_str())
        .map(|report| report.sentence.clone());
    expect.that(sentence.as_ref().is_some_and(|text| text.contains("failed")), || {
        format!(
            "the report does not say that the launch of {} failed: {sentence:?}",
            server.hostname
        )
    });
    for wave in &expect.program.waves[WAVE + 1..] {
        expect.never_started(wave);
    }
}
