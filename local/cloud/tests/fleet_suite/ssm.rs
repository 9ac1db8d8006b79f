//! Run Command on sources and on launched instances.

use landfall_cloud::fleet::{CommandOutcome, FleetKnobs, HostKind, Purpose, Script};
use serde_json::{Value, json};

use crate::support::{A, B, Bench, node};

fn shell(command: &str) -> Value {
    json!({"commands": [command]})
}

fn send(bench: &Bench, node: &str, extra: Value) -> Result<Value, landfall_cloud::AwsError> {
    let mut body = json!({
        "InstanceIds": [node], "DocumentName": "AWS-RunShellScript", "Parameters": {"commands": ["true"]},
    });
    for (name, value) in extra.as_object().expect("an object") {
        body[name] = value.clone();
    }
    bench.fleet.ssm("SendCommand", &body)
}

#[tokio::test(start_paused = true)]
async fn an_invocation_does_not_exist_at_once_and_then_succeeds() {
    let bench = Bench::plain();
    let sent = send(&bench, &node(A), json!({"Comment": "wave w1"})).expect("sent");
    assert_eq!(sent["Command"]["Status"], "Pending");
    assert!(sent["Command"]["RequestedDateTime"].is_f64());
    let get = json!({"CommandId": sent["Command"]["CommandId"], "InstanceId": node(A)});
    let error = bench.fleet.ssm("GetCommandInvocation", &get).expect_err("too early");
    assert_eq!((error.status, error.code.as_str()), (400, "InvocationDoesNotExist"));
    bench.sleep(2).await;
    let running = bench.fleet.ssm("GetCommandInvocation", &get).expect("there");
    assert_eq!(
        (running["Status"].as_str(), running["ResponseCode"].as_i64()),
        (Some("InProgress"), Some(-1))
    );
    bench.sleep(6).await;
    let done = bench.fleet.ssm("GetCommandInvocation", &get).expect("there");
    assert_eq!(
        (done["Status"].as_str(), done["ResponseCode"].as_i64()),
        (Some("Success"), Some(0))
    );
    assert_eq!(done["StandardOutputContent"], "ok\n");
    assert_eq!(done["Comment"], "wave w1");
    assert!(
        done["ExecutionEndDateTime"]
            .as_str()
            .is_some_and(|text| text.ends_with('Z'))
    );
}

