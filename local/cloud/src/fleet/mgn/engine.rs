//! What a job does after its call was accepted: PENDING, STARTED, the steps of its log, COMPLETED.
//!
//! A job is a list of steps with their offsets, worked off by a task that sleeps in between. A job always ends COMPLETED,
//! whatever became of its servers.

use std::time::Duration;

use super::super::Fleet;
use super::super::words::{InitiatedBy, Purpose};
use super::launch::spread;
use super::{launching, terminating};

/// One step of a job, for all its servers or for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Begin,
    CleanupStart,
    CleanupEnd,
    SnapshotStart,
    SnapshotEnd,
    ConversionStart,
    ConversionEnd,
    LaunchStart,
    /// The server at this place in the job settles: LAUNCHED, FAILED or TERMINATED.
    Settle(usize),
    End,
}

type Plan = Vec<(Duration, Step)>;

/// Begins the work of a launch job.
pub(super) fn run_launch(fleet: &Fleet, job: String, purpose: Purpose) {
    let plan = launch_plan(fleet, &job, purpose);
    run(fleet, job, plan, move |fleet, job, step| {
        fleet.with(|world, scene| launching::apply(world, scene, job, purpose, step));
    });
}

/// Begins the work of a terminate job.
pub(super) fn run_terminate(fleet: &Fleet, job: String) {
    let plan = terminate_plan(fleet, &job);
    run(fleet, job, plan, |fleet, job, step| {
        fleet.with(|world, scene| terminating::apply(world, scene, job, step));
    });
}

fn run(fleet: &Fleet, job: String, plan: Plan, apply: impl Fn(&Fleet, &str, &Step) + Send + 'static) {
    let fleet = fleet.clone();
    let began = tokio::time::Instant::now();
    tokio::spawn(async move {
        for (offset, step) in plan {
            tokio::time::sleep_until(began + offset).await;
            apply(&fleet, &job, &step);
        }
    });
}

/// Shares of a launch, in percent of its duration: clean-up and snapshot early, conversion for most of it, the servers
/// settling one by one towards the end.
fn launch_plan(fleet: &Fleet, job: &str, purpose: Purpose) -> Plan {
    let by = match purpose {
        Purpose::Test => InitiatedBy::StartTest,
        Purpose::Cutover => InitiatedBy::StartCutover,
    };
    let (pending, whole, extra, servers) = sizes(fleet, job, by);
    let at = |percent: u32| pending + whole * percent / 100;
    let late = |percent: u32| at(percent) + extra;
    let mut plan = vec![
        (pending, Step::Begin),
        (at(1), Step::CleanupStart),
        (at(5), Step::CleanupEnd),
        (at(6), Step::SnapshotStart),
        (at(12), Step::SnapshotEnd),
        (at(13), Step::ConversionStart),
        (late(60), Step::ConversionEnd),
        (late(62), Step::LaunchStart),
    ];
    settle(fleet, job, &servers, &mut plan, late(75), late(98), late(100));
    plan
}

fn terminate_plan(fleet: &Fleet, job: &str) -> Plan {
    let (pending, whole, extra, servers) = sizes(fleet, job, InitiatedBy::Terminate);
    let late = |percent: u32| pending + extra + whole * percent / 100;
    let mut plan = vec![(pending, Step::Begin), (pending + whole * 5 / 100, Step::CleanupStart)];
    settle(fleet, job, &servers, &mut plan, late(50), late(98), late(100));
    plan
}

fn sizes(fleet: &Fleet, job: &str, by: InitiatedBy) -> (Duration, Duration, Duration, Vec<String>) {
    fleet.with(|world, scene| {
        let pending = scene.pick(scene.knobs.job_pending);
        let whole = scene.pick(match by {
            InitiatedBy::Terminate => scene.knobs.terminate,
            _ => scene.knobs.launch,
        });
        let extra = world.scripts.extra_duration(by);
        let servers = world.job_mut(job).map_or_else(Vec::new, |job| {
            job.participants.iter().map(|one| one.server.clone()).collect()
        });
        (pending, whole, extra, servers)
    })
}

/// Appends the servers' ends, spread over a time, and the job's. The knob may put the last server's end after the job's.
fn settle(fleet: &Fleet, job: &str, servers: &[String], plan: &mut Plan, from: Duration, to: Duration, end: Duration) {
    let width = (to.saturating_sub(from)).as_millis().max(1) as u64;
    let mut ends: Vec<(Duration, usize)> = servers
        .iter()
        .enumerate()
        .map(|(place, server)| (from + Duration::from_millis(spread(job, server) % width), place))
        .collect();
    ends.sort();
    let window = fleet.knobs().settle_window;
    let straggler = if window.is_zero() { None } else { ends.pop() };
    plan.extend(ends.into_iter().map(|(at, place)| (at, Step::Settle(place))));
    plan.push((end, Step::End));
    if let Some((_, place)) = straggler {
        plan.push((end + window, Step::Settle(place)));
    }
}
