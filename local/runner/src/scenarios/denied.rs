//! The role of check-job may not read the log of a job: the cutover is launched, and nobody can note it. The wave goes
//! back, and finds the instances again before it starts the sources.

use super::{Expect, Scenario, run_program};
use crate::operator::OperatorScript;
use crate::plans;
use crate::world::World;
use landfall_cloud::fleet::{CostKind, InitiatedBy};
use landfall_cloud::{CallContext, Fault, Knobs};
use landfall_domain::record::ApprovalKind;
use landfall_domain::report::WaveOutcome;
use std::sync::Arc;

/// A permission that is missing.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "denied",
    about: "a permission is missing right after a cutover launch: the instances nobody noted are found, stopped and ended",
    program: || plans::example_waves(1),
    knobs: Knobs::default,
    operator: OperatorScript::default,
    prepare,
    drive: run_program,
    expect,
};

fn prepare(world: &World) {
    world.cloud.set_faults(Some(Arc::new(|call: &CallContext| {
        if call.service == "mgn" && call.operation == "DescribeJobLogItems" {
            Fault::Deny
        } else {
            Fault::None
        }
    })));
}

fn expect(expect: &mut Expect<'_>) {
    let wave = expect.wave(0);
    expect.outcome(wave, WaveOutcome::RolledBack);
    expect.never_asked(wave, ApprovalKind::Rollback);
    expect.source_serves(wave);
    for plan in &wave.servers {
        let (id, host) = (plan.source_server_id.as_str(), &plan.hostname);
        let launches = expect.jobs_of(InitiatedBy::StartCutover, id);
        expect.that(launches == 1, || {
            format!("{host} was in {launches} cutover jobs, so this run proves nothing")
        });
        let record = expect.evidence.records.server(id);
        let isolated = record.and_then(|record| record.isolated_at);
        let restarted = record.and_then(|record| record.quiesce.restarted_at);
        let first = isolated.is_some_and(|isolated| restarted.is_some_and(|restarted| isolated < restarted));
        expect.that(first, || {
            format!("the instance of {host} was stopped at {isolated:?} and its source started at {restarted:?}")
        });
        let snapshots = expect
            .evidence
            .costs
            .iter()
            .filter(|cost| cost.kind == CostKind::Snapshot && cost.server == id)
            .count();
        expect.that(snapshots == 1, || {
            format!("{host} has {snapshots} snapshots as evidence and not one")
        });
    }
}
