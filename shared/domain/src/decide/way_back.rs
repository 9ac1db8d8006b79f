//! What a rollback costs now.

use crate::record::{DnsRecord, ServerRecord, WaveRecord};
use crate::report::{DnsState, WayBack, WayBackKind};
use jiff::SignedDuration;

/// Decides what a rollback costs, from what is on record. An intent counts like the deed: whether it took effect may
/// not be known.
pub fn way_back_kind(wave: &WaveRecord, servers: &[ServerRecord], dns: &[DnsRecord]) -> WayBackKind {
    if wave.finalize_intent_at.is_some() {
        return WayBackKind::TrafficOnly;
    }
    if wave.open_to_writes_at.is_some() {
        return WayBackKind::LosesWrites;
    }
    let touched = servers.iter().any(|server| {
        let launched =
            |facts: &crate::record::LaunchFacts| facts.intended_at.is_some() && facts.terminated_at.is_none();
        server.mark_intended_at.is_some()
            || launched(&server.test)
            || launched(&server.cutover)
            || (server.quiesce.stop.intended_at.is_some() && server.quiesce.restarted_at.is_none())
    });
    let changed = dns
        .iter()
        .any(|record| !matches!(record.state, DnsState::Recorded | DnsState::Restored));
    if touched || changed {
        WayBackKind::Free
    } else {
        WayBackKind::NothingToUndo
    }
}

/// The way back as the report shows it.
pub fn way_back(wave: &WaveRecord, servers: &[ServerRecord], dns: &[DnsRecord]) -> WayBack {
    let kind = way_back_kind(wave, servers, dns);
    let start = format!("Start rollback-wave with {{\"waveId\": \"{}\"}}", wave.wave_id);
    let sentence = match kind {
        WayBackKind::NothingToUndo => "There is nothing to undo.".to_owned(),
        WayBackKind::Free => format!("Free: no client has written on AWS. {start}."),
        WayBackKind::LosesWrites => format!(
            "It loses what was written on AWS since {}: MGN does not replicate back. {start}; it asks for an explicit acceptance first.",
            wave.open_to_writes_at.map(|at| at.to_string()).unwrap_or_default()
        ),
        WayBackKind::TrafficOnly => format!(
            "Replication has ended: traffic can be pointed back and the sources started as they were when they stopped; what was written on AWS since stays on AWS. {start}; it asks for an explicit acceptance first."
        ),
    };
    let days = SignedDuration::from_hours(24 * i64::from(wave.retain_source_days));
    let until = match kind {
        WayBackKind::TrafficOnly => wave.finalize_intent_at.map(|at| at + days),
        WayBackKind::LosesWrites | WayBackKind::Free | WayBackKind::NothingToUndo => None,
    };
    WayBack { kind, sentence, until }
}
