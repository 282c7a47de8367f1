//! Arguments.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand};
use ringhub_core::limits::{AMQP_SEATS_MAX, D2C_BATCH_MESSAGES_MAX};

use crate::output::Output;
pub use crate::protocol::Protocol;
use crate::quantity::{parse_keep_alive, parse_payload, parse_some_time, parse_time};
use crate::reader::ReaderArguments;
use crate::share::Share;

/// Messages per second of all devices that may be asked for.
pub(crate) const PER_SECOND_MAX: u32 = 10_000_000;

const CONNECT_EXAMPLES: &str = "\
Examples:
  ringhub-loadgen connect --host localhost --ca tls/ca.pem --devices devices.tsv
  ringhub-loadgen connect --host hub.example --ca ca.pem --connections 100000 --hold 5m \\
      --policy device --key BASE64 --device-prefix sim-
  ringhub-loadgen connect --host localhost --ca ca.pem --devices devices.tsv --churn 50 --hold 1m
                        50 devices a second disconnect and come back, while the others stay
  ringhub-loadgen connect --host localhost --ca ca.pem --devices devices.tsv --json > result.json";

const TELEMETRY_EXAMPLES: &str = "\
Examples:
  ringhub-loadgen telemetry --host localhost --ca ca.pem --devices devices.tsv --per-second 10000
                        open loop: latency counts from the time at which a message was due
  ringhub-loadgen telemetry --host localhost --ca ca.pem --devices devices.tsv --connections 50 \\
      --closed --per-segment 20 --inflight 100 --server-pid \"$(pidof ringhub)\"
                        closed loop: as much as the server takes, and what it costs there
  ringhub-loadgen telemetry --host localhost --ca ca.pem --devices devices.tsv --connections 2 \\
      --protocol amqp --gateway 1000 --per-second 2000
                        two field gateways over AMQP with a thousand devices each
  ringhub-loadgen telemetry --host localhost --ca ca.pem --devices devices.tsv --connections 50 \\
      --protocol http --batch 100 --closed
                        a hundred messages to a POST, one POST of each device under way
  ringhub-loadgen telemetry --target mqtt --host broker --port 8883 --ca ca.pem --connections 500 \\
      --per-second 1000
                        any broker of MQTT 3.1.1 that lets everybody in
  ringhub-loadgen telemetry --host localhost --ca ca.pem --devices devices.tsv --per-second 1000 \\
      --methods 50 --patches 100 --c2d 50 --service-policy service --service-key BASE64
                        a back end calls methods and sends messages meanwhile, devices report";

const STORM_EXAMPLES: &str = "\
Examples:
  ringhub-loadgen storm --host localhost --ca ca.pem --devices devices.tsv --return-rate 2000
                        all devices are cut off at once; 2,000 a second come back
  ringhub-loadgen storm --host localhost --ca ca.pem --devices devices.tsv --tickets \\
      --server-pid \"$(pidof ringhub)\"
                        the same with TLS tickets, which spare the server half of each handshake
  ringhub-loadgen storm --host localhost --ca ca.pem --certificate device.pem --provision \\
      --policy iothubowner --key BASE64 --server-pid \"$(pidof ringhub)\"
                        the same with a client certificate and no token";

const FLOOR_EXAMPLES: &str = "\
Examples:
  ringhub-loadgen floor --ca floor.pem &
  ringhub-loadgen telemetry --target mqtt --host 127.0.0.1 --port 18883 --ca floor.pem --closed \\
      --connections 500 --server-pid $!
                        what a hub cannot do without: compare with the same command against a hub
  ringhub-loadgen floor --ca floor.pem --log floor.log
                        what an acknowledgement from disk cannot do without";

const RUN_EXAMPLES: &str = "\
Examples:
  ringhub-loadgen run fan-in --host localhost --ca ca.pem --provision --policy iothubowner \\
      --key BASE64
                        the scenario says what is done, the options to whom
  ringhub-loadgen run fan-in --host localhost --ca ca.pem --devices devices.tsv --per-second 500
                        what the command line says wins over the scenario
  ringhub-loadgen run ./mine.toml --target mqtt --host broker --ca ca.pem --html report.html
                        a file, which `ringhub-loadgen scenarios fan-in > mine.toml` begins

The options are those of `connect`, `telemetry` or `storm`, whichever the scenario is one of: see
`ringhub-loadgen help telemetry`, or `ringhub-loadgen run fan-in --host x --help`.";

