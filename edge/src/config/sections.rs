//! The sections, with unit, default, range and cost of every value.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use ringhub_core::limits::HTTP_BODY_BYTES_MAX;
use ringhub_core::session::http::HttpLimits;
use serde::Deserialize;

use super::ByteSize;
use crate::partition::PartitionsConfig;

/// `[hub]`: the hub that clients see.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hub {
    /// Name that clients dial and that stands in their connection strings; the development
    /// certificate names it. Default `localhost`. A DNS name of at most 253 characters.
    pub host_name: String,
    /// Least time that events stay readable. Default `1day`, range 1 hour to 7 days. Costs disk
    /// space: rate times retention, plus one segment per executor.
    #[serde(with = "humantime_serde")]
    pub retention: Duration,
    /// Consumer groups besides `$Default`, which is always there. Default none, at most 20 (as many
    /// as the service allows), at most 50 characters each. Costs nothing while nobody reads.
    pub consumer_groups: Vec<String>,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            host_name: "localhost".to_owned(),
            retention: Duration::from_hours(24),
            consumer_groups: Vec::new(),
        }
    }
}

/// `[format]`: fixed when the data directory is created, and refused when it differs later.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Format {
    /// Partitions of the hub: how many readers of one consumer group can share the work. Default 4,
    /// range 2 to 128. A device always writes to the same partition, so that another number would
    /// break the order of its events.
    pub partitions: u16,
}

impl Default for Format {
    fn default() -> Self {
        Self { partitions: 4 }
    }
}

/// `[listen]`: where connections are accepted. Every port speaks TLS from the first byte.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Address of all listeners. Default `127.0.0.1`: a hub is reachable from outside only when it
    /// is told to be, with `0.0.0.0` (IPv4) or `::` (both).
    pub address: IpAddr,
    /// MQTT. Default 8883, which device SDKs dial and cannot be talked out of. Range 1 to 65535.
    pub mqtt_port: u16,
    /// AMQP 1.0. Default 5671, which the SDKs dial. Range 1 to 65535.
    pub amqp_port: u16,
    /// REST, and MQTT and AMQP over WebSocket. Default 443, which the SDKs dial; needs a privilege
    /// below 1024.
    pub https_port: u16,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            mqtt_port: 8883,
            amqp_port: 5671,
            https_port: 443,
        }
    }
}

/// `[shards]`: threads that serve connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shards {
    /// Number of shards. Default: one per CPU that is not an executor's. Range 1 to 1024. Each
    /// costs one ring per executor and one io_uring.
    pub count: Option<u16>,
    /// Ties each shard to one CPU. Default: when every shard and executor gets a CPU of its own.
    /// Two pinned threads on one CPU wait for each other while another CPU is idle.
    pub pin: Option<bool>,
}

/// `[executors]`: threads that write the commit logs, one log each, and the rule by which they
/// commit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Executors {
    /// Number of executors. Default: one per 8 CPUs. Range 1 to 64 and not more than partitions.
    /// Fixed when the data directory is created. More logs mean more syncs for the disk: 4 took
    /// 0.42 ms at the median, 64 took 7.7.
    pub count: Option<u16>,
    /// Ties each executor to one CPU. Default as for shards.
    pub pin: Option<bool>,
    /// Bytes that wait before they are committed at once. Default `256KiB`, range 4 KiB to 8 MiB.
    /// Larger commits cost latency at high rates and save syncs.
    pub commit_bytes: ByteSize,
    /// Longest time that an event waits for company before a commit. Default `250us`, range 0 to
    /// 100 ms. Added to the latency of a lone event; a commit through io_uring costs 130 to 300 us
    /// of CPU, whatever its size.
    #[serde(with = "humantime_serde")]
    pub commit_delay: Duration,
    /// Commits under way at the same time. Default 4, range 1 to 4. More overlap syncs, at one
    /// buffer of `commit_bytes` each.
    pub commits_in_flight: u8,
}

impl Default for Executors {
    fn default() -> Self {
        Self {
            count: None,
            pin: None,
            commit_bytes: ByteSize::bytes(PartitionsConfig::COMMIT_BYTES as u64),
            commit_delay: PartitionsConfig::COMMIT_DELAY,
            commits_in_flight: PartitionsConfig::COMMITS_IN_FLIGHT as u8,
        }
    }
}

/// `[log]`: files of the commit logs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Size of a segment file. Default `64MiB`, range 2 MiB to 4 GiB and at least four commits.
    /// Retention removes whole segments: smaller ones free space sooner, larger ones mean fewer
    /// files. Per executor, the disk holds what is retained, the segment that is written and the
    /// one that is prepared; expired files are used again.
    pub segment_bytes: ByteSize,
}

impl Default for Log {
    fn default() -> Self {
        Self { segment_bytes: ByteSize::mib(64) }
    }
}

/// `[tls]`: the server certificates.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Certificates in production, at most 64, of which one is for `hub.host_name`. Default: none,
    /// a development CA in the data directory issues one.
    pub certificate: Vec<CertificateFiles>,
    /// Longest time from accept to the end of the TLS handshake. Default `10s`, range 1 s to 2 min.
    /// Half-open handshakes hold some 40 KB each until then.
    #[serde(with = "humantime_serde")]
    pub handshake_timeout: Duration,
}

impl Default for Tls {
    fn default() -> Self {
        Self { certificate: Vec::new(), handshake_timeout: Duration::from_secs(10) }
    }
}

/// `[[tls.certificate]]`: one certificate with its key. New files are taken up without a restart.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// Name that it is presented for, as clients dial it. Default: `hub.host_name`. Clients that
    /// name no host, or one that has no certificate, get the first.
    pub host_name: Option<String>,
    /// PEM file with the certificate chain, leaf first.
    pub certificate_file: PathBuf,
    /// PEM file with the private key of the leaf (PKCS#8, PKCS#1 or SEC1, not encrypted).
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
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest body of an HTTP request; larger: 413. Default `1MiB`, range 256 KiB (one message) to
    /// 16 MiB. Held in memory while it arrives.
    pub http_body_max: ByteSize,
    /// Longest time for the head of an HTTP request; then 408. Default `10s`, range 1 s to 2 min.
    #[serde(with = "humantime_serde")]
    pub http_head_timeout: Duration,
    /// Longest time for the body of an HTTP request; then 408. Default `1min`, range 1 s to 10 min.
    #[serde(with = "humantime_serde")]
    pub http_body_timeout: Duration,
    /// Time without a request after which an HTTP connection closes. Default `2min`, range 1 s to 1
    /// h: clients keep pooled connections for about two minutes.
    #[serde(with = "humantime_serde")]
    pub http_idle_timeout: Duration,
    /// Longest time that a shutdown waits for open work. Default `10s`, range 0 to 5 min. What is
    /// acknowledged is on disk already: the wait is for clients to get their answers.
    #[serde(with = "humantime_serde")]
    pub shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            http_body_max: ByteSize::bytes(HTTP_BODY_BYTES_MAX as u64),
            http_head_timeout: Duration::from_secs(10),
            http_body_timeout: Duration::from_mins(1),
            http_idle_timeout: Duration::from_mins(2),
            shutdown_timeout: Duration::from_secs(10),
        }
    }
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
