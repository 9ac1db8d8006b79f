//! Who calls the functions: state machines, event rules and schedules, as the template wires them.

use super::permissions::wiring;
use super::{ACCOUNT, Inner, LambdaFailure, REGION, TABLE, World, lock};
use asl::{TaskCall, TaskFailure, TaskHandler, TaskResource};
use futures::future::BoxFuture;
use iam::{Principal, Request, Rule, Schedule};
use landfall_cloud::EventPattern;
use landfall_cloud::eventbridge::Target;
use landfall_cloud::scheduler::Invoker;
use serde_json::Value;
use std::sync::{Arc, Weak};

/// EventBridge, to those who let it in.
const EVENTS: &str = "events.amazonaws.com";

/// The name of the schedule of the sweep in the template.
pub const SWEEP_SCHEDULE: &str = "SweepFunctionEveryFiveMinutes";

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

/// Adds the rules and schedules of the template.
///
/// # Panics
/// When the template has a pattern that cannot be evaluated here.
pub(super) fn add(world: &World) {
    let events = world.cloud.events();
    let wiring = wiring();
    for rule in &wiring.rules {
        let pattern = EventPattern::from_json(&rule.pattern);
        let pattern = pattern.unwrap_or_else(|why| panic!("template.yaml, {}: {why}", rule.name));
        events.rule(&rule.name, pattern, target(world, Origin::Rule(rule)));
    }
    for schedule in &wiring.schedules {
        let target = target(world, Origin::Schedule(schedule));
        events.schedule(&schedule.name, schedule.every, target);
    }
    let outside = world.outside();
    events.on_given_up(Arc::new(move |name, event, why| {
        if let (Some(world), Some(origin)) = (outside.world(), Origin::named(name)) {
            world.bury(origin, event.clone(), why);
        }
    }));
    world.cloud.scheduler().add_group(landfall_aws::scheduler::GROUP);
    world.cloud.scheduler().set_invoker(invoker(world));
    let outside = world.outside();
    world.cloud.scheduler().on_given_up(Arc::new(move |invocation, why| {
        if let Some(world) = outside.world() {
            let function = invocation.function.rsplit(':').next().unwrap_or_default();
            world.bury_failed(function, invocation.input.clone(), why);
        }
    }));
}

/// Scheduler's way to functions: with the role that the schedule names.
fn invoker(world: &World) -> Invoker {
    let outside = world.outside();
    Arc::new(move |invocation| {
        let outside = outside.clone();
        Box::pin(async move {
            let Some(world) = outside.world() else { return Ok(()) };
            let role = invocation.role.rsplit('/').next().unwrap_or_default();
            let role = role.strip_prefix(&format!("{TABLE}-")).unwrap_or(role);
            world.may_invoke_as(role, &invocation.function)?;
            heard(world.invoke(&invocation.function, invocation.input).await)
        })
    })
}

/// What invokes a function by itself.
#[derive(Debug, Clone, Copy)]
enum Origin {
    Rule(&'static Rule),
    Schedule(&'static Schedule),
}

impl Origin {
    fn named(name: &str) -> Option<Self> {
        let wiring = wiring();
        let rule = wiring.rules.iter().find(|rule| rule.name == name).map(Self::Rule);
        let mut schedules = wiring.schedules.iter();
        rule.or_else(|| schedules.find(|schedule| schedule.name == name).map(Self::Schedule))
    }

    fn function(self) -> &'static str {
        match self {
            Self::Rule(rule) => &rule.function,
            Self::Schedule(schedule) => &schedule.function,
        }
    }
}

/// A target that invokes a function with the event, as far as it may.
fn target(world: &World, origin: Origin) -> Target {
    let outside = world.outside();
    Arc::new(move |event| {
        let outside = outside.clone();
        Box::pin(async move {
            let Some(world) = outside.world() else { return Ok(()) };
            world.may_deliver(origin)?;
            heard(world.invoke(origin.function(), event).await)
        })
    })
}

fn heard(answer: Result<Value, LambdaFailure>) -> Result<(), String> {
    answer
        .map(drop)
        .map_err(|failure| format!("{}: {}", failure.error_type, failure.error_message))
}

/// An event that nobody took.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// The queue's ARN.
    pub queue: String,
    /// The event, or the input of a schedule.
    pub event: Value,
    /// What was said last.
    pub why: String,
}

