//! The servers of a wave: how each stands, with its checks, and how long each was down.

use super::ROWS_MAX;
use super::format::{count, duration, percent, seconds_between, stamp, wave_anchor};
use super::marks::{badge, icon, of_server, tally};
use super::overview::none;
use super::table::{cell, folded, row_head, table};
use jiff::Timestamp;
use landfall_domain::report::{CheckPhase, CheckReport, Milestones, ServerOutcome, ServerReport, WaveReport};
use maud::{Markup, html};

const COLUMNS: [(&str, &str); 6] = [
    ("Server", ""),
    ("Outcome", ""),
    ("What happened", ""),
    ("Downtime", "number"),
    ("Instance", ""),
    ("Checks", ""),
];

/// So many of the longest downtimes of a large wave are shown at once.
const DOWNTIMES_MAX: usize = 20;

/// The table of servers. In a large wave, those that need a look come first and the others are folded; so are all
/// of a wave that has not touched any.
pub(super) fn section(wave: &WaveReport) -> Markup {
    if wave.servers.is_empty() {
        return html! {};
    }
    let untouched = wave
        .servers
        .iter()
        .all(|server| server.outcome == ServerOutcome::Waiting);
    let all = wave.servers.len() <= ROWS_MAX && !untouched;
    let (mut shown, mut rest): (Vec<&ServerReport>, Vec<&ServerReport>) =
        wave.servers.iter().partition(|server| all || needs_a_look(server));
    if shown.len() > ROWS_MAX {
        let mut more = shown.split_off(ROWS_MAX);
        more.append(&mut rest);
        rest = more;
    }
    let words: Vec<String> = tally(rest.iter().map(|server| of_server(server.outcome)))
        .into_iter()
        .map(|(sign, number)| format!("{number} {}", sign.word.to_lowercase()))
        .collect();
    let which = if shown.is_empty() { "servers" } else { "more servers" };
    let sentence = format!("{} {which}: {}", rest.len(), words.join(", "));
    let of = |servers: &[&ServerReport]| {
        let rows = html! { @for server in servers { (row(wave, server)) } };
        (!servers.is_empty()).then(|| table("By batch and id. Times in UTC.", &COLUMNS, &rows))
    };
    html! {
        section.part.servers {
            h3 { "Servers" }
            (folded(of(&shown).as_ref(), &sentence, of(&rest).as_ref()))
        }
    }
}

fn needs_a_look(server: &ServerReport) -> bool {
    let out_of_line = matches!(
        server.outcome,
        ServerOutcome::Held | ServerOutcome::RolledBack | ServerOutcome::Excluded
    );
    server.down_now || out_of_line || server.checks.iter().any(|check| !check.passed)
}

fn row(wave: &WaveReport, server: &ServerReport) -> Markup {
    html! {
        tr role="row" id=(server_anchor(wave, server)) {
            (row_head(&html! {
                span.host { (server.hostname) }
                span.id { (server.source_server_id) }
                span.place { "Batch " (server.batch) ", group " (server.move_group) }
            }))
            (cell("Outcome", "", &badge(of_server(server.outcome))))
            (cell("What happened", "story", &html! {
                p { (server.sentence) }
                (times(&server.milestones))
            }))
            (cell("Downtime", "number", &html! {
                @if server.down_now { strong.now { (icon("i-alert")) "down now" } }
                @else if let Some(seconds) = server.downtime_seconds { (duration(seconds)) }
                @else { (none()) }
            }))
            (cell("Instance", "", &instances(server)))
            (cell("Checks", "", &checks(&server.checks)))
        }
    }
}

fn instances(server: &ServerReport) -> Markup {
    let nothing = server.cutover_instance_id.is_none() && server.test_instance_id.is_none();
    html! {
        @if nothing { (none()) }
        @if let Some(id) = &server.cutover_instance_id { span.id title="Cutover instance" { (id) } }
        @if let Some(id) = &server.test_instance_id { span.id.lesser { "test " (id) } }
        @if let Some(id) = &server.cutover_job_id { span.id.lesser { (id) } }
    }
}

/// The milestones of a server that happened, each with its name and the id of its mark.
pub(super) fn milestones(milestones: &Milestones) -> impl Iterator<Item = (&'static str, &'static str, Timestamp)> {
    [
        ("Tested", "m-tested", milestones.tested_at),
        ("Quiesced", "m-quiesced", milestones.quiesced_at),
        ("Cut over", "m-launched", milestones.cut_over_at),
        ("Validated", "", milestones.validated_at),
        ("Switched", "m-switched", milestones.switched_at),
        ("Finalized", "m-finalized", milestones.finalized_at),
        ("Source restarted", "m-restarted", milestones.source_restarted_at),
    ]
    .into_iter()
    .filter_map(|(name, mark, at)| Some((name, mark, at?)))
}

