//! `.waitForTaskToken`.

use crate::support::*;
use asl::{ApiErrorCode, Engine, ExecutionDescription};
use serde_json::{Value, json};
use std::time::Duration;

fn waiting(extra: Value) -> Value {
    let mut state = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Arguments": { "FunctionName": "f", "Payload": { "token": "{% $states.context.Task.Token %}" } },
        "End": true,
    });
    state
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    machine("T", json!({ "T": state, "Z": { "Type": "Pass", "End": true } }))
}

fn caught(extra: Value) -> Value {
    let mut extra = extra;
    extra["Catch"] = json!([{ "ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput %}", "Next": "Z" }]);
    waiting(extra)
}

struct Started {
    engine: Engine,
    arn: String,
    token: String,
}

impl Started {
    async fn finish(&self) -> ExecutionDescription {
        self.engine.wait(&self.arn).await.unwrap()
    }

    fn graph(&self) -> Vec<String> {
        let events = self.engine.get_execution_history(&self.arn).unwrap();
        events
            .iter()
            .map(|event| format!("{} {}", event.previous_event_id, event.event_type))
            .collect()
    }
}

/// Starts the machine and lets the function be called.
async fn start(definition: Value) -> Started {
    let handler = echo();
    let engine = engine(handler.clone());
    let machine = engine
        .create_state_machine("m", &definition)
        .unwrap_or_else(|errors| panic!("{errors}"));
    let arn = engine.start_execution(&machine, None, json!({})).unwrap().execution_arn;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let token = handler.calls.lock().unwrap()[0].token.clone().unwrap();
    Started { engine, arn, token }
}

// A machine whose Z is never reached would be refused.
fn plain(extra: Value) -> Value {
    let mut definition = waiting(extra);
    definition["States"].as_object_mut().unwrap().shift_remove("Z");
    definition
}

#[tokio::test(start_paused = true)]
async fn recorded_the_token_gives_the_result_and_the_function_does_not() {
    let started = start(plain(json!({}))).await;
    started.engine.send_task_success(&started.token, "\"done\"").unwrap();
    assert_eq!(started.finish().await.output, Some(json!("done")));
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
    assert_eq!(started.graph(), expected);
}

#[tokio::test(start_paused = true)]
async fn the_token_of_the_arguments_is_the_token_of_the_call() {
    let handler = echo();
    let engine = engine(handler.clone());
    let machine = engine.create_state_machine("m", &plain(json!({}))).unwrap();
    engine.start_execution(&machine, None, json!({})).unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let calls = handler.calls.lock().unwrap();
    assert_eq!(calls[0].arguments["Payload"]["token"], json!(calls[0].token));
}