const SCENARIOS_EXAMPLES: &str = "\
Examples:
  ringhub-loadgen scenarios                        a line about each
  ringhub-loadgen scenarios storm > mine.toml      to be changed, and run with: run ./mine.toml";

const EXIT_STATUS: &str = "\
The exit status is 0 if all went as planned, 1 if a connection or message failed, 2 if nothing could
be started, 3 if the generator itself was too slow for its numbers to mean anything.";

/// Load generator for hubs and brokers of MQTT 3.1.1 over TLS, and a reader of events
#[derive(Debug, Parser)]
#[command(name = "ringhub-loadgen", version, after_help = EXIT_STATUS)]
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
    /// Connect many devices and publish from each
    Telemetry(Box<TelemetryArguments>),
    /// Connect many devices, cut all of them off at once, and let them come back
    Storm(StormArguments),
    /// Run a scenario: one of those that come with this program, or a file
    Run(RunArguments),
    /// List the scenarios, or print one
    Scenarios(ScenariosArguments),
    /// Read events as a back end does, and measure how far it is behind
    Reader(ReaderArguments),
    /// Run a server with no hub behind it: TLS, just enough MQTT, and nothing is stored
    Floor(FloorArguments),
}

/// What is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// A hub: devices log in with tokens
    Hub,
    /// Any broker: clients have a name and nothing else
    Mqtt,
}

/// Whom to connect, to what, and how fast.
#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("credentials").args(["devices", "policy"])))]
#[command(group(ArgGroup::new("names").args(["devices", "certificate"])))]
pub struct Connections {
    /// What is connected to
    #[arg(long, value_enum, default_value = "hub")]
    pub target: Target,
    /// Host name of the server, as its certificate and the devices know it
    #[arg(long, value_name = "NAME")]
    pub host: String,
    /// Address to connect to, if not what the host name resolves to
    #[arg(long, value_name = "ADDR")]
    pub address: Option<IpAddr>,
    /// Address to connect from; several are used in turn [default: on the loopback network as many
    /// as it takes, else what the kernel chooses]
    #[arg(long, value_name = "ADDR")]
    pub source: Vec<IpAddr>,
    /// Port of MQTT over TLS
    #[arg(long, value_name = "PORT", default_value_t = 8883)]
    pub port: u16,
    /// PEM file with the certificates to trust
    #[arg(long, value_name = "FILE")]
    pub ca: PathBuf,
    /// Number of connections, each of another device, or of as many as --gateway says: 2 with
    /// --gateway 1000 are 2,000 devices [default: for all devices of the file; for 100 without one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: Option<u32>,
    /// Arrivals per second; they do not wait for the server
    #[arg(long, value_name = "N", default_value_t = 200)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: u32,
    /// Time that a connection has from its start to its CONNACK, or what stands for it
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_some_time)]
    pub timeout: Duration,
    /// MQTT keep-alive, in seconds or with a unit; 0 for none
    #[arg(long, value_name = "TIME", default_value_t = 240, value_parser = parse_keep_alive)]
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
    /// Log in with this certificate and no token: a PEM file with the certificate, those of
    /// authorities in between, and the key. All devices have the same one: --provision registers
    /// its thumbprint for them
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// Without a file, devices are called by this and their number, from 0
    #[arg(long, value_name = "TEXT", default_value = "device-")]
    pub device_prefix: String,
    /// Register the devices before, with the policy, and delete them after
    #[arg(long, requires = "policy")]
    pub provision: bool,
    /// Leave the devices registered that --provision has made
    #[arg(long, requires = "provision")]
    pub keep_devices: bool,
    /// Port of REST, for --provision and --protocol http [default: 443]
    #[arg(long, value_name = "PORT")]
    pub https_port: Option<u16>,
    /// Processes that share the connections [default: as few as have room for them]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub workers: Option<u32>,
    /// Process of the server on this machine: its processor time and memory are reported
    #[arg(long, value_name = "PID")]
    pub server_pid: Option<u32>,
    /// What is told, and where to.
    #[command(flatten)]
    pub output: Output,
    /// Connections that may fail before the run has failed
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub failures_max: u64,
    /// Longest time to CONNACK, or what stands for it, at the 99th percentile, before the run has
    /// failed
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub connect_p99_max: Option<Duration>,
    /// Given by the parent to its workers
    #[arg(long, hide = true)]
    pub share: Option<Share>,
}

/// Who leaves and comes back while the others stay.
#[derive(Clone, Copy, Debug, Args)]
pub struct Turnover {
    /// Devices per second, one after the other, that disconnect and connect again meanwhile
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub churn: Option<u32>,
}

