//! No event ever arrives: everything happens all the same, because every wait reads again by itself.

use super::demo::{applications_write, everything_moved};
use super::{Expect, Scenario, run_program};
use crate::operator::OperatorScript;
use crate::plans;
use crate::world::SWEEP_SCHEDULE;
use landfall_cloud::{EventFate, EventKnobs, Knobs};

/// Every event is lost.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "lost-events",
    about: "no event ever arrives, and everything moves all the same",
    program: plans::example,
    knobs: || Knobs {
        events: EventKnobs::drop_all(),
        ..Knobs::default()
    },
    operator: OperatorScript::default,
    prepare: applications_write,
    drive: run_program,
    expect,
};

fn expect(expect: &mut Expect<'_>) {
    everything_moved(expect);
    let log = expect.world.cloud.events().log();
    let arrived = log
        .iter()
        .filter(|entry| entry.fate == EventFate::Delivered && entry.rule.as_deref() != Some(SWEEP_SCHEDULE))
        .count();
    expect.that(arrived == 0, || {
        format!("{arrived} events arrived, so this run proves nothing")
    });
    let lost = log.iter().filter(|entry| entry.fate == EventFate::Dropped).count();
    expect.that(lost > 0, || "no event was lost, so this run proves nothing".to_owned());
}
