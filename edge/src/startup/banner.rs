//! What the operator sees once the hub listens.

use std::fmt;
use std::path::{Path, PathBuf};

use super::files::{self, NotWritten, Readable};
use super::ports::Ports;

/// File in the data directory with the connection strings, for those who have no terminal.
const FILE: &str = "connection-strings.txt";

/// Connection strings of one shared access policy.
///
/// They hold the key: `Debug` does not show it, and the banner shows it on a terminal only.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionStrings {
    /// For the IoT service SDKs and tools.
    pub hub: String,
    /// For the Event Hubs SDKs.
    pub event_hubs: String,
}

impl ConnectionStrings {
    /// Builds both for `policy` (such as `iothubowner`) with `key` in base64; `entity_path` is the
    /// name of the Event-Hubs-compatible entity.
    ///
    /// Source: service-endpoints reference 1.3.
    #[must_use]
    pub fn new(host_name: &str, policy: &str, key: &str, entity_path: &str) -> Self {
        let hub =
            format!("HostName={host_name};SharedAccessKeyName={policy};SharedAccessKey={key}");
        let event_hubs = format!(
            "Endpoint=sb://{host_name}/;SharedAccessKeyName={policy};SharedAccessKey={key};EntityPath={entity_path}"
        );
        Self { hub, event_hubs }
    }

    /// The file of a data directory that holds them.
    #[must_use]
    pub fn file(data_directory: &Path) -> PathBuf {
        data_directory.join(FILE)
    }

    /// Writes them into the [file](Self::file) of the data directory, readable by the owner alone.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, data_directory: &Path) -> Result<(), NotWritten> {
        let text = format!(
            "# IoT service SDKs and tools\n{}\n# Event Hubs SDKs (reading device-to-cloud messages)\n{}\n",
            self.hub, self.event_hubs
        );
        files::write(&Self::file(data_directory), &text, Readable::ByOwner)
    }
}

impl fmt::Debug for ConnectionStrings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionStrings").finish_non_exhaustive()
    }
}

/// The text printed at start.
///
/// Keys appear on a terminal only. Otherwise standard output is a log that others read, and the
/// text names the file that holds them.
#[derive(Clone, Copy, Debug)]
pub struct Banner<'a> {
    /// Name that clients dial.
    pub host_name: &'a str,
    /// What listens where.
    pub ports: &'a Ports,
    /// The data directory.
    pub data_directory: &'a Path,
    /// Certificate of the development CA; `None` with a configured certificate.
    pub ca: Option<&'a Path>,
    /// What to connect with.
    pub connection_strings: &'a ConnectionStrings,
    /// The [file](ConnectionStrings::file) with them.
    pub connection_strings_file: &'a Path,
}

impl Banner<'_> {
    /// The text, with keys when `on_terminal`.
    #[must_use]
    pub fn render(&self, on_terminal: bool) -> String {
        let mut text = format!(
            "ringhub serves {}\n  MQTT    {}\n  AMQP    {}\n  HTTPS   {}   (REST, MQTT and AMQP over WebSocket)\n  data    {}\n",
            self.host_name,
            self.ports.mqtt,
            self.ports.amqp,
            self.ports.https,
            self.data_directory.display()
        );
        if let Some(notice) = &self.ports.notice {
            text += &format!("\nnote: {notice}\n");
        }
        if let Some(ca) = self.ca {
            let ca = ca.display();
            text += &format!(
                "\nClients have to trust the development CA: {ca}\n  SSL_CERT_FILE={ca}          OpenSSL, Python\n  REQUESTS_CA_BUNDLE={ca}     az, REST clients in Python\n  NODE_EXTRA_CA_CERTS={ca}    Node.js\n"
            );
        }
        if on_terminal {
            text += &format!(
                "\nConnect service SDKs and tools with\n  {}\nand Event Hubs readers with\n  {}\n",
                self.connection_strings.hub, self.connection_strings.event_hubs
            );
        }
        text + &format!(
            "\nConnection strings are in {} (for your eyes only).\n",
            self.connection_strings_file.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::test_directory::TestDirectory;
    use super::*;

    #[test]
    fn keys_are_shown_on_a_terminal_only() {
        let strings = ConnectionStrings::new("hub.example", "iothubowner", "c2VjcmV0", "hub");
        let address = "127.0.0.1:8883".parse().unwrap();
        let ports = Ports { mqtt: address, amqp: address, https: address, notice: None };
        let banner = Banner {
            host_name: "hub.example",
            ports: &ports,
            data_directory: Path::new("/data"),
            ca: Some(Path::new("/data/tls/ca.pem")),
            connection_strings: &strings,
            connection_strings_file: Path::new("/data/connection-strings.txt"),
        };
        let terminal = banner.render(true);
        assert!(terminal.contains(
            "HostName=hub.example;SharedAccessKeyName=iothubowner;SharedAccessKey=c2VjcmV0\n"
        ));
        assert!(terminal.contains(
            "Endpoint=sb://hub.example/;SharedAccessKeyName=iothubowner;SharedAccessKey=c2VjcmV0;EntityPath=hub\n"
        ));
        let log = banner.render(false);
        assert!(!log.contains("c2VjcmV0") && log.contains("/data/connection-strings.txt"), "{log}");
        assert!(!format!("{strings:?}").contains("c2VjcmV0"));
    }

    #[test]
    fn the_file_with_keys_is_private() {
        let parent = TestDirectory::new();
        let strings = ConnectionStrings::new("hub.example", "iothubowner", "c2VjcmV0", "hub");
        strings.write(parent.path()).unwrap();
        let path = ConnectionStrings::file(parent.path());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(std::fs::read_to_string(path).unwrap().contains(&strings.event_hubs));
    }
}
