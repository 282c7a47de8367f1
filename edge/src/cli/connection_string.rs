//! `ringhub connection-string`.

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, Subcommand};

use super::error::CliError;
use super::identity::{Identity, Key, WhichKey};
use super::output::Output;
use super::target::TargetArguments;
use crate::client::{
    Administrator, ConnectionString, Principal, RestClient, policy_named, read_endpoints,
    read_policies,
};
use crate::startup::{Endpoints, PolicyRecord};

/// The right of those who read events.
const READER: &str = "ServiceConnect";

const EXAMPLES: &str = "\
Examples:
  ringhub connection-string show                       for service SDKs, as the owner
  ringhub connection-string show --policy-name service
                                                       with fewer rights
  ringhub connection-string show --default-eventhub    for Event Hubs SDKs
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
    #[arg(long = "policy-name", visible_aliases = ["pn", "policy"], value_name = "NAME", default_value = "iothubowner", conflicts_with = "device_id")]
    policy: String,
    /// For Event Hubs SDKs, which read device-to-cloud messages
    #[arg(long = "default-eventhub", visible_aliases = ["eh", "event-hub"], conflicts_with = "device_id",
        num_args = 0..=1, default_value = "false", default_missing_value = "true",
        action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    event_hub: bool,
    /// Of all policies, a line each; of those with the right to read, for Event Hubs SDKs
    #[arg(long, visible_alias = "all", conflicts_with_all = ["device_id", "policy"])]
    show_all: bool,
    /// For a device, with its own key
    #[arg(long, short, value_name = "ID")]
    device_id: Option<String>,
    /// For a module of that device
    #[arg(long, short, value_name = "ID", requires = "device_id")]
    module_id: Option<String>,
    #[command(flatten)]
    key: WhichKey,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl ConnectionStrings {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let Action::Show(show) = &self.action;
        if show.show_all {
            return Ok(show.output.lines(&show.of_policies()?)?);
        }
        let found = match &show.device_id {
            Some(device) => show.of_identity(device)?,
            None => show.of_policy()?,
        };
        Ok(show.output.text("connectionString", &found)?)
    }
}

impl Show {
    fn of_identity(&self, device: &str) -> Result<String, CliError> {
        let identity = match &self.module_id {
            None => Identity::device(device),
            Some(module) => Identity::module(device, module),
        };
        let target = self.target.target()?;
        let registered = identity.read(&RestClient::new(&target))?;
        Ok(identity.connection_string_of(&registered, &target, self.key.key))
    }

    fn of_policy(&self) -> Result<String, CliError> {
        let (policies, endpoints) = self.policies()?;
        Ok(self.text(&endpoints, policy_named(policies, &self.policy)?))
    }

    fn of_policies(&self) -> Result<Vec<String>, CliError> {
        let (policies, endpoints) = self.policies()?;
        let policies = policies.into_iter();
        let policies = policies.filter(|policy| !self.event_hub || policy.rights.contains(READER));
        Ok(policies.map(|policy| self.text(&endpoints, policy)).collect())
    }

    /// Those of the hub of the configuration stand in the data directory, so that it need not run;
    /// those of others the process has to tell.
    fn policies(&self) -> Result<(Vec<PolicyRecord>, Endpoints), CliError> {
        let Some(directory) = self.target.data_directory()? else {
            let text = "keys of policies are shown on the machine of the hub only, from its data directory (--data-dir)";
            return Err(CliError::Argument(text.to_owned()));
        };
        let mut endpoints = read_endpoints(&directory)?;
        let Some(name) = self.target.other_hub(&directory)? else {
            return Ok((read_policies(&directory)?, endpoints));
        };
        let administrator = Administrator::local(&directory)?;
        let hub = administrator.named_hub(name, &endpoints.host_name)?;
        endpoints.host_name = hub["properties"]["hostName"].as_str().unwrap_or_default().to_owned();
        let policies = administrator.policies(&hub)?;
        Ok((policies.iter().filter_map(PolicyRecord::of_provider).collect(), endpoints))
    }

    fn text(&self, endpoints: &Endpoints, policy: PolicyRecord) -> String {
        let string = ConnectionString {
            host_name: endpoints.host_name.clone(),
            https_port: None,
            principal: Principal::Policy(policy.name),
            key: match self.key.key {
                Key::Primary => policy.primary_key,
                Key::Secondary => policy.secondary_key,
            },
            entity_path: self.event_hub.then(|| endpoints.event_hub.clone()),
        };
        string.to_string()
    }
}
