//! The function that reaches databases for all others: who may ask it, what it may call, and what becomes of a question
//! when it dies, hangs or comes too late.

use jiff::SignedDuration;
use landfall_aws::Deps;
use landfall_aws::database::{Access, DatabaseError};
use landfall_cloud::{CallContext, Caller, Fault, Outcome};
use landfall_domain::StepError;
use landfall_domain::database::Probe;
use landfall_domain::plan::database::DatabaseSide;
use landfall_tests::databases::{SHOP, Story, database_wave, source_is_away};
use runner::world::{LambdaFailure, World, WorldOptions, simulate};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const REACH: &str = "reach-database";

/// The functions that ask.
const ASKING: [&str; 8] = [
    "freeze-source",
    "provision-replication",
    "ready-target",
    "retire-replication",
    "start-replication",
    "switch-database",
    "verify-data",
    "wait-for-cdc-lag",
];

fn world() -> (World, DatabaseSide) {
    let world = World::new(WorldOptions::default());
    world.load_wave(&database_wave(|_| {}));
    let source = world.database(SHOP).plan.source;
    (world, source)
}

/// What a function is given.
fn deps(world: &World, function: &str) -> Deps {
    world.deps(&Caller::new(function, 1))
}

/// Probes the source through the application's login, for a function.
async fn probe(world: &World, function: &str, side: &DatabaseSide) -> Result<Probe, DatabaseError> {
    let access = Access::of(side, &side.application_secret_arn);
    deps(world, function).databases.through(access).probe().await
}

/// Disturbs the calls of an operation by a caller, so often.
fn disturb(world: &World, caller: &str, operation: &str, fault: Fault, times: u64) {
    let (caller, operation) = (caller.to_owned(), operation.to_owned());
    let met = AtomicU64::new(0);
    let rule = move |call: &CallContext| {
        let mine = call.caller == caller && call.operation == operation;
        if mine && met.fetch_add(1, Ordering::Relaxed) < times {
            fault
        } else {
            Fault::None
        }
    };
    world.cloud.set_faults(Some(Arc::new(rule)));
}

fn question(side: &DatabaseSide, until: &str, request: &Value) -> Value {
    json!({
        "access": { "secretArn": side.admin_secret_arn, "engine": side.engine, "encrypted": true },
        "until": until,
        "request": request,
    })
}

#[test]
fn one_function_reads_secrets_and_reaches_databases_and_calls_nothing_else() {
    let told = Story::default().run();
    assert_eq!(told.failures, Vec::<String>::new());
    let calls = &told.evidence.calls;
    let its: BTreeSet<&str> = calls
        .iter()
        .filter(|call| call.caller == REACH)
        .map(|call| call.service.as_str())
        .collect();
    assert_eq!(its, BTreeSet::from(["database", "secretsmanager"]));
    let others = calls
        .iter()
        .filter(|call| call.caller != REACH && its.contains(call.service.as_str()));
    assert_eq!(others.count(), 0);
    let asked: BTreeSet<&str> = told
        .evidence
        .invocations
        .iter()
        .filter(|one| one.function == REACH)
        .map(|one| one.by.as_ref().map_or("nobody", |(function, _)| function.as_str()))
        .collect();
    assert_eq!(asked, BTreeSet::from(ASKING));
    // Every question is a call of whoever asked, and one answer belongs to it.
    let invokes = calls.iter().filter(|call| call.service == "lambda");
    let invocations = told.evidence.invocations.iter().filter(|one| one.function == REACH);
    assert_eq!(invokes.count(), invocations.count());
}

#[test]
fn no_answer_holds_a_password() {
    simulate(async {
        let (world, source) = world();
        for request in [json!({ "call": "describe" }), json!({ "call": "probe" })] {
            let until = (world.now() + SignedDuration::from_secs(30)).to_string();
            let answer = world.invoke(REACH, question(&source, &until, &request)).await;
            let text = answer.expect("an answer").to_string();
            assert!(text.contains("answer") && !text.contains("simulated-"), "{text}");
        }
    });
}

#[test]
fn a_question_that_cannot_be_read_is_refused_with_its_path() {
    simulate(async {
        let (world, source) = world();
        let cases = [
            (json!({ "call": "drop_database" }), "unknown variant"),
            (json!({ "call": "probe", "as": "root" }), "as"),
            (json!({ "call": "writeFence", "id": "x" }), "fence"),
        ];
        for (request, said) in cases {
            let payload = question(&source, "2026-03-07T06:00:30Z", &request);
            let LambdaFailure {
                error_type,
                error_message,
                ..
            } = world.invoke(REACH, payload).await.expect_err("it is refused");
            assert_eq!(error_type, "InvalidInput");
            assert!(
                error_message.contains("$.request") && error_message.contains(said),
                "{error_message}"
            );
        }
        assert!(world.cloud.calls().is_empty(), "nothing was asked");
    });
}

#[test]
fn what_comes_too_late_is_not_begun() {
    simulate(async {
        let (world, source) = world();
        let until = world.now().to_string();
        let answer = world
            .invoke(REACH, question(&source, &until, &json!({ "call": "probe" })))
            .await;
        let answer = answer.expect("an answer");
        let said = answer["error"]["unreachable"]["message"].as_str().unwrap_or_default();
        assert!(said.contains("came too late"), "{answer}");
        assert!(world.cloud.calls().is_empty(), "nothing was asked");
    });
}

