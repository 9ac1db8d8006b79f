//! The whole application as processes: the wave of `examples/up.json` is started, answered and watched by the `aws`
//! command alone, and every function runs as its real binary.

#[path = "up/aws.rs"]
mod aws;
#[path = "up/shop.rs"]
mod shop;

// The servers, the applications and DMS's stand-in are those of the cutovers of real databases; not all of it is needed.
#[allow(dead_code)]
#[path = "cutovers/checks.rs"]
mod checks;
#[allow(dead_code)]
#[path = "cutovers/compare.rs"]
mod compare;
#[allow(dead_code)]
#[path = "cutovers/native.rs"]
mod native;
#[allow(dead_code)]
#[path = "cutovers/outside.rs"]
mod outside;
#[allow(dead_code)]
#[path = "cutovers/plan.rs"]
mod plan;
#[allow(dead_code)]
#[path = "cutovers/replicator.rs"]
mod replicator;
#[allow(dead_code)]
#[path = "cutovers/servers.rs"]
mod servers;
#[allow(dead_code)]
#[path = "cutovers/session.rs"]
mod session;
#[allow(dead_code)]
#[path = "cutovers/writers.rs"]
mod writers;

use aws::Aws;
use landfall_domain::plan::{ProgramPlan, load_program};
use landfall_domain::report::{Report, WaveOutcome};
use runner::evidence::Evidence;
use runner::up::{Options, Up, functions_beside_this_binary};
use runner::world::{Notice, in_real_time};
use runner::{invariants, plans};
use serde_json::{Value, json};
use shop::Business;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Far more than a run takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// The questions that the wave asks, in order.
const QUESTIONS: [&str; 2] = ["CUTOVER", "FINALIZE"];

/// After how long a wait for a service is entered again: its work is faster by this as well.
const REREAD_SECONDS: u32 = 3;

/// The wave.
const WAVE: &str = "web-1";

fn program() -> ProgramPlan {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/up.json");
    let text = std::fs::read_to_string(file).expect("the example is there");
    load_program(&serde_json::from_str(&text).expect("the example is JSON")).expect("the example is a plan")
}

/// Where functions print, and the plan that is sent lies.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("up")
}

async fn start() -> Up {
    let options = Options {
        port: 0,
        speed: 60.0,
        program: program(),
        functions: functions_beside_this_binary().expect("this binary is somewhere"),
        logs: folder(),
        reread_seconds: Some(REREAD_SECONDS),
    };
    Up::start(options).await.unwrap_or_else(|problem| panic!("{problem}"))
}

#[test]
fn a_wave_that_aws_starts_and_answers_moves_servers_and_a_database_with_real_processes() {
    in_real_time(async {
        let up = start().await;
        tell(&up);
        let business = Business::open(&up.world, WAVE).await;
        let mut program = program();
        let wave = program.waves.remove(0);
        program.waves = vec![plans::with_database(wave, business.plan.clone())];
        let file = folder().join("program.json");
        std::fs::write(&file, plans::document(&program).to_string()).expect("the folder is there");

        let aws = Aws::at(&up.endpoint());
        let machine = up.world.machine_arn("migrate-program");
        let input = format!("file://{}", file.display());
        let started = [
            "stepfunctions",
            "start-execution",
            "--state-machine-arn",
            machine,
            "--name",
            "up",
            "--input",
            &input,
        ];
        let started = aws.json(&started).await;
        let arn = started["executionArn"].as_str().expect("an ARN").to_owned();
        let described = watch(&aws, &arn).await;
        let evidence = evidence(&up).await;
        let named = evidence.records.wave(WAVE);
        assert_eq!(described["status"], "SUCCEEDED", "{described} {named:#?}");
        let outcome = evidence.records.wave(WAVE).and_then(|wave| wave.outcome);
        assert_eq!(outcome, Some(WaveOutcome::Completed), "{named:#?}");
        let wrong = business.close(&up.world).await;
        assert!(wrong.is_empty(), "{wrong:#?}");
        let broken = invariants::check(&evidence);
        assert!(broken.is_empty(), "{broken:#?}");
        let missing = up.world.permissions().missing();
        assert!(missing.is_empty(), "{missing:#?}");
        moved_by_processes(&evidence);
    });
}

