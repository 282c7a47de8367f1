//! Why a run could not start; the text says what to do.

use std::io;
use std::path::PathBuf;

use ringhub_edge::client::ClientError;
use ringhub_edge::listener::BindError;

use crate::descriptors::TooFewDescriptors;
use crate::fleet::FleetError;
use crate::reader::Fault;
use crate::trust::TrustError;

/// A run that could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No devices.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// A hub lets nobody in without a token.
    #[error("a hub needs credentials: give --devices FILE, or --policy NAME and --key BASE64")]
    NoCredentials,
    /// Devices are registered with a policy.
    #[error(
        "--provision needs a policy that may register devices: give --policy iothubowner and its \
         --key"
    )]
    NoOwner,
    /// The hub registers nothing.
    #[error("no devices were registered: {0}; --https-port says where REST is")]
    Register(#[source] ClientError),
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
    /// A number takes eight bytes.
    #[error("--numbered needs payloads of 8 bytes at least: raise --payload")]
    NoRoomForNumber,
    /// A closed loop waits for what QoS 0 has not.
    #[error("--closed waits for PUBACKs, which --qos 0 has not: give --per-second instead")]
    NothingToWaitFor,
    /// One address has too few ports.
    #[error(
        "{connections} connections to one port do not fit into {addresses} source addresses of \
         28,000 ports each: name more with --source"
    )]
    TooFewPorts {
        /// Connections asked for.
        connections: u32,
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
    #[error("--until-caught-up needs a beginning: give --from earliest, or --from TIME")]
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
