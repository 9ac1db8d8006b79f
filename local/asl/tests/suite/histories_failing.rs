//! Event graphs of executions that fail, as recorded on AWS.

use crate::support::*;
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn recorded_a_failed_evaluation_follows_the_event_before_the_state_was_entered() {
    let states = json!({
        "A": { "Type": "Pass", "Next": "B" },
        "B": { "Type": "Pass", "Output": { "result": "{% $doesNotExist %}" }, "End": true },
    });
    let ran = run(machine("A", states), json!({})).await;
    let expected = [
        "0 ExecutionStarted",
        "0 PassStateEntered",
        "2 PassStateExited",
        "3 PassStateEntered",
        "3 EvaluationFailed",
        "5 ExecutionFailed",
    ];
    assert_eq!(ran.graph(), expected);
    let cause = "An error occurred while executing the state 'B' (entered at the event id #4). The JSONata expression \
                 '$doesNotExist' specified for the field 'Output/result' returned nothing (undefined).";
    assert_eq!(
        ran.details("EvaluationFailed"),
        json!({
            "error": "States.QueryEvaluationError", "cause": cause, "location": "Output/result", "state": "B",
        })
    );
    assert_eq!(
        ran.details("ExecutionFailed"),
        json!({ "error": "States.QueryEvaluationError", "cause": cause })
    );
}

#[tokio::test(start_paused = true)]
async fn recorded_items_that_are_no_array() {
    let table = [
        (json!("{% 1 %}"), "'number' for value: 1"),
        (json!("{% 'string' %}"), "'string' for value: \"string\""),
        (json!("{% true %}"), "'boolean' for value: true"),
        (json!("{% {'foo':'bar'} %}"), "'object' for value: {\"foo\":\"bar\"}"),
        (json!("{% null %}"), "'null' for value: null"),
    ];
    for (items, expected) in table {
        let states = json!({ "M": {
            "Type": "Map", "Items": items, "End": true,
            "ItemProcessor": { "StartAt": "I", "States": { "I": { "Type": "Pass", "End": true } } },
        } });
        let ran = run(machine("M", states), json!({})).await;
        let graph = [
            "0 ExecutionStarted",
            "0 MapStateEntered",
            "0 EvaluationFailed",
            "3 MapStateFailed",
            "4 ExecutionFailed",
        ];
        assert_eq!(ran.graph(), graph);
        let wanted = format!("returned an unexpected result type. Expected 'array', but was {expected}");
        assert!(ran.cause().ends_with(&wanted), "{}", ran.cause());
    }
}

#[tokio::test(start_paused = true)]
async fn recorded_a_map_whose_input_is_no_array_names_no_field() {
    let states = json!({ "M": {
        "Type": "Map", "End": true,
        "ItemProcessor": { "StartAt": "I", "States": { "I": { "Type": "Pass", "End": true } } },
    } });
    let ran = run(machine("M", states), json!("string")).await;
    assert!(
        ran.cause()
            .ends_with("Map state input must be an array but was: \"string\""),
        "{}",
        ran.cause()
    );
    assert!(ran.details("EvaluationFailed").get("location").is_none());
}

#[tokio::test(start_paused = true)]
async fn recorded_a_failed_task_follows_straight_into_the_end() {
    let states = json!({ "T": lambda(json!({ "End": true })) });
    let ran = run_with(
        failing("Exception", "{\"errorMessage\":\"no\"}"),
        machine("T", states),
        json!({}),
    )
    .await;
    let expected = [
        "0 ExecutionStarted",
        "0 TaskStateEntered",
        "2 TaskScheduled",
        "3 TaskStarted",
        "4 TaskFailed",
        "5 ExecutionFailed",
    ];
    assert_eq!(ran.graph(), expected);
    assert_eq!(
        ran.details("TaskFailed"),
        json!({
            "resourceType": "lambda", "resource": "invoke", "error": "Exception", "cause": "{\"errorMessage\":\"no\"}",
        })
    );
}

