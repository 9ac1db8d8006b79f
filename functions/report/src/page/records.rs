//! What a wave leaves on record: DNS, decisions, waivers, what runs, what could not be undone, the audit trail.

use super::ROWS_MAX;
use super::format::{count, duration, seconds_between, stamp};
use super::marks::{badge, decision, of_dns};
use super::overview::none;
use super::table::{cell, folded, row_head, table};
use jiff::Timestamp;
use landfall_domain::report::{ApprovalReport, DnsReport, DnsState, RunningThing, WaiverReport, WaveReport};
use maud::{Markup, html};

/// So many ids of running things stand in their row; more are folded.
const IDS_MAX: usize = 2;

/// The record sets before and after; held ones first, since a person must look at them.
pub(super) fn dns(wave: &WaveReport) -> Markup {
    if wave.dns.is_empty() {
        return html! {};
    }
    let (held, others): (Vec<&DnsReport>, Vec<&DnsReport>) =
        wave.dns.iter().partition(|set| set.state == DnsState::Held);
    let (shown, rest) = if wave.dns.len() <= ROWS_MAX {
        ([held, others].concat(), Vec::new())
    } else {
        (held, others)
    };
    let columns = [("Record set", ""), ("State", ""), ("Before", ""), ("After", "")];
    let of = |sets: &[&DnsReport]| {
        let rows = html! { @for set in sets { (dns_row(set)) } };
        let caption = "Before: as recorded before anything changed. After: as Landfall last left it.";
        (!sets.is_empty()).then(|| table(caption, &columns, &rows))
    };
    let sentence = count(
        rest.len(),
        "record set that is not held",
        "record sets that are not held",
    );
    html! {
        section.part.dns {
            h3 { "DNS before and after" }
            (folded(of(&shown).as_ref(), &sentence, of(&rest).as_ref()))
        }
    }
}

fn dns_row(set: &DnsReport) -> Markup {
    let members = |lines: &[String]| {
        html! {
            @if lines.is_empty() { (none()) }
            @for line in lines { span.member { (line) } }
        }
    };
    html! {
        tr role="row" {
            (row_head(&html! {
                span.host { (set.name) }
                span.place { (set.record_type) " in " (set.hosted_zone_id) }
            }))
            (cell("State", "", &badge(of_dns(set.state))))
            (cell("Before", "", &members(&set.before)))
            (cell("After", "", &members(&set.after)))
        }
    }
}

/// Who decided what, when and why.
pub(super) fn approvals(wave: &WaveReport, now: Timestamp) -> Markup {
    let columns = [
        ("Asked", ""),
        ("Decision", ""),
        ("By whom", ""),
        ("When", "number"),
        ("After", "number"),
        ("Why", ""),
    ];
    let rows = html! { @for approval in &wave.approvals { (approval_row(approval, now)) } };
    html! {
        @if !wave.approvals.is_empty() {
            section.part.approvals {
                h3 { "Approvals" }
                (table("Decisions of people. Times in UTC.", &columns, &rows))
            }
        }
    }
}

fn approval_row(approval: &ApprovalReport, now: Timestamp) -> Markup {
    let waited = seconds_between(approval.asked_at, approval.at.unwrap_or(now));
    html! {
        tr role="row" {
            (row_head(&html! {
                span.host { (approval.kind) }
                span.place { "asked " (stamp(approval.asked_at)) }
            }))
            (cell("Decision", "", &decision(approval.decision.as_deref())))
            (cell("By whom", "", &optional(approval.by.as_deref())))
            (cell("When", "number", &html! {
                @if let Some(at) = approval.at { (stamp(at)) } @else { (none()) }
            }))
            (cell("After", "number", &html! { (duration(waited)) }))
            (cell("Why", "", &optional(approval.reason.as_deref())))
        }
    }
}