#[test]
fn only_the_functions_of_databases_may_ask() {
    simulate(async {
        let (world, source) = world();
        for function in ASKING {
            assert_eq!(
                probe(&world, function, &source).await,
                Ok(Probe::Accepted),
                "{function}"
            );
        }
        for function in ["approve", "cutover", "plan-wave", "report"] {
            let error = StepError::from(probe(&world, function, &source).await.unwrap_err());
            assert_eq!(error.name(), "AccessDenied", "{function}: {error}");
        }
        let secret = Access::of(&source, &source.admin_secret_arn);
        let denied = deps(&world, "freeze-source").secrets.login(&secret).await.unwrap_err();
        assert_eq!(denied.name(), "AccessDenied", "{denied}");
    });
}

#[test]
fn a_refused_login_is_an_answer_and_a_failed_service_is_none() {
    simulate(async {
        let (world, source) = world();
        disturb(&world, REACH, "connect", Fault::Deny, u64::MAX);
        let refused = probe(&world, "freeze-source", &source).await.unwrap_err();
        assert!(matches!(refused, DatabaseError::LoginRefused { .. }), "{refused}");
        for (caller, operation, fault, name) in [
            ("freeze-source", "Invoke", Fault::Deny, "AccessDenied"),
            (
                "freeze-source",
                "Invoke",
                Fault::Throttle { retry_after_s: None },
                "Throttled",
            ),
            ("freeze-source", "Invoke", Fault::ServerError, "ServiceUnavailable"),
            (REACH, "GetSecretValue", Fault::Deny, "AccessDenied"),
            (
                REACH,
                "GetSecretValue",
                Fault::Throttle { retry_after_s: None },
                "Throttled",
            ),
            (REACH, "GetSecretValue", Fault::KillAfter, "ServiceUnavailable"),
            (REACH, "probe", Fault::KillAfter, "ServiceUnavailable"),
        ] {
            disturb(&world, caller, operation, fault, u64::MAX);
            let failed = probe(&world, "freeze-source", &source).await.unwrap_err();
            assert!(
                matches!(failed, DatabaseError::Service(_)),
                "{operation} {fault:?}: {failed}"
            );
            assert_eq!(StepError::from(failed).name(), name, "{operation} {fault:?}");
        }
    });
}

#[test]
fn what_was_throttled_or_lost_is_asked_again_at_once() {
    simulate(async {
        let (world, source) = world();
        for fault in [
            Fault::Throttle { retry_after_s: None },
            Fault::ServerError,
            Fault::LostAnswer,
            Fault::TimeoutAnswer,
        ] {
            disturb(&world, "freeze-source", "Invoke", fault, 1);
            let asked = probe(&world, "freeze-source", &source).await;
            assert_eq!(asked, Ok(Probe::Accepted), "{fault:?}");
        }
    });
}

#[test]
fn a_database_that_hangs_is_let_go_before_the_caller_is_ended() {
    simulate(async {
        let (world, source) = world();
        source_is_away(&world, SignedDuration::from_secs(600));
        let mut knobs = world.cloud.databases().knobs();
        // Longer than anybody waits, so that only the time that travels with the question ends it.
        knobs.connect_timeout = std::time::Duration::from_secs(300);
        world.cloud.databases().set_knobs(knobs);
        let access = Access::of(&source, &source.admin_secret_arn);
        let given = deps(&world, "freeze-source").until(world.now() + SignedDuration::from_secs(12));
        let mut database = given.databases.through(access.clone());
        let began = world.now();
        let error = database.leftovers().await.unwrap_err();
        assert!(matches!(error, DatabaseError::Unreachable { .. }), "{error}");
        assert!(
            error.to_string().contains("leftovers was given up after 11000 ms"),
            "{error}"
        );
        assert_eq!(world.now().duration_since(began).as_secs(), 11);
        // What looks at little is let go sooner than its caller is ended.
        let began = world.now();
        let error = deps(&world, "freeze-source")
            .databases
            .through(access)
            .probe()
            .await
            .unwrap_err();
        assert!(matches!(error, DatabaseError::Unreachable { .. }), "{error}");
        assert_eq!(world.now().duration_since(began).as_secs(), 14);
        let ended = world.invocations().into_iter().map(|one| one.failure);
        assert_eq!(ended.flatten().count(), 0, "no invocation was ended by Lambda");
    });
}

#[test]
fn a_question_outlives_who_asked_and_is_on_record_with_them() {
    simulate(async {
        let (world, source) = world();
        disturb(&world, "freeze-source", "Invoke", Fault::KillAfter, 1);
        let asking = tokio::spawn({
            let (world, source) = (world.clone(), source.clone());
            async move { probe(&world, "freeze-source", &source).await }
        });
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert!(!asking.is_finished(), "the dead hear nothing");
        asking.abort();
        let invocations = world.invocations();
        let asked = invocations.iter().find(|one| one.function == REACH).expect("it ran");
        assert_eq!(asked.by, Some(("freeze-source".to_owned(), 1)));
        let calls = world.cloud.calls();
        let invoke = calls.iter().find(|call| call.operation == "Invoke").expect("a call");
        assert!(
            matches!(&invoke.outcome, Outcome::Injected { behind: Some(behind), .. } if **behind == Outcome::Ok),
            "{invoke:?}"
        );
    });
}
