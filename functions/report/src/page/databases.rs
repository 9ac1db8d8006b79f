//! The databases of a wave: how each stands, where the seconds of its cutover went, and what was compared.

use super::format::{count, percent, seconds_and_tenths, seconds_between, short_duration, stamp, wave_anchor};
use super::marks::{badge, icon, of_database};
use super::overview::none;
use super::table::{cell, folded, row_head, table};
use jiff::Timestamp;
use landfall_domain::report::{DatabaseDowntime, DatabaseReport, TableReport, WaveReport};
use maud::{Markup, html};

/// Above this many tables only those that need a look are shown; the others are folded.
const TABLES_MAX: usize = 12;

/// The states of a table that was found equal, or that the plan covers otherwise.
const COVERED: [&str; 3] = ["Validated", "CHECKSUM", "WAIVED"];

/// The databases of a wave, one after the other: there are few, and each is a story.
pub(super) fn section(wave: &WaveReport, now: Timestamp) -> Markup {
    let longest = wave.databases.iter().filter_map(|one| closed_ms(one, now)).max();
    html! {
        @if !wave.databases.is_empty() {
            section.part.databases {
                h3 { "Databases" }
                @for database in &wave.databases { (one(wave, database, longest.unwrap_or(0), now)) }
            }
        }
    }
}

fn one(wave: &WaveReport, database: &DatabaseReport, longest: u64, now: Timestamp) -> Markup {
    html! {
        div.database id=(database_anchor(wave, database)) {
            h4 { (database.database_id) " " (badge(of_database(database.outcome))) }
            p.place {
                (database.source_engine) " to " (database.target_engine) ", group " (database.move_group)
            }
            p.story { (database.sentence) }
            (alarm("Left, to be done by hand", &database.left))
            (alarm("Rows that differ", &database.mismatches))
            (downtime(database, longest, now))
            (facts(database))
            (tables(&database.tables))
            (list("Findings", &database.findings))
            (list("Waivers", &database.waivers))
        }
    }
}

fn alarm(title: &str, sentences: &[String]) -> Markup {
    html! {
        @if !sentences.is_empty() {
            div.alarm {
                p.bad { (icon("i-alert")) strong { (title) } }
                ul { @for sentence in sentences { li { (sentence) } } }
            }
        }
    }
}

/// The parts of a downtime, in order: name, class of its colour, length.
fn parts(downtime: &DatabaseDowntime) -> [(&'static str, &'static str, u64); 5] {
    [
        ("Freeze", "freeze", downtime.freeze_ms),
        ("Drain", "drain", downtime.drain_ms),
        ("Verify", "verify", downtime.verify_ms),
        ("Ready", "ready", downtime.ready_ms),
        ("Switch", "switch", downtime.switch_ms),
    ]
}

/// One bar for the cutover, and one for an attempt that was taken back, all of a wave to the same scale.
fn downtime(database: &DatabaseReport, longest: u64, now: Timestamp) -> Markup {
    let share = |length: u64| length as f64 * 100.0 / longest.max(1) as f64;
    let open = database.closed_since.filter(|_| database.switched_at.is_none());
    html! {
        @if let Some(split) = &database.downtime {
            (bar("Downtime", split.total_ms(), "", &html! {
                @for (index, (_, class, length)) in parts(split).iter().enumerate() {
                    @let left = parts(split)[..index].iter().map(|part| part.2).sum::<u64>();
                    rect class=(class) x=(percent(share(left))) width=(percent(share(*length))) height="100%" {}
                }
            }))
            dl.split {
                @for (name, class, length) in parts(split) {
                    div {
                        dt { svg width="10" height="10" aria-hidden="true" focusable="false" { rect class=(class) width="10" height="10" {} } (name) }
                        dd.amount { (seconds_and_tenths(length)) }
                    }
                }
            }
        }
        @if let Some(length) = database.attempt_downtime_ms {
            (bar(if database.downtime.is_some() { "Way back" } else { "Taken back after" }, length, "", &html! {
                rect.taken width=(percent(share(length))) height="100%" {}
            }))
        }
        @if let Some(since) = open {
            @let length = seconds_between(since, now) * 1_000;
            (bar("Closed for", length, " so far", &html! {
                rect.open width=(percent(share(length))) height="100%" {}
            }))
        }
    }
}

fn bar(name: &str, length: u64, ending: &str, drawing: &Markup) -> Markup {
    html! {
        div.stack {
            span.label { (name) }
            svg aria-hidden="true" focusable="false" { (drawing) }
            strong.amount { (seconds_and_tenths(length)) (ending) }
        }
    }
}

