//! Reports to render: invented waves that stand in every way a wave can.

use jiff::{SignedDuration, Timestamp};
use landfall_domain::ids::{HostedZoneId, InstanceId, JobId, SourceServerId, WaveId};
use landfall_domain::report::{
    ApprovalReport, CheckPhase, CheckReport, DnsReport, DnsState, LogLine, Milestones, NextAction, PhaseSpan, Report,
    RunningThing, ServerOutcome, ServerReport, WaiverReport, WaveOutcome, WaveReport, WayBack, WayBackKind,
};

const NAMES: [&str; 5] = ["web", "app", "db", "batch", "files"];

/// Monday 9 March 2026, 20:00 UTC, and so many seconds.
pub fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-03-09T20:00:00Z".parse().expect("a moment");
    start + SignedDuration::from_secs(seconds)
}

/// The id of the n-th server.
pub fn server_id(number: usize) -> SourceServerId {
    SourceServerId::parse(format!("s-{number:017x}")).expect("17 digits")
}

fn instance(kind: u8, number: usize) -> InstanceId {
    InstanceId::parse(format!("i-0{kind}{number:015x}")).expect("17 digits")
}

/// One check.
pub fn check(name: &str, phase: CheckPhase, passed: bool, detail: &str, when: i64) -> CheckReport {
    CheckReport {
        name: name.into(),
        phase,
        passed,
        detail: detail.into(),
        at: at(when),
    }
}

/// A server that went all the way: tested 40 minutes after `start`, down from `window` on, finalized after 72 hours.
pub fn server(number: usize, batch: u32, start: i64, window: i64) -> ServerReport {
    let step = (number % 5) as i64;
    let down = 780 + step * 47;
    ServerReport {
        source_server_id: server_id(number),
        hostname: format!("{}-{:02}", NAMES[number % 5], number / 5 + 1),
        batch,
        move_group: "shop".into(),
        outcome: ServerOutcome::Finalized,
        sentence: "Tested, cut over, switched and finalized; AWS is its only home.".into(),
        milestones: Milestones {
            tested_at: Some(at(start + 2_400 + step * 35)),
            quiesced_at: Some(at(window + step * 8)),
            cut_over_at: Some(at(window + 600 + step * 20)),
            validated_at: Some(at(window + 700 + step * 40)),
            switched_at: Some(at(window + step * 8 + down)),
            finalized_at: Some(at(window + 3_600 + 72 * 3_600 + step * 15)),
            source_restarted_at: None,
        },
        downtime_seconds: Some(down as u64),
        down_now: false,
        test_instance_id: Some(instance(1, number)),
        cutover_instance_id: Some(instance(2, number)),
        cutover_job_id: Some(JobId::parse(format!("mgnjob-{:017x}", number / 5 + 1)).expect("17 digits")),
        checks: vec![
            check("EC2 status checks", CheckPhase::Test, true, "2/2 passed", start + 1_900),
            check("http /health", CheckPhase::Test, true, "200 OK", start + 2_000),
            check(
                "EC2 status checks",
                CheckPhase::Cutover,
                true,
                "2/2 passed",
                window + 650,
            ),
            check("http /health", CheckPhase::Cutover, true, "200 OK", window + 690),
            check("http /health", CheckPhase::AfterSwitch, true, "200 OK", window + 1_200),
        ],
    }
}

fn phase(name: &str, from: i64, to: Option<i64>) -> PhaseSpan {
    PhaseSpan {
        name: name.into(),
        from: at(from),
        to: to.map(at),
    }
}

fn record(number: usize, state: DnsState) -> DnsReport {
    let name = format!("{}-{:02}", NAMES[number % 5], number / 5 + 1);
    let after = if state == DnsState::Restored {
        format!("10.0.1.{}", 11 + number % 200)
    } else {
        format!("10.80.4.{}", 11 + number % 200)
    };
    DnsReport {
        hosted_zone_id: HostedZoneId::parse("Z0123456789ABCDEFGHIJ").expect("a zone"),
        name: format!("{name}.corp.example.com."),
        record_type: "A".into(),
        state,
        before: vec![format!("10.0.1.{} ttl 300", 11 + number % 200)],
        after: vec![format!("{after} ttl 300")],
    }
}

