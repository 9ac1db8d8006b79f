//! Names: of errors, functions and machines.

use super::read::{Rule, State, definitions, errors, hold, kebab_case, repository, states, texts};
use super::{complain, each};
use landfall_domain::ids::{DatabaseId, SourceServerId, WaveId};
use landfall_domain::{ErrorClass, StepError};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Names that Step Functions reserves and that a Task, a Map or a Parallel can raise and match.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>
const RESERVED: [&str; 6] = [
    "States.ALL",
    "States.DataLimitExceeded",
    "States.HeartbeatTimeout",
    "States.Permissions",
    "States.TaskFailed",
    "States.Timeout",
];

/// What Lambda's integration raises when Lambda itself is in trouble: nothing is known of the invocation.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html>
const LAMBDA: [&str; 7] = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Sandbox.Timedout",
];

/// What starting an execution raises when Step Functions is in trouble, or the name was taken by an earlier try.
const STEP_FUNCTIONS: [&str; 3] = [
    "StepFunctions.SdkClientException",
    "StepFunctions.ExecutionAlreadyExistsException",
    "StepFunctions.AWSStepFunctionsException",
];

/// Functions that no state machine calls: people, events and other functions do.
const CALLED_FROM_OUTSIDE: [&str; 4] = ["approve", "on-event", "reach-database", "sweep"];

/// Functions that take a batch's lease or start an MGN job, and so meet those who have them.
const MEET_OTHERS: [&str; 4] = ["start-test", "cutover", "terminate", "quiesce"];

/// Functions that work on a database, through its lease.
const WORK_ON_DATABASES: [&str; 8] = [
    "provision-replication",
    "start-replication",
    "wait-for-cdc-lag",
    "freeze-source",
    "verify-data",
    "ready-target",
    "switch-database",
    "retire-replication",
];

fn works_on_a_database(state: &State<'_>) -> bool {
    let function = state.function();
    function.is_some_and(|function| WORK_ON_DATABASES.contains(&function.as_str()))
}

/// Steps on a database that are the first of their execution, and so meet those who have its lease.
fn takes_the_lease(state: &State<'_>) -> bool {
    let mode = state.body["Arguments"]["Payload"]["mode"].as_str();
    match state.function().as_deref() {
        Some("provision-replication" | "retire-replication") => true,
        Some("wait-for-cdc-lag") => mode == Some("GATE"),
        Some("switch-database") => mode == Some("RETURN"),
        _ => false,
    }
}

#[test]
fn every_error_that_is_matched_exists() {
    let rule: Rule = |machine, document| {
        each(document, machine, |state| {
            let catchers = state.body["Catch"].as_array().into_iter().flatten();
            let matched = state.retriers().chain(catchers).flat_map(errors);
            let known = |name: &&str| {
                let sets: [&[&str]; 4] = [&StepError::NAMES, &RESERVED, &LAMBDA, &STEP_FUNCTIONS];
                sets.iter().any(|set| set.contains(name))
            };
            let unknown = matched.filter(|name| !known(name));
            unknown
                .map(|name| state.says(format!("{name} is raised by nobody")))
                .collect()
        })
    };
    hold(
        rule,
        vec![
            (
                "test-batch",
                "StartTest",
                "/Retry/0/ErrorEquals/0",
                Some(json!("Throtled")),
                "Throtled is raised by nobody",
            ),
            (
                "migrate-wave",
                "Close",
                "/Catch/0/ErrorEquals/0",
                Some(json!("Superseded")),
                "is raised by nobody",
            ),
        ],
    );
}

