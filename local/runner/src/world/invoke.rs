//! Lambda: one invocation at a time, in a task of its own, with a time limit and a switch that kills it.

use super::rules::function_arn;
use super::{ACCOUNT, Notice, Outside, REGION, TABLE, World, functions, lock};
use futures::future::BoxFuture;
use jiff::Timestamp;
use landfall_aws::deps::FUNCTION_SECONDS_MAX;
use landfall_aws::{Config, Deps};
use landfall_cloud::lambda::{FunctionFailure, Functions};
use landfall_cloud::{Caller, KillSwitch};
use landfall_domain::StepError;
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How the runtime of a process begins the sentence of a function that panicked.
const PANICKED: &str = "Lambda panicked: ";

/// The one function that reaches databases.
const IN_THE_NETWORK: &str = "reach-database";

/// What Lambda answers for an invocation that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LambdaFailure {
    /// The error's name, which `ErrorEquals` matches.
    pub error_type: String,
    /// What happened.
    pub error_message: String,
    /// The request.
    pub request_id: String,
}

impl LambdaFailure {
    /// The error object as Step Functions puts it into a cause.
    pub fn cause(&self) -> String {
        json!({
            "errorMessage": self.error_message,
            "errorType": self.error_type,
            "requestId": self.request_id,
        })
        .to_string()
    }
}

/// An invocation that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvocationRecord {
    /// The function.
    pub function: String,
    /// Counts the invocations of a world from 1; [`Caller::invocation`] of its calls.
    pub number: u64,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How it failed, if it did.
    pub failure: Option<LambdaFailure>,
    /// Whether it ended in a panic, which is a fault of the function whatever becomes of it.
    pub panicked: bool,
    /// The function that invoked it, with the number of its invocation; none where it was no function.
    pub by: Option<(String, u64)>,
}

/// An invocation that a wrapper decides about.
#[derive(Clone)]
pub struct Invocation {
    /// The world.
    pub world: World,
    /// The function's name or ARN.
    pub function: String,
    /// What it is called with.
    pub payload: Value,
    /// As in [`InvocationRecord`].
    pub by: Option<(String, u64)>,
}

impl Invocation {
    /// Runs it, once.
    pub async fn run(&self) -> Result<Value, LambdaFailure> {
        let by = self.by.clone();
        self.world.invoke_once(by, &self.function, self.payload.clone()).await
    }
}

/// Lambda as clients of AWS reach it.
pub(super) struct Deployed(Outside);

impl Deployed {
    pub(super) fn new(world: &World) -> Self {
        Self(world.outside())
    }
}

impl Functions for Deployed {
    fn has(&self, function: &str) -> bool {
        functions::find(function).is_some()
    }

    fn run(&self, by: Caller, function: String, payload: Value) -> BoxFuture<'static, Result<Value, FunctionFailure>> {
        let outside = self.0.clone();
        Box::pin(async move {
            let Some(world) = outside.world() else {
                return Err(FunctionFailure {
                    error_type: "Lambda.Unknown".to_owned(),
                    error_message: "the world has ended".to_owned(),
                });
            };
            let by = functions::find(&by.name).map(|(name, _)| (name.to_owned(), by.invocation));
            let answer = world.invoke_by(by, &function, payload).await;
            answer.map_err(|failure| FunctionFailure {
                error_type: failure.error_type,
                error_message: failure.error_message,
            })
        })
    }
}

/// Decides how often, and whether, an invocation runs, and what its caller hears.
pub type FunctionWrapper = Arc<dyn Fn(Invocation) -> BoxFuture<'static, Result<Value, LambdaFailure>> + Send + Sync>;

/// Runs an invocation outside of this process: whose calls it makes, its id, its payload. It keeps the function's time limit,
/// and ends the invocation when the caller's switch is tripped.
pub type Elsewhere =
    Arc<dyn Fn(Caller, String, Value) -> BoxFuture<'static, Result<Value, LambdaFailure>> + Send + Sync>;

/// The wrapper that runs every function twice, the second time after the first has ended; its caller hears the second
/// answer, as after a retry.
pub fn twice() -> FunctionWrapper {
    Arc::new(|invocation: Invocation| {
        Box::pin(async move {
            // Whatever the first run said, the repetition has to cope with what it did.
            let _ = invocation.run().await;
            invocation.run().await
        })
    })
}

impl World {
    /// Invokes a function, by name or ARN, through the wrapper if there is one. The function runs to its end even if
    /// the caller stops waiting: a Lambda outlives its task.
    pub async fn invoke(&self, function: &str, payload: Value) -> Result<Value, LambdaFailure> {
        self.invoke_by(None, function, payload).await
    }

    async fn invoke_by(
        &self,
        by: Option<(String, u64)>,
        function: &str,
        payload: Value,
    ) -> Result<Value, LambdaFailure> {
        let wrapper = lock(&self.inner.wrapper).clone();
        match wrapper {
            Some(wrapper) => {
                wrapper(Invocation {
                    world: self.clone(),
                    function: function.to_owned(),
                    payload,
                    by,
                })
                .await
            }
            None => self.invoke_once(by, function, payload).await,
        }
    }

