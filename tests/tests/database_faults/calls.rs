//! Every call × every fault.

use crate::everything;
use jiff::SignedDuration;
use landfall_cloud::{CallContext, CallRecord, Fault, Outcome};
use landfall_domain::report::WaveOutcome;
use landfall_tests::WAVE;
use landfall_tests::databases::{Story, Told, side_by_side};
use landfall_tests::late::Verb;
use runner::operator::{Answer, OperatorScript};
use runner::world::{FunctionWrapper, Invocation, LambdaFailure, World, twice};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Who is at work beside a cutover and has no part in it.
const BYSTANDERS: [&str; 3] = ["on-event", "sweep", "approve"];

/// The functions of cutover-database, of which the test has to see calls. Others may work for them.
const CUTOVER: [&str; 6] = [
    "wait-for-cdc-lag",
    "freeze-source",
    "verify-data",
    "ready-target",
    "switch-database",
    "start-replication",
];

/// The function that asks databases for all others.
const REACH: &str = "reach-database";

/// What a client hears in place of an answer. It repeats by itself what was refused, and a reading that was not answered.
const UNHEARD: [Fault; 4] = [
    Fault::Throttle { retry_after_s: None },
    Fault::ServerError,
    Fault::TimeoutAnswer,
    Fault::LostAnswer,
];

/// After which calls a function dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dies {
    /// After each.
    AfterEvery,
    /// After the first and the last of each kind.
    AfterEachKind,
}

/// From a deadline to an open source when the dead man's switch itself is disturbed. It gives up 8 s after the deadline, and
/// is called again a minute later; one that dies is called again by Lambda after a minute.
const CALLED_AGAIN: SignedDuration = SignedDuration::from_secs(75);

/// From a deadline to an open source of which nobody has to be told more than that.
const IN_TIME: SignedDuration = SignedDuration::from_secs(5);

/// A call of the calm run, and what is to happen to it.
struct Case<'a> {
    call: &'a CallRecord,
    fault: Fault,
}

/// Disturbs each of the calls that are chosen, and judges each run.
fn disturb(
    story: &Story,
    expected: WaveOutcome,
    may_end: &[WaveOutcome],
    dies: Dies,
    choose: impl Fn(&Told) -> Vec<CallRecord>,
) {
    let calm = story.run();
    assert_eq!(calm.failures, Vec::<String>::new(), "the calm run: {}", calm.headline());
    assert_eq!(calm.outcome, Some(expected), "the calm run: {}", calm.headline());
    let calls = choose(&calm);
    let cases = cases(&calls, dies);
    let (first, last) = (calls.first().map(|call| call.at), calls.last().map(|call| call.at));
    println!("{} calls from {first:?} to {last:?}, {} runs", calls.len(), cases.len());
    let runs = side_by_side(&cases, |case| {
        let told = disturbed(story, case);
        let wrong = wrong(case, &told, may_end).inspect(|wrong| println!("{wrong}"));
        (told.outcome, wrong)
    });
    let mut ends = BTreeMap::<String, u32>::new();
    for (outcome, _) in &runs {
        *ends.entry(format!("{outcome:?}")).or_default() += 1;
    }
    println!("{ends:?}");
    let wrong: Vec<String> = runs.into_iter().filter_map(|(_, wrong)| wrong).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} runs went wrong:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

/// Which faults are tried where. A function dies after calls, the one that asks databases for others only after those that
/// change something where it reads again and again; to die before one is to die after the one before it, but for
/// the first of an invocation. A change is left without an answer, and whatever else can become of an answer takes turns:
/// both at the first call of each kind.
fn cases(calls: &[CallRecord], dies: Dies) -> Vec<Case<'_>> {
    let mut cases = Vec::new();
    let mut kinds = 0;
    for call in calls {
        let alike = |one: &&CallRecord| kind(one) == kind(call);
        let first = calls.iter().find(alike).is_some_and(|one| one.seq == call.seq);
        let last = calls.iter().rfind(alike).is_some_and(|one| one.seq == call.seq);
        let mut faults = Vec::new();
        let every = dies == Dies::AfterEvery && (call.caller != REACH || changes(call));
        if every || first || last || everything() {
            faults.push(Fault::KillAfter);
        }
        if call.caller_seq == 1 {
            faults.push(Fault::KillBefore);
        }
        if everything() {
            faults.extend(UNHEARD);
        } else if first {
            let turn = UNHEARD[kinds % UNHEARD.len()];
            faults.push(turn);
            if changes(call) && turn != Fault::LostAnswer {
                faults.push(Fault::LostAnswer);
            }
            kinds += 1;
        }
        cases.extend(faults.into_iter().map(|fault| Case { call, fault }));
    }
    cases
}

