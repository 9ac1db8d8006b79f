//! The question as people read it: what is asked, what it means, what is known, how to answer and until when.

use jiff::Timestamp;
use landfall_domain::decide::way_back_kind;
use landfall_domain::ids::WaveId;
use landfall_domain::plan::WaivedRule;
use landfall_domain::record::{ApprovalKind, DatabaseRecord, DnsRecord, ServerRecord, WaveRecord};
use landfall_domain::report::{DnsState, WayBackKind};
use landfall_domain::text::count;
use serde_json::json;

/// Servers or record sets that a list names; a question has to be read, and to fit into the wave's item.
const LINES_MAX: usize = 20;

/// Characters of a reason that a line repeats.
const REASON_CHARACTERS_MAX: usize = 300;

/// What the question is about.
pub(crate) struct Facts<'a> {
    /// The wave.
    pub(crate) wave: &'a WaveRecord,
    /// Its servers.
    pub(crate) servers: Vec<&'a ServerRecord>,
    /// Its record sets.
    pub(crate) dns: Vec<&'a DnsRecord>,
    /// Its databases.
    pub(crate) databases: Vec<&'a DatabaseRecord>,
    /// Until when it can be answered.
    pub(crate) deadline: Timestamp,
}

/// The subject. SNS takes fewer than 100 ASCII characters, and a wave id has 32 at most.
/// <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
pub(crate) fn subject(kind: ApprovalKind, wave: &WaveId) -> String {
    match kind {
        ApprovalKind::Cutover => format!("Landfall: may wave {wave} be cut over?"),
        ApprovalKind::Finalize => format!("Landfall: may wave {wave} be finalized?"),
        ApprovalKind::Rollback => format!("Landfall: may the rollback of wave {wave} lose data?"),
        ApprovalKind::SchemaConversion => format!("Landfall: may the converted schemas of wave {wave} be used?"),
    }
}

/// The whole message.
pub(crate) fn text(kind: ApprovalKind, facts: &Facts<'_>) -> String {
    let (question, meaning, known) = match kind {
        ApprovalKind::Cutover => cutover(facts),
        ApprovalKind::Finalize => finalize(facts),
        ApprovalKind::Rollback => rollback(facts),
        ApprovalKind::SchemaConversion => schema_conversion(facts),
    };
    let wave = &facts.wave.wave_id;
    let about = facts
        .wave
        .description
        .as_ref()
        .map(|text| format!(" ({text})"))
        .unwrap_or_default();
    let ticket = facts
        .wave
        .change_ticket
        .as_ref()
        .map(|ticket| format!(", {ticket}"))
        .unwrap_or_default();
    format!(
        "Wave {wave}{about}{ticket}: {question}\n\nWhat it means\n{}\n\nWhat is known\n{}\n\nHow to answer\n{}\n",
        list(meaning),
        list(known),
        how_to_answer(kind, facts)
    )
}