/// Prints the states that machines enter, for whoever looks why it did not work, or why it took so long.
fn tell(up: &Up) {
    let began = Instant::now();
    up.world.listen(Arc::new(move |_, notice| {
        if let Notice::Entered { machine, state, .. } = notice {
            println!("{:6.1} s  {machine}: {state}", began.elapsed().as_secs_f64());
        }
    }));
}

/// What is known at the end. The report is made by a process too.
async fn evidence(up: &Up) -> Evidence {
    up.world.quiet().await;
    let asked = json!({"waveIds": [WAVE], "title": "up", "format": "JSON"});
    let report = up.world.invoke("report", asked).await.expect("a report");
    let report: Report = serde_json::from_value(report["report"].clone()).expect("a report");
    Evidence::of(&up.world, Some(report))
}

#[test]
fn what_is_not_served_is_an_error_that_aws_gives() {
    in_real_time(async {
        let up = start().await;
        let aws = Aws::at(&up.endpoint());
        for (arguments, code) in [
            (&["stepfunctions", "list-activities"][..], "UnknownOperationException"),
            (&["ec2", "describe-vpcs"], "InvalidAction"),
            (&["scheduler", "list-schedules"], "UnknownOperationException"),
            (&["cloudwatch", "list-dashboards"], "UnknownOperationException"),
            (&["sqs", "list-queues"], "UnknownOperationException"),
            (&["lambda", "list-functions"], "UnknownOperationException"),
            (
                &["lambda", "invoke", "--function-name", "nobody", "/dev/null"],
                "ResourceNotFoundException",
            ),
            (
                &[
                    "stepfunctions",
                    "describe-execution",
                    "--execution-arn",
                    "arn:aws:states:eu-west-1:111122223333:execution:migrate-wave:none",
                ],
                "ExecutionDoesNotExist",
            ),
        ] {
            let refused = aws.run(arguments).await.expect_err("it is refused");
            assert!(refused.contains(&format!("({code})")), "{arguments:?}: {refused}");
        }
    });
}

/// Waits for the end of an execution, and answers the questions of its wave meanwhile. Gives its description.
async fn watch(aws: &Aws, arn: &str) -> Value {
    let began = Instant::now();
    let mut questions = QUESTIONS.iter().peekable();
    loop {
        let described = aws
            .json(&["stepfunctions", "describe-execution", "--execution-arn", arn])
            .await;
        if described["status"] != "RUNNING" {
            return described;
        }
        assert!(began.elapsed() < PATIENCE, "the wave does not end");
        if let Some(kind) = questions.peek()
            && answer(aws, kind).await
        {
            questions.next();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Says yes, with the event that a function URL gives. False when that is not asked yet.
async fn answer(aws: &Aws, kind: &str) -> bool {
    let body = json!({"waveId": WAVE, "kind": kind, "decision": "APPROVED", "reason": "a test says so"});
    let event = json!({
        "version": "2.0",
        "requestContext": {"authorizer": {"iam": {"userArn": "arn:aws:sts::111122223333:assumed-role/Approver/ada"}}},
        "body": body.to_string(),
        "isBase64Encoded": false,
    });
    let event = event.to_string();
    let response = aws
        .json(&[
            "lambda",
            "invoke",
            "--function-name",
            "approve",
            "--payload",
            &event,
            "/dev/stdout",
        ])
        .await;
    response["statusCode"] == 200
}

/// Each function of such a wave ran, its calls came under its own name, and none ended otherwise than by an answer.
fn moved_by_processes(evidence: &Evidence) {
    let callers: BTreeSet<&str> = evidence.calls.iter().map(|call| call.caller.as_str()).collect();
    for function in [
        "plan-wave",
        "configure",
        "start-test",
        "validate",
        "request-approval",
        "approve",
        "prepare-dns",
        "quiesce",
        "cutover",
        "switch-dns",
        "finalize",
        "close-wave",
        "on-event",
    ] {
        assert!(callers.contains(function), "{function} is not among {callers:?}");
    }
    let lost: Vec<_> = evidence
        .invocations
        .iter()
        .filter(|invocation| {
            invocation
                .failure
                .as_ref()
                .is_some_and(|failure| is_lambdas(&failure.error_type))
        })
        .collect();
    assert!(lost.is_empty(), "{lost:#?}");
}

/// Whether Lambda gave this error, and not the function.
fn is_lambdas(error_type: &str) -> bool {
    ["Runtime.", "Sandbox.", "Lambda."]
        .iter()
        .any(|prefix| error_type.starts_with(prefix))
}
