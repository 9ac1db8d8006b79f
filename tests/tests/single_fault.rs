//! One fault at a time: every function dies after each of its AWS calls in turn, and every state is repeated once. Each
//! time the wave must end as if nothing had happened, with every invariant intact.

use landfall_cloud::{CallContext, Fault};
use landfall_domain::report::WaveOutcome;
use landfall_tests::{Disturbance, Run, run};
use runner::world::{InvocationRecord, World, twice};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs side by side: one a core of the smallest machine that this must pass on.
const THREADS: usize = 2;

fn killed_after(call: u64) -> Disturbance {
    let rule = move |context: &CallContext| {
        if context.seq == call {
            Fault::KillAfter
        } else {
            Fault::None
        }
    };
    Disturbance {
        faults: Some(Arc::new(rule)),
        ..Disturbance::default()
    }
}

/// Kills at every call of the undisturbed run in turn; returns what went wrong, a sentence a run.
fn kill_at_every_call(base: &Disturbance, calls: u64, expected: WaveOutcome) -> Vec<String> {
    let next = AtomicU64::new(1);
    let worker = || {
        let mut wrong = Vec::new();
        loop {
            let call = next.fetch_add(1, Ordering::Relaxed);
            if call > calls {
                return wrong;
            }
            let disturbed = run(&Disturbance {
                prepare: base.prepare,
                ..killed_after(call)
            });
            wrong.extend(judge(call, &disturbed, expected));
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a run does not panic"))
            .collect()
    })
}

fn judge(call: u64, run: &Run, expected: WaveOutcome) -> Option<String> {
    let index = usize::try_from(call - 1).expect("few calls");
    let killed = run.evidence.calls.get(index)?;
    let mut wrong = run.failures.clone();
    let died = |invocation: &InvocationRecord| {
        invocation
            .failure
            .as_ref()
            .is_some_and(|failure| failure.error_type == "Runtime.ExitError")
    };
    if !run.evidence.invocations.iter().any(died) {
        wrong.push("no function died, so nothing was tested".to_owned());
    }
    if run.outcome != Some(expected) {
        let headline = run
            .evidence
            .records
            .wave("wave-1")
            .and_then(|wave| wave.headline.clone());
        wrong.push(format!("the wave ended as {:?}: {headline:?}", run.outcome));
    }
    let at = format!(
        "call {call}, {} of {} by {}",
        killed.operation, killed.service, killed.caller
    );
    (!wrong.is_empty()).then(|| format!("killed after {at}: {}", wrong.join(" | ")))
}

fn undisturbed(base: &Disturbance, expected: WaveOutcome) -> u64 {
    let calm = run(base);
    assert_eq!(calm.failures, Vec::<String>::new(), "the undisturbed run");
    assert_eq!(calm.outcome, Some(expected), "the undisturbed run");
    calm.calls
}

fn assert_none(wrong: &[String], runs: u64) {
    println!("{runs} runs, each killed after another call");
    assert!(
        wrong.is_empty(),
        "{} of {runs} runs went wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_function_that_dies_after_any_of_its_calls_changes_nothing_of_the_end() {
    let base = Disturbance::default();
    let calls = undisturbed(&base, WaveOutcome::Completed);
    assert_none(&kill_at_every_call(&base, calls, WaveOutcome::Completed), calls);
}

#[test]
fn a_function_that_dies_during_a_rollback_leaves_nothing_half_undone() {
    let base = Disturbance {
        prepare: Some(fail_a_cutover_launch),
        ..Disturbance::default()
    };
    let calls = undisturbed(&base, WaveOutcome::RolledBack);
    assert_none(&kill_at_every_call(&base, calls, WaveOutcome::RolledBack), calls);
}

#[test]
fn every_state_can_be_repeated() {
    for (base, expected) in [
        (Disturbance::default(), WaveOutcome::Completed),
        (
            Disturbance {
                prepare: Some(fail_a_cutover_launch),
                ..Disturbance::default()
            },
            WaveOutcome::RolledBack,
        ),
    ] {
        let repeated = run(&Disturbance {
            wrapper: Some(twice()),
            ..base
        });
        assert_eq!(repeated.failures, Vec::<String>::new());
        assert_eq!(repeated.outcome, Some(expected));
    }
}

fn fail_a_cutover_launch(world: &World) {
    let server = landfall_tests::small_wave().servers[0].source_server_id.to_string();
    world.cloud.fleet().script(landfall_cloud::fleet::Script::FailLaunch {
        server,
        purpose: landfall_cloud::fleet::Purpose::Cutover,
        times: 1,
    });
}
