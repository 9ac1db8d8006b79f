//! What is refused when a definition is loaded, each with its path.

use crate::support::*;
use serde_json::{Value, json};

/// The problems of a definition as "path: message".
fn problems(definition: Value) -> Vec<String> {
    match engine(echo()).create_state_machine("m", &definition) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.0.iter().map(ToString::to_string).collect(),
    }
}

fn state(state: Value) -> Value {
    machine("S", json!({ "S": state }))
}

#[tokio::test]
async fn each_mistake_is_refused_at_its_path() {
    let wait = |extra: &str, value: Value| state(json!({ "Type": "Wait", "End": true, extra: value }));
    let pass = |key: &str, value: Value| state(json!({ "Type": "Pass", "End": true, key: value }));
    let task = |key: &str, value: Value| state(lambda(json!({ "End": true, key: value })));
    let retry = |value: Value| task("Retry", json!([value]));
    let map = |extra: Value| {
        let mut map = json!({ "Type": "Map", "End": true, "ItemProcessor": {
            "StartAt": "I", "States": { "I": { "Type": "Succeed" } },
        } });
        map.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        state(map)
    };
    let table = [
        (
            json!({ "QueryLanguage": "JSONata", "States": {} }),
            "/StartAt: is missing",
        ),
        (
            machine("X", json!({ "S": { "Type": "Succeed" } })),
            "/StartAt: there is no state 'X'",
        ),
        (
            state(json!({ "Type": "Pass", "Next": "X" })),
            "/States/S/Next: there is no state 'X'",
        ),
        (
            state(json!({ "Type": "Pass" })),
            "/States/S: needs Next, or \"End\": true",
        ),
        (
            state(json!({ "Type": "Pass", "Next": "S", "End": true })),
            "/States/S: has both Next and End",
        ),
        (
            state(json!({ "Type": "Nap" })),
            "/States/S/Type: 'Nap' is no state type",
        ),
        (
            machine("S", json!({ "S": { "Type": "Succeed" }, "T": { "Type": "Succeed" } })),
            "/States/T: no path leads to this state",
        ),
        (
            pass("Colour", json!(1)),
            "/States/S/Colour: Colour is no field of a Pass state",
        ),
        (
            pass("Parameters", json!({})),
            "/States/S/Parameters: Parameters is a field of JSONPath states",
        ),
        (
            pass("ResultPath", json!(null)),
            "/States/S/ResultPath: ResultPath is a field of JSONPath states",
        ),
        (
            wait("SecondsPath", json!("$.s")),
            "/States/S/SecondsPath: SecondsPath is a field of JSONPath states",
        ),
        (
            pass("Output", json!({ "a": ["{% 1 + %}"] })),
            "/States/S/Output/a[0]: '1 +' is not JSONata",
        ),
        (
            pass("Output", json!("{% $states.result %}")),
            "/States/S/Output: $states.result has no value here",
        ),
        (
            task("Output", json!("{% $states.errorOutput %}")),
            "/States/S/Output: $states.errorOutput has a value only in a Catch",
        ),
        (
            pass("Assign", json!({ "1a": 1 })),
            "/States/S/Assign/1a: a variable's name starts with a letter",
        ),
        (
            pass("Assign", json!({ "states": 1 })),
            "/States/S/Assign/states: the variable 'states' is reserved",
        ),
        (
            pass("QueryLanguage", json!("JSONPath")),
            "/States/S/QueryLanguage: state 'S' uses JSONPath",
        ),
        (
            wait("Seconds", json!(-1)),
            "/States/S/Seconds: must be an integer from 0",
        ),
        (
            wait("Seconds", json!("5")),
            "/States/S/Seconds: must be an integer from 0 to 99999999 or a JSONata expression",
        ),
        (wait("Timestamp", json!("2016-12-05 21:29:29Z")), ""),
        (
            wait("Timestamp", json!("05-12-2016")),
            "/States/S/Timestamp: String does not match RFC3339 timestamp",
        ),
        (
            state(json!({ "Type": "Wait", "End": true })),
            "/States/S: needs exactly one of Seconds and Timestamp",
        ),
        (
            task("Resource", json!("arn:aws:states:::warp:engage")),
            "/States/S/Resource: the integration 'warp:engage' is not simulated",
        ),
        (
            task("Resource", json!("arn:aws:states:::sns:publish.sync")),
            "/States/S/Resource: 'sns:publish' has no pattern",
        ),
        (
            task("Resource", json!("arn:aws:states:eu-west-1:1:activity:a")),
            "/States/S/Resource: activities are not simulated",
        ),
        (
            task("Resource", json!("f")),
            "/States/S/Resource: 'f' is not a resource ARN",
        ),
        (
            task("Credentials", json!({})),
            "/States/S/Credentials: cross-account roles are not simulated",
        ),
        (
            task("TimeoutSeconds", json!(0)),
            "/States/S/TimeoutSeconds: must be an integer from 1",
        ),
        (
            retry(json!({ "ErrorEquals": [] })),
            "/States/S/Retry[0]/ErrorEquals: must be an array of at least one",
        ),
        (
            retry(json!({ "ErrorEquals": ["States.ALL", "E"] })),
            "/States/S/Retry[0]/ErrorEquals: States.ALL stands alone",
        ),
        (
            retry(json!({ "ErrorEquals": ["E"], "BackoffRate": 0.5 })),
            "/States/S/Retry[0]/BackoffRate: must be a number of at least 1.0",
        ),
        (
            retry(json!({ "ErrorEquals": ["E"], "MaxDelaySeconds": 1 })),
            "/States/S/Retry[0]/MaxDelaySeconds: must be greater than IntervalSeconds",
        ),
        (
            retry(json!({ "ErrorEquals": ["E"], "JitterStrategy": "SOME" })),
            "/States/S/Retry[0]/JitterStrategy: must be NONE or FULL",
        ),
        (
            task("Catch", json!([{ "ErrorEquals": ["E"] }])),
            "/States/S/Catch[0]/Next: is missing",
        ),
        (
            state(json!({ "Type": "Choice", "Choices": [] })),
            "/States/S/Choices: must be an array of at least one rule",
        ),
        (
            state(json!({ "Type": "Choice", "Choices": [{ "Variable": "$.a", "StringEquals": "b", "Next": "S" }] })),
            "/States/S/Choices[0]/StringEquals: StringEquals is a field of JSONPath states",
        ),
        (
            state(json!({ "Type": "Succeed", "Retry": [] })),
            "/States/S/Retry: Retry is no field of a Succeed state",
        ),
        (
            map(json!({ "ItemReader": {} })),
            "/States/S/ItemReader: reading items from Amazon S3 is not simulated",
        ),
        (
            map(json!({ "ResultWriter": {} })),
            "/States/S/ResultWriter: writing results to Amazon S3 is not simulated",
        ),
        (
            map(json!({ "ItemBatcher": { "MaxItemsPerBatch": 2 } })),
            "/States/S/ItemBatcher: only a DISTRIBUTED Map takes this field",
        ),
        (
            map(json!({ "ItemsPath": "$.a" })),
            "/States/S/ItemsPath: ItemsPath is a field of JSONPath states",
        ),
        (
            map(json!({ "ItemProcessor": { "StartAt": "S", "States": { "S": { "Type": "Succeed" } } } })),
            "another state is already named 'S'",
        ),
        (
            map(
                json!({ "ItemProcessor": { "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS" }, "StartAt": "I", "States": { "I": { "Type": "Succeed" } } } }),
            ),
            "/States/S/ItemProcessor/ProcessorConfig/ExecutionType: EXPRESS children are not simulated",
        ),
    ];
    for (definition, expected) in table {
        let found = problems(definition.clone());
        let matched = if expected.is_empty() {
            found.is_empty()
        } else {
            found.iter().any(|text| text.contains(expected))
        };
        assert!(matched, "{definition}\nwanted {expected:?}\nfound {found:#?}");
    }
}

