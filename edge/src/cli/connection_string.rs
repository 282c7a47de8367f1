//! `ringhub connection-string`.

use clap::{Args, Subcommand};

use super::error::CliError;
use super::identity::{Identity, Key};
use super::output::Output;
use super::target::TargetArguments;
use crate::client::{ConnectionString, Principal, RestClient, read_endpoints, read_policy};

const EXAMPLES: &str = "\
Examples:
  ringhub connection-string show                       for service SDKs, as the owner
  ringhub connection-string show --policy service      with fewer rights
  ringhub connection-string show --event-hub           for Event Hubs SDKs
  ringhub connection-string show -d pump-7             for the SDK of a device
  export RINGHUB_CONNECTION_STRING=$(ringhub connection-string show)";

/// Print what SDKs and tools start from
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct ConnectionStrings {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// Print one connection string
    #[command(after_help = EXAMPLES)]
    Show(Show),
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Show {
    /// Shared access policy whose key it holds
    #[arg(long, value_name = "NAME", default_value = "iothubowner", conflicts_with = "device_id")]
    policy: String,
    /// For Event Hubs SDKs, which read device-to-cloud messages
    #[arg(long, conflicts_with = "device_id")]
    event_hub: bool,
    /// For a device, with its own key
    #[arg(long, short, value_name = "ID")]
    device_id: Option<String>,
    /// For a module of that device
    #[arg(long, short, value_name = "ID", requires = "device_id")]
    module_id: Option<String>,
    /// With which of the two keys
    #[arg(long, value_enum, default_value = "primary")]
    key: Key,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl ConnectionStrings {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let Action::Show(show) = &self.action;
        let found = match &show.device_id {
            Some(device) => show.of_identity(device)?,
            None => show.of_policy()?,
        };
        Ok(show.output.text("connectionString", &found.to_string())?)
    }
}

impl Show {
    fn of_identity(&self, device: &str) -> Result<ConnectionString, CliError> {
        let identity = match &self.module_id {
            None => Identity::device(device),
            Some(module) => Identity::module(device, module),
        };
        let target = self.target.target()?;
        identity.connection_string(&RestClient::new(&target), &target, self.key)
    }

    /// Needs no running hub: the keys stand in the data directory.
    fn of_policy(&self) -> Result<ConnectionString, CliError> {
        let Some(directory) = self.target.data_directory()? else {
            let text = "keys of policies are shown on the machine of the hub only, from its data directory (--data-dir)";
            return Err(CliError::Argument(text.to_owned()));
        };
        let endpoints = read_endpoints(&directory)?;
        let policy = read_policy(&directory, &self.policy)?;
        Ok(ConnectionString {
            host_name: endpoints.host_name,
            https_port: None,
            principal: Principal::Policy(policy.name),
            key: match self.key {
                Key::Primary => policy.primary_key,
                Key::Secondary => policy.secondary_key,
            },
            entity_path: self.event_hub.then_some(endpoints.event_hub),
        })
    }
}
