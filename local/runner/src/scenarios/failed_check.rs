//! A test instance does not pass: nothing of that server is cut over, and the wave goes on without it.

use super::{Expect, Scenario, run_program};
use crate::operator::OperatorScript;
use crate::plans;
use crate::world::World;
use landfall_cloud::Knobs;
use landfall_cloud::fleet::{HostKind, InitiatedBy, Script};
use landfall_domain::report::{ServerOutcome, WaveOutcome};

/// Which server of the first wave.
const SERVER: usize = 3;

/// One test instance is bad.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "failed-check",
    about: "a test instance does not pass its checks: nothing of that server is cut over, and the others go on",
    program: || plans::example_waves(2),
    knobs: Knobs::default,
    operator: OperatorScript::default,
    prepare,
    drive: run_program,
    expect,
};

fn prepare(world: &World) {
    let server = world.plans()[0].servers[SERVER].source_server_id.to_string();
    world
        .cloud
        .fleet()
        .script(Script::failing_command(&server, HostKind::Test, "localhost/health", 1));
}

fn expect(expect: &mut Expect<'_>) {
    let wave = expect.wave(0);
    let plan = &wave.servers[SERVER];
    let (id, host) = (plan.source_server_id.as_str(), plan.hostname.as_str());
    expect.outcome(wave, WaveOutcome::Completed);
    expect.migrated(wave, &[host]);
    let (tests, cutovers) = (
        expect.jobs_of(InitiatedBy::StartTest, id),
        expect.jobs_of(InitiatedBy::StartCutover, id),
    );
    expect.that(tests == 1 && cutovers == 0, || {
        format!("{host} had {tests} test and {cutovers} cutover jobs")
    });
    expect.source_runs(id, host);
    let periods = expect.evidence.server(id).map(|server| server.writing_periods.len());
    expect.that(periods == Some(1), || {
        format!("{host} was stopped on its source, although it was left out")
    });
    let original = expect
        .evidence
        .originals
        .iter()
        .position(|one| one.set.name.starts_with(host));
    let untouched = original.is_some_and(|at| {
        let set = &expect.evidence.originals[at].set;
        let named = |change: &&crate::evidence::DnsChange| {
            change
                .set
                .as_ref()
                .is_some_and(|one| one.name == set.name && one.values != set.values)
        };
        expect.evidence.dns_changes.iter().find(named).is_none() && expect.evidence.sets_now[at].as_ref() == Some(set)
    });
    expect.that(untouched, || {
        format!("the record set of {host} was switched or is not what it was")
    });
    let report = expect.reported(wave, id);
    let told = report.is_some_and(|report| {
        report.outcome == ServerOutcome::Excluded && report.checks.iter().any(|check| !check.passed)
    });
    expect.that(told, || {
        format!("the report does not tell that {host} was left out for a failed check: {report:?}")
    });
    let second = expect.wave(1);
    expect.outcome(second, WaveOutcome::Completed);
    expect.migrated(second, &[]);
}