impl World {
    /// What lies in the queues of events that nobody took.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        lock(&self.inner.dead_letters).clone()
    }

    /// Whether a rule or a schedule may invoke its function.
    fn may_deliver(&self, origin: Origin) -> Result<(), String> {
        let function = function_arn(origin.function());
        match origin {
            Origin::Rule(rule) => {
                let request = Request::new("lambda:InvokeFunction", function).with("aws:SourceArn", &[&rule.arn]);
                self.permissions().check_service(EVENTS, &request)
            }
            Origin::Schedule(schedule) => self.may_invoke_as(&schedule.role, &function),
        }
    }

    /// Whether the role of a schedule, by its logical id, may invoke a function.
    fn may_invoke_as(&self, role: &str, function: &str) -> Result<(), String> {
        let role = Principal::Service(role.to_owned());
        self.check(&role, &[Request::new("lambda:InvokeFunction", function)])
    }

    /// Puts an event that was given up where the template wants it: into the queue of its rule or schedule when the
    /// function could not be given it, else where the function's own failures go.
    fn bury(&self, origin: Origin, event: Value, why: &str) {
        if self.may_deliver(origin).is_ok() {
            return self.bury_failed(origin.function(), event, why);
        }
        let queue = match origin {
            Origin::Rule(rule) => rule.dead_letters.as_ref(),
            Origin::Schedule(schedule) => schedule.dead_letters.as_ref(),
        };
        let Some(queue) = queue else { return };
        let request = Request::new("sqs:SendMessage", queue);
        let may = match origin {
            Origin::Rule(_) => self.permissions().check_service(EVENTS, &request),
            Origin::Schedule(schedule) => self.check(&Principal::Service(schedule.role.clone()), &[request]),
        };
        self.put(queue, event, why, may);
    }

    /// What a function has failed to do in every invocation.
    fn bury_failed(&self, function: &str, event: Value, why: &str) {
        let mut destinations = wiring().on_failure.iter();
        if let Some(destination) = destinations.find(|one| one.function == function) {
            let request = Request::new("sqs:SendMessage", &destination.queue);
            let may = self.check(&Principal::Function(function.to_owned()), &[request]);
            self.put(&destination.queue, event, why, may);
        }
    }

    /// A queue that may not be used is a missing grant, which the permissions remember.
    fn put(&self, queue: &str, event: Value, why: &str, may: Result<(), String>) {
        if may.is_ok() {
            lock(&self.inner.dead_letters).push(DeadLetter {
                queue: queue.to_owned(),
                event,
                why: why.to_owned(),
            });
        }
    }
}

/// The ARN of a function.
pub(super) fn function_arn(name: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Invocation, WorldOptions, simulate};
    use landfall_cloud::hub::EventDetail;
    use serde_json::json;
    use std::time::Duration;

    fn refusing(world: &World) {
        world.set_wrapper(Some(Arc::new(|_: Invocation| {
            Box::pin(async {
                Err(LambdaFailure {
                    error_type: "Runtime.ExitError".to_owned(),
                    error_message: "it fell over".to_owned(),
                    request_id: "r".to_owned(),
                })
            })
        })));
    }

    #[test]
    fn an_event_that_a_function_never_takes_lies_in_the_queue_of_dead_letters() {
        let letters = simulate(async {
            let world = World::new(WorldOptions::default());
            refusing(&world);
            world.cloud.events().emit(EventDetail {
                source: "aws.mgn".to_owned(),
                detail_type: "MGN Source Server Launch Result".to_owned(),
                resources: Vec::new(),
                detail: json!({ "state": "TEST_LAUNCH_SUCCEEDED" }),
            });
            tokio::time::sleep(Duration::from_secs(299)).await;
            world.dead_letters()
        });
        assert_eq!(letters.len(), 1, "{letters:?}");
        let queue = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{TABLE}-dead-letters");
        assert_eq!(
            (&letters[0].queue, letters[0].event["source"].as_str()),
            (&queue, Some("aws.mgn"))
        );
        assert!(letters[0].why.contains("it fell over"), "{}", letters[0].why);
    }

    #[test]
    fn a_role_of_a_schedule_invokes_its_own_function_only() {
        simulate(async {
            let world = World::new(WorldOptions::default());
            let role = "FreezeSchedulerRole";
            assert_eq!(world.may_invoke_as(role, &function_arn("freeze-source")), Ok(()));
            assert!(world.may_invoke_as(role, &function_arn("terminate")).is_err());
            assert!(
                world
                    .may_invoke_as("NobodysRole", &function_arn("freeze-source"))
                    .is_err()
            );
        });
    }
}
