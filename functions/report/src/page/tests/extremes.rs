//! Reports at the edge: as many servers as a wave may have, and texts that mean harm.

use super::samples::{approval, at, check, completed_wave, log, needs_operator, report, server_id};
use landfall_domain::report::{
    ApprovalReport, CheckPhase, DnsState, NextAction, PhaseSpan, Report, RunningThing, ServerOutcome, WaiverReport,
    WaveOutcome,
};

/// A wave of 200 servers in two batches, with one that is held.
pub fn large() -> Report {
    let mut wave = completed_wave("wave-1", 0, 0, 200);
    wave.outcome = WaveOutcome::NeedsOperator;
    wave.headline = "199 servers are finalized; db-04 is held.".into();
    wave.next_action = Some(NextAction {
        who: "The operator on call".into(),
        what: "Look at the record set of db-04, which somebody else changed.".into(),
        by: None,
    });
    wave.servers[17].outcome = ServerOutcome::Held;
    wave.servers[17].sentence = "Its record set was changed by somebody else.".into();
    wave.dns[17].state = DnsState::Held;
    report(
        "datacentre-west",
        5 * 86_400,
        "199 of 200 servers are finalized; one is held.",
        vec![wave],
    )
}

/// The texts that a hostile or careless plan could carry, in every place where a text goes.
pub fn hostile() -> Report {
    let evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u{202e}\u{0}";
    let long = "a-very-long-host-name-without-any-place-to-break-it".repeat(5);
    let mut report = needs_operator();
    for text in [
        &mut report.title,
        &mut report.headline,
        &mut report.account,
        &mut report.region,
    ] {
        *text = evil.into();
    }
    for wave in &mut report.waves {
        wave.description = Some(evil.into());
        wave.headline = evil.into();
        wave.way_back.sentence = evil.into();
        wave.next_action = Some(NextAction {
            who: evil.into(),
            what: evil.into(),
            by: None,
        });
        wave.undo_failures = vec![evil.into()];
        wave.phases.push(PhaseSpan {
            name: evil.into(),
            from: at(86_400),
            to: None,
        });
        wave.waivers = vec![WaiverReport {
            rule: evil.into(),
            source_server_id: server_id(7),
            approved_by: evil.into(),
            reason: evil.into(),
        }];
        wave.running = vec![RunningThing {
            what: evil.into(),
            id: evil.into(),
            since: None,
            note: evil.into(),
        }];
        wave.log = log(&[(0, evil, evil)]);
        wave.approvals = vec![ApprovalReport {
            decision: Some(evil.into()),
            by: Some(evil.into()),
            ..approval(evil, 0, 0, evil, evil)
        }];
        for server in &mut wave.servers {
            server.hostname = evil.into();
            server.move_group = evil.into();
            server.sentence = evil.into();
            server.checks.push(check(evil, CheckPhase::Test, false, evil, 0));
        }
        let mut database = super::databases::databases().waves.remove(0).databases.remove(1);
        for text in [
            &mut database.source_engine,
            &mut database.target_engine,
            &mut database.move_group,
            &mut database.writes_on,
            &mut database.sentence,
            &mut database.fail_back,
        ] {
            *text = evil.into();
        }
        database.tables[0].name = evil.into();
        database.tables[1].state = evil.into();
        for texts in [
            &mut database.mismatches,
            &mut database.findings,
            &mut database.waivers,
            &mut database.left,
        ] {
            *texts = vec![evil.into()];
        }
        wave.databases = vec![database];
        for set in &mut wave.dns {
            set.name = evil.into();
            set.record_type = evil.into();
            set.before = vec![evil.into()];
            set.after = vec![evil.into()];
        }
        wave.servers[0].hostname.clone_from(&long);
    }
    report
}
