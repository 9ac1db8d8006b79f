//! What a run came to, as text: outcomes, downtimes, what still costs, and the numbers.

use crate::evidence::Evidence;
use crate::scenarios::Ended;
use crate::ui::lines::{duration, named, split_words};
use landfall_cloud::fleet::CostKind;
use landfall_domain::report::WaveOutcome;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// Columns where there is no terminal to ask.
const WIDTH_DEFAULT: usize = 120;

/// How many columns a terminal has.
pub fn terminal_width() -> usize {
    console::Term::stdout()
        .size_checked()
        .map_or(WIDTH_DEFAULT, |(_, columns)| usize::from(columns))
}

/// The end of a run in lines of at most `width` columns.
pub fn text(ended: &Ended, real: Duration, width: usize) -> String {
    let lines = unwrapped(ended, real);
    let wrapped: Vec<String> = lines.lines().map(|line| wrap(line, width)).collect();
    wrapped.join("\n") + "\n"
}

/// Breaks a line at blanks; what follows is indented like the text behind the line's last wide gap, or like its start.
fn wrap(line: &str, width: usize) -> String {
    let hanging = line.rfind("  ").map_or(0, |at| at + 2).max(2).min(width / 2);
    let (mut text, mut column) = (String::new(), 0);
    for word in line.split_inclusive(' ') {
        let length = word.trim_end().chars().count();
        if column + length > width && column > hanging {
            text.truncate(text.trim_end().len());
            text.push('\n');
            text.push_str(&" ".repeat(hanging));
            column = hanging;
        }
        text.push_str(word);
        column += word.chars().count();
    }
    text
}

fn unwrapped(ended: &Ended, real: Duration) -> String {
    let mut text = String::new();
    text.push_str(&outcomes(ended));
    text.push_str(&downtimes(&ended.evidence));
    text.push_str(&databases(&ended.evidence));
    text.push_str(&costs(&ended.evidence));
    let simulated = ended.simulated;
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "\nState transitions: {}",
        ended.world.engine().state_transitions()
    );
    let _ = writeln!(text, "AWS calls: {}", calls_in_words(&ended.evidence));
    let _ = writeln!(
        text,
        "Time: {:.1} s, simulated {}",
        real.as_secs_f64(),
        duration(simulated.as_secs())
    );
    text
}

/// Failures that are printed one by one; a run that fails everywhere is not read to its end.
const FAILURES_MAX: usize = 25;

/// What was not as expected, a line each; empty when all is well.
pub fn failures(failures: &[String]) -> String {
    let mut text = String::new();
    for failure in failures.iter().take(FAILURES_MAX) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "NOT AS EXPECTED: {failure}");
    }
    if failures.len() > FAILURES_MAX {
        let _ = writeln!(text, "NOT AS EXPECTED: and {} more", failures.len() - FAILURES_MAX);
    }
    text
}

fn outcomes(ended: &Ended) -> String {
    let mut text = "Waves\n".to_owned();
    for wave in &ended.program.waves {
        let id = wave.wave_id.as_str();
        let record = ended.evidence.records.wave(id);
        let outcome = record.map_or(Some(WaveOutcome::NotStarted), |wave| wave.outcome);
        let headline = record
            .and_then(|wave| wave.headline.as_deref())
            .unwrap_or("An earlier wave stopped the program.");
        // A reason may quote what a command printed, line by line.
        let headline = headline.split_whitespace().collect::<Vec<_>>().join(" ");
        let words = outcome.map_or("no outcome", outcome_in_words);
        let _ = writeln!(text, "  {id:<10} {words:<14} {headline}");
        if let Some(step) = record.and_then(|wave| wave.next_step.as_ref()) {
            let _ = writeln!(
                text,
                "  {:<10} {:<14} Next, {}: {}.",
                "",
                "",
                step.who,
                step.what.trim_end_matches('.')
            );
        }
    }
    text
}

fn outcome_in_words(outcome: WaveOutcome) -> &'static str {
    match outcome {
        WaveOutcome::NotStarted => "not started",
        WaveOutcome::InProgress => "in progress",
        WaveOutcome::Completed => "completed",
        WaveOutcome::RolledBack => "rolled back",
        WaveOutcome::NeedsOperator => "needs operator",
    }
}

