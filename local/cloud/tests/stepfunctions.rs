//! The Step Functions API, through its own SDK client.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use asl::{TaskCall, TaskFailure, TaskHandler};
use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEventType};
use common::{cloud, code, message};
use futures::future::BoxFuture;
use landfall_cloud::{Caller, Cloud, EventPattern};
use serde_json::{Value, json};

/// Keeps the tokens of the tasks that wait.
#[derive(Clone, Default)]
struct Tokens(Arc<Mutex<Vec<String>>>);

impl TaskHandler for Tokens {
    fn call(&self, call: TaskCall) -> BoxFuture<'static, Result<Value, TaskFailure>> {
        self.0.lock().expect("no panic").extend(call.token);
        Box::pin(async { Ok(json!({})) })
    }
}

impl Tokens {
    /// The token of the latest task.
    fn last(&self) -> String {
        self.0.lock().expect("no panic").last().expect("a task waits").clone()
    }
}

struct Stage {
    cloud: Cloud,
    client: Client,
    machine: String,
    tokens: Tokens,
}

/// A machine of one state, which waits for its token.
fn stage() -> Stage {
    let cloud = cloud();
    let tokens = Tokens::default();
    cloud.engine().set_task_handler(Arc::new(tokens.clone()));
    let definition = json!({
        "QueryLanguage": "JSONata",
        "StartAt": "Ask",
        "States": {
            "Ask": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
                "Arguments": {"FunctionName": "ask", "Payload": {"token": "{% $states.context.Task.Token %}"}},
                "TimeoutSeconds": 300,
                "HeartbeatSeconds": 100,
                "End": true,
            },
        },
    });
    let machine = cloud
        .engine()
        .create_state_machine("ask", &definition)
        .expect("a sound definition");
    let client = common::states(&cloud, &Caller::new("approve", 1));
    Stage {
        cloud,
        client,
        machine,
        tokens,
    }
}

impl Stage {
    async fn start(&self, name: &str, input: &str) -> Result<String, String> {
        let request = self
            .client
            .start_execution()
            .state_machine_arn(&self.machine)
            .name(name)
            .input(input);
        let started = request.send().await.map_err(|error| code(&error))?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(started.execution_arn)
    }

    async fn status(&self, arn: &str) -> ExecutionStatus {
        self.client
            .describe_execution()
            .execution_arn(arn)
            .send()
            .await
            .expect("known")
            .status
    }
}

