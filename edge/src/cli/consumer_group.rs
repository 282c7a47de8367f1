//! `ringhub consumer-group`.

use clap::{Args, Subcommand};
use http::Method;

use super::error::CliError;
use super::output::{Column, Output};
use super::target::TargetArguments;
use crate::client::{Precondition, encode_segment};

/// Of the Event-Hubs-compatible endpoint.
const PATH: &str = "/eventHubEndpoints/events/ConsumerGroups";

const COLUMNS: [Column; 1] = [("NAME", "/name")];

const EXAMPLES: &str = "\
Examples:
  ringhub consumer-group create -n cold
  ringhub monitor-events --consumer-group cold        reads as this group
  ringhub consumer-group list
  ringhub consumer-group delete -n cold               new readers are refused from then on

Groups of the configuration, `hub.consumer_groups`, are made at every start: one that is deleted
here and stands there comes back.";

/// Look after the consumer groups of the Event-Hubs-compatible endpoint
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
    /// Make one, at most 20 besides $Default; one that is there already stays as it is
    #[command(after_help = EXAMPLES)]
    Create(Named),
    /// Remove one; readers that are attached stay until they leave
    #[command(after_help = EXAMPLES)]
    Delete(Named),
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct List {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(mut_arg("hub_name", |name| name.short(None)))]
struct Named {
    /// The group: 1 to 50 letters, digits, `-`, `_` and `.`, without regard to case
    #[arg(long, short, value_name = "NAME")]
    name: String,
    #[command(flatten)]
    target: TargetArguments,
}

impl ConsumerGroup {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match &self.action {
            Action::List(list) => {
                let rest = list.target.rest()?;
                Ok(list.output.page(&COLUMNS, &rest.read(PATH)?)?)
            }
            Action::Create(named) => named.send(Method::PUT),
            Action::Delete(named) => named.send(Method::DELETE),
        }
    }
}

impl Named {
    fn send(&self, method: Method) -> Result<(), CliError> {
        let rest = self.target.rest()?;
        let path = format!("{PATH}/{}", encode_segment(&self.name));
        Ok(rest.send(method, &path, Precondition::Absent, None).map(drop)?)
    }
}
