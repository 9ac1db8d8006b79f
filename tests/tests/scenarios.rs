//! Every scenario of the demo, end to end: it ends as it must, and every invariant holds.

use landfall_cloud::fleet::{FleetKnobs, Purpose, Script};
use landfall_cloud::{CallContext, EventKnobs, Fault, Knobs};
use landfall_domain::report::WaveOutcome;
use landfall_tests::{Disturbance, WAVE, awkward_cloud, fast_cloud, run};
use runner::scenarios::{self, Ended, Scenario};
use runner::world::{World, simulate};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs a scenario and shows everything that was not as expected.
fn check(name: &str, seed: u64) -> Ended {
    let scenario = scenarios::find(name).expect("a scenario of this name");
    check_story(scenario, seed)
}

fn check_story(scenario: &Scenario, seed: u64) -> Ended {
    let name = scenario.name;
    let ended = simulate(scenario.run(seed, |_, _| {})).expect("the state machines are deployed");
    assert!(
        ended.failures.is_empty(),
        "{name}, seed {seed}:\n{}",
        ended.failures.join("\n")
    );
    ended
}

macro_rules! scenarios {
    ($($test:ident => $name:literal),+ $(,)?) => {
        $(#[test]
        fn $test() {
            check($name, 1);
        })+

        #[test]
        fn every_scenario_of_the_demo_is_tested() {
            let tested = [$($name),+];
            let untested: Vec<&str> =
                scenarios::all().map(|scenario| scenario.name).filter(|name| !tested.contains(name)).collect();
            assert!(untested.is_empty(), "{untested:?}");
        }
    };
}

scenarios! {
    twenty_servers_move_in_four_waves => "demo",
    a_failed_launch_rolls_its_wave_back_and_stops_the_program => "launch-failure",
    a_server_that_fails_its_test_is_not_cut_over => "failed-check",
    a_migration_needs_no_event => "lost-events",
    a_failure_after_the_switch_restores_dns_exactly => "dns-rollback",
    a_function_that_dies_after_starting_a_cutover_starts_no_second => "killed",
    what_a_launch_left_unnoted_is_found_stopped_and_ended => "denied",
    a_stopped_execution_is_held_and_rolled_back_by_hand => "aborted",
    two_waves_at_once_stay_inside_the_limits_of_mgn => "two-waves",
    a_database_moves_with_the_servers_of_its_wave => "database",
    databases_move_in_a_wave_without_servers => "databases-alone",
    databases_move_without_an_event => "database-events-lost",
    a_privileged_application_is_shut_out => "database-privileged",
    a_client_that_reconnects_all_the_time_is_on_one_side => "database-reconnects",
    a_converted_schema_is_approved_before_it_is_used => "database-conversion",
    an_engine_behind_a_document_is_closed_by_it => "database-document",
    a_metric_of_zero_hastens_no_switch => "database-late-fence",
    a_fence_and_a_verification_take_the_time_that_the_plan_gives => "database-slow",
    a_lag_that_never_falls_freezes_nothing => "database-lag",
    a_missing_metric_freezes_nothing => "database-no-metric",
    a_task_that_dies_loading_freezes_nothing => "database-dies-loading",
    a_fence_that_never_arrives_opens_the_source => "database-fence-lost",
    a_row_that_differs_opens_the_source => "database-mismatch",
    a_task_that_dies_draining_opens_the_source => "database-dies-draining",
    a_fence_that_overtakes_data_proves_nothing => "database-batch",
    a_function_that_hangs_keeps_no_source_closed => "database-hangs",
    a_database_returns_with_what_was_written_on_its_target => "database-fail-back",
    a_database_returns_when_somebody_accepts_the_loss => "database-loss-asked",
    a_database_returns_as_its_plan_accepts => "database-loss-planned",
}

fn awkward() -> Knobs {
    Knobs {
        fleet: FleetKnobs::awkward(),
        ..Knobs::default()
    }
}

/// What AWS does not document is turned against Landfall: small pages, jobs and ids that show late, other error classes.
/// The stories end the same, and every invariant holds.
#[test]
fn what_aws_does_not_document_may_be_either_way() {
    let silent = || Knobs {
        events: EventKnobs::drop_all(),
        ..awkward()
    };
    type Cloud = fn() -> Knobs;
    let stories: [(&str, Cloud); 8] = [
        ("demo", awkward),
        ("launch-failure", awkward),
        ("failed-check", awkward),
        ("lost-events", silent),
        ("denied", awkward),
        ("dns-rollback", awkward),
        ("killed", awkward),
        ("aborted", awkward),
    ];
    for (name, knobs) in stories {
        let story = scenarios::find(name).expect("a scenario of this name").in_cloud(knobs);
        check_story(&story, 1);
    }
}

