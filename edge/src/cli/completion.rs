//! `ringhub completion`.

use std::io::{self, Write};

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::Cli;
use super::error::CliError;

const EXAMPLES: &str = "\
Examples:
  source <(ringhub completion bash)
  ringhub completion zsh > ~/.zfunc/_ringhub
  ringhub completion fish > ~/.config/fish/completions/ringhub.fish";

/// Print what makes a shell complete these commands
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Completion {
    /// For which shell
    shell: Shell,
}

impl Completion {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "ringhub", &mut script);
        Ok(io::stdout().lock().write_all(&script)?)
    }
}
