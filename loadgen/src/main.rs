//! The load generator's process: arguments, run, exit status.

use std::process::ExitCode;

use clap::Parser;
use ringhub_loadgen::cli::{Cli, Command};
use ringhub_loadgen::error::Error;
use ringhub_loadgen::{Report, Verdict, floor, reader, run, scenario};

/// A connection, a message or a threshold failed.
const FAILED: u8 = 1;
/// Nothing could be started.
const NOT_STARTED: u8 = 2;
/// The numbers are those of the generator.
const INVALID: u8 = 3;

fn main() -> ExitCode {
    match execute(&Cli::parse().command) {
        Ok(verdict) if !verdict.is_clean() => ExitCode::from(FAILED),
        Ok(verdict) if !verdict.is_valid() => ExitCode::from(INVALID),
        Ok(_) => ExitCode::SUCCESS,
        Err(Error::Arguments(error)) => error.exit(),
        Err(error) => {
            eprintln!("ringhub-loadgen: {error}");
            ExitCode::from(NOT_STARTED)
        }
    }
}

/// What the run is worth.
fn execute(command: &Command) -> Result<Verdict, Error> {
    match command {
        Command::Connect(arguments) => run::connect(arguments).map(worth),
        Command::Telemetry(arguments) => run::publish(arguments).map(worth),
        Command::Storm(arguments) => run::storm(arguments).map(worth),
        Command::Run(arguments) => execute(&scenario::resolve(arguments)?),
        Command::Scenarios(arguments) => scenario::show(arguments).map(|()| Verdict::default()),
        Command::Reader(arguments) => {
            reader::read(arguments).map(|report| report.verdict().clone())
        }
        Command::Floor(arguments) => floor::serve(arguments).map(|()| Verdict::default()),
    }
}

/// That of a worker is judged by its parent.
fn worth(report: Option<Report>) -> Verdict {
    report.map(|report| report.verdict().clone()).unwrap_or_default()
}
