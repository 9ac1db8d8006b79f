//! Which calls each lifecycle state allows, and what they leave behind.

use std::time::Duration;

use landfall_cloud::fleet::{FailedLaunch, FleetKnobs, Purpose, Script};
use serde_json::json;

use crate::support::{A, B, Bench};

/// Every call from every state: the state after it, or nothing where it must be refused.
const TABLE: &[(&str, &[(&str, &str)])] = &[
    (
        "READY_FOR_TEST",
        &[
            ("StartTest", "TESTING"),
            ("Change READY_FOR_CUTOVER", "READY_FOR_CUTOVER"),
            ("TerminateTargetInstances", "READY_FOR_TEST"),
            ("DisconnectFromService", "DISCONNECTED"),
        ],
    ),
    (
        "TESTING",
        &[
            ("StartTest", "TESTING"),
            ("Change READY_FOR_CUTOVER", "READY_FOR_CUTOVER"),
            ("Change READY_FOR_TEST", "READY_FOR_TEST"),
            ("DisconnectFromService", "DISCONNECTED"),
        ],
    ),
    (
        "READY_FOR_CUTOVER",
        &[
            ("StartCutover", "CUTTING_OVER"),
            ("Change READY_FOR_TEST", "READY_FOR_TEST"),
            ("TerminateTargetInstances", "READY_FOR_CUTOVER"),
            ("DisconnectFromService", "DISCONNECTED"),
        ],
    ),
    (
        "CUTTING_OVER",
        &[
            ("StartCutover", "CUTTING_OVER"),
            ("Change READY_FOR_CUTOVER", "READY_FOR_CUTOVER"),
            ("FinalizeCutover", "CUTOVER"),
            ("DisconnectFromService", "DISCONNECTED"),
        ],
    ),
    ("CUTOVER", &[("MarkAsArchived", "CUTOVER")]),
    (
        "DISCONNECTED",
        &[
            ("Change CUTOVER", "CUTOVER"),
            ("MarkAsArchived", "DISCONNECTED"),
            ("TerminateTargetInstances", "DISCONNECTED"),
        ],
    ),
];

const CALLS: &[&str] = &[
    "StartTest",
    "StartCutover",
    "TerminateTargetInstances",
    "Change READY_FOR_TEST",
    "Change READY_FOR_CUTOVER",
    "Change CUTOVER",
    "FinalizeCutover",
    "MarkAsArchived",
    "DisconnectFromService",
];

