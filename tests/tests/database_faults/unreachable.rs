//! What cannot be reached: the database from the freeze until after the deadline, and Scheduler.

use crate::calls::{back_by_hand, hangs, unequal};
use crate::on_entering;
use jiff::{SignedDuration, Timestamp};
use landfall_cloud::scheduler::SchedulerKnobs;
use landfall_domain::report::WaveOutcome;
use landfall_tests::databases::{self, Deed, Story, Told};
use runner::world::World;
use std::sync::Arc;
use std::time::Duration;

/// For how long the database cannot be reached, from the fence on: until three minutes after the deadline.
const OUTAGE: SignedDuration = SignedDuration::from_secs(5 * 60);

/// From the end of an outage to an open source: the dead man's switch is called every minute.
const OPENS_AFTER: SignedDuration = SignedDuration::from_secs(75);

/// Does something when a state of cutover-database is entered.
fn then_at(state: &'static str, deed: fn(World)) -> Deed {
    Arc::new(move |world: &World| on_entering(world, state, deed))
}

fn deadline(told: &Told) -> Timestamp {
    let closing = told.database().map(|database| database.source_closing.clone());
    closing.and_then(|closing| closing.deadline).expect("it was frozen")
}

fn opened(told: &Told) -> Timestamp {
    let closing = told.database().map(|database| database.source_closing.clone());
    closing.and_then(|closing| closing.opened_at).expect("it was opened")
}

/// The source cannot be reached from the fence on.
fn outage(world: World) {
    databases::source_is_away(&world, OUTAGE);
}

#[test]
fn a_source_that_cannot_be_reached_at_its_deadline_is_told_and_opens_when_it_can() {
    let told = Story {
        prepare: Some(then_at("AwaitFence", outage)),
        opens_within: OUTAGE + OPENS_AFTER,
        ..Story::default()
    }
    .run();
    assert_eq!(told.failures, Vec::<String>::new(), "{}", told.headline());
    assert_eq!(told.outcome, Some(WaveOutcome::RolledBack), "{}", told.headline());
    let due = deadline(&told);
    assert!(
        opened(&told) > due,
        "the outage ended before the deadline, so nothing was tested"
    );
    let first = told
        .messages
        .iter()
        .find(|(_, text)| text.contains("could not be opened at the deadline"));
    let told_at = first.map(|(at, _)| *at);
    let soon = told_at.is_some_and(|at| at < due + SignedDuration::from_secs(60));
    assert!(
        soon,
        "told at {told_at:?}, and the deadline was {due}: {:?}",
        told.messages
    );
}

fn without_scheduler(story: Story) -> Story {
    let mut knobs = story.knobs.clone();
    knobs.scheduler = SchedulerKnobs {
        lose: true,
        ..knobs.scheduler
    };
    Story { knobs, ..story }
}

#[test]
fn without_scheduler_the_machine_itself_opens_the_source_in_time() {
    let told = without_scheduler(unequal()).run();
    assert_eq!(told.failures, Vec::<String>::new(), "{}", told.headline());
    assert_eq!(told.outcome, Some(WaveOutcome::RolledBack), "{}", told.headline());
}

#[test]
fn without_scheduler_and_with_a_function_that_hangs_people_are_told_that_the_source_is_closed() {
    let told = Story {
        opens_within: SignedDuration::from_mins(10),
        ..without_scheduler(hangs())
    }
    .run();
    assert_eq!(told.failures, Vec::<String>::new(), "{}", told.headline());
    assert_eq!(told.outcome, Some(WaveOutcome::RolledBack), "{}", told.headline());
    is_told_late(&told);
}

#[test]
fn without_scheduler_and_with_a_stopped_execution_people_are_told_that_the_source_is_closed() {
    let story = Story {
        prepare: Some(then_at("Verify", |world| {
            tokio::spawn(async move { stop_all(&world) });
        })),
        then: Some(Arc::new(|world: World| {
            Box::pin(async move {
                tokio::time::sleep(Duration::from_secs(10 * 60)).await;
                back_by_hand(world).await;
            })
        })),
        opens_within: SignedDuration::from_mins(15),
        ..without_scheduler(Story::default())
    };
    let told = story.run();
    assert_eq!(told.failures, Vec::<String>::new(), "{}", told.headline());
    assert_eq!(told.outcome, Some(WaveOutcome::RolledBack), "{}", told.headline());
    is_told_closed(&told);
}

fn stop_all(world: &World) {
    let engine = world.engine();
    for execution in engine.list_executions(None, Some(asl::ExecutionStatus::Running)) {
        // A child is stopped with its parent, and cannot be stopped again then.
        let _ = engine.stop_execution(&execution.execution_arn, Some("Operator.Stop"), None);
    }
}

/// The sweep looks every five minutes, a minute after the deadline at the earliest.
const SWEPT_WITHIN: SignedDuration = SignedDuration::from_mins(6);

/// From an opening to the message about it.
const TOLD_WITHIN: SignedDuration = SignedDuration::from_secs(5);

/// When people were told something of the deadline.
fn told_at(told: &Told, text: &str) -> Option<Timestamp> {
    let first = told.messages.iter().find(|(_, message)| message.contains(text));
    first.map(|(at, _)| *at)
}

/// People hear of it while the source is closed, from the sweep.
fn is_told_closed(told: &Told) {
    let due = deadline(told);
    let at = told_at(told, "is closed to applications beyond its deadline");
    let soon = at.is_some_and(|at| at < due + SWEPT_WITHIN && at < opened(told));
    assert!(soon, "told at {at:?}, and the deadline was {due}: {:?}", told.messages);
}

/// A source that opens between two sweeps may open before one has seen it: then people hear of it from whoever opens it.
fn is_told_late(told: &Told) {
    let (due, opened) = (deadline(told), opened(told));
    assert!(
        opened > due + SignedDuration::from_mins(1),
        "it was opened at {opened}, in time for {due}, so nothing was tested"
    );
    let at = told_at(told, "after its deadline");
    let soon = at.is_some_and(|at| at >= opened - TOLD_WITHIN && at <= opened + TOLD_WITHIN);
    assert!(
        soon,
        "told at {at:?}, and it was opened at {opened}: {:?}",
        told.messages
    );
}