fn facts(database: &DatabaseReport) -> Markup {
    let moments = [
        ("Loaded and equal", database.loaded_at),
        ("Source closed", database.frozen_at),
        ("Opens by itself", database.opens_at),
        ("Switch on record", database.committed_at),
        ("Applications switched", database.switched_at),
        ("Source opened again", database.reopened_at),
    ];
    html! {
        dl.facts {
            div { dt { "Applications write" } dd { (writes_on(&database.writes_on)) } }
            @if let Some(percent) = database.load_percent.filter(|_| database.loaded_at.is_none()) {
                div { dt { "Full load" } dd { (percent) " %" } }
            }
            @for (name, at) in moments {
                @if let Some(at) = at { div { dt { (name) } dd { (stamp(at)) } } }
            }
            @if let Some(lag) = database.lag_ms {
                div { dt { "Slowest canary" } dd { (seconds_and_tenths(lag)) } }
            }
            div.wide { dt { "A rollback" } dd { (database.fail_back) } }
        }
    }
}

fn writes_on(side: &str) -> Markup {
    html! {
        @match side {
            "SOURCE" => "on the source",
            "TARGET" => "on the target",
            "NOWHERE" => strong.now { (icon("i-alert")) "nowhere" },
            other => (other),
        }
    }
}

fn tables(tables: &[TableReport]) -> Markup {
    let all = tables.len() <= TABLES_MAX;
    let (shown, rest): (Vec<&TableReport>, Vec<&TableReport>) = tables.iter().partition(|one| all || needs_a_look(one));
    let columns = [
        ("Table", ""),
        ("Rows loaded", "number"),
        ("Compared", ""),
        ("Not yet", "number"),
        ("Differ", "number"),
    ];
    let of = |some: &[&TableReport]| {
        let rows = html! { @for one in some { (table_row(one)) } };
        (!some.is_empty()).then(|| table("As compared last.", &columns, &rows))
    };
    let sentence = if shown.is_empty() {
        format!(
            "{}, all of them found equal or covered",
            count(rest.len(), "table", "tables")
        )
    } else {
        format!(
            "{} found equal or covered",
            count(rest.len(), "more table", "more tables")
        )
    };
    html! {
        @if !tables.is_empty() {
            div.tables { (folded(of(&shown).as_ref(), &sentence, of(&rest).as_ref())) }
        }
    }
}

fn needs_a_look(table: &TableReport) -> bool {
    table.failed > 0 || table.pending > 0 || !COVERED.contains(&table.state.as_str())
}

fn table_row(table: &TableReport) -> Markup {
    let number = |rows: u64| html! { @if rows == 0 { (none()) } @else { (grouped(rows)) } };
    html! {
        tr role="row" {
            (row_head(&html! { span.host { (table.name) } }))
            (cell("Rows loaded", "number", &html! { (grouped(table.rows)) }))
            (cell("Compared", "", &html! {
                @match table.state.as_str() {
                    "Validated" => span.good { (icon("i-done")) "row by row" },
                    "CHECKSUM" => span.good { (icon("i-done")) "by count and checksum" },
                    "WAIVED" => { (icon("i-out")) "not compared, waived" },
                    other if table.failed > 0 => span.bad { (icon("i-alert")) (other) },
                    other => (other),
                }
            }))
            (cell("Not yet", "number", &number(table.pending)))
            (cell("Differ", "number", &html! {
                @if table.failed > 0 { span.bad { (grouped(table.failed)) } } @else { (none()) }
            }))
        }
    }
}

/// A number in groups of three digits: 5,000,000.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn list(title: &str, sentences: &[String]) -> Markup {
    html! {
        @if !sentences.is_empty() {
            details.notes {
                summary { (title) ", " (sentences.len()) }
                ul { @for sentence in sentences { li { (sentence) } } }
            }
        }
    }
}

/// For how long applications could not write, in milliseconds: the longest of what the database has.
pub(super) fn closed_ms(database: &DatabaseReport, now: Timestamp) -> Option<u64> {
    let split = database.downtime.as_ref().map(DatabaseDowntime::total_ms);
    let open = database.closed_since.filter(|_| database.switched_at.is_none());
    let so_far = open.map(|since| seconds_between(since, now) * 1_000);
    split
        .into_iter()
        .chain(database.attempt_downtime_ms)
        .chain(so_far)
        .max()
}

/// The longest time that applications of a database waited, in words, with its database; none without one.
pub(super) fn longest<'a>(
    databases: impl Iterator<Item = &'a DatabaseReport>,
    now: Timestamp,
) -> Option<(String, &'a str)> {
    let longest = databases.filter_map(|one| Some((closed_ms(one, now)?, one)));
    let (length, database) = longest.max_by_key(|(length, _)| *length)?;
    Some((short_duration(length), &database.database_id))
}

/// The address of a database on the page.
pub(super) fn database_anchor(wave: &WaveReport, database: &DatabaseReport) -> String {
    format!("{}-db-{}", wave_anchor(wave), database.database_id)
}