    async fn invoke_once(
        &self,
        by: Option<(String, u64)>,
        function: &str,
        payload: Value,
    ) -> Result<Value, LambdaFailure> {
        let number = self.inner.invocations.fetch_add(1, Ordering::Relaxed) + 1;
        let request_id = format!("00000000-0000-4000-9000-{number:012x}");
        let failure = |error_type: &str, error_message: String| LambdaFailure {
            error_type: error_type.to_owned(),
            error_message,
            request_id: request_id.clone(),
        };
        let Some((name, handler)) = functions::find(function) else {
            let message = format!("Function not found: {function}");
            return Err(failure("Lambda.ResourceNotFoundException", message));
        };
        let caller = Caller::new(name, number);
        let began_at = self.now();
        let elsewhere = lock(&self.inner.elsewhere).clone();
        let (outcome, panicked) = match elsewhere {
            Some(elsewhere) => {
                let outcome = elsewhere(caller, request_id, payload).await;
                let panicked = matches!(&outcome, Err(failure) if failure.error_message.starts_with(PANICKED));
                (outcome, panicked)
            }
            None => self.run_here((name, handler), caller, &request_id, payload).await,
        };
        lock(&self.inner.log).push(InvocationRecord {
            function: name.to_owned(),
            number,
            began_at,
            ended_at: self.now(),
            failure: outcome.as_ref().err().cloned(),
            panicked,
            by,
        });
        self.tell(&Notice::Invoked {
            function: name.to_owned(),
        });
        outcome
    }

    /// Runs a function in a task of this process; also says whether it panicked.
    async fn run_here(
        &self,
        (name, handler): (&'static str, functions::Handler),
        caller: Caller,
        request_id: &str,
        payload: Value,
    ) -> (Result<Value, LambdaFailure>, bool) {
        let failure = |error_type: &str, error_message: String| LambdaFailure {
            error_type: error_type.to_owned(),
            error_message,
            request_id: request_id.to_owned(),
        };
        // One environment serves one invocation at a time; an idle one is used again, with what it remembers.
        let idle = lock(&self.inner.environments).get_mut(name).and_then(Vec::pop);
        let warm = idle.unwrap_or_default();
        let mut deps = self.deps(&caller);
        deps.warm = warm.clone();
        let deps = Arc::new(deps);
        let running = tokio::spawn(within_limits(handler(deps, payload), caller.killed)).await;
        let panicked = running.is_err();
        // One that was killed, or whose function ran too long, is gone.
        if let Ok(Ended::Answered(_)) = &running {
            lock(&self.inner.environments).entry(name).or_default().push(warm);
        }
        let outcome = match running {
            Ok(Ended::Answered(Ok(answer))) => Ok(answer),
            Ok(Ended::Answered(Err(error))) => Err(failure(error.name(), error.to_string())),
            Ok(Ended::TimedOut) => {
                let seconds = f64::from(FUNCTION_SECONDS_MAX);
                let message = format!("RequestId: {request_id} Error: Task timed out after {seconds:.2} seconds");
                Err(failure("Sandbox.Timedout", message))
            }
            Ok(Ended::Killed) => {
                let message = format!("RequestId: {request_id} Error: Runtime exited without providing a reason");
                Err(failure("Runtime.ExitError", message))
            }
            Err(panic) => Err(failure("Runtime.UnhandledError", panic.to_string())),
        };
        (outcome, panicked)
    }

    /// Has later invocations run somewhere else than in this process.
    pub(crate) fn run_functions(&self, elsewhere: Elsewhere) {
        *lock(&self.inner.elsewhere) = Some(elsewhere);
    }

    /// Takes that back.
    pub(crate) fn run_no_functions(&self) {
        *lock(&self.inner.elsewhere) = None;
    }

    /// What the deployment says to a function.
    pub(crate) fn config(&self, function: &str) -> Config {
        Config {
            table_name: TABLE.to_owned(),
            topic_arn: self.inner.topic_arn.clone(),
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            function: function.to_owned(),
            scheduler_role_arn: Some(format!("arn:aws:iam::{ACCOUNT}:role/landfall-FreezeSchedulerRole")),
            freeze_source_arn: Some(function_arn("freeze-source")),
            reach_database_arn: Some(function_arn(IN_THE_NETWORK)),
        }
    }

    /// What a function gets, for calls that carry this caller's name, if it begins now.
    pub fn deps(&self, caller: &Caller) -> Deps {
        let config = self.config(&caller.name);
        let sdk = self.cloud.sdk_config(caller);
        let deps = Deps::new(
            &sdk,
            config,
            self.inner.clock.clone(),
            self.inner.ids.clone(),
            &self.inner.partition,
        );
        if caller.name != IN_THE_NETWORK {
            return deps;
        }
        let real = lock(&self.inner.real_databases).clone();
        deps.with_direct(real.unwrap_or_else(|| self.cloud.databases_for(caller)))
    }
}

enum Ended {
    Answered(Result<Value, StepError>),
    TimedOut,
    Killed,
}

async fn within_limits(run: impl Future<Output = Result<Value, StepError>>, killed: KillSwitch) -> Ended {
    tokio::select! {
        biased;
        () = killed.tripped() => Ended::Killed,
        answer = run => Ended::Answered(answer),
        () = tokio::time::sleep(Duration::from_secs(u64::from(FUNCTION_SECONDS_MAX))) => Ended::TimedOut,
    }
}
