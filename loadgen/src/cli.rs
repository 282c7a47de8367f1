//! Arguments.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand};
use humantime_serde::re::humantime::parse_duration;

const EXAMPLES: &str = "\
Examples:
  ringhub-loadgen connect --host localhost --ca tls/ca.pem --devices devices.tsv
  ringhub-loadgen connect --host hub.example --ca ca.pem --connections 10000 --rate 500 --hold 5m \\
      --policy device --key BASE64 --device-prefix sim-
  ringhub-loadgen connect --host localhost --ca ca.pem --devices devices.tsv --json > result.json

The exit status is 0 if every connection was accepted and held, 1 if any was not, 2 if nothing
could be started.";

/// Load generator for MQTT 3.1.1 over TLS.
#[derive(Debug, Parser)]
#[command(name = "ringhub-loadgen", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Connect many devices and keep their connections open
    Connect(ConnectArguments),
}

/// Arguments of `connect`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
#[command(group(ArgGroup::new("credentials").required(true).args(["devices", "policy"])))]
pub struct ConnectArguments {
    /// Host name of the hub, as its certificate and its devices know it
    #[arg(long, value_name = "NAME")]
    pub host: String,
    /// Address to connect to, if not what the host name resolves to
    #[arg(long, value_name = "ADDR")]
    pub address: Option<IpAddr>,
    /// Port of MQTT over TLS
    #[arg(long, value_name = "PORT", default_value_t = 8883)]
    pub port: u16,
    /// PEM file with the certificates to trust
    #[arg(long, value_name = "FILE")]
    pub ca: PathBuf,
    /// Number of connections, each of another device [default: all devices of the file; 100 with a
    /// policy]
    #[arg(long, value_name = "N")]
    pub connections: Option<u32>,
    /// Arrivals per second; they do not wait for the server
    #[arg(long, value_name = "N", default_value_t = 200)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: u32,
    /// How long connections stay open once the last one is due, such as 30s or 5m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub hold: Duration,
    /// Time that a connection has from its start to its CONNACK
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// MQTT keep-alive in seconds, 0 for none
    #[arg(long, value_name = "SECS", default_value_t = 240)]
    pub keep_alive: u16,
    /// Devices and their keys: lines of device id, tab, base64 key
    #[arg(long, value_name = "FILE")]
    pub devices: Option<PathBuf>,
    /// Shared access policy that signs for all devices, instead of a file
    #[arg(long, value_name = "NAME", requires = "key")]
    pub policy: Option<String>,
    /// Key of the policy, base64
    #[arg(long, value_name = "BASE64", requires = "policy")]
    pub key: Option<String>,
    /// With a policy, devices are called by this and their number, from 0
    #[arg(long, value_name = "TEXT", default_value = "device-")]
    pub device_prefix: String,
    /// Print the result as JSON on standard output; progress goes to standard error in any case
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<ConnectArguments, clap::error::ErrorKind> {
        let words = format!("ringhub-loadgen connect --host h --ca c {line}");
        let cli = Cli::try_parse_from(words.split_whitespace()).map_err(|error| error.kind())?;
        let Command::Connect(arguments) = cli.command;
        Ok(arguments)
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn credentials_come_from_a_file_or_a_policy() {
        use clap::error::ErrorKind::{ArgumentConflict, MissingRequiredArgument, ValueValidation};
        assert!(parse("--devices f").is_ok());
        let policy = parse("--policy device --key a2V5 --hold 5m").unwrap();
        assert_eq!(policy.hold, Duration::from_secs(300));
        for (line, error) in [
            ("", MissingRequiredArgument),
            ("--policy p", MissingRequiredArgument),
            ("--devices f --policy p --key k", ArgumentConflict),
            ("--devices f --rate 0", ValueValidation),
            ("--devices f --hold soon", ValueValidation),
        ] {
            assert_eq!(parse(line).unwrap_err(), error, "{line}");
        }
    }
}
