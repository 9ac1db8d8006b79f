//! EC2's answers, as the SDK parses them.

use landfall_cloud::fleet::{InstanceState, Purpose, Script, StatusCheck};

use crate::support::{A, B, Bench, element};

async fn launched() -> (Bench, String) {
    let bench = Bench::plain();
    bench.finish("StartTest", &[A]).await;
    let id = bench.fleet.instances()[0].id.clone();
    (bench, id)
}

#[tokio::test(start_paused = true)]
async fn describe_instances_is_the_only_way_to_the_address() {
    let (bench, id) = launched().await;
    let xml = bench
        .ec2("DescribeInstances", &[("InstanceId.1", &id), ("Version", "2016-11-15")])
        .expect("there");
    let start = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>";
    assert!(xml.starts_with(start), "{xml}");
    assert!(xml.contains("<reservationSet><item><reservationId>"), "{xml}");
    assert!(
        xml.contains(&format!("<instancesSet><item><instanceId>{id}</instanceId>")),
        "{xml}"
    );
    assert!(
        xml.contains("<instanceState><code>16</code><name>running</name></instanceState>"),
        "{xml}"
    );
    let address = bench.fleet.instances()[0].private_ip.clone();
    assert_eq!(element(&xml, "privateIpAddress"), Some(address.as_str()));
    assert!(
        xml.contains("<tagSet><item>") && xml.contains("<key>Name</key><value>web-a</value>"),
        "{xml}"
    );
    assert!(
        !bench.describe(A).to_string().contains(&address),
        "MGN does not know it"
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_instance_refuses_the_call() {
    let (bench, id) = launched().await;
    let params = [("InstanceId.1", id.as_str()), ("InstanceId.2", "i-0404")];
    let error = bench.ec2("DescribeInstances", &params).expect_err("refused");
    assert_eq!((error.status, error.code.as_str()), (400, "InvalidInstanceID.NotFound"));
    assert_eq!(
        bench.ec2("TerminateInstances", &params).expect_err("refused").code,
        "InvalidInstanceID.NotFound"
    );
    assert_eq!(bench.fleet.instances()[0].state, InstanceState::Running);
}

#[tokio::test(start_paused = true)]
async fn status_checks_initialize_before_they_are_ok() {
    let (bench, id) = launched().await;
    let read = || {
        bench
            .ec2("DescribeInstanceStatus", &[("InstanceId.1", id.as_str())])
            .expect("there")
    };
    let xml = read();
    for check in ["systemStatus", "instanceStatus"] {
        let inner = element(&xml, check).expect("the check");
        assert_eq!(element(inner, "status"), Some("initializing"), "{xml}");
    }
    bench.sleep(185).await;
    let xml = read();
    assert!(xml.contains("<instanceStatusSet><item><instanceId>"), "{xml}");
    for check in ["systemStatus", "instanceStatus"] {
        let expected =
            "<status>ok</status><details><item><name>reachability</name><status>passed</status></item></details>";
        assert_eq!(element(&xml, check), Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_scripted_check_is_impaired() {
    let bench = Bench::plain();
    bench.fleet.script(Script::ImpairedInstance {
        server: A.to_owned(),
        purpose: Purpose::Test,
        check: StatusCheck::Instance,
        lasts: None,
    });
    bench.finish("StartTest", &[A]).await;
    bench.sleep(3600).await;
    let id = bench.fleet.instances()[0].id.clone();
    let xml = bench
        .ec2("DescribeInstanceStatus", &[("InstanceId.1", &id)])
        .expect("there");
    assert_eq!(
        element(element(&xml, "instanceStatus").expect("there"), "status"),
        Some("impaired")
    );
    assert_eq!(
        element(element(&xml, "systemStatus").expect("there"), "status"),
        Some("ok")
    );
}

#[tokio::test(start_paused = true)]
async fn stopping_ends_the_services_and_starting_boots_them() {
    let (bench, id) = launched().await;
    let state = || bench.fleet.instances()[0].state;
    let xml = bench.ec2("StopInstances", &[("InstanceId.1", &id)]).expect("stopping");
    assert!(
        xml.contains("<currentState><code>64</code><name>stopping</name></currentState><previousState><code>16</code>"),
        "{xml}"
    );
    assert!(
        bench.fleet.instances()[0]
            .services
            .iter()
            .all(|service| !service.active)
    );
    bench.sleep(21).await;
    assert_eq!(state(), InstanceState::Stopped);
    let xml = bench
        .ec2("DescribeInstanceStatus", &[("InstanceId.1", &id)])
        .expect("there");
    assert!(
        !xml.contains("<item>"),
        "only running ones without IncludeAllInstances: {xml}"
    );
    let all = [("InstanceId.1", id.as_str()), ("IncludeAllInstances", "true")];
    assert!(
        bench
            .ec2("DescribeInstanceStatus", &all)
            .expect("there")
            .contains("not-applicable")
    );
    bench.ec2("StartInstances", &[("InstanceId.1", &id)]).expect("starting");
    bench.sleep(16).await;
    assert_eq!(state(), InstanceState::Running);
    assert!(bench.fleet.instances()[0].services.iter().all(|service| service.active));
}

#[tokio::test(start_paused = true)]
async fn a_terminated_instance_is_shown_for_an_hour_and_then_unknown() {
    let (bench, id) = launched().await;
    let params = [("InstanceId.1", id.as_str())];
    bench.ec2("TerminateInstances", &params).expect("terminated");
    bench.ec2("TerminateInstances", &params).expect("repeating is harmless");
    bench.sleep(31).await;
    let xml = bench.ec2("DescribeInstances", &params).expect("still there");
    assert!(xml.contains("<code>48</code><name>terminated</name>"), "{xml}");
    assert!(element(&xml, "privateIpAddress").is_none());
    assert_eq!(
        bench.ec2("StartInstances", &params).expect_err("refused").code,
        "IncorrectInstanceState"
    );
    bench.sleep(3600).await;
    assert_eq!(
        bench.ec2("DescribeInstances", &params).expect_err("gone").code,
        "InvalidInstanceID.NotFound"
    );
}

#[tokio::test(start_paused = true)]
async fn snapshots_are_found_by_their_tags() {
    let (bench, id) = launched().await;
    let create = [
        ("InstanceSpecification.InstanceId", id.as_str()),
        ("Description", "evidence <w1>"),
        ("TagSpecification.1.ResourceType", "snapshot"),
        ("TagSpecification.1.Tag.1.Key", "landfall:wave"),
        ("TagSpecification.1.Tag.1.Value", "w1"),
    ];
    let xml = bench.ec2("CreateSnapshots", &create).expect("made");
    let snapshot = element(&xml, "snapshotId").expect("an id").to_owned();
    assert_eq!(element(&xml, "state"), Some("pending"));
    assert_eq!(element(&xml, "description"), Some("evidence &lt;w1&gt;"));
    assert_eq!(element(&xml, "volumeSize"), Some("40"));
    bench.sleep(61).await;
    let by_tag = |value| {
        let params = [("Filter.1.Name", "tag:landfall:wave"), ("Filter.1.Value.1", value)];
        bench.ec2("DescribeSnapshots", &params).expect("listed")
    };
    assert_eq!(element(&by_tag("w1"), "snapshotId"), Some(snapshot.as_str()));
    assert_eq!(element(&by_tag("w1"), "status"), Some("completed"));
    assert!(!by_tag("w2").contains("<item>"));
    bench
        .ec2("DeleteSnapshot", &[("SnapshotId", &snapshot)])
        .expect("deleted");
    let error = bench.ec2("DescribeSnapshots", &[("SnapshotId.1", &snapshot)]).err();
    assert_eq!(
        error.map(|error| error.code),
        Some("InvalidSnapshot.NotFound".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_parameter_nobody_simulates_is_named() {
    let (bench, id) = launched().await;
    for params in [
        [("InstanceId.1", id.as_str()), ("DryRun", "true")],
        [("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", "vpc-1")],
    ] {
        let error = bench.ec2("DescribeInstances", &params).expect_err("refused");
        assert_eq!(error.code, "NotSimulated");
        assert!(
            error.message.contains(params[0].1) || error.message.contains("DryRun"),
            "{error}"
        );
    }
    assert_eq!(
        bench.ec2("RunInstances", &[]).expect_err("refused").code,
        "NotSimulated"
    );
}

#[tokio::test(start_paused = true)]
async fn instances_are_filtered_by_tag_and_state() {
    let (bench, id) = launched().await;
    bench.finish("StartTest", &[B]).await;
    let params = [
        ("Filter.1.Name", "tag:AWSApplicationMigrationServiceSourceServerID"),
        ("Filter.1.Value.1", A),
        ("Filter.2.Name", "instance-state-name"),
        ("Filter.2.Value.1", "running"),
    ];
    let xml = bench.ec2("DescribeInstances", &params).expect("listed");
    assert_eq!(xml.matches("<instanceId>").count(), 1);
    assert_eq!(element(&xml, "instanceId"), Some(id.as_str()));
}
