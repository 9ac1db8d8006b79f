//! Who calls the functions: state machines, event rules and schedules, as the template wires them.

use super::{Inner, World};
use asl::{TaskCall, TaskFailure, TaskHandler, TaskResource};
use futures::future::BoxFuture;
use landfall_cloud::EventPattern;
use landfall_cloud::eventbridge::Target;
use landfall_cloud::scheduler::Invoker;
use serde_json::{Value, json};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often the sweep looks for waves whose execution is over.
const SWEEP_EVERY: Duration = Duration::from_secs(300);

/// The name of the schedule.
pub const SWEEP_SCHEDULE: &str = "sweep";

/// A world that does not keep itself alive: the cloud holds its listeners, and a world holds its cloud.
#[derive(Clone)]
pub(crate) struct Outside(Weak<Inner>);

impl Outside {
    /// The world, while somebody else holds it.
    pub(crate) fn world(&self) -> Option<World> {
        self.0.upgrade().map(|inner| World {
            cloud: inner.cloud.clone(),
            inner,
        })
    }
}

impl World {
    /// A handle that does not keep the world alive.
    pub(crate) fn outside(&self) -> Outside {
        Outside(Arc::downgrade(&self.inner))
    }
}

/// Lambda as Step Functions reaches it.
pub(super) struct Lambda(Outside);

impl Lambda {
    pub(super) fn new(world: &World) -> Self {
        Self(world.outside())
    }
}

impl TaskHandler for Lambda {
    fn call(&self, call: TaskCall) -> BoxFuture<'static, Result<Value, TaskFailure>> {
        let outside = self.0.clone();
        Box::pin(async move {
            let (function, payload) = match call.resource {
                TaskResource::LambdaInvoke { function } => (function, call.arguments["Payload"].clone()),
                TaskResource::LambdaDirect { arn } => (arn, call.arguments),
                TaskResource::Service { service, action } => {
                    let cause = format!("this world runs no {service}:{action} for a state machine");
                    return Err(TaskFailure {
                        error: "NotSimulated".to_owned(),
                        cause,
                    });
                }
            };
            let Some(world) = outside.world() else {
                let cause = "the world has ended".to_owned();
                return Err(TaskFailure {
                    error: "Lambda.Unknown".to_owned(),
                    cause,
                });
            };
            world
                .may_invoke(&call.execution_arn, &function)
                .map_err(|cause| TaskFailure {
                    error: "Lambda.AWSLambdaException".to_owned(),
                    cause,
                })?;
            world.invoke(&function, payload).await.map_err(|failure| TaskFailure {
                cause: failure.cause(),
                error: failure.error_type,
            })
        })
    }

    fn may_start(&self, execution_arn: &str, machine_arn: &str) -> Result<(), TaskFailure> {
        let Some(world) = self.0.world() else { return Ok(()) };
        world
            .may_start(execution_arn, machine_arn)
            .map_err(|cause| TaskFailure {
                error: "StepFunctions.AWSStepFunctionsException".to_owned(),
                cause,
            })
    }
}

/// Adds the rules and the schedule.
pub(super) fn add(world: &World) {
    let events = world.cloud.events();
    events.rule("mgn", EventPattern::source("aws.mgn"), function(world, "on-event"));
    events.rule("dms", EventPattern::source("aws.dms"), function(world, "on-event"));
    let machines: Vec<&String> = world.inner.machines.values().collect();
    let ended = EventPattern::from_json(&json!({
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": { "status": ["FAILED", "ABORTED", "TIMED_OUT"], "stateMachineArn": machines },
    }));
    let ended = ended.expect("the pattern compares for equality only");
    events.rule("executions", ended, function(world, "on-event"));
    events.schedule(SWEEP_SCHEDULE, SWEEP_EVERY, function(world, "sweep"));
    world.cloud.scheduler().add_group(landfall_aws::scheduler::GROUP);
    world.cloud.scheduler().set_invoker(invoker(world));
}

/// Scheduler's way to functions.
fn invoker(world: &World) -> Invoker {
    let outside = world.outside();
    Arc::new(move |arn, input| {
        let outside = outside.clone();
        Box::pin(async move {
            let Some(world) = outside.world() else { return Ok(()) };
            let answer = world.invoke(&arn, input).await;
            answer
                .map(drop)
                .map_err(|failure| format!("{}: {}", failure.error_type, failure.error_message))
        })
    })
}

/// A target that invokes a function with the event. Until the function exists, its failure is in the bus's log.
fn function(world: &World, name: &'static str) -> Target {
    let outside = world.outside();
    Arc::new(move |event| {
        let outside = outside.clone();
        Box::pin(async move {
            let Some(world) = outside.world() else { return Ok(()) };
            let answer = world.invoke(name, event).await;
            answer
                .map(drop)
                .map_err(|failure| format!("{}: {}", failure.error_type, failure.error_message))
        })
    })
}
