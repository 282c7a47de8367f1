//! The command line.

mod serve;

use clap::{Parser, Subcommand};

pub use serve::ServeArguments;

/// Arguments of the process.
#[derive(Debug, Parser)]
#[command(
    name = "ringhub",
    version,
    about = "An IoT hub for your own machine that speaks the protocols of Azure IoT Hub",
    args_conflicts_with_subcommands = true,
    after_help = serve::EXAMPLES
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArguments,
}

/// What the process is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the hub (this is what happens when no command is given)
    Serve(ServeArguments),
}

impl Cli {
    /// The command, `serve` when none was given.
    #[must_use]
    pub fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.serve))
    }
}

#[cfg(test)]
mod tests;
