//! Arguments of `ringhub serve`.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use toml::Value;

use crate::config::{Argument, ConfigError, Settings};
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

`serve` may be left out. What is given here stands over the environment, that over the file, and the
file over the defaults. `ringhub config show --defaults` names every key and its variable.";

/// Arguments of `ringhub serve`: each stands over environment and configuration file.
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
    /// The configuration: defaults, file, environment and these arguments.
    ///
    /// # Errors
    /// [`ConfigError`]: names where the value was said, the key, and what is allowed there.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        Settings::read(self.config.as_deref(), variables(), &self.arguments())
    }

    /// What stands over file and environment.
    fn arguments(&self) -> Vec<Argument> {
        let number = |number: Option<u16>| number.map(|number| Value::from(i64::from(number)));
        let text = |text: Option<String>| text.map(Value::from);
        let host_name = text(self.host_name.clone());
        let address = text(self.listen.map(|address| address.to_string()));
        let format = text(self.log_format.map(|format| format.to_string()));
        let pin = self.pin.map(Value::from);
        let all = [
            ("--host-name", ("hub", "host_name"), host_name),
            ("--listen", ("listen", "address"), address),
            ("--mqtt-port", ("listen", "mqtt_port"), number(self.mqtt_port)),
            ("--amqp-port", ("listen", "amqp_port"), number(self.amqp_port)),
            ("--https-port", ("listen", "https_port"), number(self.https_port)),
            ("--shards", ("shards", "count"), number(self.shards)),
            ("--executors", ("executors", "count"), number(self.executors)),
            ("--pin", ("shards", "pin"), pin.clone()),
            ("--pin", ("executors", "pin"), pin),
            ("--log-format", ("logging", "format"), format),
        ];
        let said = all.into_iter().filter_map(|(name, key, value)| Some((name, key, value?)));
        said.map(|(name, key, value)| Argument { name, key, value }).collect()
    }
}

/// The environment, as far as it is text.
fn variables() -> impl Iterator<Item = (String, String)> {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    };
    std::env::vars_os().filter_map(text)
}
