//! Catchers: an expression that fails inside one ends the execution, and nothing catches that.

use super::each;
use super::read::{Rule, State, hold, texts};
use serde_json::{Map, Value, json};

/// What a catcher can be given: Lambda's error object, plain text, an empty text, no cause at all, and JSON that is no object.
fn caught() -> Vec<Value> {
    let lambda = json!({ "errorMessage": "the sentence", "errorType": "InvalidInput", "requestId": "1" }).to_string();
    vec![
        json!({ "Error": "InvalidInput", "Cause": lambda }),
        json!({ "Error": "Lambda.SdkClientException", "Cause": "Unable to reach the endpoint: {timeout}" }),
        json!({ "Error": "Lambda.Unknown", "Cause": "" }),
        json!({ "Error": "States.Timeout" }),
        json!({ "Error": "States.TaskFailed", "Cause": "7" }),
    ]
}

/// What an expression of a catcher gives for an error.
fn answer(text: &str, error: &Value) -> String {
    let states = json!({ "errorOutput": error, "input": { "batch": 1, "database": "shop" }, "context": {} });
    let variables = json!({ "states": states, "waves": [{ "waveId": "web-1" }], "index": 0, "batch": 1,
        "database": "shop" });
    let Value::Object(bindings) = variables else {
        return String::new();
    };
    let expression = text.trim_start_matches("{%").trim_end_matches("%}");
    asl::evaluate_expression(expression, &Map::from_iter(bindings), 0, 0)
}

fn expressions<'a>(state: &State<'a>) -> Vec<&'a str> {
    let catchers = state.body["Catch"].as_array().into_iter().flatten();
    let written = catchers.flat_map(|catcher| [&catcher["Assign"], &catcher["Output"]]);
    written.flat_map(texts).filter(|text| text.starts_with("{%")).collect()
}

#[test]
fn every_catcher_can_read_every_error() {
    let rule: Rule = |machine, document| {
        each(document, machine, |state| {
            let mut complaints = Vec::new();
            for text in expressions(state) {
                for error in caught() {
                    let answer = answer(text, &error);
                    if answer == "undefined" || answer.starts_with("ERR") {
                        complaints.push(state.says(format!("{text} gives {answer} for {error}")));
                    }
                }
            }
            complaints
        })
    };
    let ghost = json!("{% $ghost %}");
    hold(
        rule,
        vec![(
            "test-batch",
            "StartTest",
            "/Catch/0/Assign/why",
            Some(ghost),
            "$ghost %} gives undefined",
        )],
    );
}

#[test]
fn a_refusal_is_the_sentence_of_the_function_and_not_its_error_object() {
    let rule: Rule = |machine, document| {
        each(document, machine, |state| {
            let refuses = state.body["Catch"][0]["Next"] == "Refused";
            let why = state.body["Catch"][0]["Assign"]["why"].as_str().unwrap_or_default();
            let said = answer(why, &caught()[0]);
            if !refuses || said == "\"the sentence\"" {
                return Vec::new();
            }
            vec![state.says(format!("an operator reads {said}"))]
        })
    };
    let raw = json!("{% $states.errorOutput.Cause %}");
    hold(
        rule,
        vec![(
            "migrate-wave",
            "Plan",
            "/Catch/0/Assign/why",
            Some(raw),
            "an operator reads",
        )],
    );
}
