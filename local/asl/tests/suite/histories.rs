//! Event graphs of executions that succeed, as recorded on AWS.

use crate::support::*;
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn recorded_the_first_state_follows_no_event() {
    let states = json!({
        "A": { "Type": "Pass", "Assign": { "b": true, "o": { "k": null }, "s": "t" }, "Next": "B" },
        "B": { "Type": "Succeed" },
    });
    let ran = run(machine("A", states), json!({ "v": 1 })).await;
    let expected = [
        "0 ExecutionStarted",
        "0 PassStateEntered",
        "2 PassStateExited",
        "3 SucceedStateEntered",
        "4 SucceedStateExited",
        "5 ExecutionSucceeded",
    ];
    assert_eq!(ran.graph(), expected);
    assert_eq!(
        serde_json::to_value(&ran.events[2]).unwrap(),
        json!({
            "timestamp": "2026-11-22T10:00:00.000Z",
            "type": "PassStateExited",
            "id": 3,
            "previousEventId": 2,
            "stateExitedEventDetails": {
                "name": "A",
                "output": "{\"v\":1}",
                "outputDetails": { "truncated": false },
                "assignedVariables": { "b": "true", "o": "{\"k\":null}", "s": "\"t\"" },
                "assignedVariablesDetails": { "truncated": false },
            },
        })
    );
    assert_eq!(
        ran.details("ExecutionStarted"),
        json!({
            "input": "{\"v\":1}",
            "inputDetails": { "truncated": false },
            "roleArn": "arn:aws:iam::111122223333:role/r",
        })
    );
}

#[tokio::test(start_paused = true)]
async fn recorded_an_empty_assign_leaves_no_trace() {
    let states = json!({ "A": { "Type": "Pass", "Assign": {}, "End": true } });
    let ran = run(machine("A", states), json!({})).await;
    assert!(ran.details("PassStateExited").get("assignedVariables").is_none());
}

#[tokio::test(start_paused = true)]
async fn recorded_lambda_invoke() {
    let states = json!({ "T": lambda(json!({ "TimeoutSeconds": 30, "End": true })) });
    let ran = run(machine("T", states), json!({ "p": 1 })).await;
    let expected = [
        "0 ExecutionStarted",
        "0 TaskStateEntered",
        "2 TaskScheduled",
        "3 TaskStarted",
        "4 TaskSucceeded",
        "5 TaskStateExited",
        "6 ExecutionSucceeded",
    ];
    assert_eq!(ran.graph(), expected);
    assert_eq!(
        ran.details("TaskScheduled"),
        json!({
            "resourceType": "lambda",
            "resource": "invoke",
            "region": "eu-west-1",
            "parameters": "{\"FunctionName\":\"f\",\"Payload\":{\"p\":1}}",
            "timeoutInSeconds": 30,
        })
    );
    assert_eq!(
        ran.details("TaskStarted"),
        json!({ "resourceType": "lambda", "resource": "invoke" })
    );
    assert_eq!(ran.output()["ExecutedVersion"], "$LATEST");
    assert_eq!(ran.output()["Payload"], json!({ "p": 1 }));
    assert_eq!(ran.output()["StatusCode"], 200);
}

#[tokio::test(start_paused = true)]
async fn recorded_a_function_as_the_resource() {
    let arn = "arn:aws:lambda:eu-west-1:111122223333:function:f";
    let states = json!({ "T": { "Type": "Task", "Resource": arn, "TimeoutSeconds": 5, "End": true } });
    let ran = run(machine("T", states), json!({ "p": 1 })).await;
    let expected = [
        "0 ExecutionStarted",
        "0 TaskStateEntered",
        "2 LambdaFunctionScheduled",
        "3 LambdaFunctionStarted",
        "4 LambdaFunctionSucceeded",
        "5 TaskStateExited",
        "6 ExecutionSucceeded",
    ];
    assert_eq!(ran.graph(), expected);
    assert_eq!(
        ran.details("LambdaFunctionScheduled"),
        json!({
            "resource": arn, "input": "{\"p\":1}", "inputDetails": { "truncated": false }, "timeoutInSeconds": 5,
        })
    );
    assert_eq!(*ran.output(), json!({ "p": 1 }));
}

fn map(extra: serde_json::Value) -> serde_json::Value {
    let mut state = json!({
        "Type": "Map",
        "Items": "{% $states.input %}",
        "ItemProcessor": { "StartAt": "I", "States": { "I": { "Type": "Pass", "End": true } } },
        "End": true,
    });
    state
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    machine("M", json!({ "M": state }))
}

#[tokio::test(start_paused = true)]
async fn recorded_a_map_of_one_at_a_time() {
    let ran = run(map(json!({ "MaxConcurrency": 1 })), json!([1, 2])).await;
    let expected = [
        "0 ExecutionStarted",
        "0 MapStateEntered",
        "2 MapStateStarted",
        "3 MapIterationStarted",
        "4 PassStateEntered",
        "5 PassStateExited",
        "6 MapIterationSucceeded",
        // The next iteration follows the last state event of the one before, not its success.
        "6 MapIterationStarted",
        "8 PassStateEntered",
        "9 PassStateExited",
        "10 MapIterationSucceeded",
        "11 MapStateSucceeded",
        "11 MapStateExited",
        "13 ExecutionSucceeded",
    ];
    assert_eq!(ran.graph(), expected);
    assert_eq!(ran.details("MapStateStarted"), json!({ "length": 2 }));
    assert_eq!(ran.details("MapIterationStarted"), json!({ "name": "M", "index": 0 }));
}

