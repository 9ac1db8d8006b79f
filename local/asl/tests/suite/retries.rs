//! Which names match which errors, and what a retrier does.

use crate::support::*;
use asl::{matches_error, retry_delay_seconds};
use serde_json::{Value, json};

#[test]
fn error_names_match_as_documented() {
    let table = [
        ("States.ALL", "Custom", true),
        ("States.ALL", "States.Timeout", true),
        ("States.ALL", "States.QueryEvaluationError", true),
        ("States.ALL", "States.Permissions", true),
        ("States.ALL", "States.NoChoiceMatched", true),
        ("States.ALL", "States.BranchFailed", true),
        ("States.ALL", "States.IntrinsicFailure", true),
        ("States.ALL", "States.ItemReaderFailed", true),
        ("States.ALL", "States.ResultWriterFailed", true),
        ("States.ALL", "States.ExceedToleratedFailureThreshold", true),
        ("States.ALL", "States.DataLimitExceeded", false),
        ("States.ALL", "States.Runtime", false),
        ("States.Runtime", "States.Runtime", false),
        ("States.DataLimitExceeded", "States.DataLimitExceeded", true),
        ("States.TaskFailed", "Custom", true),
        ("States.TaskFailed", "States.TaskFailed", true),
        ("States.TaskFailed", "States.Permissions", true),
        ("States.TaskFailed", "States.Timeout", false),
        ("States.TaskFailed", "States.HeartbeatTimeout", false),
        ("States.TaskFailed", "States.DataLimitExceeded", false),
        ("States.TaskFailed", "States.Runtime", false),
        ("States.Timeout", "States.Timeout", true),
        ("States.Timeout", "States.HeartbeatTimeout", true),
        ("States.HeartbeatTimeout", "States.Timeout", false),
        ("Custom", "Custom", true),
        ("custom", "Custom", false),
        ("Custom", "Custom.More", false),
    ];
    for (pattern, error, expected) in table {
        assert_eq!(matches_error(pattern, error), expected, "{pattern} on {error}");
    }
}

#[test]
fn delays_grow_by_the_rate_up_to_the_ceiling() {
    let table = [
        (1, 2.0, None, [1.0, 2.0, 4.0, 8.0]),
        (3, 1.5, None, [3.0, 4.5, 6.75, 10.125]),
        (5, 1.0, None, [5.0, 5.0, 5.0, 5.0]),
        (2, 2.0, Some(5), [2.0, 4.0, 5.0, 5.0]),
        (0, 2.0, None, [0.0, 0.0, 0.0, 0.0]),
    ];
    for (interval, rate, ceiling, expected) in table {
        let delays: Vec<f64> = (0..4)
            .map(|attempt| retry_delay_seconds(interval, rate, ceiling, attempt))
            .collect();
        assert_eq!(delays, expected, "{interval} {rate} {ceiling:?}");
    }
}

/// Runs a task that always fails under these retriers; gives the calls made and the seconds taken.
async fn attempts(retry: Value) -> (usize, f64) {
    let handler = failing("E", "c");
    let states = json!({ "T": lambda(json!({ "Retry": retry, "End": true })) });
    let ran = run_with(handler.clone(), machine("T", states), json!({})).await;
    let took = ran
        .description
        .stop_date
        .unwrap()
        .duration_since(ran.description.start_date);
    (handler.calls.lock().unwrap().len(), took.as_secs_f64())
}

