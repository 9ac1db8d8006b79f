//! Times, durations and numbers as people read them.

use jiff::Timestamp;
use landfall_domain::report::WaveReport;
use maud::{Markup, html};

/// A moment that stands alone, with its day and its zone: "Thu 12 Mar 2026, 02:14 UTC".
pub(super) fn moment(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.strftime("%a %-d %b %Y, %H:%M UTC")) } }
}

/// A moment in a table whose caption states the zone: "12 Mar 02:14:08".
pub(super) fn stamp(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (stamp_text(at)) } }
}

/// The same as text, for attributes.
pub(super) fn stamp_text(at: Timestamp) -> String {
    at.strftime("%-d %b %H:%M:%S").to_string()
}

/// A moment in a dense overview: "12 Mar 02:14".
pub(super) fn short_stamp(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.strftime("%-d %b %H:%M")) } }
}

/// A stretch of time in its two largest units: "45 s", "4 min 12 s", "1 h 3 min", "3 d 4 h".
pub(super) fn duration(seconds: u64) -> String {
    let (large, large_name, small, small_name) = match seconds {
        0..60 => return format!("{seconds} s"),
        60..3_600 => (seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => (seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => (seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    };
    if small == 0 {
        format!("{large} {large_name}")
    } else {
        format!("{large} {large_name} {small} {small_name}")
    }
}

/// A stretch of time that is measured in milliseconds, as people read it off a bar: "0.4 s", "12.3 s".
pub(super) fn seconds_and_tenths(milliseconds: u64) -> String {
    format!("{:.1} s", milliseconds as f64 / 1_000.0)
}

/// The same where it may be long: with tenths below a minute, in its two largest units above.
pub(super) fn short_duration(milliseconds: u64) -> String {
    if milliseconds < 60_000 {
        seconds_and_tenths(milliseconds)
    } else {
        duration(milliseconds / 1_000)
    }
}

/// A stretch of time in its largest unit, for places where only a few letters fit: "20 h", "3 d".
pub(super) fn rough_duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", (seconds + 30) / 60),
        3_600..172_800 => format!("{} h", (seconds + 1_800) / 3_600),
        _ => format!("{} d", (seconds + 43_200) / 86_400),
    }
}

/// Seconds from one moment to a later one; 0 if it is not later.
pub(super) fn seconds_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_secs()).unwrap_or(0)
}

/// A deadline, and how much of the time to it was left when the report was made.
pub(super) fn deadline(by: Timestamp, now: Timestamp) -> Markup {
    html! {
        (moment(by)) " "
        @if by > now {
            span.left { "(" (duration(seconds_between(now, by))) " left)" }
        } @else {
            strong.overdue { "(passed " (duration(seconds_between(by, now))) " ago)" }
        }
    }
}

/// A number with its noun: "1 server", "20 servers".
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A position or a width in a drawing, in percent.
pub(super) fn percent(value: f64) -> String {
    format!("{value:.2}%")
}

/// The address of a wave on the page.
pub(super) fn wave_anchor(wave: &WaveReport) -> String {
    format!("wave-{}", wave.wave_id)
}

/// The address of what could not be undone in a wave.
pub(super) fn undo_anchor(wave: &WaveReport) -> String {
    format!("{}-undo", wave_anchor(wave))
}