#[tokio::test(start_paused = true)]
async fn a_fresh_instance_is_no_node_until_its_agent_has_registered() {
    let bench = Bench::plain();
    bench.finish("StartTest", &[A]).await;
    let instance = bench.fleet.instances()[0].id.clone();
    let filter = json!({"Filters": [{"Key": "InstanceIds", "Values": [instance]}]});
    let count = || {
        let list = bench.fleet.ssm("DescribeInstanceInformation", &filter).expect("listed");
        list["InstanceInformationList"].as_array().map(Vec::len)
    };
    assert_eq!(count(), Some(0));
    let error = send(&bench, &instance, json!({})).expect_err("refused");
    assert_eq!((error.status, error.code.as_str()), (400, "InvalidInstanceId"));
    bench.sleep(130).await;
    assert_eq!(count(), Some(1));
    let list = bench.fleet.ssm("DescribeInstanceInformation", &filter).expect("listed");
    assert_eq!(list["InstanceInformationList"][0]["PingStatus"], "Online");
    send(&bench, &instance, json!({})).expect("sent");
    bench
        .ec2("StopInstances", &[("InstanceId.1", &instance)])
        .expect("stopped");
    assert_eq!(
        send(&bench, &instance, json!({})).expect_err("refused").code,
        "InvalidInstanceId"
    );
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_never_registers_stays_unknown() {
    let bench = Bench::plain();
    bench.fleet.script(Script::NeverRegisters {
        server: A.to_owned(),
        purpose: Purpose::Test,
    });
    bench.finish("StartTest", &[A]).await;
    bench.sleep(24 * 3600).await;
    let instance = bench.fleet.instances()[0].id.clone();
    assert_eq!(
        send(&bench, &instance, json!({})).expect_err("refused").code,
        "InvalidInstanceId"
    );
}

#[tokio::test(start_paused = true)]
async fn quiesce_and_restart_are_idempotent_and_exact() {
    let bench = Bench::plain();
    let source = node(A);
    assert_eq!(bench.quiesce(&source, "Restart", "w1").await, "nothing recorded\n");
    bench
        .command(&source, "AWS-RunShellScript", shell("systemctl disable nginx"))
        .await;
    let first = bench.quiesce(&source, "Quiesce", "w1").await;
    assert!(
        first.contains("nginx was=disabled/active now=disabled/inactive"),
        "{first}"
    );
    assert_eq!(bench.quiesce(&source, "Quiesce", "w1").await, first);
    assert!(!bench.fleet.server(A).expect("there").writing);
    for _ in 0..2 {
        bench.quiesce(&source, "Restart", "w1").await;
        let services = bench.fleet.server(A).expect("there").services;
        let on: Vec<(bool, bool)> = services.iter().map(|one| (one.enabled, one.active)).collect();
        assert_eq!(on, [(true, true), (false, true)], "app, then nginx");
    }
    assert_eq!(bench.fleet.server(A).expect("there").writing_periods.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_service_check_tells_the_truth() {
    let bench = Bench::plain();
    let check = || {
        bench.command(
            "mi-0000000000000000a",
            "AWS-RunShellScript",
            shell("systemctl is-active app"),
        )
    };
    assert_eq!(check().await["Status"], "Success");
    bench.quiesce(&node(A), "Quiesce", "w1").await;
    let failed = check().await;
    assert_eq!(failed["Status"], "Failed");
    assert_eq!(failed["CommandPlugins"][0]["ResponseCode"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_scripted_check_fails_from_its_run_on_and_only_there() {
    let bench = Bench::plain();
    bench
        .fleet
        .script(Script::failing_command(A, HostKind::Source, "curl", 2));
    let mut statuses = Vec::new();
    for (target, command) in [(A, "curl x"), (A, "curl x"), (A, "df"), (B, "curl x"), (A, "curl x")] {
        let one = bench.command(&node(target), "AWS-RunShellScript", shell(command)).await;
        statuses.push(one["Status"].as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(statuses, ["Success", "Failed", "Success", "Success", "Failed"]);
}

#[tokio::test(start_paused = true)]
async fn troubles_of_delivery_have_their_own_details() {
    for (outcome, status, details) in [
        (CommandOutcome::Undeliverable, "Failed", "Undeliverable"),
        (CommandOutcome::DeliveryTimedOut, "TimedOut", "Delivery Timed Out"),
        (CommandOutcome::ExecutionTimedOut, "TimedOut", "Execution Timed Out"),
        (CommandOutcome::Terminated, "Failed", "Terminated"),
        (CommandOutcome::Cancelled, "Cancelled", "Cancelled"),
    ] {
        let bench = Bench::plain();
        bench.fleet.script(Script::Command {
            server: A.to_owned(),
            host: HostKind::Source,
            contains: "Landfall-Quiesce".to_owned(),
            not_before: None,
            from_run: 1,
            times: Some(1),
            outcome,
            applied: false,
        });
        let parameters = json!({"action": ["Quiesce"], "services": ["app", "nginx"], "marker": ["w1"]});
        let one = bench.command(&node(A), "Landfall-Quiesce", parameters).await;
        assert_eq!(
            (one["Status"].as_str(), one["StatusDetails"].as_str()),
            (Some(status), Some(details))
        );
        assert_eq!(one["CommandPlugins"][0]["ResponseCode"], -1);
        assert!(
            bench.fleet.server(A).expect("there").writing,
            "the host was not touched"
        );
        bench.quiesce(&node(A), "Quiesce", "w1").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_keeps_commands_pending_until_delivery_times_out() {
    let bench = Bench::plain();
    bench.fleet.script(Script::ConnectionLost {
        server: A.to_owned(),
        host: HostKind::Source,
        from: landfall_cloud::Hub::now(bench.hub.as_ref()),
        lasts: None,
    });
    let sent = send(&bench, &node(A), json!({"TimeoutSeconds": 60})).expect("accepted all the same");
    bench.sleep(55).await;
    let list = json!({"CommandId": sent["Command"]["CommandId"]});
    let read = || bench.fleet.ssm("ListCommandInvocations", &list).expect("listed")["CommandInvocations"][0].clone();
    assert_eq!(read()["Status"], "Pending");
    bench.sleep(6).await;
    assert_eq!(read()["StatusDetails"], "Delivery Timed Out");
}

#[tokio::test(start_paused = true)]
async fn what_ssm_would_refuse_is_refused() {
    let bench = Bench::plain();
    let code = |extra| send(&bench, &node(A), extra).expect_err("refused").code;
    assert_eq!(code(json!({"DocumentName": "My-Own"})), "InvalidDocument");
    assert_eq!(code(json!({"Parameters": {"command": ["x"]}})), "InvalidParameters");
    assert_eq!(code(json!({"OutputS3BucketName": "logs"})), "NotSimulated");
    assert_eq!(code(json!({"CloudWatchOutputConfig": {}})), "NotSimulated");
    assert_eq!(code(json!({"InstanceIds": []})), "ValidationException");
    assert_eq!(code(json!({"TimeoutSeconds": 29})), "ValidationException");
    assert_eq!(
        code(json!({"DocumentName": "AWS-RunPowerShellScript"})),
        "UnsupportedPlatformType"
    );
    assert_eq!(code(json!({"InstanceIds": [node(A), "mi-404"]})), "InvalidInstanceId");
    let commands = bench.fleet.ssm("ListCommands", &json!({})).expect("listed");
    assert_eq!(commands["Commands"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn commands_are_found_again_by_time_and_comment() {
    let bench = Bench::new(FleetKnobs {
        ssm_page: 1,
        ..FleetKnobs::default()
    });
    send(&bench, &node(A), json!({"Comment": "first"})).expect("sent");
    bench.sleep(60).await;
    let after = landfall_cloud::Hub::now(bench.hub.as_ref()).to_string();
    send(&bench, &node(A), json!({"Comment": "second"})).expect("sent");
    bench.sleep(60).await;
    let page = bench
        .fleet
        .ssm("ListCommands", &json!({"InstanceId": node(A)}))
        .expect("listed");
    assert_eq!(page["Commands"][0]["Comment"], "second");
    let next = json!({"InstanceId": node(A), "NextToken": page["NextToken"]});
    let page = bench.fleet.ssm("ListCommands", &next).expect("listed");
    assert_eq!(page["Commands"][0]["Comment"], "first");
    let filter = json!({"Filters": [{"key": "InvokedAfter", "value": after}]});
    let page = bench.fleet.ssm("ListCommands", &filter).expect("listed");
    assert_eq!(page["Commands"].as_array().map(Vec::len), Some(1));
    assert!(page.get("NextToken").is_none());
}
