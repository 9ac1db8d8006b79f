//! The command line: `demo` runs a scenario and shows it, `up` runs everything as processes, `numbers` prints what
//! migrations cost in calls, `record` writes what the executions of a scenario did.

use crate::numbers;
use crate::record;
use crate::scenarios::{self, Ended, Scenario};
use crate::summary;
use crate::ui::{Display, Screen};
use crate::up;
use crate::world::simulate;
use clap::{Parser, Subcommand};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Landfall on one machine: the shipped functions and state machines against simulated AWS.
#[derive(Debug, Parser)]
#[command(name = "runner")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a migration, shows it, checks that it ended as it must, and writes its report.
    Demo {
        /// Which story: demo, launch-failure, failed-check, lost-events, dns-rollback, killed, denied, aborted,
        /// two-waves, database, databases-alone, database-events-lost, database-privileged, database-reconnects,
        /// database-conversion, database-document, database-late-fence, database-slow, database-lag, database-no-metric, database-dies-loading,
        /// database-fence-lost, database-mismatch, database-dies-draining, database-batch, database-hangs,
        /// database-fail-back, database-loss-asked, database-loss-planned.
        #[arg(long, default_value = "demo", value_parser = known_scenario)]
        scenario: &'static str,
        /// Decides everything that is random: the same seed, the same run.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// A line for each thing that happens instead of bars.
        #[arg(long)]
        plain: bool,
        /// Where the report goes. Default: target/landfall of this repository.
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Runs the application as processes, with simulated AWS on a socket, until it is interrupted.
    Up(up::Arguments),
    /// Prints state transitions and AWS calls of the demo and of one wave of 200 servers.
    Numbers {
        /// As of the demo.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Also which function made which calls in the wave of 200 servers.
        #[arg(long)]
        calls: bool,
    },
    /// Writes the definitions and the histories of all executions of a scenario, as JSON, for another interpreter.
    Record {
        /// Which story, as of `demo`.
        #[arg(long, value_parser = known_scenario)]
        scenario: &'static str,
        /// Decides everything that is random.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
    },
}

fn known_scenario(name: &str) -> Result<&'static str, String> {
    scenarios::find(name).map(|scenario| scenario.name)
}

/// Runs what the command line asks for. The exit status is 0 only when everything ended as it must.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Demo {
            scenario,
            seed,
            plain,
            output,
        } => scenarios::find(scenario)
            .and_then(|scenario| demo(scenario, seed, Display::choose(plain), &output.unwrap_or_else(target))),
        Command::Up(arguments) => up::run(arguments, target().join("up")),
        Command::Numbers { seed, calls } => numbers::print(seed, calls),
        Command::Record { scenario, seed, out } => {
            scenarios::find(scenario).and_then(|scenario| record::write(scenario, seed, &out))
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Prints. Whoever closed the pipe does not want to read any more; the exit status still tells how it ended.
pub(crate) fn say(text: &str) {
    let mut output = std::io::stdout();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

/// True when the scenario ended as it must.
fn demo(scenario: &Scenario, seed: u64, display: Display, output: &Path) -> Result<bool, String> {
    let began = Instant::now();
    say(&format!("{}: {}\n", scenario.name, scenario.about));
    let ended = simulate(async {
        let mut screen = None;
        let ended = scenario
            .run(seed, |world, program| {
                screen = Some(Screen::attach(world, program, display))
            })
            .await?;
        if let Some(screen) = screen {
            screen.end(&ended.world);
        }
        Ok::<Ended, String>(ended)
    })?;
    let written = write_report(&ended, output)?;
    say(&format!(
        "\n{}\n",
        summary::text(&ended, began.elapsed(), summary::terminal_width())
    ));
    say(&summary::failures(&ended.failures));
    if ended.failures.is_empty() {
        say("As expected, and every invariant held.\n");
    }
    if let Some(page) = written {
        say(&format!("Report: {}\n", page.display()));
    }
    Ok(ended.failures.is_empty())
}

/// Writes `report.html` and `report.json`; gives the path of the page, if there is one.
fn write_report(ended: &Ended, directory: &Path) -> Result<Option<PathBuf>, String> {
    let Some(pages) = &ended.pages else { return Ok(None) };
    let page = directory.join("report.html");
    let json = serde_json::to_string_pretty(&pages.json).expect("JSON can be written");
    let write = || {
        std::fs::create_dir_all(directory)?;
        std::fs::write(&page, &pages.html)?;
        std::fs::write(directory.join("report.json"), json + "\n")
    };
    write()
        .map_err(|error: std::io::Error| format!("the report cannot be written to {}: {error}", directory.display()))?;
    Ok(Some(page))
}

/// `target/landfall` of this repository, as seen from here where it is below here.
fn target() -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let repository = repository.canonicalize().unwrap_or(repository);
    let here = std::env::current_dir().unwrap_or_default();
    let root = if here == repository { PathBuf::new() } else { repository };
    root.join("target/landfall")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed_and_names_every_scenario() {
        let mut command = Cli::command();
        command.clone().debug_assert();
        let demo = command.find_subcommand_mut("demo").expect("demo exists");
        let help = demo.render_long_help().to_string();
        for scenario in scenarios::all() {
            assert!(help.contains(scenario.name), "{} is missing:\n{help}", scenario.name);
        }
    }

    #[test]
    fn an_unknown_scenario_is_refused_with_the_names_there_are() {
        let refused = Cli::try_parse_from(["runner", "demo", "--scenario", "nonsense"]);
        let message = refused.expect_err("it is refused").to_string();
        assert!(
            message.contains("nonsense") && message.contains("dns-rollback"),
            "{message}"
        );
    }
}