/// A decision that was an approval.
pub fn approval(kind: &str, asked: i64, decided: i64, by: &str, reason: &str) -> ApprovalReport {
    ApprovalReport {
        kind: kind.into(),
        asked_at: at(asked),
        decision: Some("APPROVED".into()),
        by: Some(format!("arn:aws:sts::111122223333:assumed-role/MigrationApprover/{by}")),
        at: Some(at(decided)),
        reason: Some(reason.into()),
    }
}

fn running(what: &str, id: impl Into<String>, since: i64, note: &str) -> RunningThing {
    RunningThing {
        what: what.into(),
        id: id.into(),
        since: Some(at(since)),
        note: note.into(),
    }
}

/// Lines of the audit trail: second, actor, text.
pub fn log(lines: &[(i64, &str, &str)]) -> Vec<LogLine> {
    let line = |(when, actor, text): &(i64, &str, &str)| LogLine {
        at: at(*when),
        actor: (*actor).into(),
        text: (*text).into(),
    };
    lines.iter().map(line).collect()
}

/// A wave of so many servers, all finalized; `day` counts from 9 March, `first` is the number of its first server.
pub fn completed_wave(id: &str, day: i64, first: usize, servers: usize) -> WaveReport {
    let start = day * 86_400;
    let window = start + 9_000;
    let end = window + 3_600 + 72 * 3_600 + 300;
    let numbers = first..first + servers;
    WaveReport {
        wave_id: WaveId::parse(id).expect("a wave id"),
        description: Some("Shop: front ends with their databases".into()),
        outcome: WaveOutcome::Completed,
        headline: format!("All {servers} servers run on AWS and are finalized."),
        started_at: Some(at(start)),
        ended_at: Some(at(end)),
        next_action: None,
        way_back: WayBack {
            kind: WayBackKind::TrafficOnly,
            sentence: "Replication is gone; start landfall-rollback-wave to point traffic at the sources, which are kept until they are retired.".into(),
            until: Some(at(end + 30 * 86_400)),
        },
        phases: vec![
            phase("Preflight", start, Some(start + 240)),
            phase("Test", start + 240, Some(start + 2_700)),
            phase("Approval", start + 2_700, Some(window)),
            phase("Cut over", window, Some(window + 1_300)),
            phase("Bake", window + 1_300, Some(window + 3_600 + 72 * 3_600)),
            phase("Finalize", window + 3_600 + 72 * 3_600, Some(end)),
        ],
        databases: Vec::new(),
        servers: numbers.clone().map(|n| server(n, ((n - first) / 100 + 1) as u32, start, window)).collect(),
        dns: numbers.clone().map(|n| record(n, DnsState::Settled)).collect(),
        approvals: vec![
            approval("cutover", start + 2_700, start + 5_400, "m.okafor", "Change CHG-20418, business agreed on the window."),
            approval("finalize", window + 262_800, window + 262_800, "j.lind", "Three days without an incident."),
        ],
        waivers: Vec::new(),
        running: numbers.map(|n| running("cutover instance", instance(2, n).to_string(), window + 600, "production")).collect(),
        undo_failures: Vec::new(),
        log: log(&[
            (start, "plan-wave", "claimed the servers and recorded the wave"),
            (start + 240, "start-test", "StartTest accepted as mgnjob-00000000000000a01"),
            (start + 5_400, "arn:aws:sts::111122223333:assumed-role/MigrationApprover/m.okafor", "approved the cutover"),
            (window, "quiesce", "stopped and disabled nginx and shop-app"),
            (window + 1_300, "switch-dns", "changed the record sets; INSYNC and read back"),
            (end, "finalize", "finalized the cutovers and archived the source servers"),
        ]),
    }
}

fn not_started(id: &str, first: usize) -> WaveReport {
    let mut wave = completed_wave(id, 0, first, 5);
    wave.outcome = WaveOutcome::NotStarted;
    wave.headline = "Not started: wave-2 stopped the program.".into();
    (wave.started_at, wave.ended_at) = (None, None);
    wave.way_back = WayBack {
        kind: WayBackKind::NothingToUndo,
        sentence: "Nothing was changed.".into(),
        until: None,
    };
    (wave.phases, wave.dns, wave.approvals, wave.running, wave.log) = Default::default();
    for server in &mut wave.servers {
        reset(server, ServerOutcome::Waiting, "Nothing was changed for it.");
        server.milestones = Milestones::default();
        server.checks.clear();
        server.test_instance_id = None;
    }
    wave
}

