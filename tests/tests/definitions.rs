//! The state machines against the code: what every state must say, bound, retry and catch, and that each name in a
//! definition exists and each name that exists is used.
//!
//! Every rule is a function from a definition to complaints. A test holds it against all definitions, and then against
//! definitions broken on purpose.

#[path = "definitions/budget.rs"]
mod budget;
#[path = "definitions/catchers.rs"]
mod catchers;
#[path = "definitions/databases.rs"]
mod databases;
#[path = "definitions/names.rs"]
mod names;
#[path = "definitions/read.rs"]
mod read;

use budget::{HISTORY_EVENTS_MAX, Load, attempts, history_events, patience_seconds, period_seconds, successors};
use landfall_aws::deps::FUNCTION_SECONDS_MAX;
use landfall_domain::plan::schema_text;
use read::{Break, Rule, State, definitions, errors, hold, states};
use serde_json::{Value, json};

/// A rule about states, applied to every state.
fn each(document: &Value, machine: &str, rule: impl Fn(&State<'_>) -> Vec<String>) -> Vec<String> {
    states(machine, document).iter().flat_map(rule).collect()
}

fn complain(when: bool, state: &State<'_>, what: &str) -> Vec<String> {
    if when { vec![state.says(what)] } else { Vec::new() }
}

#[test]
fn every_state_says_what_it_does() {
    let rule: Rule = |machine, document| {
        let mut complaints = each(document, machine, |state| {
            let comment = state.body["Comment"].as_str().unwrap_or_default();
            complain(!comment.ends_with('.'), state, "no Comment that is a sentence")
        });
        if document["Comment"].as_str().is_none_or(str::is_empty) {
            complaints.push(format!("{machine}: no Comment"));
        }
        complaints
    };
    hold(
        rule,
        vec![
            ("test-batch", "StartTest", "/Comment", None, "StartTest: no Comment"),
            (
                "migrate-wave",
                "FinalizedBatch",
                "/Comment",
                Some(json!("")),
                "FinalizedBatch: no Comment",
            ),
        ],
    );
}

#[test]
fn every_task_ends_is_retried_by_name_and_catches_everything_last() {
    let rule: Rule = |machine, document| {
        each(document, machine, |state| {
            let mut complaints = Vec::new();
            if state.is("Task") {
                complaints.extend(complain(period_seconds(state, 0) == 0, state, "no TimeoutSeconds"));
                complaints.extend(complain(state.retriers().count() == 0, state, "no Retry"));
            }
            for retrier in state.retriers() {
                complaints.extend(bounded(state, retrier));
            }
            if ["Task", "Map", "Parallel"].iter().any(|kind| state.is(kind)) {
                let last = state.body["Catch"].as_array().and_then(|all| all.last());
                let all = last.is_some_and(|catcher| errors(catcher) == ["States.ALL"]);
                complaints.extend(complain(!all, state, "the last catcher is not States.ALL"));
            }
            complaints
        })
    };
    let grows = json!({ "ErrorEquals": ["Throttled"], "MaxAttempts": 6, "BackoffRate": 2, "IntervalSeconds": 2 });
    let breaks: Vec<Break> = vec![
        ("test-batch", "StartTest", "/TimeoutSeconds", None, "no TimeoutSeconds"),
        ("test-batch", "StartTest", "/Retry", None, "no Retry"),
        (
            "test-batch",
            "StartTest",
            "/Retry/0/ErrorEquals",
            Some(json!([])),
            "names no error",
        ),
        (
            "test-batch",
            "StartTest",
            "/Retry/0/ErrorEquals/0",
            Some(json!("States.ALL")),
            "names no error",
        ),
        (
            "test-batch",
            "StartTest",
            "/Retry/0/MaxAttempts",
            None,
            "no MaxAttempts",
        ),
        (
            "test-batch",
            "StartTest",
            "/Retry/0/MaxDelaySeconds",
            None,
            "without a ceiling",
        ),
        ("test-batch", "StartTest", "/Retry/0", Some(grows), "without a ceiling"),
        (
            "test-batch",
            "StartTest",
            "/Retry/0/JitterStrategy",
            Some(json!("NONE")),
            "without jitter",
        ),
        ("migrate-wave", "FinalizeBatch", "/Catch", None, "the last catcher"),
        (
            "migrate-wave",
            "Migrate",
            "/Catch/0/ErrorEquals/0",
            Some(json!("States.Timeout")),
            "the last catcher",
        ),
        (
            "rollback-wave",
            "StopWriters",
            "/Catch",
            Some(json!([])),
            "the last catcher",
        ),
    ];
    hold(rule, breaks);
}

/// A retrier names what is worth retrying, ends, and does not let many retry at one moment. A delay that does not grow
/// needs neither a ceiling nor jitter.
fn bounded(state: &State<'_>, retrier: &Value) -> Vec<String> {
    let names = errors(retrier);
    let blind = names.is_empty()
        || names
            .iter()
            .any(|name| ["States.ALL", "States.TaskFailed"].contains(name));
    let grows = retrier["BackoffRate"].as_f64().unwrap_or(2.0) > 1.0;
    let mut complaints = complain(blind, state, "a retrier names no error that is worth retrying");
    complaints.extend(complain(attempts(retrier) == 0, state, "a retrier has no MaxAttempts"));
    let ceiling = retrier["MaxDelaySeconds"].is_u64();
    complaints.extend(complain(grows && !ceiling, state, "a delay grows without a ceiling"));
    let jitter = retrier["JitterStrategy"] == "FULL";
    complaints.extend(complain(grows && !jitter, state, "a delay grows without jitter"));
    complaints
}

#[test]
fn a_task_outlives_its_function_and_a_parent_its_child() {
    let rule: Rule = |machine, document| {
        each(document, machine, |state| {
            let seconds = period_seconds(state, 0);
            if state.resource() == "arn:aws:states:::lambda:invoke" {
                let short = seconds <= u64::from(FUNCTION_SECONDS_MAX);
                return complain(short, state, "gives up while its function still changes things");
            }
            let Some(child) = state.child() else { return Vec::new() };
            let own = definitions()[&child]["TimeoutSeconds"].as_u64().unwrap_or(u64::MAX);
            complain(seconds <= own, state, "gives up while its child still runs")
        })
    };
    hold(
        rule,
        vec![
            (
                "migrate-wave",
                "Configure",
                "/TimeoutSeconds",
                Some(json!(60)),
                "its function still changes",
            ),
            (
                "migrate-wave",
                "TestBatch",
                "/TimeoutSeconds",
                Some(json!(345_600)),
                "its child still runs",
            ),
        ],
    );
}

#[test]
fn a_wait_sends_its_whole_token_and_is_entered_again_at_a_steady_pace() {
    let rule: Rule = |machine, document| {
        each(document, machine, |state| {
            if !state.waits() {
                return Vec::new();
            }
            let expected = json!({
                "token": "{% $states.context.Task.Token %}",
                "executionArn": "{% $states.context.Execution.Id %}",
                "state": "{% $states.context.State.Name %}",
                "enteredAt": "{% $states.context.State.EnteredTime %}",
                "retryCount": "{% $states.context.State.RetryCount %}",
                "redriveCount": "{% $states.context.Execution.RedriveCount %}",
            });
            let callback = &state.body["Arguments"]["Payload"]["callback"];
            let mut complaints = complain(callback != &expected, state, "the callback is not the six members");
            let timeouts: Vec<&Value> = state
                .retriers()
                .filter(|one| errors(one).contains(&"States.Timeout"))
                .collect();
            let steady = |one: &&Value| errors(one) == ["States.Timeout"] && one["BackoffRate"] == 1;
            complaints.extend(complain(
                timeouts.len() != 1 || !timeouts.iter().all(steady),
                state,
                "no retrier for States.Timeout alone with BackoffRate 1",
            ));
            complaints
        })
    };
    hold(
        rule,
        vec![
            (
                "test-batch",
                "ValidateTest",
                "/Arguments/Payload/callback/redriveCount",
                None,
                "six members",
            ),
            (
                "test-batch",
                "ValidateTest",
                "/Retry/0",
                None,
                "no retrier for States.Timeout",
            ),
            (
                "test-batch",
                "ValidateTest",
                "/Retry/0/BackoffRate",
                Some(json!(2)),
                "no retrier for States.Timeout",
            ),
            (
                "test-batch",
                "ValidateTest",
                "/Retry/1/ErrorEquals/0",
                Some(json!("States.Timeout")),
                "for States.Timeout",
            ),
        ],
    );
}

/// The longest that a plan lets the state wait, in seconds, read off the schema; nothing for what is no wait.
fn longest_deadline_seconds(state: &State<'_>) -> Option<u64> {
    let schema: Value = serde_json::from_str(&schema_text()).expect("a schema is JSON");
    let most = |part: &str, member: &str| {
        let most = schema["$defs"][part]["properties"][member]["maximum"].as_u64();
        most.unwrap_or_else(|| panic!("{part}.{member} has no maximum"))
    };
    let payload = &state.body["Arguments"]["Payload"];
    let seconds = match state.function()?.as_str() {
        "check-readiness" => most("Deadlines", "readinessHours") * 3600,
        "check-job" => most("Deadlines", "jobMinutes") * 60,
        "validate" => most("Deadlines", "validationMinutes") * 60,
        // Starting the services again ends after half an hour, whatever the plan says.
        "quiesce" if payload["direction"] == "ROLLBACK" => 30 * 60,
        "quiesce" => most("Deadlines", "quiesceMinutes") * 60,
        "prepare-dns" | "switch-dns" | "rollback-dns" => most("Deadlines", "dnsMinutes") * 60,
        // As long as these wait at most, whatever the plan says.
        "provision-replication" => 24 * 3600,
        "start-replication" => match payload["mode"].as_str()? {
            "START" => most("VerifyPlan", "loadMinutes") * 60,
            "STOP" => 15 * 60,
            "REVERSE" => 3600,
            _ => return None,
        },
        "wait-for-cdc-lag" => most("LagPlan", "waitMinutes") * 60,
        "switch-database" => 3600,
        "retire-replication" => 2 * 3600,
        "request-approval" => match payload["kind"].as_str()? {
            "CUTOVER" | "SCHEMA_CONVERSION" => most("Approvals", "cutoverHours") * 3600,
            "FINALIZE" => most("Approvals", "finalizeHours") * 3600,
            "ROLLBACK" => most("Approvals", "rollbackHours") * 3600,
            _ => return None,
        },
        _ => return None,
    };
    Some(seconds)
}

#[test]
fn a_wait_is_entered_again_until_the_longest_deadline_of_a_plan_has_passed() {
    let rule: Rule = |machine, document| {
        each(document, machine, |state| {
            if !state.waits() {
                return Vec::new();
            }
            match longest_deadline_seconds(state) {
                None => vec![state.says("waits for something that has no deadline")],
                Some(deadline) => {
                    let patience = patience_seconds(state);
                    let what = format!("gives up after {patience} s, before its deadline of {deadline} s");
                    complain(patience <= deadline, state, &what)
                }
            }
        })
    };
    let breaks = [
        ("migrate-wave", "AwaitReadiness"),
        ("migrate-wave", "ApproveCutover"),
        ("migrate-wave", "SwitchTraffic"),
        ("test-batch", "AwaitTestLaunch"),
        ("test-batch", "ValidateTest"),
        ("cutover-batch", "Quiesce"),
        ("rollback-wave", "StartServices"),
        ("rollback-wave", "RestoreTraffic"),
        ("rollback-wave", "ReturnDatabase"),
        ("replicate-database", "Start"),
        ("cutover-database", "AwaitLag"),
    ];
    let breaks = breaks.map(|(machine, state)| {
        let fewer = Some(json!(2));
        (machine, state, "/Retry/0/MaxAttempts", fewer, "before its deadline")
    });
    hold(rule, breaks.to_vec());
}

#[test]
fn a_machine_has_time_for_everything_in_it() {
    let rule: Rule = |machine, document| {
        let Some(limit) = document["TimeoutSeconds"].as_u64() else {
            // A program ends with its waves; each of them has its own limit.
            let program = machine == "migrate-program";
            return if program {
                Vec::new()
            } else {
                vec![format!("{machine}: no TimeoutSeconds")]
            };
        };
        if !machine.ends_with("-batch") && !machine.ends_with("-database") {
            return Vec::new();
        }
        let seconds: u64 = states(machine, document).iter().map(spent_seconds).sum();
        if seconds < limit {
            return Vec::new();
        }
        vec![format!(
            "{machine}: its states can take {seconds} s, and it is ended after {limit} s"
        )]
    };
    hold(
        rule,
        vec![
            (
                "cutover-batch",
                "AwaitCutoverLaunch",
                "/Retry/0/MaxAttempts",
                Some(json!(29_000)),
                "it is ended after",
            ),
            (
                "test-batch",
                "StartTest",
                "/Retry/1/MaxAttempts",
                Some(json!(9_600)),
                "it is ended after",
            ),
            (
                "replicate-database",
                "Start",
                "/Retry/0/MaxAttempts",
                Some(json!(4_000)),
                "it is ended after",
            ),
        ],
    );
}

/// The longest that a state can take: what it waits for, and the pauses of retriers that wait for somebody else.
fn spent_seconds(state: &State<'_>) -> u64 {
    let pauses = state.retriers().filter(|retrier| retrier["BackoffRate"] == 1);
    let paused: u64 = pauses
        .map(|one| attempts(one) * one["IntervalSeconds"].as_u64().unwrap_or(1))
        .sum();
    let busy = if state.waits() {
        patience_seconds(state)
    } else {
        period_seconds(state, 0)
    };
    paused + busy
}

#[test]
fn one_batch_that_waits_to_every_deadline_stays_inside_a_history() {
    let rule: Rule = |machine, document| {
        let load = Load {
            batches: 1,
            databases: 1,
            turns: 1,
            entries_max: None,
        };
        over(machine, history_events(machine, document, load))
    };
    hold(
        rule,
        vec![(
            "test-batch",
            "AwaitTestLaunch",
            "/Retry/0/MaxAttempts",
            Some(json!(9_000)),
            "more than 25000",
        )],
    );
}

#[test]
fn many_batches_that_wait_as_usual_stay_inside_a_history() {
    let rule: Rule = |machine, document| {
        let load = Load {
            batches: 50,
            databases: 20,
            turns: 50,
            entries_max: Some(10),
        };
        over(machine, history_events(machine, document, load))
    };
    hold(rule, Vec::new());
    let wave = &definitions()["rollback-wave"];
    let load = Load {
        batches: 1000,
        databases: 0,
        turns: 1,
        entries_max: Some(10),
    };
    assert!(
        history_events("rollback-wave", wave, load) > HISTORY_EVENTS_MAX,
        "the arithmetic counts batches"
    );
}

fn over(machine: &str, events: u64) -> Vec<String> {
    if events < HISTORY_EVENTS_MAX {
        return Vec::new();
    }
    vec![format!(
        "{machine}: up to {events} events, more than {HISTORY_EVENTS_MAX}"
    )]
}

#[test]
fn no_iteration_of_a_map_and_no_branch_of_a_parallel_can_fail() {
    let rule: Rule = |machine, document| {
        each(document, machine, |state| {
            if state.within.is_none() {
                return Vec::new();
            }
            let mut complaints = complain(state.is("Fail"), state, "an iteration or a branch can fail");
            if ["Task", "Map", "Parallel"].iter().any(|kind| state.is(kind)) {
                let last = state.body["Catch"].as_array().and_then(|all| all.last());
                let next = last.and_then(|catcher| catcher["Next"].as_str()).unwrap_or_default();
                let safe = ends_without_a_task(state, next);
                complaints.extend(complain(!safe, state, "its failure does not end in a Pass beside it"));
            }
            complaints
        })
    };
    hold(
        rule,
        vec![
            ("migrate-wave", "TestBatch", "/Catch", None, "does not end in a Pass"),
            (
                "migrate-wave",
                "TestBatch",
                "/Catch/0/Next",
                Some(json!("TestBatch")),
                "does not end in a Pass",
            ),
            ("rollback-wave", "NotEnded", "/Type", Some(json!("Fail")), "can fail"),
            (
                "rollback-wave",
                "Terminate",
                "/Catch/0/Next",
                Some(json!("AwaitTermination")),
                "does not end in a Pass",
            ),
        ],
    );
}

/// Whether the way from here ends in a Pass and meets nothing that can fail.
fn ends_without_a_task(state: &State<'_>, name: &str) -> bool {
    let Some(body) = state.siblings.get(name) else {
        return false;
    };
    match body["Type"].as_str() {
        Some("Pass") => body["End"] == true || successors(body).iter().all(|next| ends_without_a_task(state, next)),
        _ => false,
    }
}