/// Arguments of `connect`.
#[derive(Clone, Debug, Args)]
#[command(after_help = CONNECT_EXAMPLES)]
pub struct ConnectArguments {
    /// How long connections stay open once the last one is due, such as 30s or 5m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    pub hold: Duration,
    /// Who leaves and comes back meanwhile.
    #[command(flatten)]
    pub turnover: Turnover,
    /// Who connects.
    #[command(flatten)]
    pub connections: Connections,
}

/// Arguments of `telemetry`.
#[derive(Clone, Debug, Args)]
#[command(after_help = TELEMETRY_EXAMPLES)]
#[command(group(ArgGroup::new("pace").required(true).args(["per_second", "per_device", "closed"])))]
pub struct TelemetryArguments {
    /// Messages per second of all devices: an open loop, which does not wait for the server
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(PER_SECOND_MAX)))]
    pub per_second: Option<u32>,
    /// The same for each device, such as 0.1
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub per_device: Option<f64>,
    /// Keep every in-flight window full instead: a closed loop
    #[arg(long)]
    pub closed: bool,
    /// What the devices speak
    #[arg(long, value_enum, default_value = "mqtt")]
    pub protocol: Protocol,
    /// Devices that share a connection over AMQP, as those behind a field gateway do; each has its
    /// own token, link and window
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=AMQP_SEATS_MAX as i64))]
    pub gateway: u32,
    /// 0 or 1
    #[arg(long, value_name = "QOS", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=1))]
    pub qos: u8,
    /// Size of a payload, in bytes or with a unit
    #[arg(long, value_name = "BYTES", default_value_t = 256, value_parser = parse_payload)]
    pub payload: u32,
    /// Let each payload begin with the number of the message among those of its device, which
    /// `reader --numbered` checks
    #[arg(long)]
    pub numbered: bool,
    /// Messages that a device sends at once, in one TLS record
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub per_segment: u32,
    /// Messages of one request over HTTP, as an array; without this each has a request of its own
    #[arg(long, value_name = "N", conflicts_with = "per_segment")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=D2C_BATCH_MESSAGES_MAX as i64))]
    pub batch: Option<u32>,
    /// Messages of a device that may await what acknowledges them [default: as many as it sends at
    /// once]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub inflight: Option<u32>,
    /// Longest time to PUBACK, or what stands for it (see --protocol), at the 99th percentile,
    /// before the run has failed
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub puback_p99_max: Option<Duration>,
    /// Time before anything is measured
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_time)]
    pub warm_up: Duration,
    /// Time that is measured
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_some_time)]
    pub duration: Duration,
    /// Who leaves and comes back meanwhile.
    #[command(flatten)]
    pub turnover: Turnover,
    /// What else is said meanwhile.
    #[command(flatten)]
    pub conversation: Conversation,
    /// Who connects.
    #[command(flatten)]
    pub connections: Connections,
}

impl TelemetryArguments {
    /// Messages that a device sends at once.
    pub(crate) fn at_once(&self) -> u32 {
        self.batch.unwrap_or(self.per_segment)
    }

    /// Messages of a device that may await what acknowledges them: those that it sends at once, if
    /// nothing else is said.
    pub(crate) fn inflight(&self) -> u32 {
        self.inflight.unwrap_or_else(|| self.at_once())
    }
}

/// What a back end and the devices say to each other beside telemetry; for hubs only.
#[derive(Clone, Debug, Args)]
pub struct Conversation {
    /// Direct methods per second that a back end calls meanwhile, of one device after the other
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub methods: Option<u32>,
    /// Patches per second of reported properties, by one device after the other
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub patches: Option<u32>,
    /// Messages per second that a back end sends to one device after the other
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub c2d: Option<u32>,
    /// Policy of the back end, with the right ServiceConnect [default: --policy]
    #[arg(long, value_name = "NAME", requires = "service_key")]
    pub service_policy: Option<String>,
    /// Its key, base64 [default: --key]
    #[arg(long, value_name = "BASE64", requires = "service_policy")]
    pub service_key: Option<String>,
    /// Port of AMQP over TLS, for --c2d and --protocol amqp [default: 5671]
    #[arg(long, value_name = "PORT")]
    pub amqps_port: Option<u16>,
    /// Longest time from due to the answer of a method, at the 99th percentile, before the run has
    /// failed
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub method_p99_max: Option<Duration>,
    /// The same for the response to a patch
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub patch_p99_max: Option<Duration>,
    /// The same for a message, from accepted to the device
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub c2d_p99_max: Option<Duration>,
}