#[tokio::test(start_paused = true)]
async fn recorded_iterations_start_together_when_they_may() {
    let ran = run(map(json!({})), json!([1, 2, 3])).await;
    let expected = [
        "2 MapStateStarted",
        "3 MapIterationStarted",
        "3 MapIterationStarted",
        "3 MapIterationStarted",
    ];
    assert_eq!(ran.graph()[2..6], expected);
    assert_eq!(*ran.output(), json!([1, 2, 3]));
}

#[tokio::test(start_paused = true)]
async fn recorded_a_map_of_nothing() {
    let ran = run(map(json!({})), json!([])).await;
    let expected = [
        "0 ExecutionStarted",
        "0 MapStateEntered",
        "2 MapStateStarted",
        "3 MapStateSucceeded",
        "3 MapStateExited",
        "5 ExecutionSucceeded",
    ];
    assert_eq!(ran.graph(), expected);
    assert_eq!(*ran.output(), json!([]));
}

#[tokio::test(start_paused = true)]
async fn an_inline_map_runs_forty_at_once() {
    let definition = json!({
        "QueryLanguage": "JSONata", "StartAt": "M", "States": { "M": {
            "Type": "Map", "Items": "{% [1..41] %}", "End": true,
            "ItemProcessor": { "StartAt": "W", "States": { "W": { "Type": "Wait", "Seconds": 10, "End": true } } },
        } },
    });
    let ran = run(definition, json!({})).await;
    let took = ran
        .description
        .stop_date
        .unwrap()
        .duration_since(ran.description.start_date);
    assert_eq!(took.as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn recorded_a_parallel_leaves_from_its_last_branch() {
    let branch = |name: &str| json!({ "StartAt": name, "States": { name: { "Type": "Pass", "End": true } } });
    let states = json!({
        "P": { "Type": "Parallel", "Branches": [branch("A"), branch("B")], "End": true },
    });
    let ran = run(machine("P", states), json!({ "x": 1 })).await;
    let graph = ran.graph();
    assert_eq!(
        graph[..3],
        ["0 ExecutionStarted", "0 ParallelStateEntered", "2 ParallelStateStarted"]
    );
    assert_eq!(graph.iter().filter(|event| *event == "3 PassStateEntered").count(), 2);
    assert_eq!(
        graph[7..],
        [
            "7 ParallelStateSucceeded",
            "7 ParallelStateExited",
            "9 ExecutionSucceeded"
        ]
    );
    assert_eq!(*ran.output(), json!([{ "x": 1 }, { "x": 1 }]));
}

#[tokio::test(start_paused = true)]
async fn a_choice_takes_the_first_rule_that_holds() {
    let states = json!({
        "C": {
            "Type": "Choice",
            "Choices": [
                { "Condition": "{% $states.input.n > 5 %}", "Next": "Big", "Assign": { "size": "big" } },
                { "Condition": "{% $states.input.n > 3 %}", "Next": "Big", "Output": "rule" },
            ],
            "Default": "Small",
            "Assign": { "size": "small" },
            "Output": { "own": "{% $states.input.n %}" },
        },
        "Big": { "Type": "Pass", "Output": "{% [$states.input, $size] %}", "End": true },
        "Small": { "Type": "Pass", "Output": "{% [$states.input, $size] %}", "End": true },
    });
    let table = [
        (6, json!([{ "n": 6 }, "big"])),
        (4, json!(["rule"])),
        (1, json!([{ "own": 1 }, "small"])),
    ];
    for (n, expected) in table {
        assert_output(machine("C", states.clone()), json!({ "n": n }), expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn waits_take_virtual_time_and_past_instants_none() {
    let table = [
        (json!({ "Seconds": 86_400 }), 86_400),
        (json!({ "Seconds": "{% $states.input.s %}" }), 3),
        (json!({ "Timestamp": "2026-11-22T10:01:00Z" }), 60),
        (json!({ "Timestamp": "{% $states.input.t %}" }), 0),
    ];
    for (wait, seconds) in table {
        let mut state = json!({ "Type": "Wait", "End": true });
        state.as_object_mut().unwrap().extend(wait.as_object().unwrap().clone());
        let input = json!({ "s": 3, "t": "2020-01-01T00:00:00Z" });
        let ran = run(machine("W", json!({ "W": state })), input).await;
        let took = ran
            .description
            .stop_date
            .unwrap()
            .duration_since(ran.description.start_date);
        assert_eq!(took.as_secs(), seconds, "{wait}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_selector_reads_the_item_and_its_index() {
    let states = json!({ "M": {
        "Type": "Map",
        "Items": "{% $states.input.list %}",
        "ItemSelector": {
            "i": "{% $states.context.Map.Item.Index %}",
            "v": "{% $states.context.Map.Item.Value %}",
            "all": "{% $count($states.input.list) %}",
        },
        "ItemProcessor": { "StartAt": "I", "States": {
            "I": { "Type": "Pass", "Output": "{% $merge([$states.input, {'same': $states.context.Map.Item.Value}]) %}", "End": true },
        } },
        "Output": "{% $states.result[1] %}",
        "End": true,
    } });
    let expected = json!({ "i": 1, "v": "b", "all": 2, "same": "b" });
    assert_output(machine("M", states), json!({ "list": ["a", "b"] }), expected).await;
}
