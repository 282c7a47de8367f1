//! Connection strings as clients of the hub start from them.
//!
//! ```text
//! HostName=H;SharedAccessKeyName=P;SharedAccessKey=K             a policy of the hub
//! HostName=H;DeviceId=D[;ModuleId=M];SharedAccessKey=K           a device or module
//! Endpoint=sb://H/;SharedAccessKeyName=P;SharedAccessKey=K;EntityPath=E     an Event Hubs client
//! ```

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const PARTS: [&str; 7] = [
    "HostName",
    "SharedAccessKeyName",
    "SharedAccessKey",
    "DeviceId",
    "ModuleId",
    "Endpoint",
    "EntityPath",
];

/// Who logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A shared access policy of the hub, by its name.
    Policy(String),
    /// A device.
    Device(String),
    /// A module of a device.
    Module {
        /// The device.
        device: String,
        /// The module.
        module: String,
    },
}

/// A connection string, checked part by part.
///
/// It holds a key: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionString {
    /// Name that is dialled, without a port.
    pub host_name: String,
    /// HTTPS port behind the host name, where there is one.
    pub https_port: Option<u16>,
    /// Whose key it is.
    pub principal: Principal,
    /// The key in base64, as it came.
    pub key: String,
    /// The Event-Hubs-compatible entity; the string is for an Event Hubs client if there is one.
    pub entity_path: Option<String>,
}

/// Which part of a connection string is wrong. The text never holds a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionStringError {
    /// A part that is not `name=value`.
    #[error("part {0} is not `name=value`; parts are joined by `;`")]
    NoValue(usize),
    /// A name that means nothing here.
    #[error("part {0} has an unknown name{name}", name = suggestion(.1.as_deref()))]
    Unknown(usize, Option<String>),
    /// A name that comes twice.
    #[error("{0} comes twice")]
    Twice(&'static str),
    /// Something is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Policy and device exclude each other.
    #[error(
        "it names a policy (SharedAccessKeyName) and a device (DeviceId), but can have one only"
    )]
    TwoPrincipals,
    /// Not `sb://host/`.
    #[error("Endpoint is not of the form sb://host/")]
    Endpoint,
    /// A port that is none, or no name before it.
    #[error("HostName is not a host, or host:port")]
    HostName,
    /// Not base64.
    #[error("SharedAccessKey is not base64; copy all of it, with the `=` at its end")]
    Key,
}

fn suggestion(known: Option<&str>) -> String {
    known.map_or_else(
        || format!("; known are {}", PARTS.join(", ")),
        |known| format!("; did you mean {known}?"),
    )
}

/// The values of the parts, in the order of [`PARTS`].
struct Parts<'a>([Option<&'a str>; PARTS.len()]);

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, ConnectionStringError> {
        let mut values = [None; PARTS.len()];
        let parts = text.trim().split(';').map(str::trim).enumerate();
        for (index, part) in parts.filter(|(_, part)| !part.is_empty()) {
            let number = index + 1;
            let (name, value) =
                part.split_once('=').ok_or(ConnectionStringError::NoValue(number))?;
            let known = PARTS.iter().position(|known| known.eq_ignore_ascii_case(name.trim()));
            let known = known.ok_or_else(|| {
                let closest = crate::config::closest(name, PARTS).map(ToOwned::to_owned);
                ConnectionStringError::Unknown(number, closest)
            })?;
            if value.is_empty() {
                return Err(ConnectionStringError::Missing(PARTS[known]));
            }
            if values[known].replace(value).is_some() {
                return Err(ConnectionStringError::Twice(PARTS[known]));
            }
        }
        Ok(Self(values))
    }

    fn value(&self, name: &'static str) -> Option<&'a str> {
        PARTS.iter().position(|known| *known == name).and_then(|index| self.0[index])
    }

    fn required(&self, name: &'static str) -> Result<&'a str, ConnectionStringError> {
        self.value(name).ok_or(ConnectionStringError::Missing(name))
    }

    fn principal(&self) -> Result<Principal, ConnectionStringError> {
        let policy = self.value("SharedAccessKeyName").map(ToOwned::to_owned);
        let device = self.value("DeviceId").map(ToOwned::to_owned);
        let module = self.value("ModuleId").map(ToOwned::to_owned);
        match (policy, device, module) {
            (Some(_), Some(_), _) => Err(ConnectionStringError::TwoPrincipals),
            (Some(policy), None, None) => Ok(Principal::Policy(policy)),
            (None, Some(device), None) => Ok(Principal::Device(device)),
            (None, Some(device), Some(module)) => Ok(Principal::Module { device, module }),
            (_, None, Some(_)) => Err(ConnectionStringError::Missing("DeviceId")),
            (None, None, None) => {
                Err(ConnectionStringError::Missing("SharedAccessKeyName (or DeviceId)"))
            }
        }
    }
}

impl ConnectionString {
    /// Reads a connection string. Names compare without regard to case, order is free.
    ///
    /// # Errors
    /// [`ConnectionStringError`]: which part is wrong.
    ///
    /// Source: service-endpoints reference, "Connection strings clients start from".
    pub fn parse(text: &str) -> Result<Self, ConnectionStringError> {
        let parts = Parts::split(text)?;
        let (host_name, https_port) = match parts.value("Endpoint") {
            Some(endpoint) => {
                let host = endpoint.strip_prefix("sb://").ok_or(ConnectionStringError::Endpoint)?;
                (host.trim_end_matches('/').to_owned(), None)
            }
            None => split_port(parts.required("HostName")?)?,
        };
        let key = parts.required("SharedAccessKey")?;
        STANDARD.decode(key).map_err(|_| ConnectionStringError::Key)?;
        Ok(Self {
            host_name,
            https_port,
            principal: parts.principal()?,
            key: key.to_owned(),
            entity_path: parts.value("EntityPath").map(ToOwned::to_owned),
        })
    }
}

/// Splits `host:port`; the colons of a bare IPv6 address are no port.
fn split_port(text: &str) -> Result<(String, Option<u16>), ConnectionStringError> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let port = port.map(str::parse).transpose().map_err(|_| ConnectionStringError::HostName)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() || host.contains(['/', ' ']) {
        return Err(ConnectionStringError::HostName);
    }
    Ok((host.to_owned(), port))
}

