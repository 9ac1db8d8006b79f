//! Functions that outlive their tasks: the caller is told that the task timed out, while the invocation goes on, or begins,
//! later.

use landfall_aws::deps::FUNCTION_SECONDS_MAX;
use landfall_cloud::{Caller, Fault, FaultRule};
use landfall_domain::StepError;
use runner::world::{FunctionWrapper, Invocation, LambdaFailure, functions};
use serde_json::Value;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::Notify;

/// The number of the invocation that stalls: no world counts so far.
pub const STALLED: u64 = 1 << 40;

/// A function by its name and its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verb {
    /// The function.
    pub function: &'static str,
    /// `mode` of its payload.
    pub mode: &'static str,
}

impl Verb {
    /// A verb.
    pub const fn new(function: &'static str, mode: &'static str) -> Self {
        Self { function, mode }
    }

    /// Whether an invocation is one of it.
    pub fn is(self, invocation: &Invocation) -> bool {
        let name = invocation.function.rsplit(':').next();
        name == Some(self.function) && invocation.payload["mode"] == self.mode
    }
}

/// The first invocation of this verb begins so much later than its caller hears that it timed out.
pub fn begins_late(verb: Verb, late: Duration) -> FunctionWrapper {
    let once = Arc::new(AtomicBool::new(false));
    Arc::new(move |invocation: Invocation| {
        let mine = verb.is(&invocation) && !once.swap(true, Ordering::Relaxed);
        Box::pin(async move {
            if !mine {
                return invocation.run().await;
            }
            tokio::spawn(async move {
                tokio::time::sleep(late).await;
                let _ = invocation.run().await;
            });
            Err(timed_out())
        })
    })
}

/// The first invocation of this verb stands still for so long at its call of this number, as a process that gets no time:
/// nothing of it moves, and its timers run out. Its caller hears at once that it timed out. A call of a service has been
/// carried out then; what it asked of a database is carried out meanwhile, by the function that reaches databases.
pub fn stalls(verb: Verb, at_call: u64, lasts: Duration) -> (FaultRule, FunctionWrapper) {
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let rule: FaultRule = Arc::new(move |context| {
        if context.invocation == STALLED {
            counted.fetch_add(1, Ordering::Relaxed);
        }
        Fault::None
    });
    let once = Arc::new(AtomicBool::new(false));
    let wrapper: FunctionWrapper = Arc::new(move |invocation: Invocation| {
        let mine = verb.is(&invocation) && !once.swap(true, Ordering::Relaxed);
        let calls = Arc::clone(&calls);
        Box::pin(async move {
            if !mine {
                return invocation.run().await;
            }
            let until = move || calls.load(Ordering::Relaxed) >= at_call;
            outlives(invocation, until, lasts).await
        })
    });
    (rule, wrapper)
}

/// Runs an invocation whose function stands still once the condition holds. The caller hears of a timeout then.
async fn outlives(
    invocation: Invocation,
    until: impl Fn() -> bool + Send + Sync + 'static,
    lasts: Duration,
) -> Result<Value, LambdaFailure> {
    let (name, handler) = functions::find(&invocation.function).expect("a function of this repository");
    let deps = Arc::new(invocation.world.deps(&Caller::new(name, STALLED)));
    let run = handler(deps, invocation.payload.clone());
    let stalled = Arc::new(Notify::new());
    let tell = Arc::clone(&stalled);
    let whole = async move {
        let mut run = pin!(run);
        let early = poll_fn(|context| match run.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if until() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        if let Some(answer) = early.await {
            return answer;
        }
        tell.notify_one();
        tokio::time::sleep(lasts).await;
        run.await
    };
    let limit = Duration::from_secs(u64::from(FUNCTION_SECONDS_MAX));
    let mut running = tokio::spawn(tokio::time::timeout(limit, whole));
    tokio::select! {
        () = stalled.notified() => Err(timed_out()),
        ended = &mut running => match ended {
            Ok(Ok(answer)) => answer.map_err(|error: StepError| failure(error.name(), error.to_string())),
            Ok(Err(_)) => Err(failure("Sandbox.Timedout", "Task timed out after 60.00 seconds".to_owned())),
            Err(panic) => panic!("{name}: {panic}"),
        },
    }
}

fn timed_out() -> LambdaFailure {
    failure(
        "States.Timeout",
        "the task timed out, and the function goes on".to_owned(),
    )
}

fn failure(error_type: &str, error_message: String) -> LambdaFailure {
    LambdaFailure {
        error_type: error_type.to_owned(),
        error_message,
        request_id: "late".to_owned(),
    }
}