/// Calls of a kind do the same for the same function.
fn kind(call: &CallRecord) -> (&str, &str, &str) {
    (&call.caller, &call.service, &call.operation)
}

/// Whether a call changes something.
pub(crate) fn changes(call: &CallRecord) -> bool {
    const READS: [&str; 12] = [
        "Get",
        "Describe",
        "Query",
        "List",
        "connect",
        "probe",
        "read_",
        "open_transactions",
        "prepared",
        "plan_",
        "inspect",
        "schema",
    ];
    !READS.iter().any(|read| call.operation.starts_with(read))
}

fn disturbed(story: &Story, case: &Case<'_>) -> Told {
    let (seq, fault) = (case.call.seq, case.fault);
    let rule = move |context: &CallContext| if context.seq == seq { fault } else { Fault::None };
    Story {
        faults: Some(Arc::new(rule)),
        ..story.clone()
    }
    .run()
}

fn wrong(case: &Case<'_>, told: &Told, may_end: &[WaveOutcome]) -> Option<String> {
    let Case { call, fault } = case;
    let mut wrong = told.failures.clone();
    let met = told.evidence.calls.iter().find(|one| one.seq == call.seq);
    let hit = met.is_some_and(|met| {
        let injected = matches!(&met.outcome, Outcome::Injected { fault: name, .. } if *name == fault.name());
        injected && met.operation == call.operation && met.caller == call.caller
    });
    if !hit {
        wrong.push(format!("the fault met another call, so nothing was tested: {met:?}"));
    }
    if !told.outcome.is_some_and(|outcome| may_end.contains(&outcome)) {
        wrong.push(format!("the wave ended as {:?}: {}", told.outcome, told.headline()));
    }
    let closing = told.database().map(|database| &database.source_closing);
    let late = closing.is_some_and(|closing| match (closing.opened_at, closing.deadline) {
        (Some(opened), Some(deadline)) => opened > deadline + IN_TIME,
        _ => false,
    });
    if late && told.database().is_some_and(|one| one.cutover.committed_at.is_none()) && !told.told("deadline") {
        wrong.push("I4: the source opened late, and nobody was told".to_owned());
    }
    let at = format!(
        "call {}, {} of {} by {} (invocation {}, call {})",
        call.seq, call.operation, call.service, call.caller, call.invocation, call.caller_seq
    );
    (!wrong.is_empty()).then(|| format!("{} at {at}: {}", fault.name(), wrong.join(" | ")))
}

/// Every call of cutover-database: whatever is called while it runs, by its functions and by what works for them.
fn of_cutover(told: &Told) -> Vec<CallRecord> {
    let machine = ":cutover-database";
    let execution = told
        .evidence
        .executions
        .iter()
        .find(|one| one.state_machine_arn.ends_with(machine));
    let execution = execution.expect("the database is cut over");
    let over = execution.stop_date.expect("it is over");
    let calls: Vec<CallRecord> = at_work(&told.evidence.calls)
        .filter(|call| call.at >= execution.start_date && call.at <= over)
        .cloned()
        .collect();
    for function in CUTOVER {
        assert!(
            calls.iter().any(|call| call.caller == function),
            "no call of {function} would be disturbed"
        );
    }
    calls
}

fn at_work(calls: &[CallRecord]) -> impl DoubleEndedIterator<Item = &CallRecord> {
    calls.iter().filter(|call| !BYSTANDERS.contains(&call.caller.as_str()))
}

/// What is called from a function's first call to its last one, by it and by what works for it, after the last call of
/// another function before that.
fn of_work(told: &Told, function: &str, after: &str) -> Vec<CallRecord> {
    let calls = &told.evidence.calls;
    let after = calls
        .iter()
        .rfind(|call| call.caller == after)
        .map_or(0, |call| call.seq);
    let mine = |call: &&CallRecord| call.caller == function && call.seq > after;
    let first = calls.iter().find(mine).expect("it is called").seq;
    let last = calls.iter().rfind(mine).expect("it is called").seq;
    at_work(calls)
        .filter(|call| (first..=last).contains(&call.seq))
        .cloned()
        .collect()
}

