//! Distributed Map.

use crate::support::*;
use serde_json::{Value, json};

fn map(extra: Value, state: Value) -> Value {
    let mut map = json!({
        "Type": "Map", "Label": "L", "End": true,
        "ItemProcessor": {
            "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
            "StartAt": "I", "States": { "I": state },
        },
    });
    map.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    machine("M", json!({ "M": map }))
}

fn pass() -> Value {
    json!({ "Type": "Pass", "End": true })
}

#[tokio::test(start_paused = true)]
async fn recorded_the_parent_shows_the_run_and_not_its_items() {
    let ran = run(map(json!({}), pass()), json!(["a", "b"])).await;
    let expected = [
        "0 ExecutionStarted",
        "0 MapStateEntered",
        "2 MapStateStarted",
        "3 MapRunStarted",
        "4 MapRunSucceeded",
        "5 MapStateSucceeded",
        "4 MapStateExited",
        "7 ExecutionSucceeded",
    ];
    assert_eq!(ran.graph(), expected);
    assert_eq!(ran.details("MapStateStarted"), json!({ "length": 2 }));
    let arn = ran.details("MapRunStarted")["mapRunArn"].as_str().unwrap().to_owned();
    assert!(
        arn.starts_with("arn:aws:states:eu-west-1:111122223333:mapRun:m/L:"),
        "{arn}"
    );
    assert_eq!(*ran.output(), json!(["a", "b"]));
    let children = ran
        .engine
        .list_executions(Some("arn:aws:states:eu-west-1:111122223333:stateMachine:m/L"), None);
    assert_eq!(children.len(), 2);
    assert_eq!(children[0].map_run_arn, Some(arn));
    assert_eq!(ran.engine.list_executions(None, None).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn children_see_no_variables_of_the_parent() {
    let mut definition = map(
        json!({}),
        json!({ "Type": "Pass", "Output": "{% $exists($x) %}", "End": true }),
    );
    definition["StartAt"] = json!("A");
    definition["States"]["A"] = json!({ "Type": "Pass", "Assign": { "x": 1 }, "Next": "M" });
    assert_output(definition, json!([1]), json!([false])).await;
}

#[tokio::test(start_paused = true)]
async fn failures_are_tolerated_up_to_the_count_and_the_share() {
    let state = json!({ "Type": "Choice", "Choices": [
        { "Condition": "{% $states.input < 0 %}", "Next": "F" },
    ], "Default": "S" });
    let table = [
        (json!({}), json!([1, 2]), true),
        (json!({}), json!([1, -1]), false),
        (json!({ "ToleratedFailureCount": 1 }), json!([1, -1]), true),
        (json!({ "ToleratedFailureCount": 1 }), json!([-1, -1]), false),
        (json!({ "ToleratedFailurePercentage": 50 }), json!([1, -1]), true),
        (json!({ "ToleratedFailurePercentage": 49 }), json!([1, -1]), false),
        (
            json!({ "ToleratedFailurePercentage": 100, "ToleratedFailureCount": 0 }),
            json!([1, -1]),
            false,
        ),
    ];
    for (extra, items, tolerated) in table {
        let mut definition = map(extra.clone(), state.clone());
        let states = &mut definition["States"]["M"]["ItemProcessor"]["States"];
        states["F"] = json!({ "Type": "Fail", "Error": "E", "Cause": "c" });
        states["S"] = json!({ "Type": "Succeed" });
        let ran = run(definition, items).await;
        if tolerated {
            ran.output();
            continue;
        }
        assert_eq!(ran.error(), "States.ExceedToleratedFailureThreshold", "{extra}");
        let graph = [
            "2 MapStateStarted",
            "3 MapRunStarted",
            "4 MapRunFailed",
            "5 MapStateFailed",
            "6 ExecutionFailed",
        ];
        assert_eq!(ran.graph()[2..], graph);
    }
}

#[tokio::test(start_paused = true)]
async fn batches_are_cut_by_count_and_by_bytes() {
    let table = [
        (
            json!({ "MaxItemsPerBatch": 2 }),
            json!([{ "Items": [1, 2] }, { "Items": [3] }]),
        ),
        (
            json!({ "MaxItemsPerBatch": 5, "BatchInput": { "of": "{% $count($states.input) %}" } }),
            json!([{ "BatchInput": { "of": 3 }, "Items": [1, 2, 3] }]),
        ),
        // {"Items":[1,2]} is 15 bytes.
        (
            json!({ "MaxInputBytesPerBatch": 15 }),
            json!([{ "Items": [1, 2] }, { "Items": [3] }]),
        ),
        (
            json!({ "MaxInputBytesPerBatch": 14 }),
            json!([{ "Items": [1] }, { "Items": [2] }, { "Items": [3] }]),
        ),
    ];
    for (batcher, expected) in table {
        assert_output(
            map(json!({ "ItemBatcher": batcher }), pass()),
            json!([1, 2, 3]),
            expected,
        )
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn max_concurrency_bounds_the_children_that_run() {
    let wait = json!({ "Type": "Wait", "Seconds": 10, "End": true });
    let ran = run(map(json!({ "MaxConcurrency": 2 }), wait), json!([1, 2, 3, 4, 5])).await;
    let took = ran
        .description
        .stop_date
        .unwrap()
        .duration_since(ran.description.start_date);
    assert_eq!(took.as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_redrive_runs_only_the_children_that_failed() {
    let handler = scripted(|call| {
        Box::pin(async move {
            let item = call.arguments["Payload"].clone();
            let first = call.execution_arn.is_empty();
            if item == json!("bad") && !first && !FIXED.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(failure("E", "c"));
            }
            Ok(item)
        })
    });
    static FIXED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    let task = lambda(json!({ "Output": "{% $states.result.Payload %}", "End": true }));
    let ran = run_with(
        handler.clone(),
        map(json!({ "MaxConcurrency": 1 }), task),
        json!(["ok", "bad"]),
    )
    .await;
    assert_eq!(ran.error(), "States.ExceedToleratedFailureThreshold");
    FIXED.store(true, std::sync::atomic::Ordering::Relaxed);
    let arn = &ran.description.execution_arn;
    ran.engine.redrive_execution(arn).unwrap();
    let description = ran.engine.wait(arn).await.unwrap();
    assert_eq!(description.output, Some(json!(["ok", "bad"])));
    assert_eq!(handler.calls.lock().unwrap().len(), 3);
    let events = ran.engine.get_execution_history(arn).unwrap();
    let redriven = events
        .iter()
        .find(|event| event.event_type == "MapRunRedriven")
        .unwrap();
    assert_eq!(redriven.details.as_ref().unwrap().1["redriveCount"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_sibling_that_fails_aborts_the_run_and_its_children() {
    let mut definition = map(json!({}), json!({ "Type": "Wait", "Seconds": 900, "End": true }));
    let inner = definition["States"]["M"].take();
    definition["States"] = json!({ "P": { "Type": "Parallel", "End": true, "Branches": [
        { "StartAt": "M", "States": { "M": inner } },
        { "StartAt": "W", "States": {
            "W": { "Type": "Wait", "Seconds": 5, "Next": "F" },
            "F": { "Type": "Fail", "Error": "E" },
        } },
    ] } });
    definition["StartAt"] = json!("P");
    let ran = run(definition, json!([1, 2])).await;
    let graph = ran.graph();
    let types: Vec<&str> = graph.iter().map(|event| event.split_once(' ').unwrap().1).collect();
    assert!(
        types.ends_with(&[
            "FailStateEntered",
            "MapRunAborted",
            "MapStateAborted",
            "ParallelStateFailed",
            "ExecutionFailed"
        ]),
        "{types:?}"
    );
    let children = ran
        .engine
        .list_executions(Some("arn:aws:states:eu-west-1:111122223333:stateMachine:m/L"), None);
    assert_eq!(children.len(), 2);
    assert!(
        children
            .iter()
            .all(|child| child.status == asl::ExecutionStatus::Aborted)
    );
}
