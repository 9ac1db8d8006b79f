//! Every check can fail: the evidence of a run in which all held is made worse, one fact at a time.

mod databases;

use super::check;
use crate::evidence::{Evidence, Peaks};
use crate::scenarios;
use crate::world::simulate;
use landfall_cloud::Outcome;
use landfall_cloud::fleet::{CostKind, InitiatedBy, InstanceState};
use landfall_domain::record::{ClaimRecord, ServerRecord, WaveRecord, WaveStatus};

/// The wave of the run that was completed, and the one that was rolled back.
const COMPLETED: &str = "web-1";
const ROLLED_BACK: &str = "web-2";

/// How the evidence is made worse, which invariant has to speak up, and what it has to say.
type Worse = (fn(&mut Evidence), &'static str, &'static str);

fn wave<'a>(evidence: &'a mut Evidence, id: &str) -> &'a mut WaveRecord {
    let mut waves = evidence.records.waves.iter_mut();
    waves.find(|wave| wave.wave_id.as_str() == id).expect("the wave exists")
}

fn server<'a>(evidence: &'a mut Evidence, wave: &str) -> &'a mut ServerRecord {
    let mut servers = evidence.records.servers.iter_mut();
    servers
        .find(|server| server.wave_id.as_str() == wave)
        .expect("the wave has a server")
}

fn claim(evidence: &mut Evidence, wave: &str) -> ClaimRecord {
    let server = server(evidence, wave);
    ClaimRecord {
        wave_id: server.wave_id.clone(),
        epoch: 1,
        source_server_id: server.source_server_id.clone(),
        batch: 1,
        at: "2026-03-07T06:00:00Z".parse().expect("a timestamp"),
    }
}

/// What must come before what.
const ORDER: &[Worse] = &[
    (
        |e| server(e, COMPLETED).test.validated_at = None,
        "I1",
        "its test had not passed",
    ),
    (
        |e| server(e, COMPLETED).marked_ready_at = None,
        "I1",
        "was not marked ready",
    ),
    (
        |e| e.jobs.retain(|job| job.initiated_by != InitiatedBy::StartTest),
        "I1",
        "no test instance of it was launched",
    ),
    (|e| e.records.servers.clear(), "I1", "belongs to no wave"),
    (|e| e.records.servers.clear(), "I2", "belongs to no wave"),
    (
        |e| wave(e, COMPLETED).bake_until = None,
        "I2",
        "the bake time was not over",
    ),
    (|e| wave(e, COMPLETED).approvals.clear(), "I2", "nobody had approved it"),
    (
        |e| server(e, COMPLETED).switched_at = None,
        "I2",
        "its traffic had not moved",
    ),
    (
        |e| server(e, COMPLETED).cutover.validated_at = None,
        "I2",
        "its checks on the cutover instance had not passed",
    ),
    (
        |e| server(e, COMPLETED).validated_after_switch_at = None,
        "I2",
        "its checks after the switch had not passed",
    ),
    (
        |e| server(e, COMPLETED).excluded = Some("it failed".to_owned()),
        "I2",
        "the wave had left it out",
    ),
    (
        |e| e.launches[0].source_was_writing = true,
        "I13",
        "while its source was writing",
    ),
    (
        |e| e.launches[0].writes_missing = true,
        "I13",
        "without the last writes",
    ),
];

/// Record sets.
const DNS: &[Worse] = &[
    (
        |e| {
            let at = e.originals.iter().position(|one| one.wave_id == ROLLED_BACK);
            e.sets_now[at.expect("the wave has record sets")] = None;
        },
        "I3",
        "is gone after wave web-2 ended",
    ),
    (
        |e| {
            let at = e.originals.iter().position(|one| one.wave_id == ROLLED_BACK);
            let set = e.sets_now[at.expect("the wave has record sets")].as_mut();
            set.expect("it is there").ttl = Some(1);
        },
        "I3",
        "ttl 1 after wave web-2 ended",
    ),
    (
        |e| {
            let first = e.dns_changes[0].clone();
            e.dns_changes.push(first);
        },
        "I8",
        "once more than its wave was tried",
    ),
];