#[tokio::test(start_paused = true)]
async fn recorded_a_caught_task_leaves_with_the_error_output() {
    let states = json!({
        "T": lambda(json!({ "Next": "Z", "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Z" }] })),
        "Z": { "Type": "Pass", "End": true },
    });
    let ran = run_with(failing("E", "c"), machine("T", states), json!({})).await;
    assert_eq!(
        ran.graph()[4..7],
        ["4 TaskFailed", "5 TaskStateExited", "6 PassStateEntered"]
    );
    assert_eq!(*ran.output(), json!({ "Error": "E", "Cause": "c" }));
}

#[tokio::test(start_paused = true)]
async fn recorded_a_caught_error_can_be_assigned_and_shaped() {
    let states = json!({
        "T": lambda(json!({ "Next": "Z", "Catch": [{
            "ErrorEquals": ["States.ALL"],
            "Assign": { "e": "{% $states.errorOutput %}" },
            "Output": { "in": "{% $states.input %}", "err": "{% $states.errorOutput.Error %}" },
            "Next": "Z",
        }] })),
        "Z": { "Type": "Pass", "Output": "{% [$states.input, $e.Cause] %}", "End": true },
    });
    let ran = run_with(failing("E", "c"), machine("T", states), json!({ "i": 1 })).await;
    assert_eq!(*ran.output(), json!([{ "in": { "i": 1 }, "err": "E" }, "c"]));
}

#[tokio::test(start_paused = true)]
async fn recorded_timeouts_have_no_cause() {
    let arn = "arn:aws:lambda:eu-west-1:111122223333:function:f";
    let direct = json!({ "Type": "Task", "Resource": arn, "TimeoutSeconds": 5, "End": true });
    let table = [
        (lambda(json!({ "TimeoutSeconds": 5, "End": true })), "TaskTimedOut"),
        (direct, "LambdaFunctionTimedOut"),
    ];
    for (state, event) in table {
        let ran = run_with(slow(60), machine("T", json!({ "T": state })), json!({})).await;
        assert_eq!(ran.graph()[4..], [format!("4 {event}"), "5 ExecutionFailed".to_owned()]);
        assert_eq!(ran.details(event)["error"], "States.Timeout");
        assert_eq!(ran.details("ExecutionFailed"), json!({ "error": "States.Timeout" }));
    }
}

#[tokio::test(start_paused = true)]
async fn recorded_a_fail_state_ends_the_execution_without_leaving() {
    let table = [
        (
            json!({ "Type": "Fail", "Error": "E", "Cause": "{% 'c' & $states.input %}" }),
            json!({ "error": "E", "cause": "c1" }),
        ),
        (json!({ "Type": "Fail", "Error": "E" }), json!({ "error": "E" })),
        (json!({ "Type": "Fail" }), json!({})),
    ];
    for (state, details) in table {
        let ran = run(machine("F", json!({ "F": state })), json!(1)).await;
        assert_eq!(
            ran.graph(),
            ["0 ExecutionStarted", "0 FailStateEntered", "2 ExecutionFailed"]
        );
        assert_eq!(ran.details("ExecutionFailed"), details);
    }
}

fn fail_branch(name: &str) -> Value {
    json!({ "StartAt": name, "States": { name: { "Type": "Fail", "Error": "MyError", "Cause": "my cause" } } })
}

#[tokio::test(start_paused = true)]
async fn recorded_a_parallel_that_fails_and_is_caught() {
    let states = json!({
        "P": {
            "Type": "Parallel", "Branches": [fail_branch("Boom")], "Next": "Z",
            "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Z" }],
        },
        "Z": { "Type": "Pass", "End": true },
    });
    let ran = run(machine("P", states), json!({})).await;
    let expected = [
        "0 ExecutionStarted",
        "0 ParallelStateEntered",
        "2 ParallelStateStarted",
        "3 FailStateEntered",
        "4 ParallelStateFailed",
        "5 ParallelStateExited",
        "6 PassStateEntered",
        "7 PassStateExited",
        "8 ExecutionSucceeded",
    ];
    assert_eq!(ran.graph(), expected);
    assert_eq!(*ran.output(), json!({ "Error": "MyError", "Cause": "my cause" }));
}

