//! The report of one wave.

use crate::{database, server};
use landfall_aws::Deps;
use landfall_aws::table::WaveParts;
use landfall_domain::StepError;
use landfall_domain::decide::way_back;
use landfall_domain::ids::WaveId;
use landfall_domain::record::{
    ApprovalKind, Decision, DnsRecord, LaunchFacts, NextStep, ServerRecord, WaveRecord, WaveStatus,
};
use landfall_domain::report::{
    ApprovalReport, DnsReport, LogLine, NextAction, PhaseSpan, RunningThing, WaiverReport, WaveOutcome, WaveReport,
    WayBack, WayBackKind,
};

/// Lines of the audit trail that a report holds.
const LOG_LINES_MAX: usize = 500;

/// A wave that nobody planned yet.
pub fn not_started(id: &WaveId) -> WaveReport {
    let sentence = "There is nothing to undo.".to_owned();
    WaveReport {
        wave_id: id.clone(),
        description: None,
        outcome: WaveOutcome::NotStarted,
        headline: "It was not started.".to_owned(),
        started_at: None,
        ended_at: None,
        next_action: None,
        way_back: WayBack {
            kind: WayBackKind::NothingToUndo,
            sentence,
            until: None,
        },
        phases: Vec::new(),
        servers: Vec::new(),
        databases: Vec::new(),
        dns: Vec::new(),
        approvals: Vec::new(),
        waivers: Vec::new(),
        running: Vec::new(),
        undo_failures: Vec::new(),
        log: Vec::new(),
    }
}

/// Everything about a wave.
pub async fn report(deps: &Deps, parts: WaveParts) -> Result<WaveReport, StepError> {
    let wave = parts.wave.value;
    let servers: Vec<ServerRecord> = parts.servers.into_iter().map(|server| server.value).collect();
    let databases: Vec<_> = parts.databases.into_iter().map(|database| database.value).collect();
    let dns: Vec<DnsRecord> = parts.dns.into_iter().map(|record| record.value).collect();
    let log = deps.table.log(&wave.wave_id, LOG_LINES_MAX).await?;
    let mut reports: Vec<_> = servers.iter().map(|record| server::report(&wave, record)).collect();
    reports.sort_by(|a, b| (a.batch, &a.hostname).cmp(&(b.batch, &b.hostname)));
    Ok(WaveReport {
        wave_id: wave.wave_id.clone(),
        description: wave.description.clone(),
        outcome: wave.outcome.unwrap_or(WaveOutcome::InProgress),
        headline: headline(&wave),
        started_at: Some(wave.planned_at),
        ended_at: wave.closed_at,
        next_action: next_action(&wave),
        way_back: ended_or(&wave, way_back(&wave, &servers, &databases, &dns)),
        phases: phases(&wave),
        servers: reports,
        databases: databases
            .iter()
            .map(|record| database::report(&wave, record, deps.now()))
            .collect(),
        dns: dns.iter().map(dns_report).collect(),
        approvals: approvals(&wave),
        waivers: waivers(&servers),
        running: running(&wave, &servers)
            .into_iter()
            .chain(databases.iter().flat_map(|record| database::running(&wave, record)))
            .collect(),
        undo_failures: wave.undo_failures.clone(),
        log: log
            .into_iter()
            .map(|line| LogLine {
                at: line.at,
                actor: line.actor,
                text: line.text,
            })
            .collect(),
    })
}

fn headline(wave: &WaveRecord) -> String {
    wave.headline.clone().unwrap_or_else(|| {
        let phase = wave.phases.last().map_or("Plan", |last| last.phase.title());
        format!("It is under way: {phase}.")
    })
}

/// A wave that was rolled back has nothing left to roll back, and a completed one only its traffic.
fn ended_or(wave: &WaveRecord, present: WayBack) -> WayBack {
    if wave.status != WaveStatus::Closed {
        return present;
    }
    match wave.outcome {
        Some(WaveOutcome::Completed) => WayBack {
            kind: WayBackKind::TrafficOnly,
            sentence: "The wave is finalized: replication has ended, and Landfall does not take it back. Traffic can be pointed at the sources by hand as long as they are kept; what was written on AWS stays there.".to_owned(),
            until: present.until,
        },
        _ => WayBack { kind: WayBackKind::NothingToUndo, sentence: "There is nothing to undo.".to_owned(), until: None },
    }
}

fn next_action(wave: &WaveRecord) -> Option<NextAction> {
    if let Some(NextStep { who, what, by }) = wave.next_step.clone() {
        return Some(NextAction { who, what, by });
    }
    let open = [
        ApprovalKind::SchemaConversion,
        ApprovalKind::Cutover,
        ApprovalKind::Finalize,
        ApprovalKind::Rollback,
    ];
    open.into_iter().find_map(|kind| {
        let asked = wave.approvals.get(kind.as_str())?;
        let waiting = asked.epoch == wave.epoch && asked.decision.is_none() && wave.is_open();
        let what = format!("Approve or reject: {}", asked.question);
        waiting.then(|| NextAction {
            who: "an approver".to_owned(),
            what,
            by: Some(asked.deadline),
        })
    })
}

