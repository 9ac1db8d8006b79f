//! Everything that is known of one wave.

use super::format::{deadline, duration, moment, seconds_between, undo_anchor, wave_anchor};
use super::marks::{badge, icon, of_wave, of_way_back};
use super::overview::{database_tally, server_tally};
use super::{databases, records, servers, timeline};
use jiff::Timestamp;
use landfall_domain::report::{Report, WaveReport};
use maud::{Markup, html};

/// The section of a wave. What it has nothing of is left out; how it stands, and why, never is.
pub(super) fn section(report: &Report, wave: &WaveReport) -> Markup {
    let anchor = wave_anchor(wave);
    let now = report.generated_at;
    html! {
        section.wave id=(anchor) aria-labelledby={ (anchor) "-title" } {
            header {
                h2 id={ (anchor) "-title" } { (wave.wave_id) " " (badge(of_wave(wave.outcome))) }
                @if report.waves.len() > 1 { a.up href="#waves" { "All waves" } }
                @if let Some(description) = &wave.description { p.described { (description) } }
                p.headline { (wave.headline) }
            }
            (facts(wave, now))
            (undo_failures(wave))
            (timeline::of_wave(wave, now))
            (servers::section(wave))
            (servers::downtime(wave, now))
            (databases::section(wave, now))
            (records::dns(wave))
            (records::approvals(wave, now))
            (records::waivers(wave))
            (records::running(wave, now))
            (records::log(wave))
        }
    }
}

fn facts(wave: &WaveReport, now: Timestamp) -> Markup {
    html! {
        dl.facts {
            @if let Some(action) = &wave.next_action {
                div.wide {
                    dt { "Next" }
                    dd {
                        strong { (action.who) } ": " (action.what)
                        @if let Some(by) = action.by { " By " (deadline(by, now)) "." }
                    }
                }
            }
            div.wide {
                dt { "A rollback now" }
                dd {
                    (badge(of_way_back(wave.way_back.kind))) " " (wave.way_back.sentence)
                    @if let Some(until) = wave.way_back.until { " Certain until " (deadline(until, now)) "." }
                }
            }
            div {
                dt { "Started" }
                dd { @if let Some(at) = wave.started_at { (moment(at)) } @else { "Not started" } }
            }
            @if let (Some(from), Some(to)) = (wave.started_at, wave.ended_at) {
                div { dt { "Ended" } dd { (moment(to)) ", after " (duration(seconds_between(from, to))) } }
            } @else if let Some(from) = wave.started_at {
                div { dt { "Under way for" } dd { (duration(seconds_between(from, now))) } }
            }
            @if !wave.servers.is_empty() {
                div { dt { "Servers" } dd { (server_tally(wave)) } }
            }
            @if !wave.databases.is_empty() {
                div { dt { "Databases" } dd { (database_tally(wave)) } }
            }
        }
    }
}

fn undo_failures(wave: &WaveReport) -> Markup {
    html! {
        @if !wave.undo_failures.is_empty() {
            section.alarm aria-labelledby=(undo_anchor(wave)) {
                h3 id=(undo_anchor(wave)) { (icon("i-alert")) "Could not be undone" }
                ul { @for failure in &wave.undo_failures { li { (failure) } } }
            }
        }
    }
}
