//! What device and module identities have in common.

use clap::{Args, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use super::error::CliError;
use crate::client::{
    ClientError, ConnectionString, Precondition, Principal, RestClient, Target, encode_segment,
};

/// Names a device, or a module of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) device: String,
    pub(super) module: Option<String>,
}

impl Identity {
    pub(super) fn device(id: &str) -> Self {
        Self { device: id.to_owned(), module: None }
    }

    pub(super) fn module(device: &str, id: &str) -> Self {
        Self { device: device.to_owned(), module: Some(id.to_owned()) }
    }

    /// Path below `/devices` or `/twins`.
    pub(super) fn path(&self, collection: &str) -> String {
        let device = encode_segment(&self.device);
        match &self.module {
            None => format!("/{collection}/{device}"),
            Some(module) => format!("/{collection}/{device}/modules/{}", encode_segment(module)),
        }
    }

    /// As topics, addresses and people name it.
    pub(super) fn name(&self) -> String {
        match &self.module {
            None => self.device.clone(),
            Some(module) => format!("{}/{module}", self.device),
        }
    }

    /// Whose key it is in a connection string.
    pub(super) fn principal(&self) -> Principal {
        let device = self.device.clone();
        match self.module.clone() {
            None => Principal::Device(device),
            Some(module) => Principal::Module { device, module },
        }
    }

    /// What the API is told of an identity that it does not know yet.
    pub(super) fn unregistered(&self) -> Value {
        let mut identity = json!({ "deviceId": self.device });
        if let Some(module) = &self.module {
            identity["moduleId"] = module.as_str().into();
        }
        identity
    }

    /// The identity as it is registered.
    pub(super) fn read(&self, rest: &RestClient) -> Result<Value, ClientError> {
        rest.read(&self.path("devices"))
    }

    /// Changes members of the registered identity, if it still is what was read.
    pub(super) fn change(
        &self,
        rest: &RestClient,
        etag: Option<&str>,
        change: impl FnOnce(&mut Value),
    ) -> Result<Value, ClientError> {
        let mut identity = self.read(rest)?;
        change(&mut identity);
        let read = identity["etag"].as_str().map(ToOwned::to_owned);
        let when = Precondition::of(etag.or(read.as_deref()));
        rest.send(Method::PUT, &self.path("devices"), when, Some(&identity))
    }

    /// The connection string with one of the registered keys.
    pub(super) fn connection_string(
        &self,
        rest: &RestClient,
        target: &Target,
        key: Key,
    ) -> Result<ConnectionString, CliError> {
        let identity = self.read(rest)?;
        let found = identity.pointer(key.pointer()).and_then(Value::as_str);
        let found = found.ok_or_else(|| {
            let kind = identity.pointer("/authentication/type").and_then(Value::as_str);
            let kind = kind.unwrap_or("unknown");
            let name = self.name();
            CliError::Argument(format!("{name} has no key: its authentication type is {kind}"))
        })?;
        Ok(ConnectionString {
            host_name: target.host_name.clone(),
            https_port: None,
            principal: self.principal(),
            key: found.to_owned(),
            entity_path: None,
        })
    }
}

/// Which of the two keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Key {
    /// The first
    #[default]
    Primary,
    /// The second
    Secondary,
}

impl Key {
    const fn pointer(self) -> &'static str {
        match self {
            Self::Primary => "/authentication/symmetricKey/primaryKey",
            Self::Secondary => "/authentication/symmetricKey/secondaryKey",
        }
    }
}

/// How an identity proves itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Authentication")]
pub(super) struct AuthenticationArguments {
    /// First key, 16 to 64 bytes in base64; the hub makes both keys when none is given
    #[arg(long, value_name = "BASE64", requires = "secondary_key")]
    primary_key: Option<String>,
    /// Second key
    #[arg(long, value_name = "BASE64", requires = "primary_key")]
    secondary_key: Option<String>,
    /// SHA-1 or SHA-256 thumbprint of a self-signed certificate, in place of keys
    #[arg(long, value_name = "HEX", conflicts_with = "primary_key")]
    primary_thumbprint: Option<String>,
    /// Thumbprint of a second certificate
    #[arg(long, value_name = "HEX", requires = "primary_thumbprint")]
    secondary_thumbprint: Option<String>,
}

impl AuthenticationArguments {
    /// Puts what was said into the identity.
    pub(super) fn apply(&self, identity: &mut Value) {
        if let Some(authentication) = self.object() {
            identity["authentication"] = authentication;
        }
    }

    /// The authentication object; `None` when nothing is said.
    ///
    /// Source: control-plane reference, "Authentication object".
    fn object(&self) -> Option<Value> {
        if let Some(primary) = &self.primary_thumbprint {
            return Some(json!({
                "type": "selfSigned",
                "x509Thumbprint": {
                    "primaryThumbprint": primary,
                    "secondaryThumbprint": self.secondary_thumbprint,
                },
            }));
        }
        let primary = self.primary_key.as_ref()?;
        Some(json!({
            "type": "sas",
            "symmetricKey": { "primaryKey": primary, "secondaryKey": self.secondary_key },
        }))
    }
}