fn call(bench: &Bench, call: &str) -> Result<serde_json::Value, landfall_cloud::AwsError> {
    match call.split_once(' ') {
        Some((_, state)) => bench.change(A, state),
        None if call.starts_with("Start") || call.starts_with("Terminate") => {
            bench.mgn(call, json!({"sourceServerIDs": [A]}))
        }
        None => bench.mgn(call, json!({"sourceServerID": A})),
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_from_every_state_is_accepted_or_refused_as_documented() {
    for (from, allowed) in TABLE {
        for name in CALLS {
            let bench = Bench::plain();
            bench.bring(A, from).await;
            let answer = call(&bench, name);
            match allowed.iter().find(|(call, _)| call == name) {
                Some((_, to)) => {
                    answer.unwrap_or_else(|error| panic!("{name} from {from}: {error}"));
                    assert_eq!(bench.state(A), *to, "{name} from {from}");
                }
                None => {
                    let error = answer
                        .err()
                        .unwrap_or_else(|| panic!("{name} from {from} was accepted"));
                    assert_eq!(
                        (error.status, error.code.as_str()),
                        (409, "ConflictException"),
                        "{name} from {from}"
                    );
                    assert_eq!(bench.state(A), *from, "{name} from {from} changed the state");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_ready_can_only_be_disconnected() {
    for name in CALLS {
        let bench = Bench::plain();
        bench.syncing(A, Duration::from_secs(600));
        let accepted = call(&bench, name).is_ok();
        let expected = matches!(*name, "DisconnectFromService" | "TerminateTargetInstances");
        assert_eq!(accepted, expected, "{name} from NOT_READY");
    }
}

#[tokio::test(start_paused = true)]
async fn start_from_the_other_ready_state_follows_its_knob() {
    let knobs = FleetKnobs {
        cutover_from_ready_for_test: true,
        test_from_ready_for_cutover: true,
        ..FleetKnobs::default()
    };
    let bench = Bench::new(knobs);
    bench.start("StartCutover", &[A]);
    assert_eq!(bench.state(A), "CUTTING_OVER");
    bench.bring(B, "READY_FOR_CUTOVER").await;
    bench.start("StartTest", &[B]);
    assert_eq!(bench.state(B), "TESTING");
}

#[tokio::test(start_paused = true)]
async fn a_failed_launch_leaves_or_reverts_the_lifecycle_as_its_knob_says() {
    for (failed_launch, expected) in [
        (FailedLaunch::LeftAsAsked, "CUTTING_OVER"),
        (FailedLaunch::Reverted, "READY_FOR_CUTOVER"),
    ] {
        let bench = Bench::new(FleetKnobs {
            failed_launch,
            ..FleetKnobs::default()
        });
        bench.bring(A, "READY_FOR_CUTOVER").await;
        bench.fleet.script(Script::FailLaunch {
            server: A.to_owned(),
            purpose: Purpose::Cutover,
            times: 1,
        });
        let job = bench.start("StartCutover", &[A]);
        assert_eq!(bench.state(A), "CUTTING_OVER", "the lifecycle says what was asked");
        bench.settled(&job).await;
        assert_eq!(bench.state(A), expected);
        assert!(bench.fleet.launches().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn finalize_cannot_be_undone_and_ends_replication() {
    let bench = Bench::plain();
    bench.bring(A, "CUTOVER").await;
    let shown = bench.describe(A);
    assert_eq!(shown["dataReplicationInfo"]["dataReplicationState"], "DISCONNECTED");
    assert!(shown["dataReplicationInfo"].get("lagDuration").is_none());
    assert!(shown["lifeCycle"]["lastCutover"]["finalized"]["apiCallDateTime"].is_string());
    assert_eq!(shown["lifeCycle"]["lastTest"]["finalized"], json!({}));
    assert!(shown["dataReplicationInfo"]["replicatedDisks"][0]["totalStorageBytes"].as_u64() > Some(0));
    for state in ["READY_FOR_TEST", "READY_FOR_CUTOVER"] {
        assert_eq!(bench.change(A, state).err().map(|error| error.status), Some(409));
    }
    for operation in ["StartTest", "StartCutover", "TerminateTargetInstances"] {
        assert_eq!(bench.refused(operation, json!({"sourceServerIDs": [A]})).status, 409);
    }
    assert_eq!(
        bench
            .fleet
            .instances()
            .iter()
            .filter(|one| one.terminated_at.is_none())
            .count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn revert_moves_a_label_and_terminates_nothing() {
    let bench = Bench::plain();
    bench.bring(A, "TESTING").await;
    let before = bench.fleet.instances();
    bench.change(A, "READY_FOR_TEST").expect("legal");
    assert_eq!(bench.fleet.instances(), before);
    let shown = bench.describe(A);
    assert!(shown["lifeCycle"]["lastTest"]["reverted"]["apiCallDateTime"].is_string());
    assert_eq!(shown["launchedInstance"]["ec2InstanceID"], before[0].id.as_str());
}

#[tokio::test(start_paused = true)]
async fn archived_servers_show_without_a_filter_as_the_knob_says() {
    for shown in [true, false] {
        let knobs = FleetKnobs {
            archived_returned_by_default: shown,
            ..FleetKnobs::default()
        };
        let bench = Bench::new(knobs);
        bench.bring(A, "DISCONNECTED").await;
        bench.ok("MarkAsArchived", json!({"sourceServerID": A}));
        let count = |filters| {
            let body = json!({"filters": filters});
            bench.ok("DescribeSourceServers", body)["items"]
                .as_array()
                .map(Vec::len)
        };
        assert_eq!(count(json!({})), Some(if shown { 2 } else { 1 }));
        assert_eq!(count(json!({"isArchived": true})), Some(1));
        assert_eq!(
            count(json!({"isArchived": false, "lifeCycleStates": ["READY_FOR_TEST"]})),
            Some(1)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_way_to_cutover_is_the_same_with_every_knob_turned() {
    let bench = Bench::new(FleetKnobs::awkward());
    bench.bring(A, "CUTOVER").await;
    bench.ok("MarkAsArchived", json!({"sourceServerID": A}));
    assert!(
        bench
            .fleet
            .server(A)
            .is_some_and(|server| server.archived && server.finalized_at.is_some())
    );
    let bytes = &bench.ok("DescribeSourceServers", json!({"filters": {"isArchived": true}}))["items"][0];
    assert_eq!(
        bytes["dataReplicationInfo"]["replicatedDisks"][0]["totalStorageBytes"],
        0
    );
    assert_eq!(bench.describe(B)["launchedInstance"], json!({}));
    let error = bench.refused("TerminateTargetInstances", json!({"sourceServerIDs": [B]}));
    assert_eq!(error.code, "ConflictException", "nothing to terminate");
    bench.change(B, "READY_FOR_TEST").expect("the same state again");
}

#[tokio::test(start_paused = true)]
async fn a_change_to_a_state_outside_the_api_is_a_validation_error() {
    let bench = Bench::plain();
    let error = bench.change(A, "TESTING").expect_err("refused");
    assert_eq!((error.status, error.code.as_str()), (400, "ValidationException"));
    let error = bench.refused("FinalizeCutover", json!({"sourceServerID": "s-00000000000000404"}));
    assert_eq!((error.status, error.code.as_str()), (404, "ResourceNotFoundException"));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_simulated_is_refused_by_name() {
    let bench = Bench::plain();
    assert_eq!(bench.refused("PauseReplication", json!({})).code, "NotSimulated");
    let error = bench.refused("StartTest", json!({"sourceServerIDs": [A], "priority": 1}));
    assert!(error.message.contains("priority"), "{error}");
    let error = bench.refused("DescribeSourceServers", json!({"filters": {"applicationIDs": []}}));
    assert!(error.message.contains("applicationIDs"), "{error}");
    assert_eq!(bench.state(A), "READY_FOR_TEST");
}

#[tokio::test(start_paused = true)]
async fn configurations_merge_and_refuse_what_the_api_would() {
    let bench = Bench::plain();
    let launch = json!({"sourceServerID": A, "copyPrivateIp": true, "licensing": {"osByol": false}});
    let updated = bench.ok("UpdateLaunchConfiguration", launch);
    assert_eq!(updated["copyPrivateIp"], true);
    assert_eq!(updated["launchDisposition"], "STARTED");
    assert_eq!(
        bench.ok("GetLaunchConfiguration", json!({"sourceServerID": A})),
        updated
    );
    let wrong = json!({"sourceServerID": A, "bootMode": "FLOPPY"});
    assert_eq!(
        bench.refused("UpdateLaunchConfiguration", wrong).code,
        "ValidationException"
    );
    let unknown = json!({"sourceServerID": A, "licensing": {"colour": 1}});
    assert_eq!(bench.refused("UpdateLaunchConfiguration", unknown).code, "NotSimulated");
    let replication = json!({"sourceServerID": A, "bandwidthThrottling": 500, "stagingAreaTags": {"a": "b"}});
    let updated = bench.ok("UpdateReplicationConfiguration", replication);
    assert_eq!(updated["bandwidthThrottling"], 500);
    assert_eq!(
        bench.ok("GetReplicationConfiguration", json!({"sourceServerID": A})),
        updated
    );
    let too_much = json!({"sourceServerID": A, "bandwidthThrottling": 10_001});
    assert_eq!(
        bench.refused("UpdateReplicationConfiguration", too_much).code,
        "ValidationException"
    );
}
