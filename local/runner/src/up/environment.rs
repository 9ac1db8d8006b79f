//! An execution environment: one process of one function, which serves one invocation at a time.

use super::runtime_api::{Job, RuntimeApi, Said};
use bytes::Bytes;
use landfall_aws::deps::FUNCTION_SECONDS_MAX;
use landfall_cloud::KillSwitch;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a process may take from its start to its first request for work. AWS gives ten seconds; a machine that
/// compiles beside it needs more.
const INIT_SECONDS_MAX: u64 = 30;

/// How often a process that works is looked at, whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a process is started with.
pub(super) struct Start<'a> {
    /// The function's name.
    pub function: &'a str,
    /// Its ARN.
    pub function_arn: String,
    /// Its binary.
    pub program: PathBuf,
    /// Its environment variables, but for the address of the Runtime API.
    pub variables: Vec<(&'static str, String)>,
    /// Where what it prints goes.
    pub log: PathBuf,
    /// Its access key.
    pub key: String,
}

/// How an invocation ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The process said something, and can go on.
    Said(Said),
    /// It took too long.
    TimedOut,
    /// It was killed.
    Killed,
    /// The process ended.
    Exited(Option<ExitStatus>),
}

/// A process that waits for work. It is killed when this is dropped.
pub(super) struct Environment {
    child: Child,
    api: RuntimeApi,
    /// Its access key.
    pub key: String,
}

impl Environment {
    /// Starts a process.
    pub async fn start(start: Start<'_>) -> Result<Self, String> {
        let failed = |what: &str, error: std::io::Error| format!("{}: {what}: {error}", start.function);
        let api = RuntimeApi::start(start.function_arn)
            .await
            .map_err(|error| failed("no port is free", error))?;
        let log = std::fs::File::options().create(true).append(true).open(&start.log);
        let log = log.map_err(|error| failed("its log cannot be written", error))?;
        let errors = log
            .try_clone()
            .map_err(|error| failed("its log cannot be written", error))?;
        let mut command = dying_with_us(&start.program);
        command
            .env_clear()
            .envs(start.variables)
            .env("AWS_LAMBDA_RUNTIME_API", api.address().to_string())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        let child = command.spawn().map_err(|error| failed("it cannot be started", error))?;
        Ok(Self {
            child,
            api,
            key: start.key,
        })
    }

    /// Whether the process is still there.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Has it do an invocation. Only after [`Ended::Said`] can it be used again.
    pub async fn run(&mut self, request_id: String, payload: Bytes, killed: KillSwitch) -> Ended {
        let (taken, begun) = oneshot::channel();
        let (said, heard) = oneshot::channel();
        let api = &self.api;
        let child = &mut self.child;
        let limits = async {
            tokio::select! {
                _ = begun => {}
                () = tokio::time::sleep(Duration::from_secs(INIT_SECONDS_MAX)) => return,
            }
            tokio::time::sleep(Duration::from_secs(u64::from(FUNCTION_SECONDS_MAX))).await;
        };
        let job = Job {
            request_id,
            payload,
            taken,
            said,
        };
        api.give(job).await;
        tokio::select! {
            biased;
            () = killed.tripped() => Ended::Killed,
            Ok(said) = heard => Ended::Said(said),
            () = limits => Ended::TimedOut,
            status = exited(child) => Ended::Exited(status),
        }
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left of it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the end of a process; [`None`] when the system does not say how it ended.
async fn exited(child: &mut Child) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(None) => tokio::time::sleep(LOOK_EVERY).await,
            Ok(status) => return status,
            Err(_) => return None,
        }
    }
}

/// A command that the system kills with us, where it can: on Linux with util-linux. Elsewhere a process ends when it next
/// asks for work and nobody answers.
fn dying_with_us(program: &Path) -> Command {
    const SETPRIV: &str = "/usr/bin/setpriv";
    if !Path::new(SETPRIV).exists() {
        return Command::new(program);
    }
    let mut command = Command::new(SETPRIV);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}
