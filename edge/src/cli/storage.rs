//! `ringhub storage`.

use clap::{Args, Subcommand};
use http::Method;

use super::error::CliError;
use super::output::{Output, line};
use super::target::TargetArguments;
use crate::client::{Precondition, RestClient};

const EXAMPLES: &str = "\
Examples:
  ringhub storage show                                how much the files of devices take
  ringhub storage show-connection-string              for tools of Azure Storage
  az storage blob list -c uploads --connection-string \"$(ringhub storage show-connection-string)\"

Whoever has the connection string can read, write and delete all blobs of the hub.";

/// Look at the hub's own storage account, where devices upload files to
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Storage {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// Show address, key, container, and how much of the quota is used
    #[command(after_help = EXAMPLES)]
    Show(Show),
    /// Print what tools of Azure Storage start from, and nothing else
    #[command(after_help = EXAMPLES)]
    ShowConnectionString(ShowConnectionString),
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Show {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct ShowConnectionString {
    #[command(flatten)]
    target: TargetArguments,
}

impl Storage {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match &self.action {
            Action::Show(show) => Ok(show.output.document(&keys(&show.target.rest()?)?)?),
            Action::ShowConnectionString(show) => {
                let keys = keys(&show.target.rest()?)?;
                Ok(line(keys["connectionString"].as_str().unwrap_or_default())?)
            }
        }
    }
}

fn keys(rest: &RestClient) -> Result<serde_json::Value, CliError> {
    Ok(rest.send(Method::POST, "/storage/listkeys", Precondition::Absent, None)?)
}
