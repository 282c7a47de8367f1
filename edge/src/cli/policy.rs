//! `ringhub policy`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::error::CliError;
use super::output::{Column, Output};
use super::target::TargetArguments;
use crate::client::read_policies;

const COLUMNS: [Column; 2] = [("NAME", "/name"), ("RIGHTS", "/rights")];

const EXAMPLES: &str = "\
Examples:
  ringhub policy list
  ringhub policy list --output json                   with their keys";

/// Look at the shared access policies
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Policy {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// List them with their rights; as JSON with their keys, too
    #[command(after_help = EXAMPLES)]
    List(List),
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct List {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl Policy {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let Action::List(list) = &self.action;
        let directory = list.target.data_directory()?.ok_or_else(|| {
            let text = "policies are listed on the machine of the hub only, from its data directory (--data-dir)";
            CliError::Argument(text.to_owned())
        })?;
        let policies: Vec<Value> =
            read_policies(&directory)?.into_iter().map(|policy| json!(policy)).collect();
        Ok(list.output.list(&COLUMNS, &policies)?)
    }
}
