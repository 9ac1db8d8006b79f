//! The command line: `asl run DEFINITION --input FILE [--mocks FILE --case NAME]`.

use crate::engine::handler::{TaskCall, TaskFailure, TaskHandler};
use crate::mocks::MockCase;
use crate::{Engine, EngineOptions, ExecutionDescription, ExecutionStatus, TokioClock};
use clap::{Args, Parser, Subcommand};
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Runs Amazon States Language definitions on this machine, in virtual time.
#[derive(Debug, Parser)]
#[command(name = "asl", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs one execution and prints {status, output | error, cause, events}; waits take no real time.
    Run(RunArgs),
    /// Checks definitions and prints every problem with its path.
    Check {
        /// Definition files.
        #[arg(required = true)]
        definitions: Vec<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The definition, a JSON file.
    definition: PathBuf,
    /// The execution's input, a JSON file; `-` reads standard input. Without it the input is {}.
    #[arg(long)]
    input: Option<PathBuf>,
    /// Answers of the Task states, in the MockConfigFile format of Step Functions Local.
    #[arg(long, requires = "case")]
    mocks: Option<PathBuf>,
    /// The test case of the mock file.
    #[arg(long, requires = "mocks")]
    case: Option<String>,
    /// The state machine's name. Without it the definition file's, up to the first dot.
    #[arg(long)]
    name: Option<String>,
    /// When the execution starts, RFC 3339. Without it, now.
    #[arg(long)]
    start: Option<jiff::Timestamp>,
    /// Decides jitter, $random() and $uuid().
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Runs the command; gives what to print and the exit code: 0 for success, 1 for an execution that did
/// not succeed or a definition with problems. An error is a usage mistake: print it, exit with 2.
pub fn execute(cli: Cli) -> Result<(String, u8), String> {
    match cli.command {
        Command::Run(args) => run(args),
        Command::Check { definitions } => check(&definitions),
    }
}

fn check(definitions: &[PathBuf]) -> Result<(String, u8), String> {
    let mut lines = Vec::new();
    for path in definitions {
        if let Err(errors) = crate::load::load(&read_json(path, "definition")?) {
            lines.extend(errors.0.iter().map(|problem| format!("{}: {problem}", path.display())));
        }
    }
    let code = u8::from(!lines.is_empty());
    Ok((lines.join("\n"), code))
}

fn run(args: RunArgs) -> Result<(String, u8), String> {
    let definition = read_json(&args.definition, "definition")?;
    let input = match &args.input {
        Some(path) => read_json(path, "input")?,
        None => json!({}),
    };
    let name = args.name.clone().unwrap_or_else(|| stem(&args.definition));
    let handler: Arc<dyn TaskHandler> = match (&args.mocks, &args.case) {
        (Some(path), Some(case)) => {
            let mocks = MockCase::read(&read_json(path, "mock file")?, Some(&name), case)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            Arc::new(mocks)
        }
        _ => Arc::new(NoMocks),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| format!("cannot start a runtime: {error}"))?;
    runtime.block_on(async {
        let engine = Engine::new(EngineOptions {
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            seed: args.seed,
            clock: Arc::new(TokioClock::new(args.start.unwrap_or_else(jiff::Timestamp::now))),
            stop_children_on_abort: true,
            role_arn: "arn:aws:iam::123456789012:role/asl".to_owned(),
        });
        engine.set_task_handler(handler);
        let machine = engine
            .create_state_machine(&name, &definition)
            .map_err(|errors| format!("{}: {errors}", args.definition.display()))?;
        let started = engine
            .start_execution(&machine, None, input)
            .map_err(|error| format!("cannot start the execution: {error}"))?;
        let ended = engine
            .wait(&started.execution_arn)
            .await
            .map_err(|error| error.to_string())?;
        let report = report(&engine, &ended)?;
        Ok((report, u8::from(ended.status != ExecutionStatus::Succeeded)))
    })
}

fn report(engine: &Engine, ended: &ExecutionDescription) -> Result<String, String> {
    let events = engine
        .get_execution_history(&ended.execution_arn)
        .map_err(|error| error.to_string())?;
    let mut report = Map::new();
    report.insert("status".to_owned(), json!(ended.status.as_str()));
    if let Some(output) = &ended.output {
        report.insert("output".to_owned(), output.clone());
    }
    // DescribeExecution says nothing of why an execution timed out; its last event does.
    let timed_out = (ended.status == ExecutionStatus::TimedOut).then_some("States.Timeout");
    if let Some(error) = ended.error.as_deref().or(timed_out) {
        report.insert("error".to_owned(), json!(error));
    }
    if let Some(cause) = &ended.cause {
        report.insert("cause".to_owned(), json!(cause));
    }
    report.insert("events".to_owned(), json!(events));
    serde_json::to_string_pretty(&report).map_err(|error| error.to_string())
}

fn stem(path: &Path) -> String {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let stem = name.split('.').next().unwrap_or_default();
    if stem.is_empty() {
        "StateMachine".to_owned()
    } else {
        stem.to_owned()
    }
}

fn read_json(path: &Path, what: &str) -> Result<Value, String> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(|error| format!("{}: cannot read the {what}: {error}", path.display()))?;
    if what == "input" {
        // Data is taken as it is: the last of two equal keys counts.
        return serde_json::from_str(&text)
            .map_err(|error| format!("{}: the input is not JSON: {error}", path.display()));
    }
    crate::json::parse(&text).map_err(|error| format!("{}: the {what} {error}", path.display()))
}

/// Without a mock file no Task can be answered.
struct NoMocks;

impl TaskHandler for NoMocks {
    fn call(&self, call: TaskCall) -> BoxFuture<'static, Result<Value, TaskFailure>> {
        let cause = format!(
            "state '{}' is a Task: give its answer with --mocks FILE --case NAME",
            call.state_name
        );
        Box::pin(async move {
            Err(TaskFailure {
                error: "States.Runtime".to_owned(),
                cause,
            })
        })
    }

    fn replaces_integration(&self, _state_name: &str) -> bool {
        true
    }
}
