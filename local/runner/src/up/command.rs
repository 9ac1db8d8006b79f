//! The command `runner up`.

use super::{Options, Up, functions_beside_this_binary, questions};
use crate::cli::say;
use crate::ui::{Display, Screen};
use crate::world::{REGION, World, in_real_time};
use clap::Args;
use landfall_domain::plan::{ProgramPlan, load_program};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::path::{Path, PathBuf};
use tokio::sync::oneshot;

/// The program that is set up unless another one is named: one wave that bakes for a minute.
const PROGRAM: &str = "examples/up.json";

/// What can be said on the command line.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The port on the loopback address. Default: one that is free.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// How many times as fast as in reality simulated work is done, 1 to 120. Waits of the plan are as long as they say.
    #[arg(long, default_value_t = 60.0)]
    pub speed: f64,
    /// The program whose servers are set up. Default: examples/up.json of this repository.
    #[arg(long)]
    pub program: Option<PathBuf>,
}

/// Runs until it is interrupted. True when that is all that ended it.
pub(crate) fn run(arguments: Arguments, folder: PathBuf) -> Result<bool, String> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(PROGRAM);
    let given = arguments.program.clone().unwrap_or_else(default);
    let file = given.canonicalize().unwrap_or(given);
    let program = read(&file)?;
    let interrupted = interrupted()?;
    in_real_time(async {
        let up = Up::start(Options {
            port: arguments.port,
            speed: arguments.speed,
            program: program.clone(),
            functions: functions_beside_this_binary()?,
            logs: folder.clone(),
            reread_seconds: None,
        })
        .await?;
        say(&how_to_start(&up, &program, &file, &folder, arguments.speed));
        questions::attach(&up.world, folder);
        let _screen = Screen::attach(&up.world, &program, Display::Plain);
        // Nobody sends only when the thread that listens is gone, and then nothing else would end this.
        let _ = interrupted.await;
        say("\nEverything is stopped.\n");
        Ok(true)
    })
}

fn read(file: &Path) -> Result<ProgramPlan, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let document = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    load_program(&document).map_err(|error| format!("{}: {error}", file.display()))
}

/// Resolves at the first Ctrl-C, or when somebody else asks this process to end.
fn interrupted() -> Result<oneshot::Receiver<()>, String> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(|error| format!("signals cannot be caught: {error}"))?;
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            // The receiver waits until this process ends.
            let _ = tell.send(());
        }
    });
    Ok(told)
}

fn how_to_start(up: &Up, program: &ProgramPlan, file: &Path, folder: &Path, speed: f64) -> String {
    let machine = |world: &World, name: &str| world.machine_arn(name).to_owned();
    format!(
        "Landfall runs at {endpoint}. Simulated work is {speed} times as fast as in reality; what functions print is in \
         {folder}.\n\n\
         In another terminal (aws and boto3 both understand this):\n\n  \
         export AWS_ENDPOINT_URL={endpoint} AWS_DEFAULT_REGION={REGION} AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local\n  \
         aws stepfunctions start-execution --name {name} --state-machine-arn {arn} --input file://{file}\n\n\
         Ctrl-C stops everything.\n\n",
        endpoint = up.endpoint(),
        folder = folder.display(),
        name = program.program_id,
        arn = machine(&up.world, "migrate-program"),
        file = file.display(),
    )
}