/// Forgets everything of a server from its cutover on.
fn reset(server: &mut ServerReport, outcome: ServerOutcome, sentence: &str) {
    server.outcome = outcome;
    server.sentence = sentence.into();
    server.milestones = Milestones {
        tested_at: server.milestones.tested_at,
        ..Milestones::default()
    };
    server.downtime_seconds = None;
    (server.cutover_instance_id, server.cutover_job_id) = (None, None);
    server.checks.retain(|check| check.phase == CheckPhase::Test);
}

/// A report that was made so many seconds after the beginning.
pub fn report(title: &str, seconds: i64, headline: &str, waves: Vec<WaveReport>) -> Report {
    Report {
        title: title.into(),
        generated_at: at(seconds),
        account: "111122223333".into(),
        region: "eu-central-1".into(),
        headline: headline.into(),
        waves,
    }
}

/// Four waves of five servers, one each night, all finalized.
pub fn completed_program() -> Report {
    let waves = (0..4)
        .map(|n| completed_wave(&format!("wave-{}", n + 1), n as i64, n * 5, 5))
        .collect();
    report(
        "shop-2026",
        7 * 86_400,
        "All 4 waves are completed: 20 of 20 servers run on AWS.",
        waves,
    )
}

/// Wave 1 completed, wave 2 rolled back after a launch failed, waves 3 and 4 never started.
pub fn stopped_program() -> Report {
    let mut second = completed_wave("wave-2", 1, 5, 5);
    let window = 86_400 + 9_000;
    second.outcome = WaveOutcome::RolledBack;
    second.headline = "db-02 could not be launched; all 5 servers run on their sources again.".into();
    second.ended_at = Some(at(window + 2_400));
    second.next_action = Some(NextAction {
        who: "The operator on call".into(),
        what: "Read the launch log of db-02, correct its launch template, then start wave-2 again.".into(),
        by: Some(at(4 * 86_400)),
    });
    second.way_back = WayBack {
        kind: WayBackKind::NothingToUndo,
        sentence: "Everything has been undone.".into(),
        until: None,
    };
    second.phases.truncate(3);
    second.phases.push(phase("Cut over", window, Some(window + 1_100)));
    second
        .phases
        .push(phase("Roll back", window + 1_100, Some(window + 2_400)));
    for (index, server) in second.servers.iter_mut().enumerate() {
        let quiesced = server.milestones.quiesced_at;
        let step = index as i64 * 31;
        reset(
            server,
            ServerOutcome::RolledBack,
            "Its cutover instance was terminated and its services were started on the source.",
        );
        server.milestones.quiesced_at = quiesced;
        server.milestones.source_restarted_at = Some(at(window + 1_500 + step));
        server.downtime_seconds = Some((1_500 + step - index as i64 * 8) as u64);
    }
    second.servers[2].sentence = "MGN could not launch its cutover instance: the subnet has no free addresses.".into();
    second.servers[2].checks.push(check(
        "EC2 status checks",
        CheckPhase::Cutover,
        false,
        "no instance was launched:\nInsufficientFreeAddressesInSubnet subnet-0a1b2c3d",
        window + 1_050,
    ));
    second.dns = (5..10).map(|n| record(n, DnsState::Restored)).collect();
    second.approvals.truncate(1);
    second.running = vec![
        running(
            "replication of 5 servers",
            "MGN",
            86_400,
            "goes on, so that the wave can be started again",
        ),
        running(
            "evidence snapshot",
            "snap-0a1b2c3d4e5f60718",
            window + 1_200,
            "delete it when the failure is understood",
        ),
    ];
    let waves = vec![
        completed_wave("wave-1", 0, 0, 5),
        second,
        not_started("wave-3", 10),
        not_started("wave-4", 15),
    ];
    report(
        "shop-2026",
        3 * 86_400 + 39_600,
        "Stopped after wave 2 was rolled back: 5 of 20 servers run on AWS.",
        waves,
    )
}

