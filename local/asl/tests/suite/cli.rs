//! The command line, as a process.

use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A directory of its own for one test.
struct Files(PathBuf);

impl Files {
    fn new(test: &str) -> Files {
        let path = std::env::temp_dir().join(format!("asl-cli-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Files(path)
    }

    fn write(&self, name: &str, content: &Value) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content.to_string()).unwrap();
        path.display().to_string()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn asl(arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_asl"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn printed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn retrying() -> Value {
    json!({ "QueryLanguage": "JSONata", "StartAt": "W", "States": {
        "W": { "Type": "Wait", "Seconds": 86_400, "Next": "T" },
        "T": {
            "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": { "FunctionName": "f" },
            "Retry": [{ "ErrorEquals": ["Busy"], "MaxAttempts": 3 }],
            "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "F" }],
            "Output": "{% $states.result.Payload %}",
            "End": true,
        },
        "F": { "Type": "Fail", "Error": "{% $states.input.Error %}", "Cause": "{% $states.input.Cause %}" },
    } })
}

fn mocks() -> Value {
    json!({
        "StateMachines": { "wave": { "TestCases": {
            "Busy": { "T": "BusyThenFine" },
            "Broken": { "T": "Broken" },
            "Unmocked": {},
        } } },
        "MockedResponses": {
            "BusyThenFine": {
                "0": { "Throw": { "Error": "Busy", "Cause": "later" } },
                "1-2": { "Throw": { "Error": "Busy", "Cause": "still" } },
                "3": { "Return": { "StatusCode": 200, "Payload": { "ok": true } } },
            },
            "Broken": { "0": { "Throw": { "Error": "Broken", "Cause": "gone" } } },
        },
    })
}

#[test]
fn mocked_tasks_answer_by_attempt_and_days_pass_at_once() {
    let files = Files::new("mocked");
    let (definition, mocks) = (
        files.write("wave.asl.json", &retrying()),
        files.write("mocks.json", &mocks()),
    );
    let input = files.write("input.json", &json!({}));
    let output = asl(
        &[
            "run",
            &definition,
            "--input",
            &input,
            "--mocks",
            &mocks,
            "--case",
            "Busy",
        ],
        "",
    );
    let report = printed(&output);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        (&report["status"], &report["output"]),
        (&json!("SUCCEEDED"), &json!({ "ok": true }))
    );
    let failed = report["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["type"] == "TaskFailed")
        .count();
    assert_eq!(failed, 3);
}

#[test]
fn an_execution_that_fails_is_printed_and_exits_with_1() {
    let files = Files::new("fails");
    let (definition, mocks) = (
        files.write("wave.asl.json", &retrying()),
        files.write("mocks.json", &mocks()),
    );
    for (case, error, cause) in [
        ("Broken", "Broken", "gone"),
        ("Unmocked", "States.Runtime", "state 'T' is a Task without a mock"),
    ] {
        let output = asl(&["run", &definition, "--mocks", &mocks, "--case", case], "");
        let report = printed(&output);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!((&report["status"], &report["error"]), (&json!("FAILED"), &json!(error)));
        assert!(report["cause"].as_str().unwrap().starts_with(cause), "{report}");
    }
}

#[test]
fn input_is_read_from_standard_input() {
    let files = Files::new("stdin");
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "S", "States": { "S": { "Type": "Succeed" } } });
    let output = asl(
        &["run", &files.write("d.json", &definition), "--input", "-"],
        "{\"from\":\"stdin\"}",
    );
    assert_eq!(printed(&output)["output"], json!({ "from": "stdin" }));
}

#[test]
fn mistakes_name_the_file_and_exit_with_2() {
    let files = Files::new("mistakes");
    let bad = files.write(
        "bad.json",
        &json!({ "StartAt": "S", "States": { "S": { "Type": "Pass", "End": true } } }),
    );
    let good = files.write("wave.json", &retrying());
    let mocks = files.write("mocks.json", &mocks());
    let table: [(Vec<&str>, &str); 4] = [
        (vec!["run", &bad], "/States/S/QueryLanguage"),
        (
            vec!["run", "/nowhere.json"],
            "/nowhere.json: cannot read the definition",
        ),
        (
            vec!["run", &good, "--mocks", &mocks, "--case", "Nope"],
            "there is no case 'Nope'; the file has: wave/Busy",
        ),
        (vec!["run", &good, "--mocks", &mocks], "--case"),
    ];
    for (arguments, expected) in table {
        let output = asl(&arguments, "");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
}

#[test]
fn mocked_tokens_and_nested_executions_need_no_service() {
    let files = Files::new("integrations");
    let task = |resource: &str| json!({ "Type": "Task", "Resource": format!("arn:aws:states:::{resource}"), "Arguments": {}, "End": true });
    let mocks = json!({
        "StateMachines": { "d": { "TestCases": { "C": { "T": "R" } } } },
        "MockedResponses": { "R": { "0": { "Return": { "answer": 42 } } } },
    });
    let mocks = files.write("mocks.json", &mocks);
    for resource in [
        "lambda:invoke.waitForTaskToken",
        "states:startExecution.sync:2",
        "ecs:runTask.sync",
    ] {
        let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "T", "States": { "T": task(resource) } });
        let output = asl(
            &[
                "run",
                &files.write("d.json", &definition),
                "--mocks",
                &mocks,
                "--case",
                "C",
            ],
            "",
        );
        let report = printed(&output);
        assert_eq!(report["output"], json!({ "answer": 42 }), "{resource}");
        let types: Vec<&str> = report["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["type"].as_str().unwrap())
            .collect();
        assert_eq!(
            types[2..6],
            ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"],
            "{resource}"
        );
    }
}

#[test]
fn a_key_written_twice_is_refused_by_path() {
    let files = Files::new("twice");
    let path = files.0.join("d.json");
    let state = r#"{ "Type": "Pass", "Comment": "a", "Comment": "b", "End": true }"#;
    let text =
        format!(r#"{{ "QueryLanguage": "JSONata", "StartAt": "A", "States": {{ "A": {state}, "A": {state} }} }}"#);
    std::fs::write(&path, text).unwrap();
    let output = asl(&["run", &path.display().to_string()], "");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        message.contains("written twice: /States/A/Comment, /States/A/Comment, /States/A"),
        "{message}"
    );
}

#[test]
fn an_execution_that_ran_out_of_time_says_so() {
    let files = Files::new("timeout");
    let definition = json!({
        "QueryLanguage": "JSONata", "TimeoutSeconds": 3, "StartAt": "W",
        "States": { "W": { "Type": "Wait", "Seconds": 25, "End": true } },
    });
    let report = printed(&asl(&["run", &files.write("d.json", &definition)], ""));
    assert_eq!(
        (&report["status"], &report["error"]),
        (&json!("TIMED_OUT"), &json!("States.Timeout"))
    );
    assert!(report.get("cause").is_none() && report.get("output").is_none());
}
