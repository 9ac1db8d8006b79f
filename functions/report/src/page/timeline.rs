//! When things happened, drawn: the phases of a wave as bands, and below them a line for each server.
//!
//! Places are percentages of the width, so the drawing fits a wall screen and a phone and its letters stay as large
//! as the others. Names stand beside the drawings as text, and every drawing says in words what it shows.

mod databases;

use super::ROWS_MAX;
use super::format::{count, duration, percent, seconds_between, short_stamp, stamp_text, wave_anchor};
use super::marks::of_server;
use super::scale::{Scale, Tick};
use super::servers::{downtime_seconds, milestones, server_anchor};
use super::summary::wave_link;
use jiff::Timestamp;
use landfall_domain::report::{PhaseSpan, Report, ServerReport, WaveReport};
use maud::{Markup, html};

/// How high a line of the drawing is, in pixels, and where its middle is.
const HEIGHT: u32 = 22;
const MIDDLE: u32 = HEIGHT / 2;

/// When each wave of a program ran.
pub(super) fn of_program(report: &Report) -> Markup {
    let now = report.generated_at;
    let Some(scale) = Scale::over(report.waves.iter().flat_map(|wave| phase_moments(wave, now))) else {
        return html! {};
    };
    html! {
        figure.timeline.program {
            figcaption { h3 { "Timeline" } }
            (axis(&scale))
            ol.lines {
                @for wave in report.waves.iter().filter(|wave| !wave.phases.is_empty()) {
                    li {
                        span.label { (wave_link(wave)) }
                        (bands(&scale, wave, now))
                    }
                }
            }
        }
    }
}

/// When the phases of a wave ran, and what happened to each of its servers.
pub(super) fn of_wave(wave: &WaveReport, now: Timestamp) -> Markup {
    let of_servers = wave
        .servers
        .iter()
        .flat_map(|server| milestones(&server.milestones).map(|(_, _, at)| at));
    let down = wave.servers.iter().any(|server| server.down_now)
        || wave.databases.iter().any(|database| database.closed_since.is_some());
    let down = down.then_some(now);
    let down = down.into_iter().chain(databases::moments(wave));
    let Some(scale) = Scale::over(phase_moments(wave, now).chain(of_servers).chain(down)) else {
        return html! {};
    };
    let anchor = wave_anchor(wave);
    html! {
        figure.timeline.part {
            figcaption { h3 { "Timeline" } (legend()) }
            (axis(&scale))
            ol.lines {
                @if !wave.phases.is_empty() {
                    li { span.label.phase-label { "Phases" } (bands(&scale, wave, now)) }
                }
                @for line in lines(wave) {
                    li {
                        span.label title=(line.label) {
                            @if let [only] = line.servers[..] {
                                a href={ "#" (server_anchor(wave, only)) } { (line.label) }
                            } @else {
                                a href={ "#" (anchor) } { (line.label) }
                            }
                        }
                        (server_line(&scale, &line, now))
                    }
                }
                (databases::lines(&scale, wave, now))
            }
            (phase_list(&wave.phases, now))
        }
    }
}

/// One line of the drawing: a server, or in a large wave servers that stand alike, drawn over each other.
struct Line<'a> {
    label: String,
    servers: Vec<&'a ServerReport>,
}

fn lines<'w>(wave: &'w WaveReport) -> Vec<Line<'w>> {
    if wave.servers.len() <= ROWS_MAX {
        let alone = |server: &'w ServerReport| Line {
            label: server.hostname.clone(),
            servers: vec![server],
        };
        return wave.servers.iter().map(alone).collect();
    }
    let alike = |with_batch: bool| {
        let mut lines: Vec<Line> = Vec::new();
        for server in &wave.servers {
            let word = of_server(server.outcome).word.to_lowercase();
            let label = if with_batch {
                format!("{word} in batch {}", server.batch)
            } else {
                word
            };
            match lines.iter_mut().find(|line| line.label == label) {
                Some(line) => line.servers.push(server),
                None => lines.push(Line {
                    label,
                    servers: vec![server],
                }),
            }
        }
        lines
    };
    let mut lines = alike(true);
    if lines.len() > ROWS_MAX {
        lines = alike(false);
    }
    for line in &mut lines {
        line.label = format!("{} {}", line.servers.len(), line.label);
    }
    lines
}

fn phase_moments(wave: &WaveReport, now: Timestamp) -> impl Iterator<Item = Timestamp> {
    let of_phases = wave
        .phases
        .iter()
        .flat_map(move |phase| [phase.from, phase.to.unwrap_or(now)]);
    wave.started_at.into_iter().chain(wave.ended_at).chain(of_phases)
}