/// How waves end.
const ENDINGS: &[Worse] = &[
    (
        |e| {
            let id = server(e, ROLLED_BACK).source_server_id.to_string();
            let mut instances = e.instances.iter_mut();
            let instance = instances.find(|instance| instance.server == id);
            instance.expect("it was tested").state = InstanceState::Running;
        },
        "I6",
        "still runs and no report names it: its wave is rolled back",
    ),
    (
        |e| {
            for wave in &mut e.report.as_mut().expect("a report").waves {
                wave.running.clear();
            }
        },
        "I12",
        "costs money and the report does not name it",
    ),
    (|e| e.report = None, "I12", "costs money and there is no report"),
    (
        |e| {
            let claim = claim(e, COMPLETED);
            e.records.claims.push(claim);
        },
        "I7",
        "is claimed by wave web-1, which is not open",
    ),
    (
        |e| {
            wave(e, COMPLETED).status = WaveStatus::Open;
            let claim = claim(e, COMPLETED);
            e.records.claims.extend([claim.clone(), claim]);
        },
        "I7",
        "is claimed twice",
    ),
    (
        |e| wave(e, COMPLETED).status = WaveStatus::Open,
        "I7",
        "is in the open wave web-1 without a claim",
    ),
    (
        |e| wave(e, COMPLETED).status = WaveStatus::Open,
        "I12",
        "stands at Open with outcome Some(Completed)",
    ),
    (|e| wave(e, ROLLED_BACK).headline = None, "I12", "has no headline"),
];

/// What happens once.
const ONCE: &[Worse] = &[
    (|e| e.jobs[0].tags.clear(), "I8", "carries no intent"),
    (
        |e| {
            let again = e.jobs[0].clone();
            e.jobs.push(again);
        },
        "I8",
        "were started for the same intent",
    ),
    (
        |e| {
            let mut again = e.jobs[0].clone();
            again
                .tags
                .insert(landfall_aws::quota::INTENT_TAG.to_owned(), "other".to_owned());
            e.jobs.push(again);
        },
        "I8",
        "for web-1 1 TEST",
    ),
    (
        |e| {
            let finalized = e.servers.iter_mut().find(|server| server.finalized_at.is_some());
            finalized.expect("a server is finalized").finalized_at = None;
        },
        "I8",
        "FinalizeCutover took effect",
    ),
    (
        |e| {
            let snapshot = e.costs.iter().find(|cost| cost.kind == CostKind::Snapshot).cloned();
            e.costs.push(snapshot.expect("evidence was taken"));
        },
        "I8",
        "has 2 evidence snapshots of 1 cutover instances",
    ),
];

/// What no run may show.
const BROKEN: &[Worse] = &[
    (|e| e.invocations[0].panicked = true, "run", "panicked"),
    (|e| e.records.broken.push("WAVE".to_owned()), "run", "cannot be read"),
    (
        |e| {
            let code = "NotSimulated".to_owned();
            e.calls[0].outcome = Outcome::Error { status: 501, code };
        },
        "run",
        "in a way that is not simulated",
    ),
];

#[test]
fn every_check_speaks_up_about_what_it_looks_at() {
    let worse = [ORDER, DNS, ENDINGS, ONCE, BROKEN].concat();
    assert_eq!(silent("launch-failure", &worse), "");
}

/// What no check speaks up about when the end of a scenario is made worse.
fn silent(scenario: &str, worse: &[Worse]) -> String {
    let scenario = scenarios::find(scenario).expect("a scenario of this name");
    let ended = simulate(scenario.run(1, |_, _| {})).expect("the state machines are deployed");
    assert_eq!(check(&ended.evidence), [], "nothing is wrong to begin with");
    let mut silent = Vec::new();
    for (index, (worsen, invariant, says)) in worse.iter().enumerate() {
        let mut evidence = ended.evidence.clone();
        worsen(&mut evidence);
        let found = check(&evidence);
        let heard =
            |violation: &super::Violation| violation.invariant == *invariant && violation.sentence.contains(says);
        if !found.iter().any(heard) {
            silent.push(format!("{index}, {invariant} {says:?}: {found:?}"));
        }
    }
    silent.join("\n")
}

fn found(evidence: &Evidence) -> Vec<&'static str> {
    check(evidence).iter().map(|violation| violation.invariant).collect()
}

#[test]
fn an_empty_world_violates_nothing() {
    assert_eq!(check(&Evidence::default()), []);
}

#[test]
fn a_limit_that_was_passed_or_met_is_found() {
    let with = |open_jobs, servers_in_jobs, refusals| Evidence {
        peaks: Peaks {
            open_jobs,
            servers_in_jobs,
            refusals,
        },
        ..Evidence::default()
    };
    assert_eq!(found(&with(21, 201, 1)), ["I9", "I9", "I9"]);
    assert!(found(&with(20, 200, 0)).is_empty());
}