/// The two sides are never found equal, so the source is opened again.
pub(crate) fn unequal() -> Story {
    let verify = Verb::new("verify-data", "FENCE");
    let wrapper: FunctionWrapper = Arc::new(move |invocation: Invocation| {
        Box::pin(async move {
            if verify.is(&invocation) {
                return Ok(json!({ "outcome": "FAILED", "reasons": ["a row differs"] }));
            }
            invocation.run().await
        })
    });
    Story {
        wrapper: Some(wrapper),
        ..Story::default()
    }
}

/// Verification hangs until long after the deadline.
pub(crate) fn hangs() -> Story {
    let verify = Verb::new("verify-data", "FENCE");
    let wrapper: FunctionWrapper = Arc::new(move |invocation: Invocation| {
        Box::pin(async move {
            if !verify.is(&invocation) {
                return invocation.run().await;
            }
            tokio::time::sleep(Duration::from_secs(60)).await;
            Err(LambdaFailure {
                error_type: "Sandbox.Timedout".to_owned(),
                error_message: "Task timed out after 60.00 seconds".to_owned(),
                request_id: "hangs".to_owned(),
            })
        })
    });
    Story {
        wrapper: Some(wrapper),
        ..Story::default()
    }
}

/// The operator goes back after the switch.
pub(crate) fn goes_back() -> Story {
    Story {
        operator: OperatorScript {
            delay: Duration::from_secs(20),
            finalize: Answer::Reject,
            ..OperatorScript::default()
        },
        then: Some(Arc::new(|world: World| Box::pin(back_by_hand(world)))),
        ..Story::default()
    }
}

/// An operator starts rollback-wave, if there is something to roll back.
pub(crate) async fn back_by_hand(world: World) {
    tokio::time::sleep(Duration::from_secs(20)).await;
    let input = json!({ "waveId": WAVE, "reason": "an operator wants it" });
    let back = world.start("rollback-wave", &format!("{WAVE}-back"), input);
    world.finished(&back).await;
}

#[test]
fn a_cutover_survives_every_fault_at_every_call() {
    let ends = [WaveOutcome::Completed, WaveOutcome::RolledBack];
    let story = Story::default();
    disturb(&story, WaveOutcome::Completed, &ends, Dies::AfterEvery, of_cutover);
}

#[test]
fn a_cutover_that_is_taken_back_survives_every_fault_at_every_call() {
    let ends = [WaveOutcome::RolledBack];
    // The freeze itself is disturbed where the database moves.
    let opening = |told: &Told| of_work(told, "freeze-source", "wait-for-cdc-lag");
    disturb(&unequal(), WaveOutcome::RolledBack, &ends, Dies::AfterEvery, opening);
}

#[test]
fn the_dead_mans_switch_survives_every_fault_at_every_call() {
    let story = Story {
        opens_within: CALLED_AGAIN,
        ..hangs()
    };
    let ends = [WaveOutcome::RolledBack];
    let deadline = |told: &Told| of_work(told, "freeze-source", "wait-for-cdc-lag");
    disturb(&story, WaveOutcome::RolledBack, &ends, Dies::AfterEvery, deadline);
}

#[test]
fn the_way_back_after_a_switch_survives_every_fault_at_every_call() {
    let ends = [WaveOutcome::RolledBack];
    let story = goes_back();
    let back = |told: &Told| of_work(told, "switch-database", "begin-rollback");
    disturb(&story, WaveOutcome::RolledBack, &ends, Dies::AfterEachKind, back);
}

#[test]
fn every_state_can_be_repeated() {
    for (story, expected) in [
        (Story::default(), WaveOutcome::Completed),
        (goes_back(), WaveOutcome::RolledBack),
    ] {
        let told = Story {
            wrapper: Some(twice()),
            ..story
        }
        .run();
        assert_eq!(told.failures, Vec::<String>::new());
        assert_eq!(told.outcome, Some(expected), "{}", told.headline());
    }
}

#[test]
fn every_state_can_be_repeated_while_a_cutover_is_taken_back() {
    for story in [unequal(), hangs()] {
        let disturbed = story.wrapper.clone().expect("it wraps");
        let wrapper: FunctionWrapper = Arc::new(move |invocation: Invocation| {
            let disturbed = Arc::clone(&disturbed);
            Box::pin(async move {
                let again = invocation.clone();
                let _ = disturbed(invocation).await;
                disturbed(again).await
            })
        });
        let told = Story {
            wrapper: Some(wrapper),
            ..story
        }
        .run();
        assert_eq!(told.failures, Vec::<String>::new());
        assert_eq!(told.outcome, Some(WaveOutcome::RolledBack), "{}", told.headline());
    }
}
