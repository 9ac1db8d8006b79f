//! JSONata: the engine against the reference implementation, and Step Functions' own functions.

use crate::support::*;
use serde_json::{Value, json};

const NOW_MS: i64 = 1_800_000_000_000;

fn normalised(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.into_iter().map(normalised).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, field)| (key, normalised(field)))
            .collect(),
        other => other,
    }
}

fn agree(ours: &str, reference: &str) -> bool {
    if reference.starts_with("ERR") {
        return ours.starts_with("ERR");
    }
    if ours == reference {
        return true;
    }
    match (serde_json::from_str(ours), serde_json::from_str(reference)) {
        (Ok(ours), Ok(reference)) => normalised(ours) == normalised(reference),
        _ => false,
    }
}

#[test]
fn every_expression_gives_what_the_reference_implementation_gave() {
    let cases: Value = serde_json::from_str(include_str!("../data/jsonata_cases.json")).unwrap();
    let bindings = cases["bindings"].as_object().unwrap();
    let expressions = cases["exprs"].as_array().unwrap();
    let reference: Vec<&str> = include_str!("../data/jsonata_reference.txt").lines().collect();
    assert_eq!(expressions.len(), 125);
    assert_eq!(reference.len(), 125);
    let mut differing = Vec::new();
    for (expression, reference) in expressions.iter().zip(reference) {
        let expression = expression.as_str().unwrap();
        let ours = asl::evaluate_expression(expression, bindings, 1, NOW_MS);
        // The reference was given a fixed UUID; ours is drawn from the seed.
        if expression != "$uuid()" && !agree(&ours, reference) {
            differing.push(format!("{expression} reference {reference} ours {ours}"));
        }
    }
    // On purpose: Step Functions has no $eval.
    assert_eq!(differing, ["$eval('1+1') reference 2 ours ERR T1006"]);
}

async fn value_of(expression: &str, input: Value) -> Value {
    let states = json!({ "P": { "Type": "Pass", "Output": expression, "End": true } });
    run(machine("P", states), input).await.output().clone()
}