fn downtimes(evidence: &Evidence) -> String {
    let reports = evidence
        .report
        .iter()
        .flat_map(|report| &report.waves)
        .flat_map(|wave| &wave.servers);
    let mut seconds: Vec<u64> = reports.filter_map(|server| server.downtime_seconds).collect();
    seconds.sort_unstable();
    let (Some(least), Some(most)) = (seconds.first(), seconds.last()) else {
        return "\nDowntime of a server: none was stopped\n".to_owned();
    };
    let median = seconds[seconds.len() / 2];
    let (least, median, most) = (duration(*least), duration(median), duration(*most));
    format!(
        "\nDowntime of a server: {least} at least, {median} median, {most} at most ({} servers)\n",
        seconds.len()
    )
}

/// Each database, with where the seconds of its cutover went.
fn databases(evidence: &Evidence) -> String {
    let reports = evidence.report.iter().flat_map(|report| &report.waves);
    let mut text = String::new();
    for database in reports.flat_map(|wave| &wave.databases) {
        let _ = write!(text, "Database {}: ", database.database_id);
        // Writing to a string cannot fail.
        let _ = match (&database.downtime, database.attempt_downtime_ms) {
            (Some(split), None) => writeln!(text, "downtime {}", split_words(split)),
            (Some(split), Some(back)) => writeln!(
                text,
                "downtime {}; and {:.1} s on its way back",
                split_words(split),
                back as f64 / 1_000.0
            ),
            (None, Some(taken)) => writeln!(
                text,
                "taken back after {:.1} s. {}",
                taken as f64 / 1_000.0,
                database.sentence
            ),
            (None, None) => writeln!(text, "never closed. {}", database.sentence),
        };
    }
    text
}

/// What costs money now, as MGN and EC2 would bill it.
fn costs(evidence: &Evidence) -> String {
    let mut by_kind: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for cost in &evidence.costs {
        let kind = match cost.kind {
            CostKind::RunningInstance => "instances run",
            CostKind::StoppedInstance => "instances are stopped, their volumes cost",
            CostKind::Snapshot => "snapshots are kept",
            CostKind::ReplicatingServer => "sources replicate",
        };
        let host = evidence
            .server(&cost.server)
            .map_or_else(|| cost.server.clone(), |server| server.hostname.clone());
        by_kind.entry(kind).or_default().push(host);
    }
    if by_kind.is_empty() {
        return "Costs now: nothing\n".to_owned();
    }
    let parts: Vec<String> = by_kind
        .into_iter()
        .map(|(kind, mut hosts)| {
            hosts.sort();
            let names = if hosts.len() > 5 {
                String::new()
            } else {
                format!(" ({})", named(&hosts))
            };
            format!("{} {kind}{names}", hosts.len())
        })
        .collect();
    format!("Costs now: {}\n", parts.join("; "))
}

/// Calls by service, the most called first.
pub fn calls_by_service(evidence: &Evidence) -> Vec<(String, usize)> {
    let mut by_service: BTreeMap<&str, usize> = BTreeMap::new();
    for call in &evidence.calls {
        *by_service.entry(call.service.as_str()).or_default() += 1;
    }
    let mut rows: Vec<(String, usize)> = by_service
        .into_iter()
        .map(|(service, number)| (service.to_owned(), number))
        .collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    rows
}

fn calls_in_words(evidence: &Evidence) -> String {
    let rows = calls_by_service(evidence);
    let parts: Vec<String> = rows
        .iter()
        .map(|(service, number)| format!("{service} {number}"))
        .collect();
    format!("{} ({})", evidence.calls.len(), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_broken_at_blanks_and_hangs() {
        assert_eq!(wrap("short", 20), "short");
        assert_eq!(
            wrap("  web-1   it was done and done", 20),
            "  web-1   it was\n          done and\n          done"
        );
        assert_eq!(wrap("one two three four", 9), "one two\n  three\n  four");
    }

    #[test]
    fn failures_are_counted_beyond_those_that_are_read() {
        assert_eq!(failures(&[]), "");
        let many: Vec<String> = (0..FAILURES_MAX + 3)
            .map(|number| format!("failure {number}"))
            .collect();
        let text = failures(&many);
        assert_eq!(text.lines().count(), FAILURES_MAX + 1);
        assert!(text.ends_with("NOT AS EXPECTED: and 3 more\n"), "{text}");
    }
}
