//! Every call × every fault.

use jiff::SignedDuration;
use landfall_cloud::{CallContext, CallRecord, Fault, Outcome};
use landfall_domain::report::WaveOutcome;
use landfall_tests::WAVE;
use landfall_tests::databases::{Story, Told, side_by_side};
use landfall_tests::late::Verb;
use runner::evidence::Evidence;
use runner::operator::{Answer, OperatorScript};
use runner::world::{FunctionWrapper, Invocation, LambdaFailure, World, twice};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The functions of cutover-database. Of start-replication what comes after the switch.
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

/// What happens to a call.
const FAULTS: [Fault; 6] = [
    Fault::KillBefore,
    Fault::KillAfter,
    Fault::LostAnswer,
    Fault::Throttle { retry_after_s: None },
    Fault::ServerError,
    Fault::TimeoutAnswer,
];

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
fn disturb(story: &Story, expected: WaveOutcome, may_end: &[WaveOutcome], choose: impl Fn(&Calls) -> Vec<CallRecord>) {
    let calm = story.run();
    assert_eq!(calm.failures, Vec::<String>::new(), "the calm run: {}", calm.headline());
    assert_eq!(calm.outcome, Some(expected), "the calm run: {}", calm.headline());
    let all = Calls::of(&calm.evidence);
    let calls = choose(&all);
    let cases: Vec<Case<'_>> = calls
        .iter()
        .flat_map(|call| FAULTS.map(|fault| Case { call, fault }))
        .filter(|case| makes_sense(case, &calls, &all))
        .collect();
    let runs = side_by_side(&cases, |case| {
        let told = disturbed(story, case);
        let wrong = wrong(case, &told, may_end).inspect(|wrong| println!("{wrong}"));
        (told.outcome, wrong)
    });
    let mut ends = BTreeMap::<String, u32>::new();
    for (outcome, _) in &runs {
        *ends.entry(format!("{outcome:?}")).or_default() += 1;
    }
    println!("{} calls, {} runs: {ends:?}", calls.len(), cases.len());
    let wrong: Vec<String> = runs.into_iter().filter_map(|(_, wrong)| wrong).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} runs went wrong:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

/// Which faults are tried where. A function dies after each call; to die before one is to die after the one before it, but
/// for the first of an invocation. A change is also left without an answer, each time. A client repeats by itself what was
/// refused, and a reading that was not answered, so these are tried at the first call of a kind alone, unless
/// `LANDFALL_EVERY_FAULT` is set: then every fault is tried at every call, which takes three times as long. What
/// `reach-database` does for a caller dies at the first call of a kind too, unless it changes something.
fn makes_sense(case: &Case<'_>, calls: &[CallRecord], all: &Calls) -> bool {
    let Case { call, fault } = *case;
    let kind = |one: &CallRecord| {
        let behind = all.behind(one).map(|(function, _)| function.clone());
        (behind, one.caller.clone(), one.service.clone(), one.operation.clone())
    };
    let first = || {
        calls
            .iter()
            .find(|one| kind(one) == kind(call))
            .is_some_and(|one| one.seq == call.seq)
    };
    match fault {
        Fault::KillAfter | Fault::KillBefore if call.caller == REACH => first() || changes(call),
        Fault::KillAfter => true,
        Fault::KillBefore => call.caller_seq == 1,
        Fault::LostAnswer if changes(call) => true,
        _ => first() || std::env::var_os("LANDFALL_EVERY_FAULT").is_some(),
    }
}