fn list(lines: Vec<String>) -> String {
    lines
        .into_iter()
        .map(|line| format!("* {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn how_to_answer(kind: ApprovalKind, facts: &Facts<'_>) -> String {
    let body = json!({
        "waveId": facts.wave.wave_id,
        "kind": kind,
        "decision": "APPROVED",
        "reason": "why, in your words",
    });
    format!(
        "Send a POST request, signed with your own AWS credentials, to the function URL of Landfall's function \"approve\" (the stack's outputs name it), with this body:\n\n    {body}\n\nThe decision is APPROVED or REJECTED. Who decides is taken from the signature. The question can be answered once, until {}.",
        facts.deadline
    )
}

type Parts = (String, Vec<String>, Vec<String>);

fn cutover(facts: &Facts<'_>) -> Parts {
    let moving: Vec<&ServerRecord> = facts
        .servers
        .iter()
        .copied()
        .filter(|server| server.takes_part())
        .collect();
    let question = format!(
        "may the services on {} be stopped and moved to AWS?",
        servers(moving.len())
    );
    let when = match &facts.wave.window {
        Some(window) => format!("between {} and {}", window.not_before, window.not_after),
        None => "as soon as the old TTLs have run out, because the plan has no window".to_owned(),
    };
    let meaning = vec![
        format!(
            "Approved: {when} the services on the sources are stopped, the servers are launched on AWS and checked, and {} switched to them. Until then going back is free; afterwards it loses what was written on AWS.",
            record_sets(facts.dns.len())
        ),
        "Rejected, or not answered in time: nothing is stopped and nothing is switched; what the wave has done so far is undone.".to_owned(),
    ];
    let tested = moving
        .iter()
        .filter(|server| server.test.validated_at.is_some())
        .count();
    let mut known = vec![format!(
        "{} of {} passed their tests on AWS.",
        tested,
        servers(facts.servers.len())
    )];
    known.extend(untested(&moving));
    known.extend(excluded(facts));
    (question, meaning, known)
}

/// Servers that are cut over without a test, with the waiver that allows it.
fn untested(moving: &[&ServerRecord]) -> Vec<String> {
    let lines = moving
        .iter()
        .filter(|server| server.test.validated_at.is_none())
        .map(|server| {
            let waiver = server
                .waivers
                .iter()
                .find(|waiver| waiver.rule == WaivedRule::UntestedCutover);
            match waiver {
                Some(waiver) => format!(
                    "{} is {}: approved by {}, {}",
                    name(server),
                    waiver.rule.sentence(),
                    waiver.approved_by,
                    shortened(&waiver.reason)
                ),
                None => format!("{} has not passed a test, and no waiver allows that.", name(server)),
            }
        });
    bounded(lines.collect())
}

fn excluded(facts: &Facts<'_>) -> Vec<String> {
    let lines = facts.servers.iter().filter_map(|server| {
        let why = server.excluded.as_ref()?;
        Some(format!(
            "{} is left out and stays where it is: {}",
            name(server),
            shortened(why)
        ))
    });
    bounded(lines.collect())
}

fn finalize(facts: &Facts<'_>) -> Parts {
    let moving: Vec<&ServerRecord> = facts
        .servers
        .iter()
        .copied()
        .filter(|server| server.takes_part())
        .collect();
    let question = format!(
        "may {} be finalized? This is the point of no return.",
        servers(moving.len())
    );
    let meaning = vec![
        "Approved: the replication of the sources ends and their MGN records are archived. This cannot be undone. Afterwards traffic can only be pointed back to the sources as they were when they were stopped.".to_owned(),
        "Rejected, or not answered in time: nothing is finalized. Replication goes on and costs money, and the wave stops for a person.".to_owned(),
    ];
    let checked = moving
        .iter()
        .filter(|server| server.validated_after_switch_at.is_some())
        .count();
    let mut known = vec![format!(
        "{checked} of {} passed their checks after the switch.",
        servers(moving.len())
    )];
    if let Some(since) = facts.wave.open_to_writes_at {
        known.push(format!("The servers on AWS have been open to writes since {since}."));
    }
    if let Some(until) = facts.wave.bake_until {
        known.push(format!(
            "The bake time of {} minutes ended at {until}.",
            facts.wave.bake_minutes
        ));
    }
    let failed = moving.iter().filter_map(|server| {
        let why = server.after_switch_failure.as_ref()?;
        Some(format!("{} did not pass: {}", name(server), shortened(why)))
    });
    known.extend(bounded(failed.collect()));
    known.extend(held(facts));
    known.extend(excluded(facts));
    (question, meaning, known)
}

fn rollback(facts: &Facts<'_>) -> Parts {
    let servers: Vec<ServerRecord> = facts.servers.iter().copied().cloned().collect();
    let dns: Vec<DnsRecord> = facts.dns.iter().copied().cloned().collect();
    let since = facts
        .wave
        .open_to_writes_at
        .map(|at| format!(" since {at}"))
        .unwrap_or_default();
    let databases: Vec<DatabaseRecord> = facts.databases.iter().copied().cloned().collect();
    let (approved, lost) = match way_back_kind(facts.wave, &servers, &databases, &dns) {
        WayBackKind::TrafficOnly => (
            "Approved: traffic is pointed back and the sources are started as they were when they were stopped. The instances on AWS are not terminated.",
            format!(
                "Replication has ended. What was written on AWS{since} stays on AWS and is missing on the sources."
            ),
        ),
        WayBackKind::LosesWrites => (
            "Approved: traffic is pointed back, the sources are started again, and the instances on AWS are stopped, kept as snapshots and terminated.",
            format!("Everything that was written on AWS{since} is lost to the sources: MGN does not replicate back."),
        ),
        WayBackKind::Free | WayBackKind::NothingToUndo => (
            "Approved: what was done is undone.",
            "No client has written on AWS: nothing is lost.".to_owned(),
        ),
    };
    let meaning = vec![
        approved.to_owned(),
        "Rejected, or not answered in time: nothing is undone. The wave stays as it is and stops for a person."
            .to_owned(),
    ];
    let switched = facts
        .servers
        .iter()
        .filter(|server| server.switched_at.is_some())
        .count();
    let mut known = vec![
        lost,
        format!("{} serve clients on AWS at the moment.", self::servers(switched)),
    ];
    known.extend(held(facts));
    (
        "may it be rolled back, although data is lost?".to_owned(),
        meaning,
        known,
    )
}

fn schema_conversion(facts: &Facts<'_>) -> Parts {
    let meaning = vec![
        "Approved: the converted schemas are written to their targets as they are, and replication begins. What the list below leaves to people is missing or wrong on the targets until somebody mends it.".to_owned(),
        "Rejected, or not answered in time: nothing is written to the targets and no replication begins; what the wave has done so far is undone.".to_owned(),
    ];
    let items = facts.databases.iter().flat_map(|database| {
        let items = database.replication.action_items.iter();
        items.map(|item| format!("{}: {}", database.database_id, shortened(item)))
    });
    let converted = facts
        .databases
        .iter()
        .filter(|database| !database.replication.action_items.is_empty())
        .count();
    let mut known = vec![format!(
        "The conversion leaves things to people for {}.",
        count(converted, "database")
    )];
    known.extend(bounded(items.collect()));
    (
        "may the converted schemas be used as they are?".to_owned(),
        meaning,
        known,
    )
}

/// Record sets that somebody else changed.
fn held(facts: &Facts<'_>) -> Vec<String> {
    let lines = facts
        .dns
        .iter()
        .filter(|record| record.state == DnsState::Held)
        .map(|record| {
            let why = record.held.as_deref().unwrap_or("a person has to look at it");
            format!("{} {} is held: {}", record.name, record.record_type, shortened(why))
        });
    bounded(lines.collect())
}

fn name(server: &ServerRecord) -> String {
    format!("{} ({})", server.plan.hostname, server.source_server_id)
}

fn servers(number: usize) -> String {
    if number == 1 {
        "1 server".to_owned()
    } else {
        format!("{number} servers")
    }
}

fn record_sets(number: usize) -> String {
    if number == 1 {
        "1 record set is".to_owned()
    } else {
        format!("{number} record sets are")
    }
}

fn shortened(reason: &str) -> String {
    if reason.chars().count() <= REASON_CHARACTERS_MAX {
        return reason.to_owned();
    }
    let mut short: String = reason.chars().take(REASON_CHARACTERS_MAX).collect();
    short.push_str("...");
    short
}

fn bounded(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(LINES_MAX);
    lines.truncate(LINES_MAX);
    if more > 0 {
        lines.push(format!("and {more} more; the report names them all"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [ApprovalKind; 4] = [
        ApprovalKind::Cutover,
        ApprovalKind::Finalize,
        ApprovalKind::Rollback,
        ApprovalKind::SchemaConversion,
    ];

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn wave() -> WaveRecord {
        serde_json::from_value(json!({
            "waveId": "web-1", "epoch": 1, "direction": "FORWARD", "status": "OPEN", "executionArn": "arn",
            "plannedAt": at("2026-01-10T00:00:00Z"), "claimingSince": at("2026-01-10T00:00:00Z"), "planDigest": "x",
            "batches": 1, "servers": 2, "moveGroups": ["all"], "failuresAllowed": 0, "maxConcurrentBatches": 5, "retainSourceDays": 30, "approvalsPlan": {}, "bakeMinutes": 60,
            "deadlines": {}, "rollback": {}, "phases": [], "approvals": {}
        }))
        .unwrap()
    }

    fn server(number: u32, excluded: Option<&str>) -> ServerRecord {
        let plan = serde_json::from_value(json!({
            "sourceServerId": format!("s-{number:017}"), "hostname": format!("host-{number}"),
            "quiesce": { "managedInstanceId": "mi-00000000000000001", "powerOnBy": "the data centre" }
        }))
        .unwrap();
        let mut server = ServerRecord::new(WaveId::parse("web-1").unwrap(), 1, "all".into(), plan, Vec::new());
        server.excluded = excluded.map(str::to_owned);
        server
    }

    fn message(kind: ApprovalKind, wave: &WaveRecord, servers: &[ServerRecord]) -> String {
        let deadline = at("2026-01-13T00:00:00Z");
        text(
            kind,
            &Facts {
                wave,
                servers: servers.iter().collect(),
                dns: Vec::new(),
                databases: Vec::new(),
                deadline,
            },
        )
    }

    #[test]
    fn every_question_says_how_to_answer_and_until_when() {
        for kind in KINDS {
            let text = message(kind, &wave(), &[server(1, None)]);
            assert!(text.contains("until 2026-01-13T00:00:00Z"), "{text}");
            let body = text.lines().find_map(|line| line.strip_prefix("    {")).unwrap();
            let body: serde_json::Value = serde_json::from_str(&format!("{{{body}")).unwrap();
            assert_eq!(body["waveId"], "web-1");
            assert_eq!(body["kind"], kind.as_str());
        }
    }

    #[test]
    fn whoever_approves_the_cutover_is_told_who_is_left_out_and_who_is_untested() {
        let mut tested = server(1, None);
        tested.test.validated_at = Some(at("2026-01-10T01:00:00Z"));
        let mut waived = server(3, None);
        waived.waivers = serde_json::from_value(json!([{
            "rule": "UNTESTED_CUTOVER", "sourceServerId": "s-00000000000000003", "approvedBy": "Ada", "reason": "no licence"
        }]))
        .unwrap();
        let text = message(
            ApprovalKind::Cutover,
            &wave(),
            &[tested, server(2, Some("its disk was full")), waived],
        );
        assert!(text.contains("1 of 3 servers passed their tests"), "{text}");
        assert!(text.contains("host-2 (s-00000000000000002) is left out and stays where it is: its disk was full"));
        assert!(text.contains("host-3 (s-00000000000000003) is cut over without a test launch: approved by Ada"));
    }

    #[test]
    fn a_finalization_is_called_the_point_of_no_return() {
        let mut wave = wave();
        wave.open_to_writes_at = Some(at("2026-01-10T02:00:00Z"));
        let mut bad = server(1, None);
        bad.after_switch_failure = Some("the page was empty".into());
        let text = message(ApprovalKind::Finalize, &wave, &[bad]);
        assert!(
            text.contains("point of no return") && text.contains("cannot be undone"),
            "{text}"
        );
        assert!(text.contains("open to writes since 2026-01-10T02:00:00Z"));
        assert!(text.contains("did not pass: the page was empty"));
    }

    #[test]
    fn a_rollback_says_what_is_lost() {
        let mut wave = wave();
        wave.open_to_writes_at = Some(at("2026-01-10T02:00:00Z"));
        let text = message(ApprovalKind::Rollback, &wave, &[server(1, None)]);
        assert!(
            text.contains("written on AWS since 2026-01-10T02:00:00Z is lost"),
            "{text}"
        );
        wave.finalize_intent_at = Some(at("2026-01-11T02:00:00Z"));
        let text = message(ApprovalKind::Rollback, &wave, &[server(1, None)]);
        assert!(
            text.contains("Replication has ended") && text.contains("missing on the sources"),
            "{text}"
        );
    }

    #[test]
    fn a_question_stays_readable_however_many_servers_it_is_about() {
        let long = "x".repeat(2000);
        let servers: Vec<ServerRecord> = (0..1000).map(|number| server(number, Some(&long))).collect();
        let text = message(ApprovalKind::Cutover, &wave(), &servers);
        assert!(text.contains("and 980 more"), "{text}");
        assert!(text.len() < 16_000, "{}", text.len());
    }

    #[test]
    fn a_subject_is_ascii_and_shorter_than_100_characters() {
        let wave = WaveId::parse("w".repeat(32)).unwrap();
        for kind in KINDS {
            let subject = subject(kind, &wave);
            assert!(subject.is_ascii() && subject.len() < 100, "{subject}");
        }
    }
}
