//! What was measured, and how it is shown.

use crate::session::Kind;
use landfall_domain::report::DatabaseDowntime;
use std::fmt::Write;

/// The parts of a downtime, in order.
const PARTS: [&str; 5] = ["freeze", "drain", "verify", "ready", "switch"];

/// One cutover.
#[derive(Debug, Clone)]
pub struct Cutover {
    pub kind: Kind,
    /// By the record: from the intent to freeze to the switch.
    pub downtime: DatabaseDowntime,
    /// As writers that follow the switch point saw it: from the last commit on the source to the first on the target.
    pub seen_ms: Vec<u64>,
    /// Landfall's own share of the time between the call of the freeze and the end of the switch: without the time
    /// between the fence's two ends, without what was spent inside the databases, without what DMS went on comparing after
    /// it was asked, and without what its thread waited for a processor.
    pub own_ms: u64,
    /// What it waited for a processor.
    pub waited_ms: u64,
    /// What was spent inside the databases.
    pub inside_ms: u64,
    /// How long DMS went on comparing after it was asked behind the fence.
    pub compared_ms: u64,
    /// Commits that were acknowledged by the source and by the target.
    pub kept: [usize; 2],
    /// Attempts that the source refused after the freeze.
    pub refused: usize,
}

/// A way back.
#[derive(Debug, Clone)]
pub struct Return {
    pub kind: Kind,
    /// By the record: from the intent to close the target to the way back on record.
    pub downtime_ms: u64,
    pub seen_ms: Vec<u64>,
    /// Commits on the target, all of which are on the source.
    pub carried: usize,
}

/// Smallest, median, nine in ten, and largest.
fn spread(values: impl Iterator<Item = u64>) -> String {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    let Some(last) = values.len().checked_sub(1) else {
        return "none".to_owned();
    };
    let at = |share: usize| values[(last * share).div_ceil(100).min(last)];
    format!("{:>6} {:>6} {:>6} {:>6}", values[0], at(50), at(90), values[last])
}

/// The distributions of an engine.
pub fn show(kind: Kind, cutovers: &[Cutover], returns: &[Return]) -> String {
    let ours: Vec<&Cutover> = cutovers.iter().filter(|cutover| cutover.kind == kind).collect();
    let back: Vec<&Return> = returns.iter().filter(|one| one.kind == kind).collect();
    let mut text = String::new();
    let mut line = |name: &str, values: String| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "  {name:<44} {values}");
    };
    line(
        &format!("{kind:?}: {} cutovers, milliseconds", ours.len()),
        "   min median    90%    max".to_owned(),
    );
    line("downtime", spread(ours.iter().map(|one| one.downtime.total_ms())));
    for (place, part) in PARTS.iter().enumerate() {
        let of = |one: &&Cutover| {
            let parts = &one.downtime;
            [
                parts.freeze_ms,
                parts.drain_ms,
                parts.verify_ms,
                parts.ready_ms,
                parts.switch_ms,
            ][place]
        };
        line(&format!("  of it {part}"), spread(ours.iter().map(of)));
    }
    line(
        "downtime as writers saw it",
        spread(ours.iter().flat_map(|one| one.seen_ms.iter().copied())),
    );
    line("inside the databases", spread(ours.iter().map(|one| one.inside_ms)));
    line("DMS comparing", spread(ours.iter().map(|one| one.compared_ms)));
    line("Landfall's own share", spread(ours.iter().map(|one| one.own_ms)));
    line("waiting for a processor", spread(ours.iter().map(|one| one.waited_ms)));
    line("downtime of a way back", spread(back.iter().map(|one| one.downtime_ms)));
    line(
        "a way back as writers saw it",
        spread(back.iter().flat_map(|one| one.seen_ms.iter().copied())),
    );
    let sum = |of: &dyn Fn(&Cutover) -> usize| ours.iter().map(|one| of(one)).sum::<usize>();
    // Writing to a text cannot fail.
    let _ = writeln!(
        text,
        "  {} commits on sources, {} on targets, {} carried back; {} attempts refused by closed sources",
        sum(&|one| one.kept[0]),
        sum(&|one| one.kept[1]),
        back.iter().map(|one| one.carried).sum::<usize>(),
        sum(&|one| one.refused),
    );
    text
}
