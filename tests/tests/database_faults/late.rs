//! Functions that run on after their task timed out: the machine has begun the next try, or has gone on, while the first
//! one still works, or begins.

use crate::calls::{goes_back, unequal};
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

/// For how long it stands still: a function has 60 seconds in all. The longer one ends beyond the deadline.
const STANDS_STILL: [u64; 2] = [10, 50];

const FREEZE: Verb = Verb::new("freeze-source", "FREEZE");
const UNFREEZE: Verb = Verb::new("freeze-source", "UNFREEZE");
const FENCE: Verb = Verb::new("wait-for-cdc-lag", "FENCE");
const VERIFY: Verb = Verb::new("verify-data", "FENCE");
const READY: Verb = Verb::new("ready-target", "READY");
const SWITCH: Verb = Verb::new("switch-database", "SWITCH");
const RETURN: Verb = Verb::new("switch-database", "RETURN");

/// The story in which a verb is called.
fn story_of(verb: Verb) -> Story {
    let story = match verb {
        UNFREEZE => unequal(),
        RETURN => goes_back(),
        _ => Story::default(),
    };
    let plan = database_wave(|database| {
        database.verify.budget_seconds = 15;
        database.freeze.deadline_seconds = DEADLINE_SECONDS;
    });
    let before = story.then.clone();
    Story {
        plan,
        // Whoever is late has begun and ended by then.
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
    for verb in [FREEZE, FENCE, VERIFY, READY, SWITCH, UNFREEZE, RETURN] {
        cases.extend(BEGINS.map(|seconds| (verb, seconds)));
    }
    let wrong = judge_side_by_side(&cases, |(verb, seconds)| {
        let story = story_of(*verb);
        let late = begins_late(*verb, Duration::from_secs(*seconds));
        let told = story.around(late).run();
        wrong(format!("{verb:?} begins {seconds} s late"), &told)
    });
    assert_none(&wrong);
}

#[test]
fn a_function_that_stands_still_at_any_call_and_goes_on_changes_nothing_that_was_decided() {
    let mut cases = Vec::new();
    for verb in [FREEZE, FENCE, VERIFY, READY, SWITCH, UNFREEZE] {
        let calls = calls_of(verb);
        assert!(!calls.is_empty(), "{verb:?} calls nothing");
        for (number, call) in calls.into_iter().enumerate() {
            if everything() {
                cases.extend(STANDS_STILL.map(|seconds| (verb, call, seconds)));
            } else {
                cases.push((verb, call, STANDS_STILL[number % STANDS_STILL.len()]));
            }
        }
    }
    let wrong = judge_side_by_side(&cases, |(verb, call, seconds)| {
        let (rule, wrapper) = stalls(*verb, *call, Duration::from_secs(*seconds));
        let told = Story {
            faults: Some(rule),
            ..story_of(*verb)
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

/// The calls that the first invocation of a verb makes when nobody disturbs it, by their numbers: the first of each kind,
/// and the last, or all.
fn calls_of(verb: Verb) -> Vec<u64> {
    let (rule, wrapper) = stalls(verb, u64::MAX, Duration::ZERO);
    let told = Story {
        faults: Some(rule),
        ..story_of(verb)
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
    chosen.map(|one| one.caller_seq).collect()
}
