//! The sections as the hub uses them; `keys.rs` says default, range, meaning and cost.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ringhub_core::quota::Imitated;
use ringhub_core::session::http::HttpLimits;
use serde::{Deserialize, Deserializer, de};
use toml::Value;

use super::ByteSize;
use super::allowed::AUTO;
use super::quota::imitated;
use crate::logging::LogFormat;

/// Below this name every name is of this machine.
const LOCAL: &str = "localhost";

/// `[hub]`: the hub that clients see.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hub {
    /// Name that clients dial.
    pub host_name: String,
    /// What the names of further hubs end with; `None`: the name of this one.
    #[serde(deserialize_with = "auto")]
    pub domain: Option<String>,
    /// Least time that events stay readable.
    #[serde(with = "humantime_serde")]
    pub retention: Duration,
    /// Consumer groups besides `$Default`.
    pub consumer_groups: Vec<String>,
    /// The tier whose limits hubs have.
    #[serde(deserialize_with = "imitated")]
    pub quota: Imitated,
}

impl Hub {
    /// What the names of further hubs end with. Nothing can be below an address.
    #[must_use]
    pub fn domain(&self) -> &str {
        let own = if self.host_name.parse::<IpAddr>().is_ok() { LOCAL } else { &self.host_name };
        self.domain.as_deref().unwrap_or(own)
    }
}

/// `[format]`: fixed when the data directory is created, and refused when it differs later.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Format {
    /// Partitions of the hub.
    pub partitions: u16,
}

/// `[jobs]`: scheduled jobs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jobs {
    /// Devices that all jobs together begin with in a second.
    pub devices_per_second: u32,
}

/// `[listen]`: where connections are accepted. Every port speaks TLS from the first byte.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Address of all listeners.
    pub address: IpAddr,
    /// Port of MQTT.
    pub mqtt_port: u16,
    /// Port of AMQP 1.0.
    pub amqp_port: u16,
    /// Port of REST, and of MQTT and AMQP over WebSocket.
    pub https_port: u16,
}

/// `[shards]`: threads that serve connections.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shards {
    /// Number of shards; `None`: the hub chooses.
    #[serde(deserialize_with = "auto")]
    pub count: Option<u16>,
    /// Ties each shard to one CPU; `None`: the hub chooses.
    #[serde(deserialize_with = "auto")]
    pub pin: Option<bool>,
}

/// `[executors]`: threads that write the commit logs, one log each, and the rule by which they
/// commit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Executors {
    /// Number of executors; `None`: the hub chooses.
    #[serde(deserialize_with = "auto")]
    pub count: Option<u16>,
    /// Ties each executor to one CPU; `None`: the hub chooses.
    #[serde(deserialize_with = "auto")]
    pub pin: Option<bool>,
    /// Bytes that wait before they are committed at once.
    pub commit_bytes: ByteSize,
    /// Longest time that an event waits for company before a commit.
    #[serde(with = "humantime_serde")]
    pub commit_delay: Duration,
    /// Commits under way at the same time.
    pub commits_in_flight: u8,
}

/// `[log]`: files of the commit logs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Size of a segment file.
    pub segment_bytes: ByteSize,
}

/// `[logging]`: lines that say what happens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logging {
    /// Form of the lines.
    pub format: LogFormat,
    /// What is logged: a filter of `tracing_subscriber`.
    pub level: String,
}

/// `[tls]`: the server certificates.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Certificates in production; without any, a development CA issues one.
    pub certificate: Vec<CertificateFiles>,
    /// Longest time from accept to the end of the TLS handshake.
    #[serde(with = "humantime_serde")]
    pub handshake_timeout: Duration,
}

/// `[[tls.certificate]]`: one certificate with its key. New files are taken up without a restart.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// Name that it is presented for, as clients dial it; `None`: that of the hub.
    pub host_name: Option<String>,
    /// PEM file with the certificate chain, leaf first.
    pub certificate_file: PathBuf,
    /// PEM file with the private key of the leaf.
    pub key_file: PathBuf,
}

impl CertificateFiles {
    /// The name that it is presented for, with the hub's own as default.
    #[must_use]
    pub fn host_name<'a>(&'a self, hub: &'a str) -> &'a str {
        self.host_name.as_deref().unwrap_or(hub)
    }
}

/// `[limits]`: bounds on what peers may do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Largest body of an HTTP request.
    pub http_body_max: ByteSize,
    /// Longest time for the head of an HTTP request.
    #[serde(with = "humantime_serde")]
    pub http_head_timeout: Duration,
    /// Longest time for the body of an HTTP request.
    #[serde(with = "humantime_serde")]
    pub http_body_timeout: Duration,
    /// Time without a request after which an HTTP connection closes.
    #[serde(with = "humantime_serde")]
    pub http_idle_timeout: Duration,
    /// Longest time that a shutdown waits for open work.
    #[serde(with = "humantime_serde")]
    pub shutdown_timeout: Duration,
}

impl Limits {
    /// The bounds of one HTTP connection.
    #[must_use]
    pub fn http(&self) -> HttpLimits {
        HttpLimits {
            body_bytes_max: usize::try_from(self.http_body_max.as_bytes()).unwrap_or(usize::MAX),
            head_timeout: self.http_head_timeout,
            body_timeout: self.http_body_timeout,
            idle_timeout: self.http_idle_timeout,
        }
    }
}

/// The word `auto` as `None`, anything else as what it is. A field that is read so cannot be
/// missing, as others of its type may.
pub(super) fn auto<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    match Value::deserialize(deserializer)? {
        Value::String(word) if word == AUTO => Ok(None),
        value => T::deserialize(value).map(Some).map_err(de::Error::custom),
    }
}
