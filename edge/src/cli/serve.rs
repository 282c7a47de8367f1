//! Arguments of `ringhub serve`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use crate::config::Overrides;
use crate::logging::LogFormat;

pub(super) const EXAMPLES: &str = "\
Examples:
  ringhub                                       a hub for this machine alone, certificate included
  ringhub --https-port 8443                     the same without the privilege that port 443 needs
  ringhub --host-name hub.example --listen 0.0.0.0
                                                a hub for the network; clients dial hub.example
  ringhub --data-dir /tmp/hub --shards 1 --executors 1
                                                a small one for tests; delete it to start anew
  ringhub serve --config /etc/ringhub.toml      everything from a file

`serve` may be left out. What is given here stands over the file, and the file over the defaults.";

/// Arguments of `ringhub serve`: each stands over the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct ServeArguments {
    /// Configuration file (TOML); without it the defaults hold
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where events, identities and certificates are kept [default: $RINGHUB_DATA_DIR, or
    /// $XDG_STATE_HOME/ringhub, or ~/.local/state/ringhub; for root /var/lib/ringhub]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Name that clients dial; it stands in connection strings and in the certificate [default:
    /// localhost]
    #[arg(long, value_name = "NAME")]
    pub host_name: Option<String>,
    /// Address to accept connections on: 0.0.0.0 or :: for the network [default: 127.0.0.1]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<IpAddr>,
    /// Port of MQTT over TLS [default: 8883]
    #[arg(long, value_name = "PORT")]
    pub mqtt_port: Option<u16>,
    /// Port of AMQP over TLS [default: 5671]
    #[arg(long, value_name = "PORT")]
    pub amqp_port: Option<u16>,
    /// Port of REST and WebSocket over TLS [default: 443, or 8443 without the privilege for it]
    #[arg(long, value_name = "PORT")]
    pub https_port: Option<u16>,
    /// Threads that serve connections [default: one per CPU that is left by the executors]
    #[arg(long, value_name = "N")]
    pub shards: Option<u16>,
    /// Threads that write events to disk, one log each; fixed for a data directory [default: one
    /// per 8 CPUs]
    #[arg(long, value_name = "N")]
    pub executors: Option<u16>,
    /// Form of log lines [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Tie every thread to one CPU [default: when there are CPUs enough]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub pin: Option<bool>,
}

impl ServeArguments {
    /// What stands over the configuration file.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides {
            host_name: self.host_name.clone(),
            address: self.listen,
            mqtt_port: self.mqtt_port,
            amqp_port: self.amqp_port,
            https_port: self.https_port,
            shards: self.shards,
            executors: self.executors,
            pin: self.pin,
        }
    }
}
