//! The load generator's process: arguments, run, exit status.

use std::process::ExitCode;

use clap::Parser;
use ringhub_loadgen::cli::{Cli, Command};
use ringhub_loadgen::error::Error;
use ringhub_loadgen::report::Report;
use ringhub_loadgen::{floor, run, scenario};

/// A connection, a message or a threshold failed.
const FAILED: u8 = 1;
/// Nothing could be started.
const NOT_STARTED: u8 = 2;
/// The numbers are those of the generator.
const INVALID: u8 = 3;

fn main() -> ExitCode {
    match execute(&Cli::parse().command) {
        Ok(Some(report)) if !report.is_clean() => ExitCode::from(FAILED),
        Ok(Some(report)) if !report.is_valid() => ExitCode::from(INVALID),
        Ok(_) => ExitCode::SUCCESS,
        Err(Error::Arguments(error)) => error.exit(),
        Err(error) => {
            eprintln!("ringhub-loadgen: {error}");
            ExitCode::from(NOT_STARTED)
        }
    }
}

fn execute(command: &Command) -> Result<Option<Report>, Error> {
    match command {
        Command::Connect(arguments) => run::connect(arguments),
        Command::Telemetry(arguments) => run::publish(arguments),
        Command::Storm(arguments) => run::storm(arguments),
        Command::Run(arguments) => execute(&scenario::resolve(arguments)?),
        Command::Scenarios(arguments) => scenario::show(arguments).map(|()| None),
        Command::Floor(arguments) => floor::serve(arguments).map(|()| None),
    }
}