impl fmt::Display for ConnectionString {
    /// The whole string, key included, as the SDKs take it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host_name, key, .. } = self;
        match &self.entity_path {
            Some(_) => write!(f, "Endpoint=sb://{host_name}/")?,
            None => write!(f, "HostName={host_name}")?,
        }
        match &self.principal {
            Principal::Policy(policy) => write!(f, ";SharedAccessKeyName={policy}")?,
            Principal::Device(device) => write!(f, ";DeviceId={device}")?,
            Principal::Module { device, module } => {
                write!(f, ";DeviceId={device};ModuleId={module}")?;
            }
        }
        write!(f, ";SharedAccessKey={key}")?;
        self.entity_path.as_ref().map_or(Ok(()), |path| write!(f, ";EntityPath={path}"))
    }
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ConnectionString");
        shown.field("host_name", &self.host_name).field("principal", &self.principal);
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_that_sdks_take() {
        for text in [
            "HostName=hub.example;SharedAccessKeyName=service;SharedAccessKey=c2VjcmV0",
            "HostName=hub.example;DeviceId=pump-7;SharedAccessKey=c2VjcmV0",
            "HostName=::1;DeviceId=pump-7;ModuleId=fan;SharedAccessKey=c2VjcmV0",
            "Endpoint=sb://hub.example/;SharedAccessKeyName=service;SharedAccessKey=c2VjcmV0;EntityPath=e",
        ] {
            let parsed = ConnectionString::parse(text).unwrap();
            assert_eq!(parsed.to_string(), text);
            assert!(!format!("{parsed:?}").contains("c2VjcmV0"));
        }
        let text = " hostname=h:8443; sharedaccesskey=AA==;sharedaccesskeyname=p; ";
        let parsed = ConnectionString::parse(text).unwrap();
        assert_eq!((parsed.host_name.as_str(), parsed.https_port), ("h", Some(8443)));
        assert_eq!(parsed.key, "AA==");
    }

    #[test]
    fn says_which_part_is_wrong_and_never_shows_a_key() {
        let host = "HostName=h;";
        for (text, expected) in [
            (String::new(), "HostName is missing"),
            ("https://hub.example".to_owned(), "part 1 is not `name=value`"),
            (
                format!("{host}SharedAccesKey=c2VjcmV0"),
                "part 2 has an unknown name; did you mean SharedAccessKey?",
            ),
            (format!("{host}c2VjcmV0=1"), "known are HostName"),
            (format!("{host}HostName=i"), "HostName comes twice"),
            (format!("{host}SharedAccessKeyName=p"), "SharedAccessKey is missing"),
            (
                format!("{host}SharedAccessKeyName=;SharedAccessKey=AA=="),
                "SharedAccessKeyName is missing",
            ),
            (
                format!("{host}SharedAccessKey=c2VjcmV0"),
                "SharedAccessKeyName (or DeviceId) is missing",
            ),
            (format!("{host}ModuleId=m;SharedAccessKey=AA=="), "DeviceId is missing"),
            (
                format!("{host}SharedAccessKeyName=p;SharedAccessKey=c2VjcmV0c"),
                "SharedAccessKey is not base64",
            ),
            (format!("{host}SharedAccessKeyName=p;DeviceId=d;SharedAccessKey=AA=="), "one only"),
            ("HostName=h:x;SharedAccessKey=AA==".to_owned(), "HostName is not a host"),
            ("Endpoint=https://h/;SharedAccessKey=AA==".to_owned(), "sb://host/"),
        ] {
            let error = ConnectionString::parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("c2VjcmV0"), "{error}");
        }
    }
}
