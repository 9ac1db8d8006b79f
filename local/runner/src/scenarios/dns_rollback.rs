//! The checks after the switch fail. Going back loses what was written on AWS, so somebody has to accept that first.

use super::{Expect, Scenario, run_program};
use crate::operator::OperatorScript;
use crate::plans;
use crate::world::World;
use landfall_cloud::Knobs;
use landfall_cloud::fleet::{CostKind, HostKind, Script};
use landfall_domain::record::{ApprovalKind, Decision};
use landfall_domain::report::{DnsState, WaveOutcome};

/// Which wave, from 0.
const WAVE: usize = 1;
/// Which of its servers.
const SERVER: usize = 0;

/// A bad surprise after the switch.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "dns-rollback",
    about: "checks fail after traffic went to AWS: the operator accepts the loss, and DNS is exactly what it was",
    program: || plans::example_waves(3),
    knobs: Knobs::default,
    operator: OperatorScript::default,
    prepare,
    drive: run_program,
    expect,
};

fn prepare(world: &World) {
    let server = world.plans()[WAVE].servers[SERVER].source_server_id.to_string();
    // This check runs after the switch only.
    world.cloud.fleet().script(Script::failing_command(
        &server,
        HostKind::Cutover,
        "shop.example.com/health",
        1,
    ));
}

fn expect(expect: &mut Expect<'_>) {
    let (before, wave) = (expect.wave(WAVE - 1), expect.wave(WAVE));
    expect.outcome(before, WaveOutcome::Completed);
    expect.migrated(before, &[]);
    expect.outcome(wave, WaveOutcome::RolledBack);
    expect.answered(wave, ApprovalKind::Rollback, Decision::Approved);
    expect.never_asked(wave, ApprovalKind::Finalize);
    expect.source_serves(wave);
    for (original, _) in expect.evidence.originals.iter().zip(&expect.evidence.sets_now) {
        let set = &original.set;
        let switched = expect.evidence.dns_changes.iter().any(|change| {
            change
                .set
                .as_ref()
                .is_some_and(|one| one.name == set.name && one.values != set.values)
        });
        expect.that(switched || original.wave_id != wave.wave_id.as_str(), || {
            format!("{} never pointed at AWS, so this run proves nothing", set.name)
        });
    }
    if let Some(report) = expect.evidence.reported(wave.wave_id.as_str()) {
        let restored = report.dns.iter().all(|record| record.state == DnsState::Restored);
        expect.that(restored && !report.dns.is_empty(), || {
            "the report does not say that DNS is restored".to_owned()
        });
    }
    for server in &wave.servers {
        let id = server.source_server_id.as_str();
        let snapshots = expect
            .evidence
            .costs
            .iter()
            .filter(|cost| cost.kind == CostKind::Snapshot && cost.server == id)
            .count();
        let host = &server.hostname;
        expect.that(snapshots == 1, || {
            format!("{host} has {snapshots} snapshots as evidence and not one")
        });
    }
    expect.never_started(expect.wave(WAVE + 1));
}