/// One wave that went on without a server whose test failed.
pub fn excluded_server() -> Report {
    let mut wave = completed_wave("wave-1", 0, 0, 5);
    let server = &mut wave.servers[3];
    reset(
        server,
        ServerOutcome::Excluded,
        "Its test failed twice; the wave went on without it.",
    );
    server.milestones.tested_at = None;
    server.checks[1].passed = false;
    server.checks[1].detail = "GET http://localhost:8080/health\nconnection refused after 60 s".into();
    wave.waivers.push(WaiverReport {
        rule: "A server is tested before it is cut over".into(),
        source_server_id: server_id(4),
        approved_by: "m.okafor".into(),
        reason: "The file server is a read-only copy; it is compared by checksum instead.".into(),
    });
    wave.headline = "4 of 5 servers run on AWS; batch-01 was excluded after its test failed.".into();
    report(
        "wave-1",
        5 * 86_400,
        "Completed without batch-01, whose test failed.",
        vec![wave],
    )
}

/// A wave whose rollback left things behind: undo failures, a record set that somebody changed, a server held.
pub fn needs_operator() -> Report {
    let mut report = stopped_program();
    report.headline =
        "wave-2 stands still: 2 undo steps failed and one record set was changed by somebody else.".into();
    report.generated_at = at(86_400 + 9_000 + 4_000);
    report.waves.remove(0);
    let wave = &mut report.waves[0];
    wave.outcome = WaveOutcome::NeedsOperator;
    wave.headline = "The rollback could not undo everything; db-02 is down.".into();
    wave.ended_at = None;
    let action = wave.next_action.as_mut().expect("it has one");
    action.what = "Start the services of db-02 by hand, then start landfall-rollback-wave again.".into();
    action.by = Some(at(86_400 + 9_000 + 3_700));
    wave.way_back = WayBack {
        kind: WayBackKind::LosesWrites,
        sentence: "app-02 has taken writes on AWS since 22:47; a rollback loses them. Start landfall-rollback-wave with acceptLostWrites.".into(),
        until: Some(at(3 * 86_400)),
    };
    wave.undo_failures = vec![
        "Instance i-02000000000000007 could not be terminated (UnauthorizedOperation); terminate it by hand.".into(),
        "Services on db-02 did not start within 300 s; start postgresql on the source by hand.".into(),
    ];
    let server = &mut wave.servers[2];
    server.outcome = ServerOutcome::Held;
    server.sentence = "Its services did not start on the source; it is held for a person.".into();
    server.down_now = true;
    server.downtime_seconds = None;
    server.milestones.source_restarted_at = None;
    wave.dns[2].state = DnsState::Held;
    wave.dns[2].after = vec!["10.99.0.7 ttl 60".into(), "somebody changed it at 22:51".into()];
    report
}

/// A wave in the middle of its cutover, waiting for nobody yet; one server is already switched.
pub fn in_progress() -> Report {
    let mut wave = completed_wave("wave-1", 0, 0, 5);
    wave.outcome = WaveOutcome::InProgress;
    wave.headline = "Cutting over: 1 of 5 servers is switched, 3 are being cut over.".into();
    wave.ended_at = None;
    wave.next_action = Some(NextAction {
        who: "An approver".into(),
        what: "Approve or reject the finalize of wave-1.".into(),
        by: Some(at(9_000 + 30_000)),
    });
    wave.way_back = WayBack {
        kind: WayBackKind::Free,
        sentence: "No client has written on AWS. Start landfall-rollback-wave.".into(),
        until: Some(at(9_000 + 3_600)),
    };
    wave.phases.truncate(3);
    wave.phases.push(phase("Cut over", 9_000, None));
    for (index, server) in wave.servers.iter_mut().enumerate() {
        let quiesced = server.milestones.quiesced_at;
        match index {
            0 => {
                server.outcome = ServerOutcome::Switched;
                server.sentence = "Traffic goes to AWS.".into();
                server.milestones.finalized_at = None;
            }
            4 => reset(server, ServerOutcome::Tested, "Its test passed."),
            _ => {
                reset(
                    server,
                    ServerOutcome::CuttingOver,
                    "Its cutover instance is being launched.",
                );
                server.milestones.quiesced_at = quiesced;
                server.down_now = true;
            }
        }
    }
    wave.dns = (0..5)
        .map(|n| record(n, if n == 0 { DnsState::Switched } else { DnsState::Prepared }))
        .collect();
    wave.approvals.truncate(1);
    wave.approvals.push(ApprovalReport {
        kind: "finalize".into(),
        asked_at: at(9_800),
        decision: None,
        by: None,
        at: None,
        reason: None,
    });
    wave.running.truncate(1);
    report(
        "wave-1",
        9_000 + 852,
        "wave-1 is being cut over: 1 of 5 servers is switched.",
        vec![wave],
    )
}
