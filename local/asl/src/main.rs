//! The `asl` command: see [`asl::cli`].

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match asl::cli::execute(asl::cli::Cli::parse()) {
        Ok((text, code)) => {
            if !text.is_empty() {
                println!("{text}");
            }
            ExitCode::from(code)
        }
        Err(message) => {
            eprintln!("asl: {message}");
            ExitCode::from(2)
        }
    }
}
