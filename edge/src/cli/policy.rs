//! `ringhub policy`.

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::json;

use super::error::CliError;
use super::output::{Column, Output};
use super::target::TargetArguments;
use crate::client::{Precondition, encode_segment};

const COLUMNS: [Column; 2] = [("NAME", "/keyName"), ("RIGHTS", "/rights")];

const EXAMPLES: &str = "\
Examples:
  ringhub policy list
  ringhub policy list --output json                   with their keys
  ringhub policy regenerate-key -n service --key secondary
  ringhub policy regenerate-key -n service --key primary
                                                      a change of keys without a gap: let clients
                                                      take the new secondary key in between";

/// Look at the shared access policies, and change their keys
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
    /// Make a new key: tokens of the old one are refused from then on, connections stay
    #[command(after_help = EXAMPLES)]
    #[command(visible_alias = "renew-key")]
    RegenerateKey(RegenerateKey),
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct List {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

/// Which of the two keys is to be new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// The first
    Primary,
    /// The second
    Secondary,
    /// Both at once: whoever has the old ones is locked out
    Both,
}

impl Which {
    /// As the API calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
            Self::Both => "both",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(mut_arg("hub_name", |name| name.short(None)))]
struct RegenerateKey {
    /// The policy
    #[arg(long = "policy-name", short = 'n', visible_aliases = ["policy", "name"], value_name = "NAME")]
    name: String,
    /// Which key
    #[arg(long, visible_alias = "renew-key", value_enum)]
    key: Which,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl Policy {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match &self.action {
            Action::List(list) => {
                let rest = list.target.rest()?;
                let found = rest.send(Method::POST, "/listkeys", Precondition::Absent, None)?;
                Ok(list.output.page(&COLUMNS, &found)?)
            }
            Action::RegenerateKey(arguments) => {
                let rest = arguments.target.rest()?;
                let path = format!("/IotHubKeys/{}/regenerate", encode_segment(&arguments.name));
                let body = json!({ "keyType": arguments.key.name() });
                let new = rest.send(Method::POST, &path, Precondition::Absent, Some(&body))?;
                Ok(arguments.output.document(&new)?)
            }
        }
    }
}
