//! The databases of a wave on its timeline: where their applications write, and when.

use super::super::databases::{closed_ms, database_anchor};
use super::super::format::{percent, short_duration, stamp_text};
use super::{HEIGHT, MIDDLE, Place, grid};
use crate::page::scale::Scale;
use jiff::Timestamp;
use landfall_domain::report::{DatabaseReport, WaveReport};
use maud::{Markup, html};

/// What happened to a database, each with its name and the id of its mark.
fn milestones(database: &DatabaseReport) -> impl Iterator<Item = (&'static str, &'static str, Timestamp)> {
    [
        ("Loaded", "m-tested", database.loaded_at),
        ("Frozen", "m-quiesced", database.frozen_at),
        ("Switched", "m-switched", database.switched_at),
        ("Source opened", "m-restarted", database.reopened_at),
    ]
    .into_iter()
    .filter_map(|(name, mark, at)| Some((name, mark, at?)))
}

/// Every moment that needs a place on the axis.
pub(super) fn moments(wave: &WaveReport) -> impl Iterator<Item = Timestamp> {
    wave.databases
        .iter()
        .flat_map(|database| milestones(database).map(|(_, _, at)| at))
}

/// A line for each database.
pub(super) fn lines(scale: &Scale, wave: &WaveReport, now: Timestamp) -> Markup {
    html! {
        @for database in &wave.databases {
            li {
                span.label title=(database.database_id) {
                    a href={ "#" (database_anchor(wave, database)) } { (database.database_id) }
                }
                (line(scale, database, now))
            }
        }
    }
}

fn line(scale: &Scale, database: &DatabaseReport, now: Timestamp) -> Markup {
    html! {
        svg.plot height=(HEIGHT) role="img" aria-label=(in_words(database, now)) {
            (grid(scale))
            @for (place, from, to) in stretches(database, now) {
                @let left = from.map_or(0.0, |at| scale.x(at));
                @let right = to.map_or(100.0, |at| scale.x(at)).max(left);
                @match place {
                    Place::Source => line.source x1=(percent(left)) x2=(percent(right)) y1=(MIDDLE) y2=(MIDDLE) {},
                    Place::Down => rect.down x=(percent(left)) width=(percent(right - left)) y="6" height="10" {},
                    Place::Aws => line.aws x1=(percent(left)) x2=(percent(right)) y1=(MIDDLE) y2=(MIDDLE) {},
                }
            }
            @for (name, mark, at) in milestones(database) {
                svg.mark x=(percent(scale.x(at))) y=(MIDDLE) {
                    title { (name) " " (stamp_text(at)) " UTC" }
                    use href={ "#" (mark) } {}
                }
            }
        }
    }
}

/// Where the applications of a database write, and when. Without a moment: from the beginning, to the end.
fn stretches(database: &DatabaseReport, now: Timestamp) -> Vec<(Place, Option<Timestamp>, Option<Timestamp>)> {
    let (frozen, switched, reopened) = (database.frozen_at, database.switched_at, database.reopened_at);
    let Some(frozen) = frozen else {
        return vec![(Place::Source, None, None)];
    };
    let mut stretches = vec![(Place::Source, None, Some(frozen))];
    match (switched, reopened) {
        (Some(switched), back) => {
            stretches.push((Place::Down, Some(frozen), Some(switched)));
            stretches.push((Place::Aws, Some(switched), back));
        }
        (None, Some(reopened)) => stretches.push((Place::Down, Some(frozen), Some(reopened))),
        (None, None) => stretches.push((Place::Down, Some(frozen), Some(now))),
    }
    if reopened.is_some() {
        stretches.push((Place::Source, reopened, None));
    }
    stretches
}

fn in_words(database: &DatabaseReport, now: Timestamp) -> String {
    let closed = closed_ms(database, now).map_or_else(
        || "never closed".to_owned(),
        |length| format!("closed {}", short_duration(length)),
    );
    let happened: Vec<String> = milestones(database)
        .map(|(name, _, at)| format!("{} {}", name.to_lowercase(), stamp_text(at)))
        .chain([closed])
        .collect();
    format!("{}: {}", database.database_id, happened.join(", "))
}
