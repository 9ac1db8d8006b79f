//! The same definitions and scenarios on a second, independent interpreter: moto's. Ours runs the scenarios and records what
//! their executions did; `scripts/tools/second_interpreter.py` runs each execution again on moto and compares every step.

#[path = "second_interpreter/history.rs"]
mod history;
#[path = "second_interpreter/walks.rs"]
mod walks;

use landfall_tests::tools;
use runner::{record, scenarios};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Those that together come to every state that any scenario comes to. The walks begin with what the last ones were given.
const SCENARIOS: [&str; 13] = [
    "launch-failure",
    "failed-check",
    "killed",
    "denied",
    "aborted",
    "database-dies-loading",
    "database-hangs",
    "database-late-fence",
    "database-loss-asked",
    "database-conversion",
    "database-mismatch",
    "dns-rollback",
    "database",
];

/// A new folder for the recordings of a test.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("second_interpreter")
        .join(test);
    std::fs::create_dir_all(&folder).expect("a folder for recordings");
    folder
}

/// A recording of a scenario: the file and what is in it.
fn recorded(scenario: &str, folder: &Path) -> (PathBuf, Value) {
    let file = folder.join(format!("{scenario}.json"));
    let story = scenarios::find(scenario).expect("a scenario of this name");
    assert_eq!(
        record::write(story, 1, &file),
        Ok(true),
        "{scenario} did not end as it must"
    );
    let text = std::fs::read_to_string(&file).expect("the recording");
    (file, serde_json::from_str(&text).expect("JSON"))
}

fn write(file: &Path, recording: &Value) {
    std::fs::write(file, recording.to_string()).expect("a recording is written");
}

/// Runs recordings on moto, which is installed if need be.
fn on_moto(recordings: &[PathBuf]) -> Output {
    let mut command = Command::new(tools::programs("moto.txt").join("python"));
    command
        .arg(tools::folder().join("second_interpreter.py"))
        .args(recordings);
    command.output().expect("Python can be started")
}

#[test]
fn both_interpreters_take_the_same_steps() {
    let folder = folder("same");
    let (mut files, recordings): (Vec<_>, Vec<_>) = SCENARIOS.iter().map(|name| recorded(name, &folder)).unzip();
    let walks = folder.join("walks.json");
    write(&walks, &walks::record(&recordings));
    files.insert(0, walks);
    let output = on_moto(&files);
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    println!("{said}");
    assert!(output.status.success(), "{said}\n{complained}");
}

/// The recorded execution of a machine.
fn execution<'a>(recording: &'a mut Value, machine: &str) -> &'a mut Value {
    let executions = recording["executions"].as_array_mut().expect("executions");
    let arn = format!(":{machine}");
    let of_machine = |one: &&mut Value| one["stateMachineArn"].as_str().is_some_and(|text| text.ends_with(&arn));
    executions
        .iter_mut()
        .find(of_machine)
        .expect("an execution of the machine")
}

#[test]
fn a_recording_that_was_changed_is_refused() {
    let folder = folder("changed");
    let (file, mut recording) = recorded("denied", &folder);
    let history = execution(&mut recording, "test-batch")["history"]
        .as_array_mut()
        .expect("a history");
    let left = history
        .iter_mut()
        .find(|event| event["stateExitedEventDetails"]["name"] == "StartTest");
    left.expect("StartTest is left")["stateExitedEventDetails"]["output"] = json!("{}");
    let choice = &mut recording["definitions"]["rollback-wave"]["States"]["WhichRollback"];
    choice["Choices"][0]["Condition"] = json!("{% true %}");
    write(&file, &recording);

    let output = on_moto(&[file]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("test-batch:web-1-1-test-1-0 top step"), "{said}");
    assert!(
        said.contains("TaskStateExited, output\n      ours: {}\n      moto: {\"servers\":5}"),
        "{said}"
    );
    assert!(said.contains("rollback-wave:web-1-1-rollback-0 top step"), "{said}");
    assert!(said.contains("moto: TaskStateEntered Close"), "{said}");
}
