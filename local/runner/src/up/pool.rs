//! Lambda: the processes of every function, and which of them gets an invocation.

use super::environment::{Ended, Environment, Start};
use super::identities::Identities;
use super::runtime_api::Said;
use crate::world::LambdaFailure;
use bytes::Bytes;
use landfall_aws::deps::FUNCTION_SECONDS_MAX;
use landfall_cloud::Caller;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Processes of one function at a time. One more invocation is throttled, as AWS throttles beyond an account's concurrency.
const ENVIRONMENTS_MAX: usize = 20;

/// What is the same for every process.
pub(super) struct Deployment {
    /// Where the binaries are.
    pub programs: PathBuf,
    /// Where what they print goes, a file a function.
    pub logs: PathBuf,
    /// The account.
    pub account: &'static str,
    /// The Region.
    pub region: &'static str,
    /// Environment variables of every function.
    pub variables: Vec<(&'static str, String)>,
}

/// The processes of every function. Dropping it ends them.
pub(super) struct Pool {
    deployment: Deployment,
    identities: Identities,
    functions: Mutex<BTreeMap<String, Environments>>,
    made: AtomicU64,
}

/// The processes of one function.
#[derive(Default)]
struct Environments {
    /// Those that wait for work, the one used last at the end.
    idle: Vec<Environment>,
    /// How many there are, working ones included.
    count: usize,
}

impl Pool {
    /// No process yet.
    pub fn new(deployment: Deployment, identities: Identities) -> Arc<Self> {
        Arc::new(Self {
            deployment,
            identities,
            functions: Mutex::default(),
            made: AtomicU64::new(0),
        })
    }

    /// Runs an invocation to its end, whether or not somebody still waits for it.
    pub async fn invoke(
        self: Arc<Self>,
        caller: Caller,
        request_id: String,
        payload: Value,
    ) -> Result<Value, LambdaFailure> {
        let failed = |error_type: &str, error_message: String| LambdaFailure {
            error_type: error_type.to_owned(),
            error_message,
            request_id: request_id.clone(),
        };
        let pool = self.clone();
        let (id, who) = (request_id.clone(), caller);
        let running = tokio::spawn(async move { pool.run(who, id, payload).await });
        match running.await {
            Ok(Ok(ended)) => outcome(ended, &request_id).map_err(|(name, message)| failed(&name, message)),
            Ok(Err((name, message))) => Err(failed(name, message)),
            Err(ended) => Err(failed("Lambda.Unknown", ended.to_string())),
        }
    }

    async fn run(&self, caller: Caller, request_id: String, payload: Value) -> Result<Ended, (&'static str, String)> {
        let function = caller.name.clone();
        let mut environment = self.take(&function).await?;
        self.identities.assume(&environment.key, caller.clone());
        let payload = Bytes::from(payload.to_string());
        let ended = environment.run(request_id, payload, caller.killed).await;
        self.identities.forget(&environment.key);
        let mut functions = self.lock();
        let environments = functions.entry(function).or_default();
        if let Ended::Said(_) = ended {
            environments.idle.push(environment);
        } else {
            environments.count -= 1;
        }
        Ok(ended)
    }

    /// A process that waits for work: an idle one, or a new one.
    async fn take(&self, function: &str) -> Result<Environment, (&'static str, String)> {
        {
            let mut functions = self.lock();
            let environments = functions.entry(function.to_owned()).or_default();
            while let Some(mut idle) = environments.idle.pop() {
                if idle.is_alive() {
                    return Ok(idle);
                }
                environments.count -= 1;
            }
            if environments.count >= ENVIRONMENTS_MAX {
                return Err(("Lambda.TooManyRequestsException", "Rate Exceeded.".to_owned()));
            }
            environments.count += 1;
        }
        let started = Environment::start(self.start(function)).await;
        started.map_err(|problem| {
            self.lock().entry(function.to_owned()).or_default().count -= 1;
            ("Runtime.InvalidEntrypoint", problem)
        })
    }

    fn start<'a>(&'a self, function: &'a str) -> Start<'a> {
        let Deployment {
            programs,
            logs,
            account,
            region,
            variables,
        } = &self.deployment;
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        // Twenty characters, as AWS's.
        let key = format!("ASIALANDFALL{number:08}");
        let log = logs.join(format!("{function}.log"));
        let mut variables = variables.clone();
        variables.extend([
            ("AWS_LAMBDA_FUNCTION_NAME", function.to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{function}")),
            ("AWS_LAMBDA_LOG_STREAM_NAME", format!("local/{number}")),
            ("AWS_ACCESS_KEY_ID", key.clone()),
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ]);
        Start {
            function,
            function_arn: format!("arn:aws:lambda:{region}:{account}:function:{function}"),
            program: programs.join(function),
            variables,
            log,
            key,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Environments>> {
        self.functions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What Lambda's caller hears: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.
fn outcome(ended: Ended, request_id: &str) -> Result<Value, (String, String)> {
    let failed = |name: &str, message: String| Err((name.to_owned(), message));
    match ended {
        Ended::Said(Said::Answer(answer)) => Ok(answer),
        Ended::Said(Said::Error { error_type, message }) => Err((error_type, message)),
        Ended::TimedOut => {
            let seconds = f64::from(FUNCTION_SECONDS_MAX);
            failed(
                "Sandbox.Timedout",
                format!("RequestId: {request_id} Error: Task timed out after {seconds:.2} seconds"),
            )
        }
        Ended::Killed | Ended::Exited(None) => failed(
            "Runtime.ExitError",
            format!("RequestId: {request_id} Error: Runtime exited without providing a reason"),
        ),
        Ended::Exited(Some(status)) => failed(
            "Runtime.ExitError",
            format!("RequestId: {request_id} Error: Runtime exited with error: {status}"),
        ),
    }
}