/// The rules that the plan waived.
pub(super) fn waivers(wave: &WaveReport) -> Markup {
    let columns = [("Rule", ""), ("Server", ""), ("Approved by", ""), ("Why", "")];
    let rows = html! { @for waiver in &wave.waivers { (waiver_row(wave, waiver)) } };
    html! {
        @if !wave.waivers.is_empty() {
            section.part.waivers {
                h3 { "Waivers" }
                (table("Rules that the plan set aside.", &columns, &rows))
            }
        }
    }
}

fn waiver_row(wave: &WaveReport, waiver: &WaiverReport) -> Markup {
    let server = wave
        .servers
        .iter()
        .find(|server| server.source_server_id == waiver.source_server_id);
    html! {
        tr role="row" {
            (row_head(&html! { (waiver.rule) }))
            (cell("Server", "", &html! {
                @if let Some(server) = server { span.host { (server.hostname) } }
                span.id { (waiver.source_server_id) }
            }))
            (cell("Approved by", "", &html! { (waiver.approved_by) }))
            (cell("Why", "", &html! { (waiver.reason) }))
        }
    }
}

/// What still runs and costs money. Things of one kind that end alike share a row.
pub(super) fn running(wave: &WaveReport, now: Timestamp) -> Markup {
    if wave.running.is_empty() {
        return html! {};
    }
    let mut kinds: Vec<Vec<&RunningThing>> = Vec::new();
    for thing in &wave.running {
        match kinds
            .iter_mut()
            .find(|kind| kind[0].what == thing.what && kind[0].note == thing.note)
        {
            Some(kind) => kind.push(thing),
            None => kinds.push(vec![thing]),
        }
    }
    let columns = [
        ("What", ""),
        ("How many", "number"),
        ("Since", "number"),
        ("For up to", "number"),
        ("How it ends", ""),
        ("Id", ""),
    ];
    let of = |kinds: &[Vec<&RunningThing>]| {
        let rows = html! { @for kind in kinds { (running_row(kind, now)) } };
        (!kinds.is_empty()).then(|| table("Billed until it ends. Times in UTC.", &columns, &rows))
    };
    let (first, rest) = kinds.split_at(kinds.len().min(ROWS_MAX));
    html! {
        section.part.running {
            h3 { "What still runs and costs" }
            (folded(of(first).as_ref(), &format!("{} more", rest.len()), of(rest).as_ref()))
        }
    }
}

fn running_row(kind: &[&RunningThing], now: Timestamp) -> Markup {
    let since = kind.iter().filter_map(|thing| thing.since).min();
    let ids = html! { @for thing in kind { span class="id spoken" { (thing.id) } } };
    html! {
        tr role="row" {
            (row_head(&html! { (kind[0].what) }))
            (cell("How many", "number", &html! { (kind.len()) }))
            (cell("Since", "number", &html! {
                @if let Some(since) = since { (stamp(since)) } @else { (none()) }
            }))
            (cell("For up to", "number", &html! {
                @if let Some(since) = since { (duration(seconds_between(since, now))) } @else { (none()) }
            }))
            (cell("How it ends", "", &html! { (kind[0].note) }))
            (cell("Id", "", &html! {
                @if kind.len() <= IDS_MAX { (ids) } @else {
                    details { summary { (kind.len()) " ids" } (ids) }
                }
            }))
        }
    }
}

/// The audit trail, folded: it is long, and everything above was made from it.
pub(super) fn log(wave: &WaveReport) -> Markup {
    let columns = [("When", ""), ("Who", ""), ("What", "")];
    let rows = html! {
        @for line in &wave.log {
            tr role="row" {
                (row_head(&stamp(line.at)))
                (cell("Who", "", &html! { (line.actor) }))
                (cell("What", "story", &html! { (line.text) }))
            }
        }
    };
    html! {
        @if !wave.log.is_empty() {
            section.part.log {
                h3 { "Audit log" }
                details.rest {
                    summary { (count(wave.log.len(), "line", "lines")) }
                    (table("Oldest first. Times in UTC.", &columns, &rows))
                }
            }
        }
    }
}

fn optional(text: Option<&str>) -> Markup {
    html! { @if let Some(text) = text { (text) } @else { (none()) } }
}
