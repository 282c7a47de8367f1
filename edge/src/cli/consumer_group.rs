//! `ringhub consumer-group`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::error::CliError;
use super::output::{Column, Output};
use super::target::TargetArguments;
use crate::client::read_endpoints;

const COLUMNS: [Column; 2] = [("NAME", "/name"), ("EVENT HUB", "/eventHub")];

const EXAMPLES: &str = "\
Examples:
  ringhub consumer-group list
  ringhub monitor-events --consumer-group cold        reads as one of them

Groups besides $Default stand in the configuration, as `hub.consumer_groups`.";

/// Look at the consumer groups of the Event-Hubs-compatible endpoint
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct ConsumerGroup {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// List them
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

impl ConsumerGroup {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let Action::List(list) = &self.action;
        let directory = list.target.data_directory()?.ok_or_else(|| {
            let text = "consumer groups are listed on the machine of the hub only, from its data directory (--data-dir)";
            CliError::Argument(text.to_owned())
        })?;
        let endpoints = read_endpoints(&directory)?;
        let item = |name| json!({ "name": name, "eventHub": endpoints.event_hub });
        let groups: Vec<Value> = endpoints.consumer_groups.iter().map(item).collect();
        Ok(list.output.list(&COLUMNS, &groups)?)
    }
}