#[tokio::test(start_paused = true)]
async fn functions_of_step_functions_itself() {
    let table = [
        ("{% $partition([1,2,3,4,5], 2) %}", json!([[1, 2], [3, 4], [5]])),
        ("{% $partition([0], 5) %}", json!([[0]])),
        ("{% $range(0, 10, 5) %}", json!([0, 5, 10])),
        ("{% $range(3, 1, -1) %}", json!([3, 2, 1])),
        ("{% $range(1, 1, 1) %}", json!([1])),
        ("{% $parse('{\"a\":[1,null]}').a %}", json!([1, null])),
        ("{% $length($uuid()) %}", json!(36)),
        ("{% $random(3) = $random(3) %}", json!(true)),
        ("{% $random() < 1 %}", json!(true)),
        ("{% $hash('a', 'MD5') %}", json!("0cc175b9c0f1b6a831c399e269772661")),
        (
            "{% $hash('a', 'SHA-1') %}",
            json!("86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"),
        ),
        (
            "{% $hash('a', 'SHA-256') %}",
            json!("ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        ),
        ("{% $length($hash('a', 'SHA-384')) %}", json!(96)),
        ("{% $length($hash('a', 'SHA-512')) %}", json!(128)),
        ("{% $now() %}", json!("2026-11-22T10:00:00.000Z")),
        ("{% $now('[Y0001]/[M01]') %}", json!("2026/11")),
        ("{% $millis() = $toMillis($now()) %}", json!(true)),
        ("{% 6 / 2 %}", json!(3)),
        ("{% 1 / 4 %}", json!(0.25)),
    ];
    for (expression, expected) in table {
        assert_eq!(value_of(expression, json!({})).await, expected, "{expression}");
    }
}

#[tokio::test(start_paused = true)]
async fn uuid_is_version_4_and_repeats_with_the_seed() {
    let uuid = value_of("{% $uuid() %}", json!({})).await;
    let text = uuid.as_str().unwrap();
    assert_eq!(text.as_bytes()[14], b'4', "{text}");
    assert!("89ab".contains(text.chars().nth(19).unwrap()), "{text}");
    assert_eq!(value_of("{% $uuid() %}", json!({})).await, uuid);
}

#[tokio::test(start_paused = true)]
async fn a_string_is_an_expression_only_as_a_whole() {
    let table = [
        ("{% 1 %}", json!(1)),
        (" {% 1 %}", json!(" {% 1 %}")),
        ("{% 1 %} ", json!("{% 1 %} ")),
        ("a {% 1 %}", json!("a {% 1 %}")),
        ("$states.input", json!("$states.input")),
    ];
    for (text, expected) in table {
        assert_eq!(value_of(text, json!({})).await, expected, "{text:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_evaluation_names_expression_field_and_reason() {
    let table = [
        (
            json!("{% $nope %}"),
            "'$nope' specified for the field 'Output' returned nothing (undefined).",
        ),
        (
            json!({ "a": ["{% $nope %}"] }),
            "specified for the field 'Output/a[0]' returned nothing (undefined).",
        ),
        (json!("{% function($x){$x} %}"), "returned an unsupported result type."),
        (
            json!("{% 1 + 'a' %}"),
            "specified for the field 'Output' threw an error during evaluation. T2002:",
        ),
        (
            json!("{% $eval('1') %}"),
            "threw an error during evaluation. T1006: Attempted to invoke a non-function",
        ),
        (
            json!("{% $parse('{') %}"),
            "threw an error during evaluation: $parse was given text that is not JSON",
        ),
        (
            json!("{% $parse(null) %}"),
            "T0410: Argument 1 of function \"parse\" does not match function signature",
        ),
    ];
    for (output, expected) in table {
        let states = json!({ "P": { "Type": "Pass", "Output": output, "End": true } });
        let ran = run(machine("P", states), json!({})).await;
        assert_eq!(ran.error(), "States.QueryEvaluationError", "{output}");
        let opening = "An error occurred while executing the state 'P' (entered at the event id #2). The JSONata \
                       expression '";
        assert!(ran.cause().starts_with(opening), "{}", ran.cause());
        assert!(ran.cause().contains(expected), "{output}: {}", ran.cause());
    }
}

#[tokio::test(start_paused = true)]
async fn the_context_object_shows_execution_machine_and_state() {
    let states = json!({ "P": { "Type": "Pass", "Output": "{% $states.context %}", "End": true } });
    let ran = run(machine("P", states), json!({ "a": 1 })).await;
    assert_eq!(
        *ran.output(),
        json!({
            "Execution": {
                "Id": "arn:aws:states:eu-west-1:111122223333:execution:m:e",
                "Input": { "a": 1 },
                "StartTime": "2026-11-22T10:00:00.000Z",
                "Name": "e",
                "RoleArn": "arn:aws:iam::111122223333:role/r",
                "RedriveCount": 0,
            },
            "StateMachine": { "Id": "arn:aws:states:eu-west-1:111122223333:stateMachine:m", "Name": "m" },
            "State": { "Name": "P", "EnteredTime": "2026-11-22T10:00:00.000Z" },
        })
    );
}

#[tokio::test(start_paused = true)]
async fn assign_sees_the_old_variables_and_the_next_state_the_new() {
    let states = json!({
        "A": { "Type": "Pass", "Assign": { "x": 1 }, "Next": "B" },
        "B": {
            "Type": "Pass",
            "Assign": { "x": "{% $x + 1 %}", "y": "{% $x * 10 %}" },
            "Output": "{% 'old ' & $x %}",
            "Next": "C",
        },
        "C": { "Type": "Pass", "Output": "{% {'in': $states.input, 'x': $x, 'y': $y} %}", "End": true },
    });
    assert_output(
        machine("A", states),
        json!({}),
        json!({ "in": "old 1", "x": 2, "y": 10 }),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn branches_read_outer_variables_and_keep_their_own() {
    let branch = |name: &str| {
        json!({ "StartAt": name, "States": {
            name: { "Type": "Pass", "Assign": { (format!("in{name}")): "{% $x %}" }, "Output": "{% $x %}", "End": true },
        } })
    };
    let states = json!({
        "A": { "Type": "Pass", "Assign": { "x": 42 }, "Next": "P" },
        "P": { "Type": "Parallel", "Branches": [branch("L"), branch("R")], "Next": "Z" },
        "Z": { "Type": "Pass", "Output": "{% [$states.input, $exists($inL)] %}", "End": true },
    });
    assert_output(machine("A", states), json!({}), json!([42, 42, false])).await;
}

#[tokio::test(start_paused = true)]
async fn reported_errors_are_worded_as_jsonata_js_words_them() {
    let table = [
        ("$randomSeeded(1)", "T1006: Attempted to invoke a non-function"),
        (
            "$abs('x')",
            "T0410: Argument 1 of function \"abs\" does not match function signature",
        ),
        (
            "$map([1])",
            "T0410: Argument 2 of function \"map\" does not match function signature",
        ),
        (
            "$pad('a', 'b')",
            "T0410: Argument 2 of function \"pad\" does not match function signature",
        ),
        (
            "$string($floor('a'))",
            "T0410: Argument 1 of function \"floor\" does not match function signature",
        ),
        (
            "$sum(['a'])",
            "T0412: Argument 1 of function \"sum\" must be an array of \"numbers\"",
        ),
        (
            "$join([1])",
            "T0412: Argument 1 of function \"join\" must be an array of \"strings\"",
        ),
        (
            "'a' + 1",
            "T2001: The left side of the \"+\" operator must evaluate to a number",
        ),
        (
            "1 - 'b'",
            "T2002: The right side of the \"-\" operator must evaluate to a number",
        ),
        (
            "[1..'a']",
            "T2004: The right side of the range operator (..) must evaluate to an integer",
        ),
        (
            "{} > 1",
            "T2010: The expressions either side of operator \">\" must evaluate to numeric or string values",
        ),
        ("$number('x')", "D3030: Unable to cast value to a number: \"x\""),
        ("$error('boom')", "D3137: boom"),
    ];
    for (expression, expected) in table {
        let states = json!({ "P": { "Type": "Pass", "Output": format!("{{% {expression} %}}"), "End": true } });
        let ran = run(machine("P", states), json!({})).await;
        let cause = ran.cause().to_owned();
        assert_eq!(cause.split("during evaluation. ").nth(1), Some(expected), "{cause}");
    }
}

#[tokio::test(start_paused = true)]
async fn reported_a_seeded_random_number_is_javas() {
    let states = json!({ "P": { "Type": "Pass", "Output": "{% $random(42) %}", "End": true } });
    assert_output(machine("P", states), json!({}), json!(0.727_563_680_032_868_1)).await;
}