#[tokio::test(start_paused = true)]
async fn recorded_a_parallel_is_started_again_without_failing_first() {
    let states = json!({ "P": {
        "Type": "Parallel", "Branches": [fail_branch("Boom")], "End": true,
        "Retry": [{ "ErrorEquals": ["States.ALL"], "MaxAttempts": 1 }],
    } });
    let ran = run(machine("P", states), json!({})).await;
    let expected = [
        "0 ExecutionStarted",
        "0 ParallelStateEntered",
        "2 ParallelStateStarted",
        "3 FailStateEntered",
        "4 ParallelStateStarted",
        "5 FailStateEntered",
        "6 ParallelStateFailed",
        "7 ExecutionFailed",
    ];
    assert_eq!(ran.graph(), expected);
}

#[tokio::test(start_paused = true)]
async fn recorded_a_task_that_ends_its_branch_is_aborted_too() {
    let branch = json!({ "StartAt": "T", "States": { "T": lambda(json!({ "End": true })) } });
    let states = json!({
        "P": {
            "Type": "Parallel", "Branches": [branch], "Next": "Z",
            "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Z" }],
        },
        "Z": { "Type": "Pass", "End": true },
    });
    let ran = run_with(failing("E", "c"), machine("P", states), json!({})).await;
    let expected = [
        "6 TaskFailed",
        "7 TaskStateAborted",
        "7 ParallelStateFailed",
        "9 ParallelStateExited",
    ];
    assert_eq!(ran.graph()[6..10], expected);
}