#[tokio::test(start_paused = true)]
async fn an_execution_is_started_described_completed_and_listed() {
    let stage = stage();
    let arn = stage.start("w1", r#"{"wave":"w1"}"#).await.expect("started");
    assert_eq!(stage.status(&arn).await, ExecutionStatus::Running);
    let beat = stage
        .client
        .send_task_heartbeat()
        .task_token(stage.tokens.last())
        .send();
    beat.await.expect("alive");
    let done = stage
        .client
        .send_task_success()
        .task_token(stage.tokens.last())
        .output(r#"{"ok":true}"#);
    done.send().await.expect("completed");
    tokio::time::sleep(Duration::from_secs(1)).await;

    let execution = stage
        .client
        .describe_execution()
        .execution_arn(&arn)
        .send()
        .await
        .expect("known");
    assert_eq!(execution.status, ExecutionStatus::Succeeded);
    assert_eq!(execution.input(), Some(r#"{"wave":"w1"}"#));
    assert_eq!(execution.output(), Some(r#"{"ok":true}"#));
    assert_eq!(execution.start_date.to_millis().expect("a date"), 1_772_323_200_000);
    assert!(execution.stop_date().is_some());

    stage.start("w2", "{}").await.expect("started");
    let list = async |status| {
        let request = stage
            .client
            .list_executions()
            .state_machine_arn(&stage.machine)
            .set_status_filter(status);
        let listed = request.send().await.expect("listed").executions;
        listed.into_iter().map(|execution| execution.name).collect::<Vec<_>>()
    };
    assert_eq!(list(None).await, ["w2", "w1"]);
    assert_eq!(list(Some(ExecutionStatus::Running)).await, ["w2"]);
}

#[tokio::test(start_paused = true)]
async fn a_history_comes_in_pages_forward_and_backward() {
    let stage = stage();
    let arn = stage.start("w1", "{}").await.expect("started");
    let page = async |token: Option<String>, reverse| {
        let request = stage
            .client
            .get_execution_history()
            .execution_arn(&arn)
            .max_results(2)
            .reverse_order(reverse);
        request.set_next_token(token).send().await.expect("a page")
    };
    let first = page(None, false).await;
    assert_eq!(first.events[0].r#type, HistoryEventType::ExecutionStarted);
    assert_eq!(first.events[0].timestamp.secs(), 1_772_323_200);
    let second = page(first.next_token, false).await;
    assert_eq!(second.events[0].id, 3);
    let last = page(None, true).await;
    assert!(last.events[0].id > second.events[0].id);
}

#[tokio::test(start_paused = true)]
async fn starting_again_is_idempotent_for_the_same_input_while_it_runs() {
    let stage = stage();
    let first = stage.start("w1", r#"{"wave":"w1"}"#).await;
    assert_eq!(stage.start("w1", r#"{ "wave": "w1" }"#).await, first);
    assert_eq!(stage.start("w1", "{}").await, Err("ExecutionAlreadyExists".to_owned()));
    assert_eq!(
        stage.start("w2", "no json").await,
        Err("InvalidExecutionInput".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_works_once() {
    let stage = stage();
    stage.start("w1", "{}").await.expect("started");
    let token = stage.tokens.last();
    let succeed = async |token: &str, output: &str| {
        let request = stage.client.send_task_success().task_token(token).output(output);
        request.send().await.map(|_| ()).map_err(|error| code(&error))
    };
    assert_eq!(succeed(&token, "no json").await, Err("InvalidOutput".to_owned()));
    assert_eq!(succeed("made up", "{}").await, Err("InvalidToken".to_owned()));
    assert_eq!(succeed(&token, "{}").await, Ok(()));
    assert_eq!(succeed(&token, "{}").await, Err("TaskTimedOut".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_failed_execution_can_be_redriven() {
    let stage = stage();
    let arn = stage.start("w1", "{}").await.expect("started");
    let failed = stage
        .client
        .send_task_failure()
        .task_token(stage.tokens.last())
        .error("NoLag")
        .cause("none");
    failed.send().await.expect("failed");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let execution = stage
        .client
        .describe_execution()
        .execution_arn(&arn)
        .send()
        .await
        .expect("known");
    assert_eq!((execution.error(), execution.cause()), (Some("NoLag"), Some("none")));
    let redrive = async || {
        stage
            .client
            .redrive_execution()
            .execution_arn(&arn)
            .client_token("t-1")
            .send()
            .await
    };
    let first = redrive().await.expect("redriven");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stage.status(&arn).await, ExecutionStatus::Running);
    assert_eq!(
        redrive().await.expect("the same request").redrive_date,
        first.redrive_date
    );
    let running = stage
        .client
        .redrive_execution()
        .execution_arn(&arn)
        .send()
        .await
        .expect_err("it runs");
    assert_eq!(code(&running), "ExecutionNotRedrivable");
}

#[tokio::test(start_paused = true)]
async fn status_changes_are_events_with_the_services_own_detail() {
    let stage = stage();
    let received = Arc::new(Mutex::new(Vec::new()));
    let kept = received.clone();
    let pattern = EventPattern::from_json(&json!({
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"status": ["ABORTED"]},
    }));
    stage.cloud.events().rule(
        "closed",
        pattern.expect("a plain pattern"),
        Arc::new(move |event: Value| {
            kept.lock().expect("no panic").push(event);
            Box::pin(async { Ok(()) })
        }),
    );
    let arn = stage.start("w1", r#"{"wave":"w1"}"#).await.expect("started");
    let stop = stage
        .client
        .stop_execution()
        .execution_arn(&arn)
        .error("Operator")
        .cause("stopped by hand");
    stop.send().await.expect("stopped");
    tokio::time::sleep(Duration::from_secs(5)).await;

    let events = received.lock().expect("no panic").clone();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["resources"], json!([arn]));
    let detail = &events[0]["detail"];
    assert_eq!(detail["executionArn"], json!(arn));
    assert_eq!(detail["stateMachineArn"], json!(stage.machine));
    assert_eq!(detail["name"], "w1");
    assert_eq!(detail["input"], r#"{"wave":"w1"}"#);
    assert_eq!(detail["inputDetails"], json!({"included": true}));
    assert_eq!(
        (&detail["output"], &detail["outputDetails"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (&detail["error"], &detail["cause"]),
        (&json!("Operator"), &json!("stopped by hand"))
    );
    assert_eq!(detail["startDate"], 1_772_323_200_000_i64);
    assert!(detail["stopDate"].as_i64().expect("milliseconds") > 1_772_323_200_000);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_or_not_simulated_is_refused() {
    let stage = stage();
    let unknown = stage.machine.replace("stateMachine", "execution") + ":none";
    let refused = stage
        .client
        .describe_execution()
        .execution_arn(unknown)
        .send()
        .await
        .expect_err("unknown");
    assert_eq!(code(&refused), "ExecutionDoesNotExist");
    let request = stage
        .client
        .start_execution()
        .state_machine_arn(&stage.machine)
        .trace_header("x");
    let refused = request.send().await.expect_err("not simulated");
    assert_eq!(code(&refused), "NotSimulated");
    assert!(message(&refused).contains("traceHeader"));
}
