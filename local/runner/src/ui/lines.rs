//! What happened, as lines that a person can follow.

use super::progress::{ServerView, View, WaveView};
use crate::world::Notice;
use jiff::{SignedDuration, Timestamp};
use landfall_domain::record::{ApprovalKind, Decision};
use landfall_domain::report::DatabaseDowntime;
use std::collections::BTreeMap;

/// Servers that are named in one line; more are counted.
const NAMED_MAX: usize = 5;

/// Machines whose begin and end are told; the others are parts of these.
const TOLD_MACHINES: [&str; 3] = ["migrate-program", "migrate-wave", "rollback-wave"];

/// Simulated time since the start, as `0d 06:31:07`.
pub fn clock(start: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(start).max(SignedDuration::ZERO).as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    format!("{days}d {:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

/// A length of time as people say it: `12 min 4 s`.
pub fn duration(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// The lines of some notices, in order; events that say the same of several servers become one line.
pub fn told(notices: &[(Timestamp, Notice)], host: impl Fn(&str) -> String) -> Vec<(Timestamp, String)> {
    let mut lines: Vec<(Timestamp, String)> = Vec::new();
    let mut events: BTreeMap<String, (usize, Vec<String>)> = BTreeMap::new();
    for (at, notice) in notices {
        if let Notice::Event {
            detail_type,
            state,
            server,
        } = notice
        {
            let text = event_words(detail_type, state);
            let entry = events.entry(text).or_insert_with(|| {
                lines.push((*at, String::new()));
                (lines.len() - 1, Vec::new())
            });
            entry.1.push(host(server));
        } else if let Some(line) = line(notice) {
            lines.push((*at, line));
        }
    }
    for (text, (index, hosts)) in events {
        lines[index].1 = format!("MGN       {text}: {}", named(&hosts));
    }
    lines
}

/// The line of a notice that is told by itself; none of one that is not, or that is an event.
pub fn line(notice: &Notice) -> Option<String> {
    match notice {
        Notice::Started { machine, execution } if TOLD_MACHINES.contains(&machine.as_str()) => {
            Some(format!("started   {machine} {execution}"))
        }
        Notice::Closed {
            machine,
            execution,
            status,
        } if TOLD_MACHINES.contains(&machine.as_str()) => {
            Some(format!("ended     {machine} {execution}: {}", status.as_str()))
        }
        Notice::Message { subject } => Some(format!("message   {subject}")),
        Notice::Answered { wave, kind, decision } => {
            let question = match kind {
                ApprovalKind::Cutover => "cutover",
                ApprovalKind::Finalize => "finalization",
                ApprovalKind::Rollback => "rollback",
                ApprovalKind::SchemaConversion => "converted schema",
            };
            let verb = match decision {
                Decision::Approved => "approves",
                Decision::Rejected => "rejects",
                Decision::Expired => "lets expire",
            };
            Some(format!("operator  {verb} the {question} of {wave}"))
        }
        Notice::Script(text) => Some(format!("script    {text}")),
        _ => None,
    }
}

/// `TEST_LAUNCH_SUCCEEDED` as people say it.
fn event_words(detail_type: &str, state: &str) -> String {
    if state.is_empty() {
        detail_type.to_owned()
    } else {
        state.to_lowercase().replace('_', " ")
    }
}

/// Some names, or their number.
pub fn named(hosts: &[String]) -> String {
    if hosts.len() <= NAMED_MAX {
        hosts.join(", ")
    } else {
        format!("{} servers", hosts.len())
    }
}

/// What changed between two views: phases of waves, stages of servers. Servers of a wave that change alike share a line.
pub fn changes(before: Option<&View>, now: &View) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, wave) in now.waves.iter().enumerate() {
        let before = before.map(|view| &view.waves[index]);
        if before.is_none_or(|before| before.words != wave.words) && wave.share > 0.0 {
            lines.push(format!("{:<10}{}", wave.id, wave.words));
        }
        lines.extend(server_changes(before, wave));
        lines.extend(database_changes(before, wave));
    }
    lines
}

fn server_changes(before: Option<&WaveView>, wave: &WaveView) -> Vec<String> {
    let mut groups: Vec<(&str, Vec<&ServerView>)> = Vec::new();
    for (index, server) in wave.servers.iter().enumerate() {
        let same = before.is_some_and(|before| before.servers[index].stage == server.stage);
        let untouched = before.is_none() && server.share == 0.0;
        if same || untouched {
            continue;
        }
        match groups.iter_mut().find(|(stage, _)| *stage == server.stage) {
            Some((_, servers)) => servers.push(server),
            None => groups.push((&server.stage, vec![server])),
        }
    }
    let mut lines = Vec::new();
    for (stage, servers) in groups {
        if servers.len() > NAMED_MAX {
            lines.push(format!("{:<10}{stage}: {} servers", "", servers.len()));
            continue;
        }
        lines.extend(servers.iter().map(|server| server_line(server)));
    }
    lines
}

/// Databases are few, and each is told by itself.
fn database_changes(before: Option<&WaveView>, wave: &WaveView) -> Vec<String> {
    let told = |(index, database): (usize, &ServerView)| {
        let same = before.is_some_and(|before| before.databases[index].stage == database.stage);
        let untouched = before.is_none() && database.share == 0.0;
        (!same && !untouched).then(|| server_line(database))
    };
    wave.databases.iter().enumerate().filter_map(told).collect()
}

/// Where the seconds of a cutover went: `12.6 s (freeze 0.4, drain 1.3, verify 8.9, ready 1.2, switch 0.8)`.
pub fn split_words(split: &DatabaseDowntime) -> String {
    let seconds = |milliseconds: u64| milliseconds as f64 / 1_000.0;
    format!(
        "{:.1} s (freeze {:.1}, drain {:.1}, verify {:.1}, ready {:.1}, switch {:.1})",
        seconds(split.total_ms()),
        seconds(split.freeze_ms),
        seconds(split.drain_ms),
        seconds(split.verify_ms),
        seconds(split.ready_ms),
        seconds(split.switch_ms)
    )
}

fn server_line(server: &ServerView) -> String {
    let line = format!(
        "  {:<14}{:<36}{}",
        server.host,
        server.stage,
        server.instance.as_deref().unwrap_or_default()
    );
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        "2026-01-10T00:00:00Z".parse().expect("a timestamp")
    }

    #[test]
    fn times_read_as_people_say_them() {
        assert_eq!(
            clock(at(), at() + SignedDuration::from_secs(86_400 + 3_661)),
            "1d 01:01:01"
        );
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(724), "12 min 4 s");
        assert_eq!(duration(3_725), "1 h 2 min");
    }

    #[test]
    fn events_that_say_the_same_share_a_line() {
        let event = |server: &str| {
            let detail_type = "MGN Source Server Launch Result".to_owned();
            (
                at(),
                Notice::Event {
                    detail_type,
                    state: "TEST_LAUNCH_SUCCEEDED".to_owned(),
                    server: server.to_owned(),
                },
            )
        };
        let message = (
            at(),
            Notice::Message {
                subject: "hello".to_owned(),
            },
        );
        let lines = told(&[event("s-1"), message, event("s-2")], |id| format!("host of {id}"));
        let texts: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "MGN       test launch succeeded: host of s-1, host of s-2",
                "message   hello"
            ]
        );
    }

    #[test]
    fn the_seconds_of_a_cutover_are_told_part_by_part() {
        let split = DatabaseDowntime {
            freeze_ms: 400,
            drain_ms: 1_300,
            verify_ms: 8_900,
            ready_ms: 1_200,
            switch_ms: 800,
        };
        let expected = "12.6 s (freeze 0.4, drain 1.3, verify 8.9, ready 1.2, switch 0.8)";
        assert_eq!(split_words(&split), expected);
    }

    #[test]
    fn parts_of_a_migration_are_not_told_one_by_one() {
        let notice = Notice::Started {
            machine: "test-batch".to_owned(),
            execution: "x".to_owned(),
        };
        assert!(told(&[(at(), notice)], str::to_owned).is_empty());
    }

    #[test]
    fn only_what_changed_is_told() {
        let server = |stage: &str| ServerView {
            host: "web-01".to_owned(),
            stage: stage.to_owned(),
            instance: None,
            share: 0.5,
        };
        let view = |words: &str, stages: [&str; 2]| View {
            now: at(),
            transitions: 0,
            waves: vec![WaveView {
                id: "web-1".to_owned(),
                words: words.to_owned(),
                share: 0.5,
                outcome: None,
                servers: stages.map(server).to_vec(),
                databases: vec![server(words)],
            }],
        };
        let before = view("Test", ["test passed", "ready for test"]);
        assert!(changes(Some(&before), &before).is_empty());
        let mut loaded = before.clone();
        loaded.waves[0].databases[0].stage = "loads".to_owned();
        assert_eq!(changes(Some(&before), &loaded), ["  web-01        loads"]);
        let after = view("Test", ["test passed", "test passed"]);
        assert_eq!(changes(Some(&before), &after), ["  web-01        test passed"]);
        assert_eq!(
            changes(Some(&before), &view("Bake", ["test passed", "ready for test"])),
            ["web-1     Bake", "  web-01        Bake"]
        );
    }
}
