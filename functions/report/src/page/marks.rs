//! Signs: an icon, a word and a tone for every way that things can stand.
//!
//! No meaning hangs on colour alone: every icon has a shape of its own and stands beside its word.

use landfall_domain::report::{DatabaseOutcome, DnsState, ServerOutcome, WaveOutcome, WayBackKind};
use maud::{Markup, html};

/// How a state is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sign {
    /// The id of its icon.
    pub(super) icon: &'static str,
    /// Its tone, a class of the style sheet: "good", "busy", "warn", "bad", "plain", "idle".
    pub(super) tone: &'static str,
    /// Its word.
    pub(super) word: &'static str,
}

const fn sign(icon: &'static str, tone: &'static str, word: &'static str) -> Sign {
    Sign { icon, tone, word }
}

/// How a wave stands.
pub(super) fn of_wave(outcome: WaveOutcome) -> Sign {
    match outcome {
        WaveOutcome::NotStarted => sign("i-none", "idle", "Not started"),
        WaveOutcome::InProgress => sign("i-half", "busy", "In progress"),
        WaveOutcome::Completed => sign("i-done", "good", "Completed"),
        WaveOutcome::RolledBack => sign("i-back", "warn", "Rolled back"),
        WaveOutcome::NeedsOperator => sign("i-alert", "bad", "Needs operator"),
    }
}

/// How a server stands.
pub(super) fn of_server(outcome: ServerOutcome) -> Sign {
    match outcome {
        ServerOutcome::Waiting => sign("i-none", "idle", "Waiting"),
        ServerOutcome::Testing => sign("i-half", "busy", "Testing"),
        ServerOutcome::Tested => sign("i-tested", "busy", "Tested"),
        ServerOutcome::Excluded => sign("i-out", "warn", "Excluded"),
        ServerOutcome::CuttingOver => sign("i-cutting", "busy", "Cutting over"),
        ServerOutcome::Switched => sign("i-switched", "good", "Switched"),
        ServerOutcome::Finalized => sign("i-done", "good", "Finalized"),
        ServerOutcome::RolledBack => sign("i-back", "warn", "Rolled back"),
        ServerOutcome::Held => sign("i-alert", "bad", "Held"),
    }
}

/// How a database stands.
pub(super) fn of_database(outcome: DatabaseOutcome) -> Sign {
    match outcome {
        DatabaseOutcome::Waiting => sign("i-none", "idle", "Waiting"),
        DatabaseOutcome::Loading => sign("i-half", "busy", "Loading"),
        DatabaseOutcome::Replicating => sign("i-tested", "busy", "Replicating"),
        DatabaseOutcome::CuttingOver => sign("i-cutting", "busy", "Cutting over"),
        DatabaseOutcome::Switched => sign("i-switched", "good", "Switched"),
        DatabaseOutcome::Finalized => sign("i-done", "good", "Finalized"),
        DatabaseOutcome::TakenBack => sign("i-out", "warn", "Taken back"),
        DatabaseOutcome::RolledBack => sign("i-back", "warn", "Rolled back"),
        DatabaseOutcome::Held => sign("i-alert", "bad", "Held"),
    }
}

/// What a rollback costs.
pub(super) fn of_way_back(kind: WayBackKind) -> Sign {
    match kind {
        WayBackKind::NothingToUndo => sign("i-none", "idle", "Nothing to undo"),
        WayBackKind::Free => sign("i-back", "good", "Free"),
        WayBackKind::LosesWrites => sign("i-loss", "warn", "Loses writes"),
        WayBackKind::TrafficOnly => sign("i-out", "plain", "Traffic only"),
    }
}

/// How a record set stands.
pub(super) fn of_dns(state: DnsState) -> Sign {
    match state {
        DnsState::Recorded => sign("i-none", "idle", "Recorded"),
        DnsState::Prepared => sign("i-half", "busy", "TTL lowered"),
        DnsState::Switched => sign("i-switched", "good", "Switched"),
        DnsState::Settled => sign("i-done", "good", "Settled"),
        DnsState::Restored => sign("i-back", "warn", "Restored"),
        DnsState::Held => sign("i-alert", "bad", "Held"),
    }
}

