//! What a running hub offers and where, for commands on the same machine.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::{self, NotWritten, Readable};
use super::prepare::Prepared;

/// The ports that a hub has bound, and the names under which it is addressed.
///
/// It stays in the data directory after the end of the hub: who finds that nobody answers there
/// knows which hub to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoints {
    /// Name in tokens and in the certificate.
    pub host_name: String,
    /// Name of the Event-Hubs-compatible entity.
    pub event_hub: String,
    /// Whether the development CA of the data directory has signed the certificate.
    pub development_ca: bool,
    /// MQTT over TLS.
    pub mqtt: SocketAddr,
    /// AMQP over TLS.
    pub amqp: SocketAddr,
    /// REST and WebSocket over TLS.
    pub https: SocketAddr,
}

impl Endpoints {
    /// File in the data directory.
    pub const FILE: &str = "endpoints.toml";

    /// What the hub that was prepared offers.
    #[must_use]
    pub fn of(prepared: &Prepared, event_hub: &str) -> Self {
        let hub = &prepared.config.hub;
        Self {
            host_name: hub.host_name.clone(),
            event_hub: event_hub.to_owned(),
            development_ca: prepared.certificate_source.ca().is_some(),
            mqtt: prepared.ports.mqtt,
            amqp: prepared.ports.amqp,
            https: prepared.ports.https,
        }
    }

    /// Writes them into their file in the data directory, readable by the owner alone.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, data_directory: &Path) -> Result<(), NotWritten> {
        let path = data_directory.join(Self::FILE);
        let text = toml::to_string(self)
            .map_err(|error| NotWritten { path: path.clone(), source: io::Error::other(error) })?;
        let text = format!("# Written by the start of the hub; changes have no effect.\n{text}");
        files::write(&path, &text, Readable::ByOwner)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::test_directory::TestDirectory;
    use super::*;

    #[test]
    fn what_is_written_can_be_read_by_the_owner() {
        let parent = TestDirectory::new();
        let endpoints = Endpoints {
            host_name: "hub.example".to_owned(),
            event_hub: "ringhub".to_owned(),
            development_ca: true,
            mqtt: "127.0.0.1:8883".parse().unwrap(),
            amqp: "[::]:5671".parse().unwrap(),
            https: "0.0.0.0:8443".parse().unwrap(),
        };
        endpoints.write(parent.path()).unwrap();
        let path = parent.path().join(Endpoints::FILE);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(toml::from_str::<Endpoints>(&text).unwrap(), endpoints, "{text}");
    }
}