#[tokio::test]
async fn all_problems_are_told_at_once() {
    let definition = machine(
        "A",
        json!({
            "A": { "Type": "Pass", "Colour": 1, "Next": "B" },
            "B": { "Type": "Wait", "Seconds": -1, "End": true },
            "C": { "Type": "Task", "Resource": "f", "End": true },
        }),
    );
    let found = problems(definition);
    for path in ["/States/A/Colour", "/States/B/Seconds", "/States/C/Resource"] {
        assert!(found.iter().any(|text| text.starts_with(path)), "{path}: {found:#?}");
    }
}

#[tokio::test]
async fn jsonpath_is_the_default_and_refused_by_name() {
    let found = problems(json!({ "StartAt": "S", "States": { "S": { "Type": "Succeed" } } }));
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("/States/S/QueryLanguage: state 'S' uses JSONPath, the default"),
        "{found:?}"
    );
    let by_state = json!({ "StartAt": "S", "States": { "S": { "Type": "Succeed", "QueryLanguage": "JSONata" } } });
    assert_eq!(problems(by_state), Vec::<String>::new());
}

#[tokio::test]
async fn an_inner_scope_may_not_assign_an_outer_variable() {
    let states = |mode: Value| {
        json!({
            "A": { "Type": "Pass", "Assign": { "x": 1 }, "Next": "M" },
            "M": { "Type": "Map", "Items": [1], "End": true, "ItemProcessor": {
                "ProcessorConfig": mode, "StartAt": "I",
                "States": { "I": { "Type": "Pass", "Assign": { "x": 2 }, "End": true } },
            } },
        })
    };
    let inline = problems(machine("A", states(json!({ "Mode": "INLINE" }))));
    assert!(
        inline[0].ends_with("'x' is a variable of an outer scope, which this scope may only read"),
        "{inline:?}"
    );
    // A distributed Map's children are executions of their own.
    let distributed = json!({ "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" });
    assert_eq!(problems(machine("A", states(distributed))), Vec::<String>::new());
}
