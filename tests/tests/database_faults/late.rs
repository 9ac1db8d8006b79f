//! Functions that run on after their task timed out: the machine has begun the next try, or has gone on, while the first
//! one still works, or begins.

use crate::calls::{changes, goes_back, unequal};
use crate::everything;
use landfall_cloud::CallRecord;
use landfall_domain::record::DatabaseRecord;
use landfall_domain::report::WaveOutcome;
use landfall_tests::databases::{Story, Told, database_wave, judge_side_by_side};
use landfall_tests::late::{STALLED, Verb, begins_late, stalls};
use runner::world::World;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The deadline of these freezes, short enough for a function to outlive it.
const DEADLINE_SECONDS: u32 = 40;

/// How much later a function begins than its caller is told: at its side, after the cutover, beyond the deadline.
const BEGINS: [u64; 3] = [10, 50, 130];

/// For how long it stands still to go on beyond the deadline: a function has 60 seconds in all.
const BEYOND: u64 = 50;

/// For how long it stands still. What changes nothing takes turns; a change is always made beyond the deadline.
const STANDS_STILL: [u64; 2] = [10, BEYOND];

const FREEZE: Verb = Verb::new("freeze-source", "FREEZE");
const UNFREEZE: Verb = Verb::new("freeze-source", "UNFREEZE");
const FENCE: Verb = Verb::new("wait-for-cdc-lag", "FENCE");
const VERIFY: Verb = Verb::new("verify-data", "FENCE");
const READY: Verb = Verb::new("ready-target", "READY");
const SWITCH: Verb = Verb::new("switch-database", "SWITCH");
const RETURN: Verb = Verb::new("switch-database", "RETURN");

/// Every verb, and a story in which it is called. Who freezes late does so where the database moves, and where the source
/// was opened again meanwhile: there the closing has to be refused.
const CALLED: [(Verb, fn() -> Story); 8] = [
    (FREEZE, Story::default),
    (FREEZE, unequal),
    (FENCE, Story::default),
    (VERIFY, Story::default),
    (READY, Story::default),
    (SWITCH, Story::default),
    (UNFREEZE, unequal),
    (RETURN, goes_back),
];

/// A story with short deadlines that lasts until whoever is late has begun and ended.
fn outlasting(story: fn() -> Story) -> Story {
    let story = story();
    let plan = database_wave(|database| {
        database.verify.budget_seconds = 15;
        database.freeze.deadline_seconds = DEADLINE_SECONDS;
    });
    let before = story.then.clone();
    Story {
        plan,
        then: Some(Arc::new(move |world: World| {
            let before = before.clone();
            Box::pin(async move {
                if let Some(before) = before {
                    before(world).await;
                }
                tokio::time::sleep(Duration::from_secs(200)).await;
            })
        })),
        ..story
    }
}

fn wrong(what: String, told: &Told) -> Option<String> {
    let mut wrong = told.failures.clone();
    let ends = [WaveOutcome::Completed, WaveOutcome::RolledBack];
    if !told.outcome.is_some_and(|outcome| ends.contains(&outcome)) {
        let state = told.database().map(|database: &DatabaseRecord| database.state);
        wrong.push(format!(
            "the wave ended as {:?}, its database {state:?}: {}",
            told.outcome,
            told.headline()
        ));
    }
    (!wrong.is_empty()).then(|| format!("{what}: {}", wrong.join(" | ")))
}

fn assert_none(wrong: &[Option<String>]) {
    let all = wrong.len();
    let wrong: Vec<&String> = wrong.iter().flatten().collect();
    println!("{all} late functions");
    let lines: Vec<&str> = wrong.iter().map(|line| line.as_str()).collect();
    assert!(
        wrong.is_empty(),
        "{} of {all} runs went wrong:\n{}",
        wrong.len(),
        lines.join("\n")
    );
}

#[test]
fn a_function_that_begins_late_changes_nothing_that_was_decided() {
    let mut cases = Vec::new();
    for (verb, story) in CALLED {
        cases.extend(BEGINS.map(|seconds| (verb, story, seconds)));
    }
    let wrong = judge_side_by_side(&cases, |(verb, story, seconds)| {
        let story = outlasting(*story);
        let late = begins_late(*verb, Duration::from_secs(*seconds));
        let told = story.around(late).run();
        wrong(format!("{verb:?} begins {seconds} s late"), &told)
    });
    assert_none(&wrong);
}

#[test]
fn a_function_that_stands_still_at_any_call_and_goes_on_changes_nothing_that_was_decided() {
    let mut cases = Vec::new();
    for (verb, story) in CALLED.into_iter().filter(|(verb, _)| *verb != RETURN) {
        let calls = calls_of(verb, story);
        assert!(!calls.is_empty(), "{verb:?} calls nothing");
        for (number, call) in calls.into_iter().enumerate() {
            let turn = STANDS_STILL[number % STANDS_STILL.len()];
            let lasts = match changes(&call) {
                _ if everything() => STANDS_STILL.to_vec(),
                true => vec![BEYOND],
                false => vec![turn],
            };
            cases.extend(lasts.into_iter().map(|seconds| (verb, story, call.caller_seq, seconds)));
        }
    }
    let wrong = judge_side_by_side(&cases, |(verb, story, call, seconds)| {
        let (rule, wrapper) = stalls(*verb, *call, Duration::from_secs(*seconds));
        let told = Story {
            faults: Some(rule),
            ..outlasting(*story)
        }
        .around(wrapper)
        .run();
        let at = told
            .evidence
            .calls
            .iter()
            .find(|one| one.invocation == STALLED && one.caller_seq == *call);
        let at = at.map(|one| format!("{} of {}", one.operation, one.service));
        wrong(
            format!("{verb:?} stands still for {seconds} s at call {call}, {at:?}"),
            &told,
        )
    });
    assert_none(&wrong);
}

/// The calls that the first invocation of a verb makes when nobody disturbs it: the first of each kind, and the last,
/// or all.
fn calls_of(verb: Verb, story: fn() -> Story) -> Vec<CallRecord> {
    let (rule, wrapper) = stalls(verb, u64::MAX, Duration::ZERO);
    let told = Story {
        faults: Some(rule),
        ..outlasting(story)
    }
    .around(wrapper)
    .run();
    assert_eq!(told.failures, Vec::<String>::new(), "{verb:?}: the calm run");
    let calls = told.evidence.calls.iter().filter(|one| one.invocation == STALLED);
    let calls: Vec<&CallRecord> = calls.collect();
    let last = calls.last().map(|last| last.caller_seq);
    let mut kinds = BTreeSet::new();
    let chosen = calls.iter().filter(|one| {
        let first = kinds.insert((&one.service, &one.operation));
        first || everything() || Some(one.caller_seq) == last
    });
    chosen.map(|one| (*one).clone()).collect()
}