/// Before a source is stopped nobody waits for the wave: what only a person can mend holds it, and undoes nothing.
#[test]
fn a_permission_that_is_missing_before_anything_is_stopped_holds_the_wave() {
    for operation in ["GetReplicationConfiguration", "ListResourceRecordSets"] {
        let rule = move |call: &CallContext| {
            if call.operation == operation {
                Fault::Deny
            } else {
                Fault::None
            }
        };
        let ended = run(&Disturbance {
            faults: Some(Arc::new(rule)),
            ..Disturbance::default()
        });
        assert_eq!(ended.failures, Vec::<String>::new(), "{operation}");
        assert_eq!(ended.outcome, Some(WaveOutcome::NeedsOperator), "{operation}");
        assert_eq!(ended.evidence.executions_of("rollback-wave").count(), 0, "{operation}");
        let report = ended.evidence.reported(WAVE).expect("a report");
        let next = report.next_action.as_ref().expect("somebody has to act");
        assert!(
            report.headline.contains(operation) && !report.headline.contains('{'),
            "{}",
            report.headline
        );
        assert!(
            next.what.contains("Start migrate-wave with the same plan"),
            "{}",
            next.what
        );
    }
}

/// A wave that goes back while its test instances are launched ends them, however late MGN shows the job.
#[test]
fn a_wave_that_goes_back_during_its_test_ends_what_the_test_launched() {
    for knobs in [fast_cloud(), awkward_cloud()] {
        let denied = AtomicBool::new(false);
        let rule = move |call: &CallContext| {
            let reading = call.caller == "check-job" && call.operation == "DescribeJobs";
            if reading && !denied.swap(true, Ordering::Relaxed) {
                Fault::Deny
            } else {
                Fault::None
            }
        };
        let ended = run(&Disturbance {
            faults: Some(Arc::new(rule)),
            knobs: Some(knobs),
            ..Disturbance::default()
        });
        assert_eq!(ended.failures, Vec::<String>::new());
        let left = ended.evidence.reported(WAVE).map(|report| report.undo_failures.clone());
        assert_eq!((ended.outcome, left), (Some(WaveOutcome::RolledBack), Some(Vec::new())));
    }
}

/// The same seed replays bit for bit, which is what makes a failure that a seed found one that can be looked at.
#[test]
fn a_seed_replays_call_by_call() {
    let calls = |seed| {
        let ended = check("failed-check", seed);
        (ended.evidence.calls, ended.pages.expect("a report").html)
    };
    let (first, again, other) = (calls(7), calls(7), calls(8));
    assert!(first.0 == again.0, "the calls differ");
    assert!(first.1 == again.1, "the pages differ");
    assert!(first.0 != other.0, "another seed gives the same run");
}

/// What cannot be read is not taken for nothing: once a cutover was asked for, nobody may read MGN any more, so the wave is
/// held, and each server whose instance may run is named with the job that may have launched it.
#[test]
fn a_launch_that_nobody_can_read_holds_the_wave_and_is_named() {
    let blind = AtomicBool::new(false);
    let rule = move |call: &CallContext| {
        if call.service != "mgn" {
            return Fault::None;
        }
        if call.operation == "StartCutover" {
            blind.store(true, Ordering::Relaxed);
        }
        let reading = call.operation.starts_with("Describe");
        if reading && blind.load(Ordering::Relaxed) {
            Fault::Deny
        } else {
            Fault::None
        }
    };
    let ended = run(&Disturbance {
        faults: Some(Arc::new(rule)),
        ..Disturbance::default()
    });
    assert_eq!(ended.failures, Vec::<String>::new());
    assert_eq!(ended.outcome, Some(WaveOutcome::NeedsOperator));
    let report = ended.evidence.reported(WAVE).expect("a report");
    for server in &report.servers {
        let job = server
            .cutover_job_id
            .as_ref()
            .expect("the job was seen when it was started");
        let named = |sentence: &&String| sentence.contains(&server.hostname) && sentence.contains(job.as_str());
        assert_eq!(report.undo_failures.iter().filter(named).count(), 1, "{report:#?}");
        let runs = report.running.iter().any(|thing| thing.id == job.as_str());
        assert!(
            runs,
            "the report does not say that {job} may have launched something that costs money"
        );
        assert!(
            server.milestones.source_restarted_at.is_some(),
            "an undo that fails does not stop the others"
        );
    }
}

/// AWS documents neither the lifecycle after a failed launch nor how late a job shows: whatever it is, a wave ends the same.
#[test]
fn what_aws_does_not_document_changes_nothing_of_the_end() {
    let fail_a_launch: fn(&World) = |world| {
        let server = landfall_tests::small_wave().servers[0].source_server_id.to_string();
        let (purpose, times) = (Purpose::Cutover, 1);
        world
            .cloud
            .fleet()
            .script(Script::FailLaunch { server, purpose, times });
    };
    for (prepare, expected) in [
        (None, WaveOutcome::Completed),
        (Some(fail_a_launch), WaveOutcome::RolledBack),
    ] {
        let ended = run(&Disturbance {
            knobs: Some(awkward_cloud()),
            prepare,
            ..Disturbance::default()
        });
        assert_eq!(ended.failures, Vec::<String>::new());
        let headline = ended.evidence.records.wave(WAVE).and_then(|wave| wave.headline.clone());
        assert_eq!(ended.outcome, Some(expected), "{headline:?}");
    }
}
