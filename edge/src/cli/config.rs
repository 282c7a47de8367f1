//! `ringhub config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::error::CliError;
use super::output::line;
use crate::config;

const EXAMPLES: &str = "\
Examples:
  ringhub config show --defaults > ringhub.toml       every key with its meaning
  ringhub config check ringhub.toml                   before a restart
  ringhub serve --config ringhub.toml";

/// Look at and check configuration files
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// Check a file as `ringhub serve` would
    #[command(after_help = EXAMPLES)]
    Check {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print a file with every key
    #[command(after_help = EXAMPLES)]
    Show {
        /// Every key with its default
        #[arg(long, required = true)]
        defaults: bool,
    },
}

impl Config {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match &self.action {
            Action::Check { file } => {
                config::Config::load(Some(file), &config::Overrides::default())?;
                line(&format!("{} is valid", file.display()))?;
            }
            Action::Show { .. } => line(config::EXAMPLE.trim_end())?,
        }
        Ok(())
    }
}
