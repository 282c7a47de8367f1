//! The load generator's process: arguments, run, exit status.

use std::process::ExitCode;

use clap::Parser;
use ringhub_loadgen::cli::{Cli, Command};
use ringhub_loadgen::{floor, run};

/// A connection, a message or a threshold failed.
const FAILED: u8 = 1;
/// Nothing could be started.
const NOT_STARTED: u8 = 2;
/// The numbers are those of the generator.
const INVALID: u8 = 3;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Connect(arguments) => run::connect(&arguments),
        Command::Telemetry(arguments) => run::publish(&arguments),
        Command::Storm(arguments) => run::storm(&arguments),
        Command::Floor(arguments) => floor::serve(&arguments).map(|()| None),
    };
    match result {
        Ok(Some(report)) if !report.is_clean() => ExitCode::from(FAILED),
        Ok(Some(report)) if !report.is_valid() => ExitCode::from(INVALID),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringhub-loadgen: {error}");
            ExitCode::from(NOT_STARTED)
        }
    }
}
