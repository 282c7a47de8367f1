//! Why a run could not start; the text says what to do.

use std::io;
use std::path::PathBuf;

use ringhub_core::limits::{D2C_MESSAGE_BYTES_MAX, DEVICES_PER_HUB_MAX};
use ringhub_edge::client::ClientError;
use ringhub_edge::listener::BindError;

use crate::descriptors::TooFewDescriptors;
use crate::fleet::FleetError;
use crate::protocol::Protocol;
use crate::reader::Fault;
use crate::scenario::ScenarioError;
use crate::trust::TrustError;

/// A run that could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The scenario cannot be run.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The options of a scenario cannot be, or somebody asked for help with them.
    #[error(transparent)]
    Arguments(clap::Error),
    /// No devices.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// A hub lets nobody in without a token.
    #[error(
        "a hub needs credentials: give --devices FILE, --policy NAME and --key BASE64, or \
         --certificate FILE"
    )]
    NoCredentials,
    /// Devices are registered with a policy.
    #[error(
        "--provision needs a policy that may register devices: give --policy iothubowner and its \
         --key"
    )]
    NoOwner,
    /// The hub registers nothing.
    #[error("no devices were registered: {}; {}", .0, of_registration(.0))]
    Register(#[source] ClientError),
    /// The back end cannot log in.
    #[error("the back end cannot log in: {}; {}", .0, of_back_end(.0))]
    BackEnd(#[source] ClientError),
    /// Nobody speaks for the back end.
    #[error(
        "--methods and --c2d need a policy with the right ServiceConnect: give --service-policy \
         and --service-key, or --policy and --key of one with all rights"
    )]
    NoBackEnd,
    /// Brokers have no methods, twins or queues of devices.
    #[error("--methods, --patches and --c2d need a hub: leave out --target mqtt, or them")]
    NoHub,
    /// A connection of MQTT has one client.
    #[error("--gateway shares connections over AMQP: give --protocol amqp, or leave it out")]
    NotShared,
    /// Other protocols are spoken to hubs, by devices that stay and do nothing but send.
    #[error("{what} is of MQTT here: leave it out, or --protocol {}", protocol.name())]
    OverMqttOnly {
        /// What was asked for.
        what: &'static str,
        /// What is spoken.
        protocol: Protocol,
    },
    /// Messages in an array are of HTTP.
    #[error("--batch is of HTTP: give --protocol http, or --per-segment")]
    NotBatched,
    /// No hub takes a request of this size.
    #[error(
        "--batch {messages} makes requests of {bytes} bytes, and a hub takes \
         {D2C_MESSAGE_BYTES_MAX}: lower it, or --payload"
    )]
    BatchTooLarge {
        /// Messages of a request.
        messages: u32,
        /// Bytes of its body.
        bytes: u64,
    },
    /// More devices than any hub has.
    #[error(
        "--connections {connections} with --gateway {gateway} are {devices} devices, and a hub has \
         at most {DEVICES_PER_HUB_MAX}: --connections counts connections, not devices"
    )]
    TooManyDevices {
        /// Connections asked for.
        connections: u32,
        /// Devices of each.
        gateway: u32,
        /// Devices of all.
        devices: u64,
    },
    /// Who is away hears nothing.
    #[error(
        "--churn sends devices away to whom --methods, --patches and --c2d speak: leave out one \
         or the other"
    )]
    NobodyToTalkTo,
    /// A device cannot be registered.
    #[error(
        "{device} was not registered: {reason}; nothing stays behind. Choose another \
         --device-prefix, or leave out --provision if the devices are there"
    )]
    NotRegistered {
        /// Its id.
        device: String,
        /// What the hub said.
        reason: String,
    },
    /// Nobody to trust.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Too many connections for one process.
    #[error(transparent)]
    Descriptors(#[from] TooFewDescriptors),
    /// The host name is no name for TLS.
    #[error("`{0}` is no host name")]
    HostName(String),
    /// No TLS connection can be prepared.
    #[error("TLS cannot be started: {0}")]
    Tls(#[source] rustls::Error),
    /// The host has no address.
    #[error("cannot resolve {host}: {source}; give its address with --address")]
    Resolve {
        /// The name.
        host: String,
        /// Why not.
        source: io::Error,
    },
    /// A segment would never fit.
    #[error(
        "--per-segment {per_segment} does not fit into --inflight {inflight}: raise --inflight to \
         at least {per_segment}"
    )]
    SegmentBeyondWindow {
        /// Messages of a segment.
        per_segment: u32,
        /// Messages that may be in flight.
        inflight: u32,
    },
    /// Too many messages, or less than one.
    #[error(
        "--per-device {per_device} with {devices} devices is less than one message a second of \
         all, or more than ten million: choose another rate or number of --connections"
    )]
    ImpossibleRate {
        /// Messages per second of each device.
        per_device: f64,
        /// Devices.
        devices: u32,
    },
    /// Segments are further apart than the run is long.
    #[error(
        "one segment of {per_segment} messages at {per_second} messages a second of all is due \
         every {interval_s} s, so none may be due in the {duration_s} s that are measured: raise \
         the rate or --duration"
    )]
    NothingDue {
        /// Messages of a segment.
        per_segment: u32,
        /// Messages per second of all devices.
        per_second: u32,
        /// Seconds between two segments.
        interval_s: f64,
        /// Seconds that are measured.
        duration_s: f64,
    },
    /// A number takes eight bytes.
    #[error("--numbered needs payloads of 8 bytes at least: raise --payload")]
    NoRoomForNumber,
    /// A closed loop waits for what QoS 0 has not.
    #[error(
        "--closed waits for acknowledgements, which --qos 0 has not: give --per-second instead"
    )]
    NothingToWaitFor,
    /// One address has too few ports.
    #[error(
        "{connections} connections need {ports} ports, and {addresses} source addresses have \
         28,000 each: name more with --source, or lower --churn, which takes a port for a minute \
         each time"
    )]
    TooFewPorts {
        /// Connections asked for.
        connections: u32,
        /// What they take at a time.
        ports: u64,
        /// Addresses to bind to.
        addresses: usize,
    },
    /// The server is not there to be measured.
    #[error("--server-pid {0}: there is no such process on this machine")]
    NoServer(u32),
    /// Nothing can be read.
    #[error(transparent)]
    Reader(Fault),
    /// What is to come cannot be caught up with.
    #[error(
        "--until-caught-up has nothing to catch up with from `latest` on: leave out --from, or give \
         --from TIME"
    )]
    NothingToCatchUp,
    /// The floor cannot listen.
    #[error(transparent)]
    Port(#[from] BindError),
    /// A worker could not be started, or ended in the middle.
    #[error("worker {index}: {reason}")]
    Worker {
        /// Its number.
        index: usize,
        /// What happened.
        reason: String,
    },
    /// A file with results cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Result {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The kernel refuses io_uring, signal handlers or a socket.
    #[error("the kernel refuses: {0}")]
    Kernel(#[from] io::Error),
}

/// What to look at when no device can be registered.
fn of_registration(error: &ClientError) -> &'static str {
    match error {
        ClientError::Refused(_) => {
            "--policy must be one that may register devices, such as iothubowner, and --key its own"
        }
        _ => "--address says where the hub is, --https-port where REST is, --ca whom to trust",
    }
}

/// What to look at when a back end cannot log in.
fn of_back_end(error: &ClientError) -> &'static str {
    match error {
        ClientError::Refused(_) | ClientError::LoginRefused { .. } => {
            "--service-policy must have the right ServiceConnect, and --service-key be its own"
        }
        _ => "--https-port says where REST is, --amqps-port where AMQP is, --ca whom to trust",
    }
}