#[tokio::test(start_paused = true)]
async fn a_token_completed_before_the_invocation_returns_is_valid() {
    let handler = slow(60);
    let engine = engine(handler.clone());
    let machine = engine.create_state_machine("m", &plain(json!({}))).unwrap();
    let arn = engine.start_execution(&machine, None, json!({})).unwrap().execution_arn;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let token = handler.calls.lock().unwrap()[0].token.clone().unwrap();
    engine.send_task_success(&token, "1").unwrap();
    let description = engine.wait(&arn).await.unwrap();
    assert_eq!(description.output, Some(json!(1)));
    assert_eq!(
        description
            .stop_date
            .unwrap()
            .duration_since(description.start_date)
            .as_secs(),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn a_function_error_fails_the_task_and_closes_the_token() {
    let handler = failing("E", "c");
    let ran = run_with(handler.clone(), plain(json!({})), json!({})).await;
    assert_eq!((ran.error(), ran.cause()), ("E", "c"));
    let token = handler.calls.lock().unwrap()[0].token.clone().unwrap();
    assert_eq!(
        ran.engine.send_task_success(&token, "1").unwrap_err().code,
        ApiErrorCode::TaskTimedOut
    );
}

#[tokio::test(start_paused = true)]
async fn recorded_a_failure_of_the_token_carries_its_error_and_cause() {
    let table = [
        (Some("E"), Some("c"), json!({ "Error": "E", "Cause": "c" })),
        (None, None, json!({ "Error": null, "Cause": null })),
    ];
    for (error, cause, expected) in table {
        let started = start(caught(json!({}))).await;
        started.engine.send_task_failure(&started.token, error, cause).unwrap();
        assert_eq!(started.finish().await.output, Some(expected));
        assert_eq!(started.graph()[5..7], ["5 TaskFailed", "6 TaskStateExited"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_calls_itself_a_timeout_is_recorded_as_a_failure() {
    let started = start(plain(json!({}))).await;
    started
        .engine
        .send_task_failure(&started.token, Some("States.Timeout"), None)
        .unwrap();
    started.finish().await;
    assert_eq!(started.graph()[5..], ["5 TaskFailed", "6 ExecutionFailed"]);
}

#[tokio::test(start_paused = true)]
async fn recorded_a_missed_heartbeat_is_reported_as_a_timeout() {
    let started = start(plain(json!({ "HeartbeatSeconds": 5, "TimeoutSeconds": 600 }))).await;
    let description = started.finish().await;
    assert_eq!(description.error.as_deref(), Some("States.Timeout"));
    assert_eq!(description.cause, None);
    assert_eq!(started.graph()[5..], ["5 TaskTimedOut", "6 ExecutionFailed"]);
    let events = started.engine.get_execution_history(&started.arn).unwrap();
    let (_, scheduled) = events[2].details.clone().unwrap();
    assert_eq!(
        (&scheduled["heartbeatInSeconds"], &scheduled["timeoutInSeconds"]),
        (&json!(5), &json!(600))
    );
}

#[tokio::test(start_paused = true)]
async fn a_missed_heartbeat_is_matched_by_its_own_name() {
    let definition = waiting(json!({
        "HeartbeatSeconds": 5,
        "Catch": [{ "ErrorEquals": ["States.HeartbeatTimeout"], "Output": "heart", "Next": "Z" }],
    }));
    assert_eq!(start(definition).await.finish().await.output, Some(json!("heart")));
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_gives_as_much_time_again_but_not_past_the_timeout() {
    let started = start(plain(json!({ "HeartbeatSeconds": 5, "TimeoutSeconds": 12 }))).await;
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_secs(4)).await;
        started.engine.send_task_heartbeat(&started.token).unwrap();
    }
    tokio::time::sleep(Duration::from_millis(3_900)).await;
    started.engine.send_task_heartbeat(&started.token).unwrap();
    let description = started.finish().await;
    assert_eq!(
        description
            .stop_date
            .unwrap()
            .duration_since(description.start_date)
            .as_secs(),
        12
    );
}

#[tokio::test(start_paused = true)]
async fn tokens_are_good_once() {
    let started = start(plain(json!({}))).await;
    let engine = &started.engine;
    assert_eq!(
        engine.send_task_success("never issued", "1").unwrap_err().code,
        ApiErrorCode::InvalidToken
    );
    assert_eq!(
        engine.send_task_heartbeat("never issued").unwrap_err().code,
        ApiErrorCode::InvalidToken
    );
    assert_eq!(
        engine.send_task_success(&started.token, "{").unwrap_err().code,
        ApiErrorCode::InvalidOutput
    );
    engine.send_task_success(&started.token, "1").unwrap();
    assert_eq!(
        engine.send_task_success(&started.token, "1").unwrap_err().code,
        ApiErrorCode::TaskTimedOut
    );
    started.finish().await;
    assert_eq!(
        engine.send_task_failure(&started.token, None, None).unwrap_err().code,
        ApiErrorCode::TaskTimedOut
    );
    assert_eq!(
        engine.send_task_heartbeat(&started.token).unwrap_err().code,
        ApiErrorCode::TaskTimedOut
    );
}

#[tokio::test(start_paused = true)]
async fn every_attempt_has_a_token_of_its_own() {
    let handler = echo();
    let engine = engine(handler.clone());
    let definition =
        plain(json!({ "TimeoutSeconds": 30, "Retry": [{ "ErrorEquals": ["States.Timeout"], "BackoffRate": 1 }] }));
    let machine = engine.create_state_machine("m", &definition).unwrap();
    let arn = engine.start_execution(&machine, None, json!({})).unwrap().execution_arn;
    tokio::time::sleep(Duration::from_secs(32)).await;
    let tokens: Vec<String> = handler
        .calls
        .lock()
        .unwrap()
        .iter()
        .map(|call| call.token.clone().unwrap())
        .collect();
    assert_eq!(tokens.len(), 2);
    assert_ne!(tokens[0], tokens[1]);
    assert_eq!(
        engine.send_task_success(&tokens[0], "0").unwrap_err().code,
        ApiErrorCode::TaskTimedOut
    );
    engine.send_task_success(&tokens[1], "1").unwrap();
    assert_eq!(engine.wait(&arn).await.unwrap().output, Some(json!(1)));
}
