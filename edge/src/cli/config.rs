//! `ringhub config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ServeArguments;
use super::error::CliError;
use super::output::line;
use crate::config;

const EXAMPLES: &str = "\
Examples:
  ringhub config show --defaults > ringhub.toml       every key with its meaning
  ringhub config check ringhub.toml                   before a restart
  ringhub config show --config ringhub.toml           what holds, and where it was said
  ringhub serve --config ringhub.toml";

/// Look at and check the configuration
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// Check a file, and the environment over it, as `ringhub serve` would
    #[command(after_help = EXAMPLES)]
    Check {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print what holds, and where it was said: file and line, variable or argument
    #[command(after_help = EXAMPLES)]
    Show {
        /// Print a file with every key instead: default, meaning, what is allowed, and its cost
        #[arg(long, exclusive = true)]
        defaults: bool,
        #[command(flatten)]
        serve: ServeArguments,
    },
}

impl Config {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match &self.action {
            Action::Check { file } => {
                let serve =
                    ServeArguments { config: Some(file.clone()), ..ServeArguments::default() };
                serve.settings()?.config()?;
                line(&format!("{} is valid", file.display()))?;
            }
            Action::Show { defaults: true, .. } => line(config::defaults().trim_end())?,
            Action::Show { serve, .. } => {
                let settings = serve.settings()?;
                settings.config()?;
                line(config::effective(&settings).trim_end())?;
            }
        }
        Ok(())
    }
}