fn phases(wave: &WaveRecord) -> Vec<PhaseSpan> {
    let next = wave
        .phases
        .iter()
        .skip(1)
        .map(|phase| Some(phase.at))
        .chain([wave.closed_at]);
    wave.phases
        .iter()
        .zip(next)
        .map(|(phase, to)| PhaseSpan {
            name: phase.phase.title().to_owned(),
            from: phase.at,
            to,
        })
        .collect()
}

fn dns_report(record: &DnsRecord) -> DnsReport {
    let lines = |sets: &Vec<landfall_domain::record::RecordSet>| sets.iter().map(ToString::to_string).collect();
    let before: Vec<String> = record.original.as_ref().map(lines).unwrap_or_default();
    let restored = record.state == landfall_domain::report::DnsState::Restored;
    let after = if restored {
        before.clone()
    } else {
        record.ours.last().map(lines).unwrap_or_else(|| before.clone())
    };
    DnsReport {
        hosted_zone_id: record.hosted_zone_id.clone(),
        name: record.name.clone(),
        record_type: record.record_type.clone(),
        state: record.state,
        before,
        after,
    }
}

fn approvals(wave: &WaveRecord) -> Vec<ApprovalReport> {
    let mut approvals: Vec<ApprovalReport> = wave
        .approvals
        .iter()
        .map(|(kind, record)| ApprovalReport {
            kind: kind.to_lowercase(),
            asked_at: record.asked_at,
            decision: record.decision.map(|decision| {
                let word = match decision {
                    Decision::Approved => "APPROVED",
                    Decision::Rejected => "REJECTED",
                    Decision::Expired => "EXPIRED",
                };
                word.to_owned()
            }),
            by: record.by.clone(),
            at: record.at,
            reason: record.reason.clone(),
        })
        .collect();
    approvals.sort_by_key(|approval| approval.asked_at);
    approvals
}

fn waivers(servers: &[ServerRecord]) -> Vec<WaiverReport> {
    servers
        .iter()
        .flat_map(|server| &server.waivers)
        .map(|waiver| WaiverReport {
            rule: waiver.rule.sentence().to_owned(),
            source_server_id: waiver.source_server_id.clone(),
            approved_by: waiver.approved_by.clone(),
            reason: waiver.reason.clone(),
        })
        .collect()
}

/// A launch whose instance nobody saw, in a wave that stands still: it may run and cost money all the same.
fn unseen(wave: &WaveRecord, facts: &LaunchFacts, what: &str, host: &str) -> Option<RunningThing> {
    let open = facts.intended_at.is_some() && facts.terminated_at.is_none() && facts.failure.is_none();
    let seen = facts.instance_id.is_some();
    (wave.status == WaveStatus::Held && open && !seen).then(|| RunningThing {
        what: format!("{what} of {host}, if it was launched"),
        id: facts
            .job_id
            .as_ref()
            .map_or("no job known", |job| job.as_str())
            .to_owned(),
        since: facts.intended_at,
        note: "its launch was asked for and its instance was not seen: look in the MGN console".to_owned(),
    })
}

fn running(wave: &WaveRecord, servers: &[ServerRecord]) -> Vec<RunningThing> {
    let mut things = Vec::new();
    for server in servers {
        let host = &server.plan.hostname;
        for (facts, what, note) in [
            (&server.test, "test instance", "terminated when its test is over"),
            (
                &server.cutover,
                "cutover instance",
                if server.finalized_at.is_some() {
                    "production"
                } else {
                    "production once the wave is finalized"
                },
            ),
        ] {
            if let (Some(instance), None) = (&facts.instance_id, facts.terminated_at) {
                let what = format!("{what} of {host}");
                things.push(RunningThing {
                    what,
                    id: instance.to_string(),
                    since: facts.launched_at,
                    note: note.to_owned(),
                });
            }
            things.extend(unseen(wave, facts, what, host));
        }
        for snapshot in &server.evidence_snapshots {
            let note = "evidence of a rollback; delete it when it has been looked at".to_owned();
            let what = format!("evidence snapshot of {host}");
            things.push(RunningThing {
                what,
                id: snapshot.clone(),
                since: server.evidence_intended_at,
                note,
            });
        }
        if server.finalized_at.is_none() {
            let note = if wave.is_open() {
                "ends when the wave is finalized"
            } else {
                "goes on until a wave finalizes the server; free for 90 days"
            };
            let id = server.source_server_id.to_string();
            things.push(RunningThing {
                what: format!("replication of {host}"),
                id,
                since: None,
                note: note.to_owned(),
            });
        }
    }
    things
}