fn axis(scale: &Scale) -> Markup {
    html! {
        div.axis {
            span.label { "UTC" }
            svg.plot height="30" aria-hidden="true" focusable="false" {
                @for Tick { x, anchor, time, day } in scale.ticks() {
                    @if let Some(day) = day { text.day x=(percent(x)) y="11" text-anchor=(anchor) { (day) } }
                    text x=(percent(x)) y="25" text-anchor=(anchor) { (time) }
                }
                @for fold in scale.folds() {
                    text.fold x=(percent((fold.left + fold.right) / 2.0)) y="25" text-anchor="middle" { (fold.label) }
                }
            }
        }
    }
}

/// Lines that lead the eye from the axis through all lines of the drawing, and the folds.
fn grid(scale: &Scale) -> Markup {
    html! {
        @for Tick { x, .. } in scale.ticks() {
            line.grid x1=(percent(x)) x2=(percent(x)) y1="0" y2="100%" {}
        }
        @for fold in scale.folds() {
            rect.fold x=(percent(fold.left)) width=(percent(fold.right - fold.left)) height="100%" {}
        }
    }
}

fn bands(scale: &Scale, wave: &WaveReport, now: Timestamp) -> Markup {
    let words: Vec<String> = wave
        .phases
        .iter()
        .map(|phase| format!("{} {}", phase.name, phase_duration(phase, now)))
        .collect();
    html! {
        svg.plot height=(HEIGHT) role="img" aria-label=(words.join(", ")) {
            (grid(scale))
            @for (index, phase) in wave.phases.iter().enumerate() {
                @let left = scale.x(phase.from);
                @let width = scale.x(phase.to.unwrap_or(now)) - left;
                svg.band x=(percent(left)) width=(percent(width)) height=(HEIGHT) {
                    title { (phase.name) ", " (phase_duration(phase, now)) }
                    rect width="100%" height="100%"
                        class={ @if phase.to.is_none() { "open" } @else if index % 2 == 0 { "even" } @else { "odd" } } {}
                    @if let Some(class) = room_for(&phase.name, width) {
                        text x="6" y="15" class=(class) { (phase.name) }
                    }
                }
            }
        }
    }
}

/// Whether a name fits into a band of so many percent: everywhere, on a wide screen only, or nowhere.
fn room_for(name: &str, width: f64) -> Option<&'static str> {
    // A letter takes about 7 pixels; a drawing is 300 pixels wide on a phone and 800 on a desktop, at least.
    let needed = name.chars().count() as f64 * 7.0 + 10.0;
    match width / 100.0 {
        share if share * 300.0 >= needed => Some("fits"),
        share if share * 800.0 >= needed => Some("fits-wide"),
        _ => None,
    }
}

fn phase_duration(phase: &PhaseSpan, now: Timestamp) -> String {
    let seconds = seconds_between(phase.from, phase.to.unwrap_or(now));
    if phase.to.is_none() {
        format!("{} so far", duration(seconds))
    } else {
        duration(seconds)
    }
}

/// The phases in words, for those who cannot or do not want to read lengths off a drawing.
fn phase_list(phases: &[PhaseSpan], now: Timestamp) -> Markup {
    html! {
        @if !phases.is_empty() {
            ol.phases aria-label="Phases" {
                @for phase in phases {
                    li {
                        strong { (phase.name) } " " span.amount { (phase_duration(phase, now)) }
                        span.from { "from " (short_stamp(phase.from)) }
                    }
                }
            }
        }
    }
}

fn server_line(scale: &Scale, line: &Line, now: Timestamp) -> Markup {
    html! {
        svg.plot height=(HEIGHT) role="img" aria-label=(in_words(line, now)) {
            (grid(scale))
            @for part in parts(scale, line, now) {
                @match part.place {
                    Place::Source => line.source x1=(percent(part.left)) x2=(percent(part.right)) y1=(MIDDLE) y2=(MIDDLE) {},
                    Place::Down => rect.down x=(percent(part.left)) width=(percent(part.right - part.left)) y="6" height="10" {},
                    Place::Aws => line.aws x1=(percent(part.left)) x2=(percent(part.right)) y1=(MIDDLE) y2=(MIDDLE) {},
                }
            }
            @for Mark { id, x, title } in marks(scale, line) {
                svg.mark x=(x) y=(MIDDLE) { title { (title) } use href={ "#" (id) } {} }
            }
        }
    }
}

/// A mark on a line.
struct Mark {
    id: &'static str,
    x: String,
    title: String,
}

