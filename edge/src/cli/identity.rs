//! What device and module identities have in common.

use std::convert::Infallible;

use clap::{Args, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use super::error::CliError;
use crate::client::{
    ClientError, ConnectionString, Credential, Precondition, Principal, RestClient, Target,
    encode_segment,
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

    /// What the identity logs in with: one of the registered keys.
    pub(super) fn credential(&self, rest: &RestClient, key: Key) -> Result<Credential, CliError> {
        let registered = self.read(rest)?;
        let found = key.of(&registered).ok_or_else(|| {
            let kind = registered.pointer("/authentication/type").and_then(Value::as_str);
            let kind = kind.unwrap_or("unknown");
            let name = self.name();
            CliError::Argument(format!("{name} has no key: its authentication type is {kind}"))
        })?;
        let credential = Credential::new(self.principal(), found);
        credential.ok_or_else(|| CliError::Argument("the registered key is not base64".to_owned()))
    }

    /// The connection string of what is `registered`; one that is proven by a certificate says so
    /// in the place of the key.
    pub(super) fn connection_string_of(
        &self,
        registered: &Value,
        target: &Target,
        key: Key,
    ) -> String {
        let Some(found) = key.of(registered) else {
            let module = self.module.as_ref().map(|module| format!(";ModuleId={module}"));
            let (host, device) = (&target.host_name, &self.device);
            let module = module.unwrap_or_default();
            return format!("HostName={host};DeviceId={device}{module};x509=true");
        };
        let string = ConnectionString {
            host_name: target.host_name.clone(),
            https_port: None,
            principal: self.principal(),
            key: found.to_owned(),
            entity_path: None,
        };
        string.to_string()
    }
}

/// `--key-type`, for what can be made with either key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub(super) struct WhichKey {
    /// With which of the two keys
    #[arg(long = "key-type", visible_aliases = ["kt", "key"], value_enum, ignore_case = true, default_value = "primary")]
    pub(super) key: Key,
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

    /// The key of what is registered; `None` where that has no keys.
    fn of(self, registered: &Value) -> Option<&str> {
        registered.pointer(self.pointer())?.as_str()
    }
}

/// What an identity proves itself with, under the names of the Azure CLI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AuthMethod {
    /// Keys
    #[value(name = "shared_private_key")]
    Keys,
    /// A self-signed certificate, known by its thumbprint
    #[value(name = "x509_thumbprint")]
    Thumbprint,
    /// A certificate from an authority of the hub (`ringhub certificate`)
    #[value(name = "x509_ca")]
    Authority,
}

/// How an identity proves itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Authentication")]
pub(super) struct AuthenticationArguments {
    /// What it proves itself with [default: what is given below, or keys]
    #[arg(long, visible_alias = "am", value_enum, value_name = "METHOD")]
    auth_method: Option<AuthMethod>,
    /// First key, 16 to 64 bytes in base64; the hub makes both keys when none is given
    #[arg(long, visible_alias = "pk", value_name = "BASE64", requires = "secondary_key")]
    primary_key: Option<String>,
    /// Second key
    #[arg(long, visible_alias = "sk", value_name = "BASE64", requires = "primary_key")]
    secondary_key: Option<String>,
    /// SHA-1 or SHA-256 thumbprint of a self-signed certificate, in place of keys
    #[arg(
        long,
        visible_alias = "ptp",
        value_name = "HEX",
        conflicts_with = "primary_key",
        required_if_eq("auth_method", "x509_thumbprint")
    )]
    primary_thumbprint: Option<String>,
    /// Thumbprint of a second certificate
    #[arg(long, visible_alias = "stp", value_name = "HEX", requires = "primary_thumbprint")]
    secondary_thumbprint: Option<String>,
    /// Refused: the certificate is made by the device, as in `openssl req -x509 …`
    #[arg(long, visible_aliases = ["vd", "output-dir", "od"], hide = true, value_parser = no_certificate)]
    valid_days: Option<Infallible>,
}

impl AuthenticationArguments {
    /// The authentication object; `None` when nothing is said.
    ///
    /// # Errors
    /// When what is given is not of the method.
    pub(super) fn document(&self) -> Result<Option<Value>, CliError> {
        let given = match (&self.primary_key, &self.primary_thumbprint) {
            (Some(_), _) => Some(AuthMethod::Keys),
            (_, Some(_)) => Some(AuthMethod::Thumbprint),
            _ => None,
        };
        match (self.auth_method, given) {
            (Some(AuthMethod::Thumbprint), None) => {
                let text = "--auth-method x509_thumbprint needs --primary-thumbprint";
                return Err(CliError::Argument(text.to_owned()));
            }
            (Some(method), Some(given)) if method != given => {
                let text = "the key or thumbprint that is given is not of this --auth-method";
                return Err(CliError::Argument(text.to_owned()));
            }
            _ => {}
        }
        Ok(self.object())
    }

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
        if let Some(primary) = &self.primary_key {
            return Some(json!({
                "type": "sas",
                "symmetricKey": { "primaryKey": primary, "secondaryKey": self.secondary_key },
            }));
        }
        match self.auth_method? {
            AuthMethod::Authority => Some(json!({ "type": "certificateAuthority" })),
            // The hub makes new ones.
            AuthMethod::Keys => Some(json!({ "type": "sas" })),
            AuthMethod::Thumbprint => None,
        }
    }
}

fn no_certificate(_text: &str) -> Result<Infallible, String> {
    Err("is not made here: `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
         -subj /CN=ID -keyout key.pem -out cert.pem`, then --primary-thumbprint with what `openssl \
         x509 -noout -fingerprint -sha256 -in cert.pem` says, without colons"
        .to_owned())
}
