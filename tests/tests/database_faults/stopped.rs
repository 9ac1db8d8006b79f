//! An operator stops the execution at each state of the cutover, with and without what it started; later somebody starts
//! rollback-wave. Until then the dead man's switch is all there is.

use crate::calls::{back_by_hand, unequal};
use crate::{everything, on_entering};
use landfall_domain::report::WaveOutcome;
use landfall_tests::databases::{Story, Told, judge_side_by_side};
use runner::world::{Notice, World};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The machine whose states are gone through.
const MACHINE: &str = "cutover-database";

/// From the stop to the rollback by hand: the deadline has passed.
const NOBODY_LOOKS: Duration = Duration::from_secs(180);

/// What an operator stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stops {
    /// The wave, with its children.
    Wave,
    /// The wave alone: its children go on.
    WaveAlone,
    /// The cutover of the database alone.
    Cutover,
}

/// When: in a state, so long after it was entered.
#[derive(Debug, Clone)]
struct Case {
    story: fn() -> Story,
    state: String,
    after: Duration,
    stops: Stops,
}

/// The states that a calm run of the story enters.
fn states(story: &Story) -> BTreeSet<String> {
    let seen: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let noted = Arc::clone(&seen);
    let told = Story {
        prepare: Some(Arc::new(move |world: &World| {
            let noted = Arc::clone(&noted);
            world.listen(Arc::new(move |_, notice| {
                if let Notice::Entered { machine, state, .. } = notice
                    && machine == MACHINE
                {
                    noted.lock().expect("no panic").insert(state.clone());
                }
            }));
        })),
        ..story.clone()
    }
    .run();
    assert_eq!(told.failures, Vec::<String>::new(), "the calm run");
    seen.lock().expect("no panic").clone()
}

/// Stops an execution of a machine, now.
fn stop(world: &World, machine: &str) {
    let running = world
        .engine()
        .list_executions(None, Some(asl::ExecutionStatus::Running));
    let mine = running
        .into_iter()
        .find(|execution| execution.state_machine_arn.ends_with(&format!(":{machine}")));
    if let Some(execution) = mine {
        let arn = execution.execution_arn;
        let stopped = world
            .engine()
            .stop_execution(&arn, Some("Operator.Stop"), Some("by hand"));
        stopped.expect("the execution runs");
    }
}

impl Case {
    fn run(&self) -> Told {
        let case = self.clone();
        let mut story = Story {
            prepare: Some(Arc::new(move |world: &World| case.watch(world))),
            then: Some(Arc::new(|world: World| Box::pin(later(world)))),
            ..(self.story)()
        };
        story.knobs.stop_children_on_abort = self.stops == Stops::Wave;
        story.run()
    }

    /// Stops once, when the state is entered.
    fn watch(&self, world: &World) {
        let case = self.clone();
        on_entering(world, &self.state, move |world| {
            let (world, case) = (world, case.clone());
            tokio::spawn(async move {
                tokio::time::sleep(case.after).await;
                let machine = match case.stops {
                    Stops::Wave | Stops::WaveAlone => "migrate-wave",
                    Stops::Cutover => MACHINE,
                };
                stop(&world, machine);
            });
        });
    }

    fn wrong(&self, told: &Told) -> Option<String> {
        let mut wrong = told.failures.clone();
        let aborted = told
            .evidence
            .executions
            .iter()
            .any(|execution| execution.status == asl::ExecutionStatus::Aborted);
        // A state that ends at once may have ended its execution before the stop.
        if !aborted && self.after.is_zero() {
            wrong.push("nothing was stopped, so nothing was tested".to_owned());
        }
        let ends = [WaveOutcome::RolledBack, WaveOutcome::Completed];
        if !told.outcome.is_some_and(|outcome| ends.contains(&outcome)) {
            wrong.push(format!("the wave ended as {:?}: {}", told.outcome, told.headline()));
        }
        let Case {
            state, after, stops, ..
        } = self;
        (!wrong.is_empty()).then(|| format!("{stops:?} stopped {after:?} into {state}: {}", wrong.join(" | ")))
    }
}

/// Nobody looks until the deadline has passed; then an operator rolls back what is not over.
async fn later(world: World) {
    tokio::time::sleep(NOBODY_LOOKS).await;
    let open = |world: &World| {
        let records = world.records();
        let wave = records.wave(landfall_tests::WAVE);
        wave.is_some_and(|wave| wave.status != landfall_domain::record::WaveStatus::Closed)
    };
    if open(&world) {
        back_by_hand(world).await;
    }
}

/// What is stopped in a state, and how many milliseconds after it was entered: the wave as it begins, and one of the others
/// in turn.
fn stops(number: usize) -> Vec<(Stops, u64)> {
    let others = [(Stops::Wave, 60), (Stops::WaveAlone, 0), (Stops::Cutover, 60)];
    let mut stops = vec![(Stops::Wave, 0)];
    if everything() {
        stops.extend(others);
    } else {
        stops.push(others[number % others.len()]);
    }
    stops
}

#[test]
fn a_cutover_that_is_stopped_in_any_state_opens_its_source_and_can_be_rolled_back() {
    let mut cases: Vec<Case> = Vec::new();
    for story in [Story::default as fn() -> Story, unequal] {
        for state in states(&story()) {
            // The states of the way forward are the same in both stories.
            if cases.iter().any(|case| case.state == state) {
                continue;
            }
            let seen: BTreeSet<&String> = cases.iter().map(|case| &case.state).collect();
            for (stops, after) in stops(seen.len()) {
                let state = state.clone();
                let after = Duration::from_millis(after);
                cases.push(Case {
                    story,
                    state,
                    after,
                    stops,
                });
            }
        }
    }
    let wrong: Vec<String> = judge_side_by_side(&cases, |case| case.wrong(&case.run()))
        .into_iter()
        .flatten()
        .collect();
    println!("{} stops", cases.len());
    assert!(
        wrong.is_empty(),
        "{} of {} went wrong:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}
