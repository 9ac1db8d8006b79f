//! Jobs: what a call changes at once, how a job ends, and what it does on the way.

use std::time::Duration;

use landfall_cloud::fleet::{FleetKnobs, InstanceState, LaunchStatus, Purpose, Script, TimestampStyle};
use serde_json::json;

use crate::support::{A, B, Bench};

const BUSY: &str = "One or more of the Source Servers included in API call are currently being processed by a Job";

#[tokio::test(start_paused = true)]
async fn a_start_answers_202_with_a_pending_job_and_moves_the_lifecycle_at_once() {
    let bench = Bench::plain();
    let body = json!({"sourceServerIDs": [A, B], "tags": {"landfall:wave": "w1"}});
    let (status, answer) = bench.fleet.mgn("StartTest", &body).expect("accepted");
    assert_eq!(status, 202);
    let job = &answer["job"];
    assert_eq!(job["status"], "PENDING");
    assert_eq!(job["type"], "LAUNCH");
    assert_eq!(job["initiatedBy"], "START_TEST");
    assert_eq!(job["tags"]["landfall:wave"], "w1");
    assert_eq!(job["participatingServers"][1]["launchStatus"], "PENDING");
    assert!(job["participatingServers"][1].get("launchedEc2InstanceID").is_none());
    assert!(job.get("endDateTime").is_none());
    assert_eq!([bench.state(A), bench.state(B)], ["TESTING", "TESTING"]);
    assert_eq!(
        bench.describe(A)["lifeCycle"]["lastTest"]["initiated"]["jobID"],
        job["jobID"]
    );
    assert!(bench.fleet.instances().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_job_completes_although_one_server_failed() {
    let bench = Bench::plain();
    let script = Script::FailLaunch {
        server: B.to_owned(),
        purpose: Purpose::Test,
        times: 1,
    };
    bench.fleet.script(script);
    let id = bench.finish("StartTest", &[A, B]).await;
    let job = bench.job(&id);
    assert_eq!(job["status"], "COMPLETED");
    assert_eq!(job["participatingServers"][0]["launchStatus"], "LAUNCHED");
    assert_eq!(job["participatingServers"][1]["launchStatus"], "FAILED");
    assert!(job["endDateTime"].is_string());
    assert!(bench.log(&id).contains(&"LAUNCH_FAILED".to_owned()));
    let mut results: Vec<(String, String)> = bench
        .events("MGN Source Server Launch Result")
        .iter()
        .map(|event| {
            assert_eq!(event.source, "aws.mgn");
            assert_eq!(event.detail["job-id"], id.as_str());
            (
                event.resources[0].clone(),
                event.detail["state"].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    results.sort();
    let arn = |id| format!("arn:aws:mgn:eu-west-1:111122223333:source-server/{id}");
    assert_eq!(results[0], (arn(A), "TEST_LAUNCH_SUCCEEDED".to_owned()));
    assert_eq!(results[1], (arn(B), "TEST_LAUNCH_FAILED".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn one_busy_server_refuses_the_whole_call() {
    let bench = Bench::plain();
    bench.start("StartTest", &[A]);
    let error = bench.refused("StartTest", json!({"sourceServerIDs": [A, B]}));
    assert_eq!((error.status, error.code.as_str()), (409, "ConflictException"));
    assert_eq!(error.message, BUSY);
    assert_eq!(error.members["errors"][0]["resourceId"], A);
    assert_eq!(bench.state(B), "READY_FOR_TEST");
    assert_eq!(bench.fleet.jobs().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_terminate_job_blocks_start_cutover_until_it_has_completed() {
    let bench = Bench::plain();
    bench.bring(A, "READY_FOR_CUTOVER").await;
    let job = bench.start("TerminateTargetInstances", &[A]);
    let error = bench.refused("StartCutover", json!({"sourceServerIDs": [A]}));
    assert_eq!(error.message, BUSY);
    bench.settled(&job).await;
    assert_eq!(bench.job(&job)["participatingServers"][0]["launchStatus"], "TERMINATED");
    assert!(bench.describe(A).get("launchedInstance").is_none());
    let log = bench.log(&bench.finish("StartCutover", &[A]).await);
    assert!(
        !log.contains(&"CLEANUP_START".to_owned()),
        "nothing was left to clean: {log:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_foreign_diagnostic_job_holds_its_servers() {
    let bench = Bench::plain();
    let lasts = Duration::from_secs(300);
    bench.fleet.script(Script::ForeignJob {
        servers: vec![A.to_owned()],
        lasts,
    });
    assert_eq!(
        bench.refused("StartTest", json!({"sourceServerIDs": [A]})).message,
        BUSY
    );
    let jobs = bench.ok("DescribeJobs", json!({}));
    assert_eq!(jobs["items"][0]["initiatedBy"], "DIAGNOSTIC");
    bench.sleep(301).await;
    bench.start("StartTest", &[A]);
}

#[tokio::test(start_paused = true)]
async fn start_cutover_deletes_the_test_instance_first() {
    let bench = Bench::plain();
    bench.bring(A, "READY_FOR_CUTOVER").await;
    let test = bench
        .fleet
        .server(A)
        .and_then(|server| server.test_instance)
        .expect("launched");
    let job = bench.start("StartCutover", &[A]);
    bench.sleep(5 * 60).await;
    let during = bench.describe(A);
    assert_eq!(
        during["launchedInstance"]["ec2InstanceID"],
        test.as_str(),
        "still the test instance"
    );
    assert_ne!(during["launchedInstance"]["jobID"], job.as_str());
    let instances = bench.fleet.instances();
    let old = instances.iter().find(|one| one.id == test).expect("kept in the list");
    assert_eq!(old.state, InstanceState::Terminated);
    bench.settled(&job).await;
    let log = bench.log(&job);
    let place = |event: &str| log.iter().position(|one| one == event);
    assert!(
        place("CLEANUP_END").is_some() && place("CLEANUP_END") < place("SNAPSHOT_END"),
        "{log:?}"
    );
    assert!(place("SNAPSHOT_END") < place("CONVERSION_START"), "{log:?}");
    assert!(place("CONVERSION_END") < place("LAUNCH_START"), "{log:?}");
    assert_eq!(
        (log.first().map(String::as_str), log.last().map(String::as_str)),
        (Some("JOB_START"), Some("JOB_END"))
    );
    let after = bench.describe(A);
    assert_eq!(after["launchedInstance"]["jobID"], job.as_str());
    assert_ne!(after["launchedInstance"]["ec2InstanceID"], test.as_str());
}

#[tokio::test(start_paused = true)]
async fn a_skipped_server_never_launches_while_its_job_completes() {
    let bench = Bench::plain();
    bench.fleet.script(Script::SkipServer {
        server: A.to_owned(),
        purpose: Purpose::Test,
        left_as: LaunchStatus::Pending,
    });
    let id = bench.start("StartTest", &[A, B]);
    bench.sleep(15 * 60).await;
    let job = bench.job(&id);
    assert_eq!(job["status"], "COMPLETED");
    assert_eq!(job["participatingServers"][0]["launchStatus"], "PENDING");
    assert!(bench.log(&id).contains(&"SERVER_SKIPPED".to_owned()));
    assert_eq!(bench.fleet.instances().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_participant_may_settle_after_its_job_and_its_id_may_come_later_still() {
    let knobs = FleetKnobs {
        settle_window: Duration::from_secs(20),
        instance_id_delay: Duration::from_secs(30),
        job_tag_delay: Duration::from_secs(5),
        ..FleetKnobs::default()
    };
    let bench = Bench::new(knobs);
    let answer = bench.ok("StartTest", json!({"sourceServerIDs": [A], "tags": {"k": "v"}}));
    assert_eq!(answer["job"]["tags"], json!({}));
    let id = answer["job"]["jobID"].as_str().expect("an id").to_owned();
    bench.sleep(6).await;
    assert_eq!(bench.job(&id)["tags"]["k"], "v");
    while bench.job(&id)["status"] != "COMPLETED" {
        bench.sleep(1).await;
    }
    assert_eq!(bench.job(&id)["participatingServers"][0]["launchStatus"], "IN_PROGRESS");
    bench.sleep(21).await;
    let one = bench.job(&id)["participatingServers"][0].clone();
    assert_eq!(one["launchStatus"], "LAUNCHED");
    assert!(one.get("launchedEc2InstanceID").is_none());
    assert!(bench.describe(A)["launchedInstance"].get("ec2InstanceID").is_none());
    bench.sleep(31).await;
    assert!(bench.job(&id)["participatingServers"][0]["launchedEc2InstanceID"].is_string());
    assert!(bench.describe(A)["launchedInstance"]["ec2InstanceID"].is_string());
}

#[tokio::test(start_paused = true)]
async fn jobs_are_listed_newest_first_in_pages_and_from_a_date() {
    let bench = Bench::new(FleetKnobs {
        mgn_page: 1,
        ..FleetKnobs::default()
    });
    let first = bench.finish("StartTest", &[A]).await;
    let from = jiff::Timestamp::to_string(&landfall_cloud::Hub::now(bench.hub.as_ref()));
    bench.sleep(1).await;
    let second = bench.start("StartTest", &[B]);
    let page = bench.ok("DescribeJobs", json!({}));
    assert_eq!(page["items"][0]["jobID"], second.as_str());
    let next = bench.ok("DescribeJobs", json!({"nextToken": page["nextToken"]}));
    assert_eq!(next["items"][0]["jobID"], first.as_str());
    assert!(next.get("nextToken").is_none());
    let recent = bench.ok("DescribeJobs", json!({"filters": {"fromDate": from}}));
    assert_eq!(recent["items"][0]["jobID"], second.as_str());
    assert!(recent.get("nextToken").is_none(), "the older job is before the date");
    assert_eq!(
        bench.refused("DescribeJobs", json!({"nextToken": "mine"})).code,
        "ValidationException"
    );
}

#[tokio::test(start_paused = true)]
async fn a_copied_address_that_is_in_use_fails_the_launch() {
    let bench = Bench::plain();
    for id in [A, B] {
        bench.ok(
            "UpdateLaunchConfiguration",
            json!({"sourceServerID": id, "copyPrivateIp": true}),
        );
    }
    bench.finish("StartTest", &[A]).await;
    assert_eq!(bench.fleet.instances()[0].private_ip, "192.168.1.10");
    let mut twin = landfall_cloud::fleet::SourceServerSpec::ready(B, "web-b", "192.168.1.10");
    twin.managed_instance_id = None;
    bench.fleet.add_source_server(twin);
    bench.ok(
        "UpdateLaunchConfiguration",
        json!({"sourceServerID": B, "copyPrivateIp": true}),
    );
    let job = bench.finish("StartTest", &[B]).await;
    assert_eq!(bench.job(&job)["participatingServers"][0]["launchStatus"], "FAILED");
}

#[tokio::test(start_paused = true)]
async fn a_failed_termination_leaves_the_instance_running() {
    let bench = Bench::plain();
    bench.bring(A, "READY_FOR_CUTOVER").await;
    bench.fleet.script(Script::FailTermination {
        server: A.to_owned(),
        times: 1,
    });
    let job = bench.finish("TerminateTargetInstances", &[A]).await;
    assert_eq!(bench.job(&job)["participatingServers"][0]["launchStatus"], "FAILED");
    assert!(bench.fleet.server(A).and_then(|server| server.test_instance).is_some());
}

#[tokio::test(start_paused = true)]
async fn both_forms_of_a_time_occur() {
    let bench = Bench::new(FleetKnobs {
        timestamps: TimestampStyle::Mixed,
        ..FleetKnobs::default()
    });
    let mut forms = std::collections::BTreeSet::new();
    for _ in 0..20 {
        bench.sleep(7).await;
        let shown = bench.describe(A);
        let text = shown["lifeCycle"]["lastSeenByServiceDateTime"]
            .as_str()
            .expect("a time")
            .to_owned();
        assert!(text.parse::<jiff::Timestamp>().is_ok(), "{text}");
        forms.insert(text.ends_with('Z'));
    }
    assert_eq!(forms.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_run() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let bench = Bench::plain();
        let job = bench.finish("StartTest", &[A, B]).await;
        runs.push((bench.job(&job), bench.fleet.instances()));
    }
    assert_eq!(runs[0], runs[1]);
}