/// The sign of a decision. The word is the report's own where it is not one that Landfall knows.
pub(super) fn decision(word: Option<&str>) -> Markup {
    match word {
        None => badge(sign("i-half", "busy", "Waiting")),
        Some("APPROVED") => badge(sign("i-done", "good", "Approved")),
        Some("REJECTED") => badge(sign("i-out", "bad", "Rejected")),
        Some("EXPIRED") => badge(sign("i-alert", "warn", "Expired")),
        Some(other) => {
            html! { span class="badge idle spoken" { (icon("i-none")) span { (other) } } }
        }
    }
}

/// Icon and word.
pub(super) fn badge(sign: Sign) -> Markup {
    html! { span class={ "badge " (sign.tone) } { (icon(sign.icon)) span { (sign.word) } } }
}

/// How many of each sign there are, in the order in which the signs first come.
pub(super) fn tally(signs: impl IntoIterator<Item = Sign>) -> Vec<(Sign, usize)> {
    let mut tally: Vec<(Sign, usize)> = Vec::new();
    for sign in signs {
        match tally.iter_mut().find(|(known, _)| *known == sign) {
            Some((_, number)) => *number += 1,
            None => tally.push((sign, 1)),
        }
    }
    tally
}

/// An icon, silent for those who listen to the page: its word stands beside it.
pub(super) fn icon(id: &str) -> Markup {
    html! { svg.icon aria-hidden="true" focusable="false" { use href={ "#" (id) } {} } }
}

/// The shapes of icons (16 by 16) and of the marks on a timeline (around 0,0), drawn once and used by reference.
pub(super) fn definitions() -> Markup {
    let icons: [(&str, Markup); 10] = [
        ("i-none", html! { circle.dashed cx="8" cy="8" r="6" {} }),
        (
            "i-half",
            html! { circle.line cx="8" cy="8" r="6" {} path.fill d="M8 2a6 6 0 0 1 0 12z" {} },
        ),
        (
            "i-tested",
            html! { circle.line cx="8" cy="8" r="6" {} path.line d="M5 8.2l2.1 2.1 3.9-4.3" {} },
        ),
        (
            "i-done",
            html! { circle.fill cx="8" cy="8" r="7" {} path.cut d="M4.7 8.3l2.3 2.3 4.4-4.9" {} },
        ),
        (
            "i-cutting",
            html! { path.line d="M8 1.8L14.2 8 8 14.2 1.8 8z" {} path.fill d="M8 1.8v12.4L1.8 8z" {} },
        ),
        ("i-switched", html! { path.fill d="M8 1L15 8 8 15 1 8z" {} }),
        (
            "i-back",
            html! { path.line d="M6.2 2.6L2.6 6.2l3.6 3.6M2.8 6.2h6.7a3.6 3.6 0 0 1 0 7.2H6" {} },
        ),
        (
            "i-out",
            html! { circle.line cx="8" cy="8" r="6" {} path.line d="M4.8 8h6.4" {} },
        ),
        (
            "i-loss",
            html! { path.line d="M8 2v8.4M4.4 7L8 10.6 11.6 7M3 14h10" {} },
        ),
        (
            "i-alert",
            html! { path.fill d="M8 .8l7.6 13.8H.4z" {} path.cut d="M8 5.8v4.2M8 12v.6" {} },
        ),
    ];
    html! {
        svg.definitions aria-hidden="true" focusable="false" width="0" height="0" {
            @for (id, shape) in &icons {
                symbol id=(id) viewBox="0 0 16 16" { (shape) }
            }
            g id="m-tested" { circle.hollow r="4" {} }
            g id="m-quiesced" { path.stop d="M-1.5-8h3v16h-3z" {} }
            g id="m-launched" { path.hollow d="M0-4.6L4.6 4h-9.2z" {} }
            g id="m-switched" { path.solid d="M0-5.5L5.5 0 0 5.5-5.5 0z" {} }
            g id="m-finalized" { path.solid d="M-4.5-4.5h9v9h-9z" {} path.tick d="M-2.4.2l1.8 1.8 3-3.6" {} }
            g id="m-restarted" { path.turned d="M4-5v10L-4.5 0z" {} }
        }
    }
}