#[tokio::test(start_paused = true)]
async fn retriers_count_and_wait() {
    let table = [
        // Defaults: three retries after 1, 2 and 4 seconds.
        (json!([{ "ErrorEquals": ["E"] }]), 4, 7.0),
        (json!([{ "ErrorEquals": ["E"], "MaxAttempts": 0 }]), 1, 0.0),
        (json!([{ "ErrorEquals": ["Other"] }]), 1, 0.0),
        (
            json!([{ "ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 2, "IntervalSeconds": 3 }]),
            3,
            9.0,
        ),
        (
            json!([{ "ErrorEquals": ["States.ALL"], "MaxAttempts": 4, "IntervalSeconds": 10, "BackoffRate": 3, "MaxDelaySeconds": 40 }]),
            5,
            120.0,
        ),
        // The first retrier that matches decides; another one does not take over when it is used up.
        (
            json!([{ "ErrorEquals": ["E"], "MaxAttempts": 1 }, { "ErrorEquals": ["States.ALL"], "MaxAttempts": 5 }]),
            2,
            1.0,
        ),
    ];
    for (retry, calls, seconds) in table {
        assert_eq!(attempts(retry.clone()).await, (calls, seconds), "{retry}");
    }
}

#[tokio::test(start_paused = true)]
async fn full_jitter_waits_no_longer_than_without_and_repeats_with_the_seed() {
    let retry = json!([{ "ErrorEquals": ["E"], "IntervalSeconds": 100, "JitterStrategy": "FULL" }]);
    let (calls, seconds) = attempts(retry.clone()).await;
    assert_eq!(calls, 4);
    assert!(seconds > 0.0 && seconds < 700.0, "{seconds}");
    assert_eq!(attempts(retry).await, (calls, seconds));
}

#[tokio::test(start_paused = true)]
async fn each_retrier_has_its_own_counter() {
    let handler = scripted(|call| {
        let error = if call.retry_count % 2 == 0 { "A" } else { "B" };
        Box::pin(async move { Err(failure(error, "")) })
    });
    let retry = json!([
        { "ErrorEquals": ["A"], "MaxAttempts": 2, "BackoffRate": 1 },
        { "ErrorEquals": ["B"], "MaxAttempts": 5, "BackoffRate": 1 },
    ]);
    let states = json!({ "T": lambda(json!({ "Retry": retry, "End": true })) });
    let ran = run_with(handler.clone(), machine("T", states), json!({})).await;
    // A B A B A: the third A finds its retrier used up.
    assert_eq!(handler.calls.lock().unwrap().len(), 5);
    assert_eq!(ran.error(), "A");
}

#[tokio::test(start_paused = true)]
async fn a_retry_evaluates_its_arguments_again_with_its_own_count() {
    let handler = scripted(|call| {
        let count = call.arguments["Payload"].as_u64().unwrap();
        Box::pin(async move {
            if count < 2 {
                Err(failure("E", ""))
            } else {
                Ok(json!(count))
            }
        })
    });
    let states = json!({ "T": lambda(json!({
        "Arguments": { "FunctionName": "f", "Payload": "{% $states.context.State.RetryCount %}" },
        "Retry": [{ "ErrorEquals": ["E"] }],
        "Output": "{% $states.result.Payload %}",
        "End": true,
    })) });
    let ran = run_with(handler, machine("T", states), json!({})).await;
    assert_eq!(*ran.output(), json!(2));
    let scheduled: Vec<String> = ran
        .graph()
        .into_iter()
        .filter(|event| event.ends_with("TaskScheduled"))
        .collect();
    assert_eq!(scheduled, ["2 TaskScheduled", "5 TaskScheduled", "8 TaskScheduled"]);
}

#[tokio::test(start_paused = true)]
async fn an_output_that_cannot_be_evaluated_is_retried_and_caught_like_any_error() {
    let handler = echo();
    let states = json!({
        "T": lambda(json!({
            "Output": "{% $states.result.missing %}",
            "Retry": [{ "ErrorEquals": ["States.QueryEvaluationError"], "MaxAttempts": 1 }],
            "Catch": [{ "ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput.Error %}", "Next": "Z" }],
            "End": true,
        })),
        "Z": { "Type": "Succeed" },
    });
    let ran = run_with(handler.clone(), machine("T", states), json!({})).await;
    assert_eq!(*ran.output(), json!("States.QueryEvaluationError"));
    assert_eq!(handler.calls.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn transitions_count_states_entered_and_retries() {
    let states = json!({
        "A": { "Type": "Pass", "Next": "T" },
        "T": lambda(json!({ "Retry": [{ "ErrorEquals": ["E"] }], "Next": "Z", "Catch": [{ "ErrorEquals": ["E"], "Next": "Z" }] })),
        "Z": { "Type": "Succeed" },
    });
    let ran = run_with(failing("E", ""), machine("A", states), json!({})).await;
    // A, T, three retries of T, Z.
    assert_eq!(ran.engine.state_transitions(), 6);
    assert_eq!(
        ran.engine.state_transitions_of(&ran.description.execution_arn).unwrap(),
        6
    );
}