/// Arguments of `storm`.
#[derive(Clone, Debug, Args)]
#[command(after_help = STORM_EXAMPLES)]
pub struct StormArguments {
    /// Devices that come back per second; they do not wait for the server
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub return_rate: u32,
    /// Time between the last CONNACK and the storm
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_time)]
    pub calm: Duration,
    /// Come back with TLS tickets, where the server has given any
    #[arg(long)]
    pub tickets: bool,
    /// Who connects.
    #[command(flatten)]
    pub connections: Connections,
}

/// Arguments of `run`.
#[derive(Clone, Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub struct RunArguments {
    /// A scenario by its name, or a file with a `/` or `.toml` in its name
    #[arg(value_name = "NAME|FILE")]
    pub scenario: String,
    /// To whom it is done (--host, --ca, credentials), and what is to be other than it says
    #[arg(value_name = "OPTIONS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub options: Vec<OsString>,
}

/// Arguments of `scenarios`.
#[derive(Clone, Debug, Args)]
#[command(after_help = SCENARIOS_EXAMPLES)]
pub struct ScenariosArguments {
    /// Print this one
    #[arg(value_name = "NAME")]
    pub scenario: Option<String>,
}

/// Arguments of `floor`.
#[derive(Clone, Debug, Args)]
#[command(after_help = FLOOR_EXAMPLES)]
pub struct FloorArguments {
    /// Where to listen
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:18883")]
    pub listen: SocketAddr,
    /// Where to write the certificate, for the --ca of clients; it is made anew at each start
    #[arg(long, value_name = "FILE")]
    pub ca: PathBuf,
    /// Write messages to this file, which is made anew, and sync it before they are acknowledged:
    /// the floor of those that acknowledge from disk
    #[arg(long, value_name = "FILE", conflicts_with = "threads")]
    pub log: Option<PathBuf>,
    /// Threads, each with connections and descriptors of its own
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: u16,
}

/// Messages per second.
fn parse_rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if rate > 0.0 && rate.is_finite() { Ok(rate) } else { Err("not above zero".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    fn parse(line: &str) -> Result<Command, ErrorKind> {
        let words = format!("ringhub-loadgen {line} --host h --ca c");
        let cli = Cli::try_parse_from(words.split_whitespace());
        cli.map(|cli| cli.command).map_err(|error| error.kind())
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        use ErrorKind::{
            ArgumentConflict, MissingRequiredArgument, UnknownArgument, ValueValidation,
        };
        for good in [
            "connect --devices f",
            "connect --policy device --key a2V5 --hold 5m",
            "telemetry --target mqtt --closed",
            "telemetry --devices f --per-second 10 --qos 0",
            "telemetry --devices f --per-device 0.1",
            "telemetry --devices f --closed --protocol amqp --gateway 1000",
            "telemetry --devices f --closed --protocol http --batch 100",
            "storm --certificate f --policy p --key k --provision",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for (line, error) in [
            ("connect --policy p", MissingRequiredArgument),
            ("connect --devices f --policy p --key k", ArgumentConflict),
            ("connect --devices f --certificate g", ArgumentConflict),
            ("connect --devices f --rate 0", ValueValidation),
            ("connect --devices f --hold soon", ValueValidation),
            ("telemetry --devices f", MissingRequiredArgument),
            ("telemetry --devices f --closed --per-second 1", ArgumentConflict),
            ("telemetry --devices f --closed --qos 2", ValueValidation),
            ("telemetry --devices f --closed --gateway 0", ValueValidation),
            ("telemetry --devices f --closed --batch 2 --per-segment 2", ArgumentConflict),
            ("telemetry --devices f --closed --gateway 1537", ValueValidation),
            ("connect --devices f --protocol amqp", UnknownArgument),
            ("telemetry --devices f --per-device 0", ValueValidation),
            ("telemetry --devices f --per-device 1 --closed", ArgumentConflict),
            ("telemetry --devices f --closed --duration 0s", ValueValidation),
            ("telemetry --devices f --closed --methods 0", ValueValidation),
            ("telemetry --devices f --closed --service-key k", MissingRequiredArgument),
            ("telemetry --devices f --closed --warm-up 1000years", ValueValidation),
        ] {
            assert_eq!(parse(line).unwrap_err(), error, "{line}");
        }
    }
}
