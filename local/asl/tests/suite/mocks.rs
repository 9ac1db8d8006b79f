//! What mocks stand in for: the whole integration, with the events it would have had.

use crate::support::*;
use asl::mocks::MockCase;
use serde_json::{Value, json};
use std::sync::Arc;

fn case(responses: Value) -> Result<MockCase, String> {
    let file = json!({
        "StateMachines": { "m": { "TestCases": { "C": { "T": "R" } } } },
        "MockedResponses": { "R": responses },
    });
    MockCase::read(&file, Some("m"), "C")
}

/// Runs one mocked Task of a resource that throws.
async fn throw(resource: &str, thrown: Value) -> Ran {
    let states = json!({ "T": {
        "Type": "Task", "Resource": format!("arn:aws:states:::{resource}"), "Arguments": {}, "End": true,
    } });
    let mocks = case(json!({ "0": { "Throw": thrown } })).unwrap();
    run_with(Arc::new(mocks), machine("T", states), json!({})).await
}

#[tokio::test(start_paused = true)]
async fn a_thrown_timeout_is_recorded_as_one_and_without_a_cause() {
    for (resource, event) in [
        ("lambda:invoke", "TaskTimedOut"),
        ("sqs:sendMessage.waitForTaskToken", "TaskTimedOut"),
    ] {
        let ran = throw(resource, json!({ "Error": "States.Timeout" })).await;
        let details = ran.details(event);
        assert_eq!(details["error"], "States.Timeout", "{resource}");
        assert!(details.get("cause").is_none(), "{resource}");
        assert_eq!(ran.details("ExecutionFailed"), json!({ "error": "States.Timeout" }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_thrown_missed_heartbeat_is_a_timeout_too() {
    let ran = throw(
        "lambda:invoke.waitForTaskToken",
        json!({ "Error": "States.HeartbeatTimeout" }),
    )
    .await;
    assert_eq!(ran.graph()[4..6], ["4 TaskSubmitted", "5 TaskTimedOut"]);
}

#[tokio::test(start_paused = true)]
async fn what_fails_after_the_call_was_accepted_was_submitted_first() {
    let function_error = "{\"errorMessage\":\"no\",\"errorType\":\"Exception\"}";
    let table = [
        ("lambda:invoke", "Failure", "c", false),
        ("sqs:sendMessage.waitForTaskToken", "Failure", "c", true),
        ("sqs:sendMessage.waitForTaskToken", "SQS.SqsException", "c", false),
        ("lambda:invoke.waitForTaskToken", "My.Error", "c", true),
        ("lambda:invoke.waitForTaskToken", "Exception", function_error, false),
        (
            "lambda:invoke.waitForTaskToken",
            "Lambda.TooManyRequestsException",
            "c",
            false,
        ),
        ("states:startExecution.sync:2", "States.TaskFailed", "{}", true),
        (
            "states:startExecution.sync:2",
            "StepFunctions.StateMachineDoesNotExistException",
            "c",
            false,
        ),
        ("ecs:runTask.sync", "States.TaskFailed", "c", true),
        ("aws-sdk:mgn:startCutover", "Mgn.ConflictException", "c", false),
    ];
    for (resource, error, cause, submitted) in table {
        let ran = throw(resource, json!({ "Error": error, "Cause": cause })).await;
        let expected: &[&str] = if submitted {
            &["4 TaskSubmitted", "5 TaskFailed", "6 ExecutionFailed"]
        } else {
            &["4 TaskFailed", "5 ExecutionFailed"]
        };
        assert_eq!(ran.graph()[4..], *expected, "{resource} {error}");
        assert_eq!((ran.error(), ran.cause()), (error, cause));
    }
}

#[test]
fn answers_that_say_nothing_clear_are_refused_by_place() {
    let table = [
        (json!({}), "/MockedResponses/R: has no answers"),
        (
            json!({ "first": { "Return": 1 } }),
            "/MockedResponses/R/first: must be a call's number",
        ),
        (
            json!({ "2-1": { "Return": 1 } }),
            "/MockedResponses/R/2-1: must be a call's number",
        ),
        (
            json!({ "0-2": { "Return": 1 }, "2": { "Return": 2 } }),
            "/MockedResponses/R: two answers to call 2",
        ),
        (
            json!({ "0": { "Return": 1, "Throw": {} } }),
            "/MockedResponses/R/0: must have either",
        ),
        (
            json!({ "0": { "Throw": "E" } }),
            "/MockedResponses/R/0/Throw must be an object",
        ),
        (
            json!({ "0": { "Throw": { "Cause": "c" } } }),
            "/MockedResponses/R/0/Throw/Error: must be a string",
        ),
        (
            json!({ "0": { "Throw": { "Error": "E", "Cause": {} } } }),
            "/MockedResponses/R/0/Throw/Cause: must be a string",
        ),
        (
            json!({ "0": { "Throw": { "Error": "E", "Message": "m" } } }),
            "/MockedResponses/R/0/Throw/Message",
        ),
    ];
    for (responses, expected) in table {
        let error = case(responses).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}