/// One error of every name.
fn samples() -> Vec<StepError> {
    let server = || SourceServerId::parse("s-11111111111111111").expect("a source server id");
    let wave = || WaveId::parse("web-1").expect("a wave id");
    let text = String::new;
    vec![
        StepError::invalid("$", "1", "2"),
        StepError::ServersRefused(Vec::new()),
        StepError::ServerClaimed {
            server: server(),
            wave: wave(),
        },
        StepError::DatabaseClaimed {
            database: DatabaseId::parse("shop").expect("a database id"),
            wave: wave(),
        },
        StepError::WaveUnknown(wave()),
        StepError::WaveOpen {
            wave: wave(),
            execution: text(),
        },
        StepError::EpochSuperseded {
            wave: wave(),
            given: 1,
            current: 2,
        },
        StepError::LeaseHeld {
            wave: wave(),
            part: "batch 1".to_owned(),
            owner: text(),
        },
        StepError::QuotaFull {
            wanted: 1,
            open_jobs: 20,
            open_servers: 200,
        },
        StepError::ServersBusy {
            servers: vec![server()],
            job: None,
        },
        StepError::GateClosed {
            gate: "gate",
            observed: text(),
        },
        StepError::UnknownValue {
            service: "mgn",
            what: text(),
            value: text(),
        },
        StepError::Throttled {
            service: "mgn",
            operation: "DescribeJobs",
            message: text(),
        },
        StepError::ServiceUnavailable {
            service: "mgn",
            operation: "DescribeJobs",
            message: text(),
        },
        StepError::AccessDenied {
            service: "mgn",
            operation: "DescribeJobs",
            message: text(),
        },
        StepError::ServiceRefused {
            service: "mgn",
            operation: "DescribeJobs",
            code: text(),
            message: text(),
        },
        StepError::WriteConflict { item: text() },
        StepError::RecordSetHeld {
            zone: text(),
            name: text(),
            record_type: text(),
            problem: text(),
        },
        StepError::DatabaseUnreachable {
            host: text(),
            message: text(),
        },
        StepError::DatabaseRefused(text()),
        StepError::NotApproved(text()),
        StepError::Corrupt(text()),
    ]
}

fn names_of(class: ErrorClass) -> Vec<&'static str> {
    let of_class = samples().into_iter().filter(|error| error.class() == class);
    of_class.map(|error| error.name()).collect()
}

