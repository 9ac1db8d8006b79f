//! The top of the page: how it stands, what is down, who must act, what a rollback costs now.

use super::databases::{database_anchor, longest};
use super::format::{count, deadline, duration, moment, seconds_between, undo_anchor, wave_anchor};
use super::marks::{badge, icon, of_wave, of_way_back, tally};
use super::servers::{downtime_seconds, server_anchor};
use jiff::Timestamp;
use landfall_domain::report::{
    DatabaseReport, NextAction, Report, ServerOutcome, ServerReport, WaveReport, WayBack, WayBackKind,
};
use maud::{Markup, html};

/// So many servers that are down are named at the top; the others are counted.
const NAMES_MAX: usize = 12;
/// So many different ways back are told in full at the top; above that only their kinds are.
const WAYS_MAX: usize = 6;

/// Title, headline, and how many waves stand how.
pub(super) fn masthead(report: &Report) -> Markup {
    html! {
        header.masthead {
            div.brand {
                p.name { "Landfall" span { "Migration report" } }
                dl.origin {
                    div { dt { "Account" } dd { (report.account) } }
                    div { dt { "Region" } dd { (report.region) } }
                    div { dt { "As of" } dd { (moment(report.generated_at)) } }
                }
            }
            h1 { (report.title) }
            p.headline { span { (report.headline) } }
            ul.tally aria-label="Waves by outcome" {
                @for (sign, number) in tally(report.waves.iter().map(|wave| of_wave(wave.outcome))) {
                    li { (badge(sign)) span.many { (count(number, "wave", "waves")) } }
                }
            }
        }
    }
}

/// The servers that nobody can reach at this moment. Nothing, if there is none.
pub(super) fn down_now(report: &Report) -> Markup {
    let down: Vec<(&WaveReport, &ServerReport)> = servers(report).filter(|(_, server)| server.down_now).collect();
    html! {
        @if !down.is_empty() {
            section.alarm aria-labelledby="down-now" {
                h2 id="down-now" { (icon("i-alert")) (count(down.len(), "server is", "servers are")) " down now" }
                p { "Services are stopped on the source and traffic has not moved to AWS." }
                ul {
                    @for (wave, server) in down.iter().take(NAMES_MAX) {
                        li {
                            a href={ "#" (server_anchor(wave, server)) } { (server.hostname) }
                            @if let Some(since) = server.milestones.quiesced_at {
                                " for " (duration(seconds_between(since, report.generated_at)))
                            }
                        }
                    }
                    @if down.len() > NAMES_MAX { li { "and " (down.len() - NAMES_MAX) " more" } }
                }
            }
        }
    }
}

/// The databases that take no writes at this moment. Nothing, if there is none.
pub(super) fn closed_now(report: &Report) -> Markup {
    let closed: Vec<(&WaveReport, &DatabaseReport)> = databases(report)
        .filter(|(_, database)| database.writes_on == "NOWHERE")
        .collect();
    html! {
        @if !closed.is_empty() {
            section.alarm aria-labelledby="closed-now" {
                h2 id="closed-now" { (icon("i-alert")) (count(closed.len(), "database takes", "databases take")) " no writes now" }
                p { "Both sides are closed to applications." }
                ul {
                    @for (wave, database) in closed.iter().take(NAMES_MAX) {
                        li {
                            a href={ "#" (database_anchor(wave, database)) } { (database.database_id) }
                            @if let Some(since) = database.closed_since {
                                " for " (duration(seconds_between(since, report.generated_at)))
                            }
                            @if let Some(at) = database.opens_at {
                                ", opens by itself " (deadline(at, report.generated_at))
                            }
                        }
                    }
                    @if closed.len() > NAMES_MAX { li { "and " (closed.len() - NAMES_MAX) " more" } }
                }
            }
        }
    }
}

/// Who must act, and what a rollback costs.
pub(super) fn board(report: &Report) -> Markup {
    let mut acting: Vec<(&WaveReport, &NextAction)> = report
        .waves
        .iter()
        .filter_map(|wave| Some((wave, wave.next_action.as_ref()?)))
        .collect();
    // The nearest deadline first; whoever has none comes last.
    acting.sort_by_key(|(_, action)| (action.by.is_none(), action.by));
    html! {
        div.board {
            section.panel.act aria-labelledby="next-action" {
                h2 id="next-action" { "Who must act next" }
                @if acting.is_empty() {
                    p.nobody { (icon("i-done")) "Nobody has to act." }
                } @else {
                    ol {
                        @for (wave, action) in &acting { li { (next_action(wave, action, report.generated_at)) } }
                    }
                }
            }
            section.panel.back aria-labelledby="way-back" {
                h2 id="way-back" { "What a rollback costs now" }
                (ways_back(report))
            }
        }
    }
}

/// One action: who, what, by when, for which wave.
fn next_action(wave: &WaveReport, action: &NextAction, now: Timestamp) -> Markup {
    html! {
        p.who { (action.who) }
        p.what { (action.what) }
        p.by {
            @if let Some(by) = action.by { "By " (deadline(by, now)) } @else { "No deadline" }
            span.of { (wave_link(wave)) " " (badge(of_wave(wave.outcome))) }
        }
    }
}