#[tokio::test(start_paused = true)]
async fn a_failing_branch_aborts_its_siblings_where_they_stand() {
    let wait = json!({ "StartAt": "W", "States": { "W": { "Type": "Wait", "Seconds": 900, "End": true } } });
    let later = json!({ "StartAt": "L", "States": {
        "L": { "Type": "Wait", "Seconds": 5, "Next": "B" },
        "B": { "Type": "Fail", "Error": "E" },
    } });
    let states = json!({ "P": { "Type": "Parallel", "Branches": [wait, later], "End": true } });
    let ran = run(machine("P", states), json!({})).await;
    // 4 and 5 enter the waits, 6 and 7 leave the second and enter the Fail.
    assert_eq!(
        ran.graph()[6..],
        [
            "6 FailStateEntered",
            "7 WaitStateAborted",
            "7 ParallelStateFailed",
            "9 ExecutionFailed"
        ]
    );
    let took = ran
        .description
        .stop_date
        .unwrap()
        .duration_since(ran.description.start_date);
    assert_eq!(took.as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn recorded_an_iteration_that_fails_is_passed_by() {
    let states = json!({ "M": {
        "Type": "Map", "Items": [1], "End": true,
        "ItemProcessor": { "StartAt": "F", "States": { "F": { "Type": "Fail", "Error": "E" } } },
        "Retry": [{ "ErrorEquals": ["E"], "MaxAttempts": 1 }],
    } });
    let ran = run(machine("M", states), json!({})).await;
    let expected = [
        "0 ExecutionStarted",
        "0 MapStateEntered",
        "2 MapStateStarted",
        "3 MapIterationStarted",
        "4 FailStateEntered",
        "5 MapIterationFailed",
        "5 MapStateStarted",
        "7 MapIterationStarted",
        "8 FailStateEntered",
        "9 MapIterationFailed",
        "9 MapStateFailed",
        "11 ExecutionFailed",
    ];
    assert_eq!(ran.graph(), expected);
}

#[tokio::test(start_paused = true)]
async fn recorded_iterations_that_are_cut_short_all_follow_the_failing_event() {
    let states = json!({ "M": {
        "Type": "Map", "Items": [1, 2], "End": true,
        "ItemProcessor": { "StartAt": "T", "States": { "T": lambda(json!({ "TimeoutSeconds": 5, "End": true })) } },
    } });
    let handler = scripted(|call| {
        Box::pin(async move {
            let seconds = if call.arguments["Payload"] == 1 { 60 } else { 3 };
            tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
            if seconds == 3 {
                Err(failure("E", "c"))
            } else {
                Ok(Value::Null)
            }
        })
    });
    let ran = run_with(handler, machine("M", states), json!({})).await;
    let at = ran
        .graph()
        .iter()
        .position(|event| event.ends_with("TaskFailed"))
        .unwrap();
    let failed = at as u64 + 1;
    let expected: Vec<String> = [
        "MapIterationFailed",
        "TaskStateAborted",
        "MapIterationAborted",
        "TaskStateAborted",
        "MapStateFailed",
    ]
    .iter()
    .map(|event| format!("{failed} {event}"))
    .collect();
    assert_eq!(ran.graph()[at + 1..at + 6], expected);
    assert_eq!(ran.details("MapIterationFailed"), json!({ "name": "M", "index": 1 }));
    assert_eq!(ran.details("MapIterationAborted"), json!({ "name": "M", "index": 0 }));
}

#[tokio::test(start_paused = true)]
async fn reported_a_catcher_that_cannot_be_evaluated_fails_the_state_again() {
    let states = json!({
        "P": {
            "Type": "Parallel", "Branches": [fail_branch("Boom")], "End": true,
            "Catch": [
                { "ErrorEquals": ["Other"], "Next": "Z" },
                { "ErrorEquals": ["States.ALL"], "Output": { "v": "{% $states.input.missing %}" }, "Next": "Z" },
            ],
        },
        "Z": { "Type": "Pass", "End": true },
    });
    let ran = run(machine("P", states), json!({})).await;
    let expected = [
        "4 ParallelStateFailed",
        "4 EvaluationFailed",
        "6 ParallelStateFailed",
        "7 ExecutionFailed",
    ];
    assert_eq!(ran.graph()[4..], expected);
    assert_eq!(ran.details("EvaluationFailed")["location"], "Catch[1]/Output/v");
}

#[tokio::test(start_paused = true)]
async fn reported_a_choice_without_a_match_and_without_a_default_is_a_runtime_error() {
    let states = json!({
        "C": { "Type": "Choice", "Choices": [{ "Condition": "{% false %}", "Next": "Z" }] },
        "Z": { "Type": "Succeed" },
    });
    let ran = run(machine("C", states), json!({})).await;
    assert_eq!(
        ran.graph(),
        ["0 ExecutionStarted", "0 ChoiceStateEntered", "2 ExecutionFailed"]
    );
    assert_eq!(ran.error(), "States.Runtime");
    assert_eq!(
        ran.cause(),
        "An error occurred while executing the state 'C' (entered at the event id #2). Failed to transition out of \
         the state. The state does not point to a next state."
    );
}

#[tokio::test(start_paused = true)]
async fn a_condition_must_be_a_boolean() {
    let states = json!({
        "C": { "Type": "Choice", "Choices": [{ "Condition": "{% 'yes' %}", "Next": "Z" }], "Default": "Z" },
        "Z": { "Type": "Succeed" },
    });
    let ran = run(machine("C", states), json!({})).await;
    assert_eq!(ran.details("EvaluationFailed")["location"], "Choices[0]/Condition");
    assert!(
        ran.cause()
            .ends_with("Expected 'boolean', but was 'string' for value: \"yes\""),
        "{}",
        ran.cause()
    );
}

#[tokio::test(start_paused = true)]
async fn recorded_an_execution_that_runs_out_of_time() {
    let mut definition = machine("W", json!({ "W": { "Type": "Wait", "Seconds": 25, "End": true } }));
    definition["TimeoutSeconds"] = json!(3);
    let ran = run(definition, json!({})).await;
    // Nothing is aborted first, and what ends it from outside follows no event.
    assert_eq!(
        ran.graph(),
        ["0 ExecutionStarted", "0 WaitStateEntered", "0 ExecutionTimedOut"]
    );
    assert_eq!(ran.details("ExecutionTimedOut"), json!({ "error": "States.Timeout" }));
    assert_eq!(ran.description.status.as_str(), "TIMED_OUT");
    assert_eq!((ran.description.error, ran.description.cause), (None, None));
}

#[tokio::test(start_paused = true)]
async fn recorded_a_full_history_ends_with_event_25_000() {
    let states = json!({ "C": { "Type": "Choice", "Choices": [{ "Condition": "{% true %}", "Next": "C" }] } });
    let ran = run(machine("C", states), json!({})).await;
    assert_eq!(ran.events.len(), 25_000);
    assert_eq!(ran.graph()[24_999], "24999 ExecutionFailed");
    assert_eq!(ran.error(), "States.Runtime");
    assert_eq!(
        ran.cause(),
        "The execution reached the maximum number of history events (25000)."
    );
}

#[tokio::test(start_paused = true)]
async fn recorded_a_retried_and_caught_task_whose_handler_cannot_be_evaluated() {
    let caught = json!([{
        "ErrorEquals": ["States.ALL"], "Output": { "stateError": "{% $states.errorOutput %}" }, "Next": "Fallback",
    }]);
    let processor = json!({ "StartAt": "ProcessItem", "States": {
        "ProcessItem": lambda(json!({
            "Retry": [{ "ErrorEquals": ["States.ALL"], "MaxAttempts": 1 }], "Catch": caught, "End": true,
        })),
        "Fallback": { "Type": "Pass", "Output": { "error": "{% $stateError %}" }, "End": true },
    } });
    let states = json!({ "M": {
        "Type": "Map", "Items": [1, 2, 3], "MaxConcurrency": 1, "ItemProcessor": processor, "End": true,
    } });
    let ran = run_with(failing("Exception", "c"), machine("M", states), json!({})).await;
    let expected = [
        "0 ExecutionStarted",
        "0 MapStateEntered",
        "2 MapStateStarted",
        "3 MapIterationStarted",
        "4 TaskStateEntered",
        "5 TaskScheduled",
        "6 TaskStarted",
        "7 TaskFailed",
        "8 TaskScheduled",
        "9 TaskStarted",
        "10 TaskFailed",
        "11 TaskStateExited",
        "12 PassStateEntered",
        "12 EvaluationFailed",
        "14 MapIterationFailed",
        "14 MapStateFailed",
        "16 ExecutionFailed",
    ];
    assert_eq!(ran.graph(), expected);
}

#[tokio::test(start_paused = true)]
async fn recorded_a_parallel_that_is_retried_aborts_its_task_each_time() {
    let branch = json!({ "StartAt": "T", "States": { "T": lambda(json!({ "End": true })) } });
    let states = json!({
        "P": {
            "Type": "Parallel", "Branches": [branch], "Next": "Z",
            "Retry": [{ "ErrorEquals": ["States.ALL"], "MaxAttempts": 1 }],
            "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Z" }],
        },
        "Z": { "Type": "Pass", "End": true },
    });
    let ran = run_with(failing("Exception", "c"), machine("P", states), json!({})).await;
    let expected = [
        "6 TaskFailed",
        "7 TaskStateAborted",
        "7 ParallelStateStarted",
        "9 TaskStateEntered",
        "10 TaskScheduled",
        "11 TaskStarted",
        "12 TaskFailed",
        "13 TaskStateAborted",
        "13 ParallelStateFailed",
        "15 ParallelStateExited",
    ];
    assert_eq!(ran.graph()[6..16], expected);
}