/// The names among these that no retrier of the state matches.
fn not_retried<'a>(state: &State<'_>, names: &[&'a str]) -> Vec<&'a str> {
    let retried: BTreeSet<&str> = state.retriers().flat_map(errors).collect();
    names.iter().filter(|name| !retried.contains(*name)).copied().collect()
}

#[test]
fn there_is_a_sample_of_every_error() {
    let sampled: BTreeSet<&str> = samples().iter().map(StepError::name).collect();
    assert_eq!(sampled, BTreeSet::from(StepError::NAMES));
    assert_eq!(samples().len(), StepError::NAMES.len());
}

#[test]
fn what_passes_within_seconds_is_retried_by_every_task() {
    let rule: Rule = |machine, document| {
        each(document, machine, |state| {
            let mut wanted = Vec::new();
            if state.function().is_some() {
                wanted.extend(names_of(ErrorClass::RetrySoon));
                wanted.retain(|name| *name != "DatabaseUnreachable" || works_on_a_database(state));
                wanted.extend(LAMBDA);
                wanted.push("States.Timeout");
            } else if state.child().is_some() {
                wanted.extend(STEP_FUNCTIONS);
            }
            let missing = not_retried(state, &wanted);
            complain(!missing.is_empty(), state, &format!("does not retry {missing:?}"))
        })
    };
    hold(
        rule,
        vec![
            (
                "migrate-wave",
                "Configure",
                "/Retry/0/ErrorEquals/2",
                None,
                r#"does not retry ["WriteConflict"]"#,
            ),
            (
                "migrate-wave",
                "Configure",
                "/Retry/0/ErrorEquals/8",
                None,
                r#"does not retry ["Runtime.ExitError"]"#,
            ),
            (
                "rollback-wave",
                "AskAcceptance",
                "/Retry/0",
                None,
                r#"does not retry ["States.Timeout"]"#,
            ),
            (
                "cutover-database",
                "Verify",
                "/Retry/0/ErrorEquals/3",
                None,
                r#"does not retry ["DatabaseUnreachable"]"#,
            ),
            (
                "migrate-program",
                "MigrateWave",
                "/Retry/0/ErrorEquals/0",
                None,
                "StepFunctions.SdkClientException",
            ),
        ],
    );
}

#[test]
fn what_passes_when_somebody_else_is_done_is_retried_by_those_who_meet_others() {
    let rule: Rule = |machine, document| {
        each(document, machine, |state| {
            let meets = state
                .function()
                .is_some_and(|function| MEET_OTHERS.contains(&function.as_str()));
            // On the way back quiesce takes no lease and starts no job.
            let back = state.function().as_deref() == Some("quiesce")
                && state.body["Arguments"]["Payload"]["direction"] == "ROLLBACK";
            let wanted = if meets && !back {
                names_of(ErrorClass::RetryLater)
            } else if takes_the_lease(state) {
                vec!["LeaseHeld"]
            } else {
                Vec::new()
            };
            let missing = not_retried(state, &wanted);
            complain(
                !missing.is_empty(),
                state,
                &format!("does not wait for the others: {missing:?}"),
            )
        })
    };
    hold(
        rule,
        vec![
            (
                "test-batch",
                "StartTest",
                "/Retry/1/ErrorEquals/1",
                None,
                r#"["QuotaFull"]"#,
            ),
            (
                "test-batch",
                "TerminateTest",
                "/Retry/1",
                None,
                "does not wait for the others",
            ),
            (
                "cutover-batch",
                "StartCutover",
                "/Retry/2/ErrorEquals/2",
                None,
                r#"["ServersBusy"]"#,
            ),
            (
                "cutover-batch",
                "Quiesce",
                "/Retry/1/ErrorEquals/0",
                None,
                r#"["LeaseHeld"]"#,
            ),
            (
                "rollback-wave",
                "Terminate",
                "/Retry/1",
                None,
                "does not wait for the others",
            ),
            ("rollback-wave", "ReturnDatabase", "/Retry/1", None, r#"["LeaseHeld"]"#),
        ],
    );
}

fn functions() -> BTreeSet<String> {
    let directory = std::fs::read_dir(repository("functions")).expect("the functions are there");
    let crates = directory
        .flatten()
        .filter(|entry| entry.path().join("Cargo.toml").is_file());
    crates
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// The names inside `${…}`.
fn substitutions(document: &Value) -> BTreeSet<String> {
    let pieces = texts(document).into_iter().flat_map(|text| text.split("${").skip(1));
    pieces
        .filter_map(|piece| Some(piece.split_once('}')?.0.to_owned()))
        .collect()
}

#[test]
fn every_substitution_is_a_function_or_a_machine_of_this_repository() {
    let rule: Rule = |machine, document| {
        let functions = functions();
        let machines = definitions();
        let known = |name: &String| match (name.strip_suffix("FunctionArn"), name.strip_suffix("StateMachineArn")) {
            (Some(function), _) => functions.contains(&kebab_case(function)),
            (_, Some(other)) => machines.contains_key(&kebab_case(other)),
            _ => false,
        };
        let unknown = substitutions(document).into_iter().filter(|name| !known(name));
        unknown
            .map(|name| format!("{machine}: ${{{name}}} is neither"))
            .collect()
    };
    hold(
        rule,
        vec![
            (
                "test-batch",
                "StartTest",
                "/Arguments/FunctionName",
                Some(json!("${StartTetsFunctionArn}")),
                "is neither",
            ),
            (
                "migrate-program",
                "MigrateWave",
                "/Arguments/StateMachineArn",
                Some(json!("${WaveArn}")),
                "is neither",
            ),
        ],
    );
}

#[test]
fn every_function_and_every_machine_is_used() {
    let definitions = definitions();
    let all: Vec<State<'_>> = definitions
        .iter()
        .flat_map(|(machine, document)| states(machine, document))
        .collect();
    let called: BTreeSet<String> = all.iter().filter_map(State::function).collect();
    let started: BTreeSet<String> = all.iter().filter_map(State::child).collect();
    let expected: BTreeSet<String> = functions()
        .into_iter()
        .filter(|name| !CALLED_FROM_OUTSIDE.contains(&name.as_str()))
        .collect();
    assert_eq!(called, expected);
    assert!(
        functions().len() == expected.len() + CALLED_FROM_OUTSIDE.len(),
        "a function named here does not exist"
    );
    let children: BTreeSet<String> = definitions
        .into_keys()
        .filter(|name| name != "migrate-program")
        .collect();
    assert_eq!(started, children);
}

#[test]
fn every_task_calls_one_function_or_one_machine() {
    let rule: Rule = |machine, document| {
        each(document, machine, |state| {
            let called = usize::from(state.function().is_some()) + usize::from(state.child().is_some());
            complain(
                state.is("Task") && called != 1,
                state,
                "calls nothing of this repository",
            )
        })
    };
    hold(
        rule,
        vec![(
            "test-batch",
            "StartTest",
            "/Arguments/FunctionName",
            Some(json!("start-test")),
            "calls nothing",
        )],
    );
}

#[test]
fn every_definition_loads_and_a_broken_one_does_not() {
    let loaded = runner::world::machines::read(&repository("statemachines"), "111122223333", "eu-west-1");
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.len(), definitions().len());
    let cloud =
        runner::world::simulate(async { runner::world::World::new(runner::world::WorldOptions::default()).cloud });
    for definition in loaded {
        let name = format!("again-{}", definition.name);
        let made = cloud.engine().create_state_machine(&name, &definition.document);
        made.unwrap_or_else(|errors| panic!("{}: {errors}", definition.name));
        let mut broken = definition.document;
        broken["StartAt"] = json!("Nowhere");
        let refused = cloud.engine().create_state_machine(&format!("{name}-broken"), &broken);
        assert!(refused.is_err(), "{name} loads although it starts nowhere");
    }
}
