//! Starting, stopping, listing, redriving; listeners; repeatability.

use crate::support::*;
use asl::{ApiErrorCode, ExecutionStatus, Value};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn waits() -> Value {
    machine("W", json!({ "W": { "Type": "Wait", "Seconds": 60, "End": true } }))
}

#[tokio::test(start_paused = true)]
async fn starting_again_is_the_same_start_while_it_runs_with_the_same_input() {
    let engine = engine(echo());
    let machine = engine.create_state_machine("m", &waits()).unwrap();
    let text = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let first = engine
        .start_execution(&machine, Some("e"), text("{\"a\":1,\"b\":2}"))
        .unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(
        engine
            .start_execution(&machine, Some("e"), text("{\"b\":2, \"a\":1}"))
            .unwrap(),
        first
    );
    let other = engine
        .start_execution(&machine, Some("e"), json!({ "a": 2 }))
        .unwrap_err();
    assert_eq!(other.code, ApiErrorCode::ExecutionAlreadyExists);
    engine.wait(&first.execution_arn).await.unwrap();
    let closed = engine
        .start_execution(&machine, Some("e"), text("{\"a\":1,\"b\":2}"))
        .unwrap_err();
    assert_eq!(closed.code, ApiErrorCode::ExecutionAlreadyExists);
    assert_eq!(engine.list_executions(None, None).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn bad_calls_are_refused_by_name() {
    let engine = engine(echo());
    let machine = engine.create_state_machine("m", &waits()).unwrap();
    let start = |name: &str, input: Value| engine.start_execution(&machine, Some(name), input).unwrap_err().code;
    assert_eq!(start("a b", json!({})), ApiErrorCode::InvalidName);
    assert_eq!(start(&"n".repeat(81), json!({})), ApiErrorCode::InvalidName);
    assert_eq!(
        start("e", json!("x".repeat(262_143))),
        ApiErrorCode::InvalidExecutionInput
    );
    let missing = format!("{machine}x");
    let error = engine.start_execution(&missing, None, json!({})).unwrap_err();
    assert_eq!(error.code, ApiErrorCode::StateMachineDoesNotExist);
    assert_eq!(
        engine.describe_execution("arn:x").unwrap_err().code,
        ApiErrorCode::ExecutionDoesNotExist
    );
    assert_eq!(
        engine.describe_execution("x").unwrap_err().code,
        ApiErrorCode::InvalidArn
    );
}

#[tokio::test(start_paused = true)]
async fn a_stopped_execution_is_aborted_at_once_and_stays_so() {
    let engine = engine(echo());
    let machine = engine.create_state_machine("m", &waits()).unwrap();
    let arn = engine.start_execution(&machine, None, json!({})).unwrap().execution_arn;
    tokio::time::sleep(Duration::from_secs(1)).await;
    engine.stop_execution(&arn, Some("E"), Some("c")).unwrap();
    let description = engine.describe_execution(&arn).unwrap();
    assert_eq!(description.status, ExecutionStatus::Aborted);
    assert_eq!(
        (description.error.as_deref(), description.cause.as_deref()),
        (Some("E"), Some("c"))
    );
    tokio::time::sleep(Duration::from_secs(120)).await;
    let events = engine.get_execution_history(&arn).unwrap();
    let graph: Vec<String> = events
        .iter()
        .map(|event| format!("{} {}", event.previous_event_id, event.event_type))
        .collect();
    assert_eq!(
        graph,
        ["0 ExecutionStarted", "0 WaitStateEntered", "0 ExecutionAborted"]
    );
}

#[tokio::test(start_paused = true)]
async fn listeners_hear_starts_ends_and_every_event() {
    let engine = engine(echo());
    let statuses = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::new(AtomicUsize::new(0));
    let (status_log, event_count) = (statuses.clone(), heard.clone());
    engine.on_status_change(Arc::new(move |description| {
        status_log.lock().unwrap().push(description.status.as_str())
    }));
    engine.on_history_event(Arc::new(move |_, _| {
        event_count.fetch_add(1, Ordering::Relaxed);
    }));
    let machine = engine.create_state_machine("m", &waits()).unwrap();
    let arn = engine.start_execution(&machine, None, json!({})).unwrap().execution_arn;
    engine.wait(&arn).await.unwrap();
    assert_eq!(*statuses.lock().unwrap(), ["RUNNING", "SUCCEEDED"]);
    assert_eq!(
        heard.load(Ordering::Relaxed),
        engine.get_execution_history(&arn).unwrap().len()
    );
}

#[tokio::test(start_paused = true)]
async fn executions_are_listed_newest_first_and_by_status() {
    let engine = engine(echo());
    let machine = engine.create_state_machine("m", &waits()).unwrap();
    for name in ["a", "b", "c"] {
        engine.start_execution(&machine, Some(name), json!({})).unwrap();
    }
    engine
        .stop_execution("arn:aws:states:eu-west-1:111122223333:execution:m:b", None, None)
        .unwrap();
    let names = |status| -> Vec<String> {
        engine
            .list_executions(Some(&machine), status)
            .into_iter()
            .map(|description| description.name)
            .collect()
    };
    assert_eq!(names(None), ["c", "b", "a"]);
    assert_eq!(names(Some(ExecutionStatus::Running)), ["c", "a"]);
}

/// Answers with an error until told otherwise.
fn broken_until(fixed: Arc<AtomicUsize>) -> Arc<Scripted> {
    scripted(move |call| {
        let fixed = fixed.load(Ordering::Relaxed) > 0;
        Box::pin(async move {
            match call.arguments["Payload"].as_str() {
                Some("fails") if !fixed => Err(failure("E", "c")),
                _ => Ok(call.arguments["Payload"].clone()),
            }
        })
    })
}

fn task(payload: &str, end: Value) -> Value {
    let mut extra = json!({
        "Arguments": { "FunctionName": "f", "Payload": payload },
        "Output": "{% $states.result.Payload %}",
    });
    extra.as_object_mut().unwrap().extend(end.as_object().unwrap().clone());
    lambda(extra)
}

#[tokio::test(start_paused = true)]
async fn a_redrive_goes_on_at_the_state_that_failed() {
    let fixed = Arc::new(AtomicUsize::new(0));
    let handler = broken_until(fixed.clone());
    let states = json!({
        "A": { "Type": "Pass", "Assign": { "kept": "v" }, "Output": "out", "Next": "B" },
        "B": task("fails", json!({ "Next": "C" })),
        "C": { "Type": "Pass", "Output": "{% [$states.input, $kept, $states.context.Execution.RedriveCount] %}", "End": true },
    });
    let ran = run_with(handler.clone(), machine("A", states), json!({})).await;
    assert_eq!(ran.error(), "E");
    let before = ran.events.len() as u64;
    fixed.store(1, Ordering::Relaxed);
    let arn = &ran.description.execution_arn;
    ran.engine.redrive_execution(arn).unwrap();
    let description = ran.engine.wait(arn).await.unwrap();
    assert_eq!(description.output, Some(json!(["fails", "v", 1])));
    assert_eq!(description.redrive_count, 1);
    let events = ran.engine.get_execution_history(arn).unwrap();
    let after: Vec<String> = events[before as usize..]
        .iter()
        .map(|event| format!("{} {}", event.previous_event_id, event.event_type))
        .collect();
    assert_eq!(
        after[..4],
        [
            format!("{before} ExecutionRedriven"),
            format!("{} TaskScheduled", before + 1),
            format!("{} TaskStarted", before + 2),
            format!("{} TaskSucceeded", before + 3),
        ]
    );
    let again = ran.engine.redrive_execution(arn).unwrap_err();
    assert_eq!(again.code, ApiErrorCode::ExecutionNotRedrivable);
}

#[tokio::test(start_paused = true)]
async fn a_redrive_runs_only_the_branches_that_did_not_succeed() {
    let fixed = Arc::new(AtomicUsize::new(0));
    let handler = broken_until(fixed.clone());
    let branch = |name: &str, payload: &str| json!({ "StartAt": name, "States": { name: task(payload, json!({ "End": true })) } });
    let later = json!({ "StartAt": "W", "States": {
        "W": { "Type": "Wait", "Seconds": 5, "Next": "L" },
        "L": task("fails", json!({ "End": true })),
    } });
    let states = json!({
        "P": { "Type": "Parallel", "Branches": [branch("A", "fine"), later], "End": true },
    });
    let ran = run_with(handler.clone(), machine("P", states), json!({})).await;
    assert_eq!(ran.error(), "E");
    fixed.store(1, Ordering::Relaxed);
    let arn = &ran.description.execution_arn;
    ran.engine.redrive_execution(arn).unwrap();
    let description = ran.engine.wait(arn).await.unwrap();
    assert_eq!(description.output, Some(json!(["fine", "fails"])));
    // "fine" once, "fails" twice; the wait before it is not repeated.
    assert_eq!(handler.calls.lock().unwrap().len(), 3);
    assert_eq!(
        description
            .stop_date
            .unwrap()
            .duration_since(description.start_date)
            .as_secs(),
        5
    );
}

#[tokio::test(start_paused = true)]
async fn a_stopped_execution_can_be_redriven_at_once() {
    let engine = engine(echo());
    let machine = engine.create_state_machine("m", &waits()).unwrap();
    let arn = engine.start_execution(&machine, None, json!({})).unwrap().execution_arn;
    tokio::time::sleep(Duration::from_secs(1)).await;
    engine.stop_execution(&arn, None, None).unwrap();
    engine.redrive_execution(&arn).unwrap();
    let description = engine.wait(&arn).await.unwrap();
    assert_eq!(description.status, ExecutionStatus::Succeeded);
    assert_eq!(
        description
            .stop_date
            .unwrap()
            .duration_since(description.start_date)
            .as_secs(),
        61
    );
}

#[tokio::test(start_paused = true)]
async fn a_redrive_restarts_the_execution_timeout() {
    let mut definition = waits();
    definition["TimeoutSeconds"] = json!(40);
    let ran = run(definition, json!({})).await;
    assert_eq!(ran.description.status, ExecutionStatus::TimedOut);
    let arn = &ran.description.execution_arn;
    ran.engine.redrive_execution(arn).unwrap();
    let description = ran.engine.wait(arn).await.unwrap();
    assert_eq!(
        description
            .stop_date
            .unwrap()
            .duration_since(description.start_date)
            .as_secs(),
        80
    );
}

#[tokio::test(start_paused = true)]
async fn creating_a_machine_again_is_the_same_machine_and_never_another() {
    let engine = engine(echo());
    let arn = engine.create_state_machine("m", &waits()).unwrap();
    assert_eq!(engine.create_state_machine("m", &waits()).unwrap(), arn);
    let other = machine("S", json!({ "S": { "Type": "Succeed" } }));
    let error = engine.create_state_machine("m", &other).unwrap_err();
    assert!(error.to_string().contains("State Machine Already Exists"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_history() {
    let definition = || {
        let states = json!({ "M": {
            "Type": "Map", "Items": "{% [1..20] %}", "End": true,
            "ItemProcessor": { "StartAt": "T", "States": { "T": lambda(json!({
                "Retry": [{ "ErrorEquals": ["States.ALL"], "JitterStrategy": "FULL", "MaxAttempts": 2 }],
                "Catch": [{ "ErrorEquals": ["States.ALL"], "Output": "{% $uuid() %}", "Next": "Z" }],
                "End": true,
            })), "Z": { "Type": "Succeed" } } },
        } });
        run_with(failing("E", ""), machine("M", states), json!({}))
    };
    let (first, second) = (definition().await, definition().await);
    let shift = second
        .description
        .start_date
        .duration_since(first.description.start_date);
    assert_eq!(shift.as_secs(), 0);
    assert_eq!(first.events, second.events);
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_is_stopped_stops_its_children() {
    let engine = engine(echo());
    let child = engine.create_state_machine("child", &waits()).unwrap();
    let parent = machine(
        "T",
        json!({ "T": {
            "Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2",
            "Arguments": { "StateMachineArn": child }, "End": true,
        } }),
    );
    let parent = engine.create_state_machine("parent", &parent).unwrap();
    let arn = engine.start_execution(&parent, None, json!({})).unwrap().execution_arn;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        engine
            .list_executions(Some(&child), Some(ExecutionStatus::Running))
            .len(),
        1
    );
    engine.stop_execution(&arn, None, None).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        engine
            .list_executions(Some(&child), Some(ExecutionStatus::Aborted))
            .len(),
        1
    );
}
