//! Calls of Lambda functions and services, nested executions, and the size limit.

use crate::support::*;
use asl::{ExecutionStatus, TaskResource, Value};
use serde_json::json;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn services_are_called_with_their_arguments() {
    let table = [
        ("sns:publish", "sns", "publish", "sns"),
        ("aws-sdk:mgn:startCutover", "aws-sdk:mgn", "startCutover", "aws-sdk:mgn"),
        ("sqs:sendMessage", "sqs", "sendMessage", "sqs"),
    ];
    for (resource, service, action, resource_type) in table {
        let handler = echo();
        let states = json!({ "T": {
            "Type": "Task", "Resource": format!("arn:aws:states:::{resource}"),
            "Arguments": { "A": "{% $states.input.a %}" }, "End": true,
        } });
        let ran = run_with(handler.clone(), machine("T", states), json!({ "a": 1 })).await;
        assert_eq!(*ran.output(), json!({ "A": 1 }));
        let call = handler.calls.lock().unwrap()[0].clone();
        assert_eq!(
            call.resource,
            TaskResource::Service {
                service: service.into(),
                action: action.into()
            }
        );
        assert_eq!(ran.details("TaskScheduled")["resourceType"], resource_type);
        assert_eq!(ran.details("TaskScheduled")["resource"], action);
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_outlives_the_task_that_timed_out() {
    let finished = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flag = finished.clone();
    let handler = scripted(move |_| {
        let flag = flag.clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(60)).await;
            flag.store(true, std::sync::atomic::Ordering::Relaxed);
            Ok(Value::Null)
        })
    });
    let states = json!({ "T": lambda(json!({ "TimeoutSeconds": 1, "End": true })) });
    let ran = run_with(handler, machine("T", states), json!({})).await;
    assert_eq!(ran.error(), "States.Timeout");
    assert!(!finished.load(std::sync::atomic::Ordering::Relaxed));
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(finished.load(std::sync::atomic::Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn reported_a_caught_timeout_has_an_empty_cause() {
    let handler = scripted(|_| Box::pin(std::future::pending()));
    let states = json!({
        "T": lambda(json!({
            "TimeoutSeconds": 1,
            "Catch": [{ "ErrorEquals": ["States.Timeout"], "Next": "C" }],
            "End": true,
        })),
        "C": { "Type": "Pass", "Output": "{% $states.input.Error & ': ' & $states.input.Cause %}", "End": true },
    });
    let ran = run_with(handler, machine("T", states), json!({})).await;
    assert_eq!(ran.description.output, Some(json!("States.Timeout: ")));
}

#[tokio::test(start_paused = true)]
async fn recorded_a_result_larger_than_256_kib_fails_its_task() {
    let handler = scripted(|_| Box::pin(async { Ok(json!("x".repeat(262_144))) }));
    let state = json!({ "T": lambda(json!({
        "End": true,
        "Catch": [{ "ErrorEquals": ["States.DataLimitExceeded"], "Output": "{% $states.errorOutput.Cause %}", "Next": "Z" }],
    })), "Z": { "Type": "Succeed" } });
    let ran = run_with(handler, machine("T", state), json!({})).await;
    let cause =
        "The state/task 'lambda' returned a result with a size exceeding the maximum number of bytes service limit.";
    assert_eq!(*ran.output(), json!(cause));
    assert_eq!(ran.graph()[4..6], ["4 TaskFailed", "5 TaskStateExited"]);
}

#[tokio::test(start_paused = true)]
async fn recorded_states_all_catches_a_task_whose_result_is_too_large() {
    for wildcard in ["States.ALL", "States.TaskFailed"] {
        let handler = scripted(|_| Box::pin(async { Ok(json!("x".repeat(262_144))) }));
        let catch = json!([{ "ErrorEquals": [wildcard], "Output": "{% $states.errorOutput.Error %}", "Next": "Z" }]);
        let states = json!({ "T": lambda(json!({ "End": true, "Catch": catch })), "Z": { "Type": "Succeed" } });
        let ran = run_with(handler, machine("T", states), json!({})).await;
        assert_eq!(*ran.output(), json!("States.DataLimitExceeded"), "{wildcard}");
    }
}

#[tokio::test(start_paused = true)]
async fn payloads_of_exactly_256_kib_pass_and_one_byte_more_does_not() {
    for (length, error) in [(262_142, "no error"), (262_143, "States.DataLimitExceeded")] {
        let states =
            json!({ "P": { "Type": "Pass", "Output": format!("{{% $pad('', {length}, 'x') %}}"), "End": true } });
        assert_eq!(run(machine("P", states), json!({})).await.error(), error, "{length}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_its_required_argument_ends_the_execution() {
    let states = json!({
        "T": lambda(json!({
            "Arguments": {}, "Next": "Z",
            "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Z" }],
        })),
        "Z": { "Type": "Succeed" },
    });
    let ran = run(machine("T", states), json!({})).await;
    assert_eq!(ran.error(), "States.Runtime");
    assert_eq!(
        ran.graph(),
        ["0 ExecutionStarted", "0 TaskStateEntered", "2 ExecutionFailed"]
    );
}

fn parent(suffix: &str, extra: Value) -> Value {
    let mut state = json!({
        "Type": "Task",
        "Resource": format!("arn:aws:states:::states:startExecution{suffix}"),
        "Arguments": {
            "StateMachineArn": "arn:aws:states:eu-west-1:111122223333:stateMachine:child",
            "Name": "c",
            "Input": "{% $states.input %}",
        },
        "End": true,
    });
    state
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    machine("T", json!({ "T": state }))
}

/// Runs a parent over a child; gives the parent's end and the child's description.
async fn nested(parent: Value, child: Value) -> (Ran, asl::ExecutionDescription) {
    let engine = engine(echo());
    engine.create_state_machine("child", &child).unwrap();
    let arn = engine.create_state_machine("parent", &parent).unwrap();
    let started = engine.start_execution(&arn, Some("p"), json!({ "n": 1 })).unwrap();
    let description = engine.wait(&started.execution_arn).await.unwrap();
    let events = engine.get_execution_history(&started.execution_arn).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let child = engine
        .describe_execution("arn:aws:states:eu-west-1:111122223333:execution:child:c")
        .unwrap();
    (
        Ran {
            engine,
            description,
            events,
        },
        child,
    )
}

#[tokio::test(start_paused = true)]
async fn recorded_sync_2_gives_the_childs_description_as_json() {
    let child = machine(
        "A",
        json!({ "A": { "Type": "Pass", "Output": { "done": true }, "End": true } }),
    );
    let (ran, _) = nested(parent(".sync:2", json!({})), child.clone()).await;
    let expected = [
        "0 ExecutionStarted",
        "0 TaskStateEntered",
        "2 TaskScheduled",
        "3 TaskStarted",
        "4 TaskSubmitted",
        "5 TaskSucceeded",
        "6 TaskStateExited",
        "7 ExecutionSucceeded",
    ];
    assert_eq!(ran.graph(), expected);
    let output = ran.output();
    assert_eq!(output["Input"], json!({ "n": 1 }));
    assert_eq!(output["Output"], json!({ "done": true }));
    assert_eq!(output["Status"], "SUCCEEDED");
    assert_eq!(
        output["RedriveStatusReason"],
        "Execution is SUCCEEDED and cannot be redriven"
    );
    assert_eq!(ran.details("TaskSubmitted")["resource"], "startExecution.sync:2");
    let (ran, _) = nested(parent(".sync", json!({})), child).await;
    assert_eq!(ran.output()["Output"], json!("{\"done\":true}"));
}

#[tokio::test(start_paused = true)]
async fn recorded_a_failed_child_is_task_failed_with_its_story_in_the_cause() {
    let child = machine("F", json!({ "F": { "Type": "Fail", "Error": "Own", "Cause": "why" } }));
    let (ran, _) = nested(parent(".sync:2", json!({})), child).await;
    assert_eq!(ran.error(), "States.TaskFailed");
    let cause: Value = serde_json::from_str(ran.cause()).unwrap();
    assert_eq!((&cause["Error"], &cause["Cause"]), (&json!("Own"), &json!("why")));
    assert_eq!(
        (&cause["Status"], &cause["Input"]),
        (&json!("FAILED"), &json!("{\"n\":1}"))
    );
}

#[tokio::test(start_paused = true)]
async fn start_execution_alone_does_not_wait() {
    let child = machine("W", json!({ "W": { "Type": "Wait", "Seconds": 900, "End": true } }));
    let (ran, child) = nested(parent("", json!({})), child).await;
    assert_eq!(ran.output()["ExecutionArn"], json!(child.execution_arn));
    assert_eq!(child.status, ExecutionStatus::Running);
}

#[tokio::test(start_paused = true)]
async fn a_child_is_stopped_when_its_parents_task_times_out() {
    let child = machine("W", json!({ "W": { "Type": "Wait", "Seconds": 900, "End": true } }));
    let (ran, child) = nested(parent(".sync:2", json!({ "TimeoutSeconds": 5 })), child).await;
    assert_eq!(ran.error(), "States.Timeout");
    assert_eq!(child.status, ExecutionStatus::Aborted);
}

#[tokio::test(start_paused = true)]
async fn recorded_a_child_machine_that_does_not_exist() {
    let ran = run(parent("", json!({})), json!({})).await;
    assert_eq!(ran.error(), "StepFunctions.StateMachineDoesNotExistException");
    assert_eq!(ran.graph()[4..], ["4 TaskFailed", "5 ExecutionFailed"]);
}

#[tokio::test(start_paused = true)]
async fn states_all_does_not_catch_an_output_over_the_limit_nor_a_runtime_error() {
    let caught = json!([{ "ErrorEquals": ["States.ALL"], "Next": "Z" }]);
    let states = json!({
        "P": {
            "Type": "Parallel", "Next": "Z", "Catch": caught,
            "Branches": [{ "StartAt": "T", "States": { "T": lambda(json!({ "End": true })) } }],
        },
        "Z": { "Type": "Succeed" },
    });
    let mut large = states.clone();
    large["P"]["Branches"][0]["States"]["T"]["Output"] = json!("{% $pad('', 262144, 'x') %}");
    let ran = run(machine("P", large), json!({})).await;
    assert_eq!(ran.error(), "States.DataLimitExceeded");
    let mut runtime = states;
    runtime["P"]["Branches"][0]["States"]["T"]["Arguments"] = json!({});
    let ran = run(machine("P", runtime), json!({})).await;
    assert_eq!(ran.error(), "States.Runtime");
    // A runtime error leaves no …StateFailed and no …Aborted behind.
    assert_eq!(
        ran.graph()[2..],
        ["2 ParallelStateStarted", "3 TaskStateEntered", "4 ExecutionFailed"]
    );
}
