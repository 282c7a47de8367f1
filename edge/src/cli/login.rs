//! Logging in as a device: with its own connection string, or with the key that the registry
//! gives to whoever may read it.

use std::convert::Infallible;

use clap::Args;

use super::error::CliError;
use super::identity::{Identity, Key};
use crate::client::{Credential, Principal, RestClient, Target};

/// The credential of `identity`, with one of its keys where it has two.
pub(super) fn device_credential(
    target: &Target,
    rest: &RestClient,
    identity: &Identity,
    key: Key,
) -> Result<Credential, CliError> {
    if let Principal::Policy(_) = target.credential.principal {
        return identity.credential(rest, key);
    }
    if target.credential.principal == identity.principal() {
        return Ok(target.credential.clone());
    }
    Err(CliError::Argument(format!(
        "the connection string is of another device or module than {}",
        identity.name()
    )))
}

/// How a command that is a device proves itself, and as what it shows itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Authentication")]
pub(super) struct DeviceLogin {
    /// Key of the device, in place of the registered one
    #[arg(long, visible_alias = "key", value_name = "BASE64")]
    symmetric_key: Option<String>,
    /// Refused: the commands log in with keys
    #[arg(long, visible_aliases = ["cp", "key-file-path", "kp", "passphrase", "pass"], hide = true,
        value_parser = no_certificate)]
    certificate_file_path: Option<Infallible>,
    /// Plug and Play model that the device announces, such as dtmi:com:example:Thermostat;1
    #[arg(long, visible_alias = "dtmi", value_name = "DTMI", value_parser = model_id)]
    pub(super) model_id: Option<String>,
}

impl DeviceLogin {
    /// The credential of `identity`.
    pub(super) fn credential(
        &self,
        target: &Target,
        rest: &RestClient,
        identity: &Identity,
    ) -> Result<Credential, CliError> {
        let Some(key) = &self.symmetric_key else {
            return device_credential(target, rest, identity, Key::Primary);
        };
        let credential = Credential::new(identity.principal(), key);
        credential.ok_or_else(|| CliError::Argument("--symmetric-key is not base64".to_owned()))
    }
}

fn no_certificate(_text: &str) -> Result<Infallible, String> {
    Err("is not for this command, which logs in with keys; `mosquitto_pub --cert … --key …` sends \
         with a certificate"
        .to_owned())
}

fn model_id(text: &str) -> Result<String, String> {
    match text.starts_with("dtmi:") {
        true => Ok(text.to_owned()),
        false => Err("is not like dtmi:com:example:Thermostat;1".to_owned()),
    }
}

/// Topic prefix below which a device or module publishes its telemetry.
pub(super) fn events_topic(identity: &Identity) -> String {
    match &identity.module {
        None => format!("devices/{}/messages/events/", identity.device),
        Some(module) => format!("devices/{}/modules/{module}/messages/events/", identity.device),
    }
}