/// The marks of a line. Where servers are drawn over each other, the first and the last of each kind.
fn marks(scale: &Scale, line: &Line) -> Vec<Mark> {
    let mut kinds: Vec<(&str, &'static str, Timestamp, Timestamp)> = Vec::new();
    for (name, id, at) in line.servers.iter().flat_map(|server| milestones(&server.milestones)) {
        match kinds.iter_mut().find(|(known, ..)| *known == name) {
            Some((_, _, first, last)) => (*first, *last) = (at.min(*first), at.max(*last)),
            None => kinds.push((name, id, at, at)),
        }
    }
    let mut marks: Vec<Mark> = Vec::new();
    for (name, id, first, last) in kinds.into_iter().filter(|(_, id, ..)| !id.is_empty()) {
        for at in if first == last { vec![first] } else { vec![first, last] } {
            marks.push(Mark {
                id,
                x: percent(scale.x(at)),
                title: format!("{name} {} UTC", stamp_text(at)),
            });
        }
    }
    marks
}

/// Where a server's clients are served.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Source,
    Down,
    Aws,
}

/// A stretch of a line, from and to in percent.
struct Part {
    place: Place,
    left: f64,
    right: f64,
}

/// The stretches of a line; those of different servers that look alike come once.
fn parts(scale: &Scale, line: &Line, now: Timestamp) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for server in &line.servers {
        for (place, from, to) in stretches(server, now) {
            let part = Part {
                place,
                left: from.map_or(0.0, |at| scale.x(at)),
                right: to.map_or(100.0, |at| scale.x(at)),
            };
            let alike = |other: &Part| {
                other.place == part.place
                    && (other.left - part.left).abs() < 0.1
                    && (other.right - part.right).abs() < 0.1
            };
            if part.right >= part.left && !parts.iter().any(alike) {
                parts.push(part);
            }
        }
    }
    parts
}

/// Where the clients of a server are served, and when. Without a moment: from the beginning, to the end.
fn stretches(server: &ServerReport, now: Timestamp) -> Vec<(Place, Option<Timestamp>, Option<Timestamp>)> {
    let times = &server.milestones;
    let Some(stopped) = times.quiesced_at else {
        // A switch without a stop: nothing was ever down, but traffic moved.
        return match times.switched_at {
            Some(at) => vec![
                (Place::Source, None, Some(at)),
                (Place::Aws, Some(at), times.source_restarted_at),
            ],
            None => vec![(Place::Source, None, None)],
        };
    };
    let mut stretches = vec![(Place::Source, None, Some(stopped))];
    match (times.switched_at, times.source_restarted_at) {
        (Some(switched), restarted) => {
            stretches.push((Place::Down, Some(stopped), Some(switched)));
            stretches.push((Place::Aws, Some(switched), restarted));
            if restarted.is_some() {
                stretches.push((Place::Source, restarted, None));
            }
        }
        (None, Some(restarted)) => {
            stretches.push((Place::Down, Some(stopped), Some(restarted)));
            stretches.push((Place::Source, Some(restarted), None));
        }
        (None, None) => stretches.push((Place::Down, Some(stopped), Some(now))),
    }
    stretches
}

fn in_words(line: &Line, now: Timestamp) -> String {
    let longest = line
        .servers
        .iter()
        .filter_map(|server| downtime_seconds(server, now))
        .max();
    let down = longest.map_or_else(
        || "never down".to_owned(),
        |seconds| format!("down {}", duration(seconds)),
    );
    if let [only] = line.servers[..] {
        let happened: Vec<String> = milestones(&only.milestones)
            .map(|(name, _, at)| format!("{} {}", name.to_lowercase(), stamp_text(at)))
            .chain([down])
            .collect();
        return format!("{}: {}", only.hostname, happened.join(", "));
    }
    format!("{}, {}, at most", count(line.servers.len(), "server", "servers"), down)
}

fn legend() -> Markup {
    let marks = [
        ("m-tested", "tested"),
        ("m-quiesced", "quiesced"),
        ("m-launched", "cut over"),
        ("m-switched", "switched"),
        ("m-finalized", "finalized"),
        ("m-restarted", "source restarted"),
    ];
    html! {
        ul.legend aria-hidden="true" {
            li { svg width="22" height="16" { line.source x1="0" x2="22" y1="8" y2="8" {} } "on the source" }
            li { svg width="22" height="16" { rect.down x="1" y="3" width="20" height="10" {} } "down" }
            li { svg width="22" height="16" { line.aws x1="0" x2="22" y1="8" y2="8" {} } "on AWS" }
            @for (mark, word) in marks {
                li { svg width="16" height="18" viewBox="-8 -9 16 18" { use href={ "#" (mark) } {} } (word) }
            }
        }
    }
}
