//! All waves at a glance: a table, and a drawing of when each of them ran.

use super::format::{count, duration, seconds_between, short_stamp};
use super::marks::{Sign, badge, icon, of_database, of_server, of_wave, tally};
use super::servers::downtime_seconds;
use super::summary::wave_link;
use super::table::{cell, row_head, table};
use super::timeline;
use jiff::Timestamp;
use landfall_domain::report::{Report, WaveReport};
use maud::{Markup, html};

const COLUMNS: [(&str, &str); 6] = [
    ("Wave", ""),
    ("What happened", ""),
    ("Servers", ""),
    ("Started", "number"),
    ("Duration", "number"),
    ("Longest downtime", "number"),
];

/// The waves of a program.
pub(super) fn waves(report: &Report) -> Markup {
    let rows = html! { @for wave in &report.waves { (row(wave, report.generated_at)) } };
    html! {
        section.overview aria-labelledby="waves" {
            h2 id="waves" { "Waves" }
            (table("In the order in which they were to run. Times in UTC.", &COLUMNS, &rows))
            (timeline::of_program(report))
        }
    }
}

fn row(wave: &WaveReport, now: Timestamp) -> Markup {
    let longest = wave
        .servers
        .iter()
        .filter_map(|server| downtime_seconds(server, now))
        .max();
    html! {
        tr role="row" {
            (row_head(&html! { (wave_link(wave)) " " (badge(of_wave(wave.outcome))) }))
            (cell("What happened", "story", &html! {
                @if let Some(description) = &wave.description { p.described { (description) } }
                p { (wave.headline) }
            }))
            (cell("Servers", "", &html! {
                (server_tally(wave))
                @if !wave.databases.is_empty() {
                    p.place { (count(wave.databases.len(), "database", "databases")) }
                    (database_tally(wave))
                }
            }))
            (cell("Started", "number", &html! {
                @if let Some(at) = wave.started_at { (short_stamp(at)) } @else { (none()) }
            }))
            (cell("Duration", "number", &html! {
                @if let Some(at) = wave.started_at {
                    (duration(seconds_between(at, wave.ended_at.unwrap_or(now))))
                    @if wave.ended_at.is_none() { " so far" }
                } @else { (none()) }
            }))
            (cell("Longest downtime", "number", &html! {
                @if let Some(seconds) = longest { (duration(seconds)) } @else { (none()) }
            }))
        }
    }
}

/// How many servers of the wave stand how.
pub(super) fn server_tally(wave: &WaveReport) -> Markup {
    let signs = wave.servers.iter().map(|server| of_server(server.outcome));
    counts(&count(wave.servers.len(), "server", "servers"), tally(signs))
}

/// How many databases of the wave stand how.
pub(super) fn database_tally(wave: &WaveReport) -> Markup {
    let signs = wave.databases.iter().map(|database| of_database(database.outcome));
    counts(&count(wave.databases.len(), "database", "databases"), tally(signs))
}

fn counts(all: &str, tally: Vec<(Sign, usize)>) -> Markup {
    html! {
        @if tally.is_empty() { (none()) } @else {
            ul.counts aria-label=(all) {
                @for (sign, number) in tally {
                    li class=(sign.tone) { (icon(sign.icon)) (number) " " (sign.word.to_lowercase()) }
                }
            }
        }
    }
}

/// Nothing to show, also for those who listen.
pub(super) fn none() -> Markup {
    html! { span.none { span aria-hidden="true" { "–" } span.hidden { "none" } } }
}
