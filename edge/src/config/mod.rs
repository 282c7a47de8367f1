//! The configuration: one TOML file, one struct per section.
//!
//! Every value has a unit, a default, a range and a cost (`example.toml` beside this file names
//! them all); a [`Config`] that exists is valid. The command line stands over the file, the file
//! over the defaults.
//!
//! ```toml
//! [hub]
//! host_name = "hub.example"
//! retention = "1day"
//!
//! [listen]
//! address = "0.0.0.0"
//! ```

mod byte_size;
mod check;
mod cloud_to_device;
mod error;
mod sections;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use byte_size::{ByteSize, ByteSizeError};
pub use cloud_to_device::CloudToDevice;
pub use error::ConfigError;
pub(crate) use error::closest;
pub use sections::{CertificateFiles, Executors, Format, Hub, Limits, Listen, Log, Shards, Tls};

#[cfg(test)]
mod tests;

/// A configuration file with every key and its default.
pub const EXAMPLE: &str = include_str!("example.toml");

/// The whole configuration of a hub process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The hub that clients see.
    pub hub: Hub,
    /// What is fixed when the data directory is created: later changes are refused.
    pub format: Format,
    /// Messages to devices and their feedback.
    pub cloud_to_device: CloudToDevice,
    /// Where connections are accepted.
    pub listen: Listen,
    /// Threads that serve connections.
    pub shards: Shards,
    /// Threads that write the commit logs, and when they commit.
    pub executors: Executors,
    /// Files of the commit logs.
    pub log: Log,
    /// The server certificate.
    pub tls: Tls,
    /// Bounds on what peers may do.
    pub limits: Limits,
}

/// What the command line says; `None` leaves the value to the file and the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--host-name`
    pub host_name: Option<String>,
    /// `--listen`
    pub address: Option<std::net::IpAddr>,
    /// `--mqtt-port`
    pub mqtt_port: Option<u16>,
    /// `--amqp-port`
    pub amqp_port: Option<u16>,
    /// `--https-port`
    pub https_port: Option<u16>,
    /// `--shards`
    pub shards: Option<u16>,
    /// `--executors`
    pub executors: Option<u16>,
    /// `--pin`
    pub pin: Option<bool>,
}

impl Config {
    /// Reads `path` (the defaults when there is none), puts `overrides` over it and checks the
    /// result.
    ///
    /// # Errors
    /// [`ConfigError`]: names file, line and key, and what is allowed there.
    pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let text = match path {
            Some(path) => fs::read_to_string(path)
                .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?,
            None => String::new(),
        };
        let origin = path.map_or_else(|| PathBuf::from("command line"), Path::to_owned);
        Self::parse(&text, &origin, overrides)
    }

    /// Parses `text`, puts `overrides` over it and checks the result; `origin` is the file named in
    /// errors.
    ///
    /// # Errors
    /// [`ConfigError`]: names file, line and key, and what is allowed there.
    pub fn parse(text: &str, origin: &Path, overrides: &Overrides) -> Result<Self, ConfigError> {
        let mut config: Self =
            toml::from_str(text).map_err(|error| ConfigError::from_toml(&error, text, origin))?;
        config.apply(overrides);
        check::check(&config)
            .map_err(|violation| ConfigError::from_violation(&violation, text, origin))?;
        Ok(config)
    }

    fn apply(&mut self, overrides: &Overrides) {
        fn put<T: Clone>(value: &mut T, over: Option<&T>) {
            if let Some(over) = over {
                *value = over.clone();
            }
        }
        put(&mut self.hub.host_name, overrides.host_name.as_ref());
        put(&mut self.listen.address, overrides.address.as_ref());
        put(&mut self.listen.mqtt_port, overrides.mqtt_port.as_ref());
        put(&mut self.listen.amqp_port, overrides.amqp_port.as_ref());
        put(&mut self.listen.https_port, overrides.https_port.as_ref());
        self.shards.count = overrides.shards.or(self.shards.count);
        self.executors.count = overrides.executors.or(self.executors.count);
        self.shards.pin = overrides.pin.or(self.shards.pin);
        self.executors.pin = overrides.pin.or(self.executors.pin);
    }
}
