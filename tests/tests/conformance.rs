//! What simulated AWS answers is what botocore's models say: boto3 drives every operation of a world that has something of
//! everything in it, and `scripts/tools/conformance` judges each answer as it was on the wire.

use asl::{TaskCall, TaskFailure, TaskHandler, TaskResource};
use landfall_cloud::fleet::SourceServerSpec;
use landfall_cloud::route53::{BucketSize, RecordSet};
use landfall_cloud::{Caller, Fault, Knobs};
use landfall_domain::plan::load_wave;
use landfall_tests::tools;
use runner::up::Served;
use runner::world::{Invocation, LambdaFailure, World, WorldOptions, in_real_time};
use serde_json::{Value, json};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// How much less time simulated work takes than in reality.
const HASTE: f64 = 0.001;

/// A bucket that no run empties.
const PLENTY: BucketSize = BucketSize {
    capacity: 100_000,
    refill_per_s: 1_000,
};

/// Access keys whose calls are disturbed, and how.
const DISTURBED: [(&str, Fault); 3] = [
    ("THROTTLED", Fault::Throttle { retry_after_s: None }),
    ("DENIED", Fault::Deny),
    ("BROKEN", Fault::ServerError),
];

#[test]
fn every_answer_is_as_botocores_models_say() {
    in_real_time(async {
        let world = World::new(WorldOptions {
            start: jiff::Timestamp::now(),
            knobs: knobs(),
            ..WorldOptions::default()
        });
        fill(&world);
        let served = Served::start(world.clone(), 0).await.expect("some port is free");
        for (key, fault) in DISTURBED {
            served.assume(key, Caller::new(fault.name(), 0));
        }
        let endpoint = served.endpoint();
        // It waits for answers of this thread's runtime.
        let judged = tokio::task::spawn_blocking(move || judge(&endpoint)).await;
        let (conforms, said) = judged.expect("it does not panic");
        println!("{said}");
        assert!(conforms, "{said}");
    });
}

fn knobs() -> Knobs {
    let mut knobs = Knobs {
        latency: Duration::ZERO,
        unknown_as_aws: true,
        ..Knobs::default()
    };
    knobs.fleet = knobs.fleet.scaled(HASTE);
    knobs.fleet.ssm_invocation_delay = Duration::ZERO;
    knobs.dms = knobs.dms.scaled(HASTE);
    knobs.dms.bucket = PLENTY.capacity;
    knobs.dms.metric_delay = Duration::ZERO;
    knobs.dms.metric_history = 5;
    knobs.dms.conversion_remarks = [(
        "StartMetadataModelConversion".to_owned(),
        "Two objects were left".to_owned(),
    )]
    .into();
    knobs.route53.account_bucket = Some(PLENTY);
    knobs.route53.operation_bucket = Some(PLENTY);
    knobs.route53.insync_after = Duration::from_millis(200);
    knobs
}

/// Puts something of everything into the world: what only people and templates make, for boto3 makes the rest.
fn fill(world: &World) {
    let cloud = &world.cloud;
    let text = std::fs::read_to_string(root().join("examples/database-wave.json")).expect("the example is there");
    let document = serde_json::from_str(&text).expect("the example is JSON");
    world.load_wave(&load_wave(&document).expect("the example is a plan"));
    for number in 1..=3 {
        let id = format!("s-0c0f00000000{number:05}");
        cloud
            .fleet()
            .add_source_server(SourceServerSpec::ready(&id, &format!("host-{number}"), "10.0.0.9"));
    }
    let zones = cloud.route53();
    zones.add_zone("Z0CONFORMANCE", "example.org");
    zones.add_private_zone("Z0PRIVATE", "internal.example.org", "vpc-0123456789abcdef0");
    let weighted = RecordSet::simple("www.example.org", "A", 60, &["192.0.2.1"]).weighted("first", 10);
    zones.put_record("Z0CONFORMANCE", weighted).expect("the zone is there");
    let machine: Value = serde_json::from_str(include_str!("conformance/machine.json")).expect("it is JSON");
    let engine = cloud.engine();
    engine.set_task_handler(Arc::new(Function));
    let made = engine.create_state_machine("conformance", &machine);
    made.unwrap_or_else(|problems| panic!("{problems}"));
    world.set_wrapper(Some(Arc::new(|call: Invocation| {
        Box::pin(async move {
            let failed = |(error_type, error_message)| LambdaFailure {
                error_type,
                error_message,
                request_id: "00000000-0000-4000-8000-000000000000".to_owned(),
            };
            answer(&call.payload).map_err(failed)
        })
    })));
    cloud.set_faults(Some(Arc::new(|call| {
        let disturbed = DISTURBED.iter().find(|(_, fault)| fault.name() == call.caller);
        disturbed.map_or(Fault::None, |(_, fault)| *fault)
    })));
}

/// The one function of this world: it fails when its payload says so.
struct Function;

impl TaskHandler for Function {
    fn call(&self, call: TaskCall) -> Pin<Box<dyn Future<Output = Result<Value, TaskFailure>> + Send>> {
        let payload = match call.resource {
            TaskResource::LambdaInvoke { .. } => &call.arguments["Payload"],
            _ => &call.arguments,
        };
        let answer = answer(payload).map_err(|(error, cause)| TaskFailure { error, cause });
        Box::pin(std::future::ready(answer))
    }
}

fn answer(payload: &Value) -> Result<Value, (String, String)> {
    match payload["fail"].as_str() {
        Some(error) => Err((error.to_owned(), "it was asked to".to_owned())),
        None => Ok(json!({"done": true})),
    }
}

/// Whether every answer conforms, and what the script says.
fn judge(endpoint: &str) -> (bool, String) {
    let ran = Command::new(tools::programs("boto3.txt").join("python"))
        .arg("-B")
        .arg(tools::folder().join("conformance"))
        .arg(endpoint)
        .output()
        .expect("Python can be started");
    (ran.status.success(), text(&ran.stdout) + &text(&ran.stderr))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