fn ways_back(report: &Report) -> Markup {
    let matters = |wave: &&WaveReport| wave.way_back.kind != WayBackKind::NothingToUndo;
    let same_words = |a: &WayBack, b: &WayBack| a.kind == b.kind && a.sentence == b.sentence;
    let mut ways = grouped(report.waves.iter().filter(matters), same_words);
    let in_full = ways.len() <= WAYS_MAX;
    if !in_full {
        ways = grouped(report.waves.iter().filter(matters), |a, b| a.kind == b.kind);
    }
    let untouched: Vec<&WaveReport> = report.waves.iter().filter(|wave| !matters(wave)).collect();
    html! {
        ul.ways {
            @for waves in &ways {
                li {
                    p.kind { (badge(of_way_back(waves[0].way_back.kind))) (wave_links(waves)) }
                    @if in_full { p { (waves[0].way_back.sentence) } }
                    (certain_until(waves, report.generated_at))
                }
            }
            @if !untouched.is_empty() {
                li { p.kind { (badge(of_way_back(WayBackKind::NothingToUndo))) (wave_links(&untouched)) } }
            }
        }
    }
}

/// Until when the way back of these waves is certain: the first end, if they have different ones.
fn certain_until(waves: &[&WaveReport], now: Timestamp) -> Markup {
    let first = waves
        .iter()
        .filter_map(|wave| Some((wave.way_back.until?, *wave)))
        .min_by_key(|(until, _)| *until);
    html! {
        @if let Some((until, wave)) = first {
            p.by {
                "Certain until " (deadline(until, now))
                @if waves.iter().any(|other| other.way_back.until != Some(until)) {
                    span { "for " (wave_link(wave)) ", the first of them" }
                }
            }
        }
    }
}

/// Waves with the same way back, in the order of their first.
fn grouped<'a>(
    waves: impl Iterator<Item = &'a WaveReport>,
    same: impl Fn(&WayBack, &WayBack) -> bool,
) -> Vec<Vec<&'a WaveReport>> {
    let mut groups: Vec<Vec<&WaveReport>> = Vec::new();
    for wave in waves {
        match groups.iter_mut().find(|group| same(&group[0].way_back, &wave.way_back)) {
            Some(group) => group.push(wave),
            None => groups.push(vec![wave]),
        }
    }
    groups
}

/// The numbers that a manager asks for first.
pub(super) fn figures(report: &Report) -> Markup {
    let on_aws = |server: &ServerReport| matches!(server.outcome, ServerOutcome::Switched | ServerOutcome::Finalized);
    let all = servers(report).count();
    let moved = servers(report).filter(|(_, server)| on_aws(server)).count();
    let down = servers(report)
        .filter_map(|(_, server)| Some((downtime_seconds(server, report.generated_at)?, server)))
        .max_by_key(|(seconds, _)| *seconds);
    let failed = servers(report)
        .flat_map(|(_, server)| &server.checks)
        .filter(|check| !check.passed)
        .count();
    let running: usize = report.waves.iter().map(|wave| wave.running.len()).sum();
    let closed = longest(databases(report).map(|(_, database)| database), report.generated_at);
    let not_undone: usize = report.waves.iter().map(|wave| wave.undo_failures.len()).sum();
    let first_not_undone = report.waves.iter().find(|wave| !wave.undo_failures.is_empty());
    html! {
        dl.figures aria-label="In numbers" {
            @if all > 0 || databases(report).next().is_none() {
                (figure("Servers on AWS", &format!("{moved} of {all}"), ""))
                @match down {
                    Some((seconds, server)) => (figure("Longest downtime", &duration(seconds), &server.hostname)),
                    None => (figure("Longest downtime", "none", "no server was stopped")),
                }
            }
            @if databases(report).next().is_some() {
                (figure("Databases on AWS", &databases_on_aws(report), ""))
                @match closed {
                    Some((length, database)) => (figure("Longest without writes", &length, database)),
                    None => (figure("Longest without writes", "none", "no database was closed")),
                }
            }
            (figure("Failed checks", &failed.to_string(), ""))
            (figure("Running and billed", &running.to_string(), if running == 1 { "resource" } else { "resources" }))
            @if let Some(wave) = first_not_undone {
                div {
                    dt { "Not undone" }
                    dd.bad { a.value href={ "#" (undo_anchor(wave)) } { (not_undone) } span.note { (icon("i-alert")) " by hand" } }
                }
            } @else {
                (figure("Not undone", "0", ""))
            }
        }
    }
}

fn databases_on_aws(report: &Report) -> String {
    let moved = databases(report)
        .filter(|(_, database)| database.writes_on == "TARGET")
        .count();
    format!("{moved} of {}", databases(report).count())
}

fn figure(name: &str, value: &str, note: &str) -> Markup {
    html! {
        div {
            dt { (name) }
            dd { span.value { (value) } @if !note.is_empty() { span.note { (note) } } }
        }
    }
}

fn servers(report: &Report) -> impl Iterator<Item = (&WaveReport, &ServerReport)> {
    report
        .waves
        .iter()
        .flat_map(|wave| wave.servers.iter().map(move |server| (wave, server)))
}

fn databases(report: &Report) -> impl Iterator<Item = (&WaveReport, &DatabaseReport)> {
    report
        .waves
        .iter()
        .flat_map(|wave| wave.databases.iter().map(move |database| (wave, database)))
}

fn wave_links(waves: &[&WaveReport]) -> Markup {
    html! {
        span.of {
            @for (index, wave) in waves.iter().enumerate() {
                @if index > 0 { ", " }
                (wave_link(wave))
            }
        }
    }
}

/// The wave, as a link to its section.
pub(super) fn wave_link(wave: &WaveReport) -> Markup {
    html! { a href={ "#" (wave_anchor(wave)) } { (wave.wave_id) } }
}
