//! The load generator's process: arguments, run, exit status.

use std::process::ExitCode;

use clap::Parser;
use ringhub_loadgen::cli::{Cli, Command};
use ringhub_loadgen::connect;

fn main() -> ExitCode {
    let Command::Connect(arguments) = Cli::parse().command;
    match connect::run(&arguments) {
        Ok(report) if report.is_clean() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ringhub-loadgen: {error}");
            ExitCode::from(2)
        }
    }
}