fn times(happened: &Milestones) -> Markup {
    html! {
        @if milestones(happened).next().is_some() {
            details {
                summary { "Times" }
                dl.times {
                    @for (name, _, at) in milestones(happened) { div { dt { (name) } dd { (stamp(at)) } } }
                }
            }
        }
    }
}

fn checks(checks: &[CheckReport]) -> Markup {
    let (passed, failed): (Vec<&CheckReport>, Vec<&CheckReport>) = checks.iter().partition(|check| check.passed);
    html! {
        @if checks.is_empty() { (none()) } @else {
            details class={ "checks" @if failed.is_empty() { " passed" } } {
                summary {
                    @if failed.is_empty() {
                        span.good { (icon("i-done")) (passed.len()) " passed" }
                    } @else {
                        span.bad { (icon("i-alert")) (failed.len()) " failed" }
                        " " span.lesser { (passed.len()) " passed" }
                    }
                }
                ul {
                    @for check in &failed {
                        li {
                            p.bad { (icon("i-alert")) strong { (check.name) } " failed " (phase(check.phase)) ", " (stamp(check.at)) }
                            pre { (check.detail) }
                        }
                    }
                    @for check in &passed {
                        li { (icon("i-done")) (check.name) span.lesser { " passed " (phase(check.phase)) ", " (stamp(check.at)) } }
                    }
                }
            }
        }
    }
}

fn phase(phase: CheckPhase) -> &'static str {
    match phase {
        CheckPhase::Test => "on the test instance",
        CheckPhase::Cutover => "on the cutover instance",
        CheckPhase::AfterSwitch => "after the switch",
    }
}

/// How long each server was down, the longest first.
pub(super) fn downtime(wave: &WaveReport, now: Timestamp) -> Markup {
    let mut down: Vec<(u64, &ServerReport)> = wave
        .servers
        .iter()
        .filter_map(|server| Some((downtime_seconds(server, now)?, server)))
        .collect();
    // A stable sort, so that equal ones stay in the order of batch and id.
    down.sort_by_key(|(seconds, _)| std::cmp::Reverse(*seconds));
    let Some((longest, _)) = down.first().copied() else {
        return html! {};
    };
    let shown = if down.len() > ROWS_MAX {
        DOWNTIMES_MAX
    } else {
        down.len()
    };
    let (first, rest) = down.split_at(shown);
    let median = down[down.len() / 2].0;
    let sentence = format!(
        "{} shorter ones, the shortest {}",
        rest.len(),
        duration(down[down.len() - 1].0)
    );
    let list = |part: &[(u64, &ServerReport)]| {
        (!part.is_empty()).then(|| {
            html! {
                ol.bars { @for (seconds, server) in part { (bar(server, *seconds, longest)) } }
            }
        })
    };
    html! {
        section.part.downtime {
            h3 { "Downtime" }
            p.lead {
                (count(down.len(), "server", "servers")) " stopped; median " (duration(median))
                ", longest " (duration(longest)) "."
            }
            (folded(list(first).as_ref(), &sentence, list(rest).as_ref()))
        }
    }
}

fn bar(server: &ServerReport, seconds: u64, longest: u64) -> Markup {
    let share = seconds as f64 * 100.0 / longest.max(1) as f64;
    html! {
        li {
            span.host title=(server.hostname) { (server.hostname) }
            svg aria-hidden="true" focusable="false" {
                rect class={ "bar" @if server.down_now { " open" } } width=(percent(share)) height="100%" {}
            }
            span.amount { (duration(seconds)) @if server.down_now { strong { " so far" } } }
        }
    }
}

/// How long the server was down, or has been down until now. Absent when it was never stopped.
pub(super) fn downtime_seconds(server: &ServerReport, now: Timestamp) -> Option<u64> {
    match server.milestones.quiesced_at {
        Some(since) if server.down_now => Some(seconds_between(since, now)),
        _ => server.downtime_seconds,
    }
}

/// The address of a server on the page.
pub(super) fn server_anchor(wave: &WaveReport, server: &ServerReport) -> String {
    format!("{}-{}", wave_anchor(wave), server.source_server_id)
}
