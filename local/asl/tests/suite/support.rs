//! Running a definition against scripted tasks, on a paused clock.

use asl::{
    Engine, EngineOptions, ExecutionDescription, ExecutionStatus, HistoryEvent, TaskCall, TaskFailure, TaskHandler,
    TokioClock, Value,
};
use futures::future::BoxFuture;
use serde_json::json;
use std::sync::{Arc, Mutex};

type Answer = Result<Value, TaskFailure>;
type Script = dyn Fn(TaskCall) -> BoxFuture<'static, Answer> + Send + Sync;

/// Answers tasks by a closure and remembers the calls.
pub struct Scripted {
    pub calls: Mutex<Vec<TaskCall>>,
    script: Box<Script>,
}

impl TaskHandler for Scripted {
    fn call(&self, call: TaskCall) -> BoxFuture<'static, Answer> {
        self.calls.lock().unwrap().push(call.clone());
        (self.script)(call)
    }
}

pub fn scripted(script: impl Fn(TaskCall) -> BoxFuture<'static, Answer> + Send + Sync + 'static) -> Arc<Scripted> {
    Arc::new(Scripted {
        calls: Mutex::default(),
        script: Box::new(script),
    })
}

/// Every task succeeds with its payload, or with its arguments when it has none.
pub fn echo() -> Arc<Scripted> {
    scripted(|call| {
        let payload = call.arguments.get("Payload").cloned().unwrap_or(call.arguments);
        Box::pin(async move { Ok(payload) })
    })
}

/// Every task fails with this error.
pub fn failing(error: &'static str, cause: &'static str) -> Arc<Scripted> {
    scripted(move |_| Box::pin(async move { Err(failure(error, cause)) }))
}

/// Every task takes this many seconds and then succeeds with null.
pub fn slow(seconds: u64) -> Arc<Scripted> {
    scripted(move |_| {
        Box::pin(async move {
            tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
            Ok(Value::Null)
        })
    })
}

pub fn failure(error: &str, cause: &str) -> TaskFailure {
    TaskFailure {
        error: error.to_owned(),
        cause: cause.to_owned(),
    }
}

pub const START: &str = "2026-11-22T10:00:00Z";

pub fn engine(handler: Arc<dyn TaskHandler>) -> Engine {
    let engine = Engine::new(EngineOptions {
        account: "111122223333".to_owned(),
        region: "eu-west-1".to_owned(),
        seed: 7,
        clock: Arc::new(TokioClock::new(START.parse().unwrap())),
        stop_children_on_abort: true,
        role_arn: "arn:aws:iam::111122223333:role/r".to_owned(),
    });
    engine.set_task_handler(handler);
    engine
}

/// A JSONata machine of these states.
pub fn machine(start_at: &str, states: Value) -> Value {
    json!({ "QueryLanguage": "JSONata", "StartAt": start_at, "States": states })
}

/// A Lambda task with these extra fields.
pub fn lambda(extra: Value) -> Value {
    let mut state = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": { "FunctionName": "f", "Payload": "{% $states.input %}" },
    });
    state
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    state
}

/// An execution that closed.
pub struct Ran {
    pub engine: Engine,
    pub description: ExecutionDescription,
    pub events: Vec<HistoryEvent>,
}

impl Ran {
    pub fn output(&self) -> &Value {
        match &self.description.output {
            Some(output) => output,
            None => panic!("{:?}: {:?}", self.description.error, self.description.cause),
        }
    }

    pub fn error(&self) -> &str {
        self.description.error.as_deref().unwrap_or("no error")
    }

    pub fn cause(&self) -> &str {
        self.description.cause.as_deref().unwrap_or("no cause")
    }

    /// Each event as "previous Type".
    pub fn graph(&self) -> Vec<String> {
        self.events
            .iter()
            .map(|event| format!("{} {}", event.previous_event_id, event.event_type))
            .collect()
    }

    /// The details of the first event of a type.
    pub fn details(&self, event_type: &str) -> Value {
        let event = self.events.iter().find(|event| event.event_type == event_type);
        event
            .and_then(|event| event.details.clone())
            .map(|(_, details)| details)
            .unwrap_or(Value::Null)
    }
}

pub async fn run_with(handler: Arc<dyn TaskHandler>, definition: Value, input: Value) -> Ran {
    let engine = engine(handler);
    let arn = engine
        .create_state_machine("m", &definition)
        .unwrap_or_else(|errors| panic!("{errors}"));
    let started = engine.start_execution(&arn, Some("e"), input).unwrap();
    let description = engine.wait(&started.execution_arn).await.unwrap();
    let events = engine.get_execution_history(&started.execution_arn).unwrap();
    Ran {
        engine,
        description,
        events,
    }
}

pub async fn run(definition: Value, input: Value) -> Ran {
    run_with(echo(), definition, input).await
}

pub async fn assert_output(definition: Value, input: Value, expected: Value) {
    let ran = run(definition, input).await;
    assert_eq!(*ran.output(), expected);
    assert_eq!(ran.description.status, ExecutionStatus::Succeeded);
}
