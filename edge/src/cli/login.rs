//! Logging in as a device: with its own connection string, or with the key that the registry
//! gives to whoever may read it.

use super::error::CliError;
use super::identity::{Identity, Key};
use crate::client::{Credential, Principal, RestClient, Target};

/// The credential of `identity`.
pub(super) fn device_credential(
    target: &Target,
    rest: &RestClient,
    identity: &Identity,
) -> Result<Credential, CliError> {
    if let Principal::Policy(_) = target.credential.principal {
        let found = identity.connection_string(rest, target, Key::Primary)?;
        let credential = Credential::new(found.principal, &found.key);
        return credential
            .ok_or_else(|| CliError::Argument("the registered key is not base64".to_owned()));
    }
    if target.credential.principal == identity.principal() {
        return Ok(target.credential.clone());
    }
    Err(CliError::Argument(format!(
        "the connection string is of another device or module than {}",
        identity.name()
    )))
}

/// Topic prefix below which a device or module publishes its telemetry.
pub(super) fn events_topic(identity: &Identity) -> String {
    match &identity.module {
        None => format!("devices/{}/messages/events/", identity.device),
        Some(module) => format!("devices/{}/modules/{module}/messages/events/", identity.device),
    }
}
