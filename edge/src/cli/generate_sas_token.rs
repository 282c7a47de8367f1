//! `ringhub generate-sas-token`.

use std::time::Duration;

use clap::Args;

use super::error::CliError;
use super::identity::{Identity, Key, WhichKey};
use super::login::device_credential;
use super::output::Output;
use super::target::TargetArguments;
use crate::client::{
    ClientError, ConnectionString, Credential, Principal, RestClient, read_endpoints, read_policy,
};

/// The policy that the data directory is used with.
const OWNER_POLICY: &str = "iothubowner";

const EXAMPLES: &str = "\
Examples:
  ringhub generate-sas-token -d pump-7                 of an MQTT client, or of curl
  ringhub generate-sas-token -d pump-7 --duration 86400
  ringhub generate-sas-token --policy-name service     for REST and AMQP
  ringhub generate-sas-token --connection-string 'HostName=h;DeviceId=d;SharedAccessKey=QUJD'
                                                       asks no hub";

/// Print a token of a device, a module or a policy
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct GenerateSasToken {
    /// Of this device; without it, of a policy
    #[arg(long, short, value_name = "ID")]
    device_id: Option<String>,
    /// Of this module of the device
    #[arg(long, short, value_name = "ID", requires = "device_id")]
    module_id: Option<String>,
    /// Of this policy, on the machine of the hub [default: iothubowner]
    #[arg(long, visible_aliases = ["pn", "policy"], value_name = "NAME")]
    policy_name: Option<String>,
    /// Seconds for which it holds
    #[arg(long, visible_alias = "du", value_name = "SECONDS", default_value_t = 3600)]
    duration: u32,
    #[command(flatten)]
    key: WhichKey,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl GenerateSasToken {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let (credential, host_name) = match (&self.device_id, self.target.login()) {
            (Some(device), _) => self.of_identity(device)?,
            (None, Some(text)) => self.of_connection_string(&text)?,
            (None, None) => self.of_policy()?,
        };
        let validity = Duration::from_secs(self.duration.into());
        Ok(self.output.text("sas", &credential.token_for(&host_name, validity))?)
    }

    fn of_identity(&self, device: &str) -> Result<(Credential, String), CliError> {
        let identity = Identity { device: device.to_owned(), module: self.module_id.clone() };
        let target = self.target.target()?;
        let rest = RestClient::new(&target);
        let credential = device_credential(&target, &rest, &identity, self.key.key)?;
        Ok((credential, target.host_name))
    }

    /// Asks nobody, so it needs neither a hub nor its CA.
    fn of_connection_string(&self, text: &str) -> Result<(Credential, String), CliError> {
        let parsed = ConnectionString::parse(text).map_err(ClientError::from)?;
        let is_another = match (&parsed.principal, &self.policy_name) {
            (Principal::Policy(policy), Some(wanted)) => policy != wanted,
            (_, wanted) => wanted.is_some(),
        };
        if is_another || self.key.key == Key::Secondary {
            let text = "a connection string holds one key of one policy or device: neither \
                        --policy-name nor --key-type can choose another";
            return Err(CliError::Argument(text.to_owned()));
        }
        let credential = Credential::new(parsed.principal, &parsed.key);
        let not_base64 = || CliError::Argument("the key is not base64".to_owned());
        Ok((credential.ok_or_else(not_base64)?, parsed.host_name))
    }

    /// Needs no running hub: the keys stand in the data directory.
    fn of_policy(&self) -> Result<(Credential, String), CliError> {
        let directory = self.target.local_directory()?;
        let endpoints = read_endpoints(&directory)?;
        self.target.check_name(&endpoints.host_name)?;
        let name = self.policy_name.as_deref().unwrap_or(OWNER_POLICY);
        let policy = read_policy(&directory, name)?;
        let key = match self.key.key {
            Key::Primary => policy.primary_key,
            Key::Secondary => policy.secondary_key,
        };
        let credential = Credential::new(Principal::Policy(policy.name), &key);
        let not_base64 = || CliError::Argument(format!("a key of {name} is not base64"));
        Ok((credential.ok_or_else(not_base64)?, endpoints.host_name))
    }
}