/// Whether a call changes something.
fn changes(call: &CallRecord) -> bool {
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

/// The calls of a run, with those that `reach-database` made for its callers.
struct Calls {
    calls: Vec<CallRecord>,
    /// Who invoked `reach-database`, by the number of its invocation.
    invoked_by: BTreeMap<u64, (String, u64)>,
}

impl Calls {
    fn of(evidence: &Evidence) -> Self {
        let invocations = evidence.invocations.iter();
        Self {
            calls: evidence.calls.clone(),
            invoked_by: invocations
                .filter_map(|one| Some((one.number, one.by.clone()?)))
                .collect(),
        }
    }

    /// The function and the invocation that a call is made for: of `reach-database`, those that invoked it.
    fn behind(&self, call: &CallRecord) -> Option<&(String, u64)> {
        self.invoked_by.get(&call.invocation).filter(|_| call.caller == REACH)
    }

    /// Whether a call is made by a function, or for it.
    fn is_of(&self, call: &CallRecord, function: &str) -> bool {
        call.caller == function || self.behind(call).is_some_and(|(behind, _)| behind == function)
    }

    fn last_of(&self, function: &str) -> u64 {
        let last = self.calls.iter().rfind(|call| call.caller == function);
        last.map_or(0, |call| call.seq)
    }

    fn first_of(&self, function: &str) -> u64 {
        let first = self.calls.iter().find(|call| call.caller == function);
        first.map_or(u64::MAX, |call| call.seq)
    }

    /// What a function does, and what is done for it, after a call.
    fn of_after(&self, function: &str, seq: u64) -> Vec<CallRecord> {
        let later = self
            .calls
            .iter()
            .filter(|call| call.seq > seq && self.is_of(call, function));
        later.cloned().collect()
    }
}

/// The calls of cutover-database; of what is repeated until a marker arrives, the first two and the last.
fn of_cutover(calls: &Calls) -> Vec<CallRecord> {
    let switch = calls.first_of("switch-database");
    let mut chosen: Vec<CallRecord> = Vec::new();
    for call in &calls.calls {
        let of_cutover = |function: &&str| {
            let after = *function != "start-replication" || call.seq > switch;
            after && calls.is_of(call, function)
        };
        if CUTOVER.iter().any(of_cutover) {
            chosen.push(call.clone());
        }
    }
    let mut polls = BTreeMap::<(String, u64, String), Vec<u64>>::new();
    for call in chosen.iter().filter(|call| calls.is_of(call, "wait-for-cdc-lag")) {
        let own = (call.caller.clone(), call.invocation);
        let (function, invocation) = calls.behind(call).cloned().unwrap_or(own);
        let repeated = call.caller == REACH || call.operation == "Invoke";
        if repeated {
            let what = format!("{} {}", call.caller, call.operation);
            polls.entry((function, invocation, what)).or_default().push(call.seq);
        }
    }
    let dull: Vec<u64> = polls
        .values()
        .filter(|polls| polls.len() > 3)
        .flat_map(|polls| polls[2..polls.len() - 1].to_vec())
        .collect();
    chosen.retain(|call| !dull.contains(&call.seq));
    chosen
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
#[ignore = "takes longer than a run of all tests may; run it by name"]
fn a_cutover_survives_every_fault_at_every_call() {
    let ends = [WaveOutcome::Completed, WaveOutcome::RolledBack];
    disturb(&Story::default(), WaveOutcome::Completed, &ends, of_cutover);
}

#[test]
fn a_cutover_that_is_taken_back_survives_every_fault_at_every_call() {
    let ends = [WaveOutcome::RolledBack];
    disturb(&unequal(), WaveOutcome::RolledBack, &ends, |calls| {
        // The freeze itself is disturbed where the database moves.
        calls.of_after("freeze-source", calls.last_of("wait-for-cdc-lag"))
    });
}

#[test]
fn the_dead_mans_switch_survives_every_fault_at_every_call() {
    let story = Story {
        opens_within: CALLED_AGAIN,
        ..hangs()
    };
    let ends = [WaveOutcome::RolledBack];
    disturb(&story, WaveOutcome::RolledBack, &ends, |calls| {
        calls.of_after("freeze-source", calls.last_of("wait-for-cdc-lag"))
    });
}

#[test]
#[ignore = "takes longer than a run of all tests may; run it by name"]
fn the_way_back_after_a_switch_survives_every_fault_at_every_call() {
    let ends = [WaveOutcome::RolledBack];
    disturb(&goes_back(), WaveOutcome::RolledBack, &ends, |calls| {
        calls.of_after("switch-database", calls.first_of("begin-rollback"))
    });
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
