//! The load generator's process: arguments, run, exit status.

use std::process::ExitCode;

use clap::Parser;
use ringhub_loadgen::cli::{Cli, Command};
use ringhub_loadgen::{Report, floor, reader, run};

/// A connection, a message or a threshold failed.
const FAILED: u8 = 1;
/// Nothing could be started.
const NOT_STARTED: u8 = 2;
/// The numbers are those of the generator.
const INVALID: u8 = 3;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Connect(arguments) => run::connect(&arguments).map(worth),
        Command::Telemetry(arguments) => run::publish(&arguments).map(worth),
        Command::Storm(arguments) => run::storm(&arguments).map(worth),
        Command::Reader(arguments) => {
            reader::read(&arguments).map(|report| (report.is_clean(), report.is_valid()))
        }
        Command::Floor(arguments) => floor::serve(&arguments).map(|()| (true, true)),
    };
    match result {
        Ok((false, _)) => ExitCode::from(FAILED),
        Ok((true, false)) => ExitCode::from(INVALID),
        Ok((true, true)) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringhub-loadgen: {error}");
            ExitCode::from(NOT_STARTED)
        }
    }
}

/// Whether a run is clean and valid. That of a worker is judged by its parent.
fn worth(report: Option<Report>) -> (bool, bool) {
    report.map_or((true, true), |report| (report.is_clean(), report.is_valid()))
}
