//! Arguments of `reader`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};
use humantime_serde::re::humantime::parse_duration;
use ringhub_core::id::ConsumerGroup;
use ringhub_edge::client::start::{Start, parse_enqueued_time};
use ringhub_edge::hub::EVENT_HUB;

use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  ringhub-loadgen reader --host localhost --ca tls/ca.pem --policy service --key BASE64
                        what arrives in the next ten seconds, and how late
  ringhub-loadgen reader --host localhost --ca tls/ca.pem --policy service --key BASE64 \\
      --duration 10m --lag-p99-max 1s --lag-events-max 100000 --server-pid \"$(pidof ringhub)\"
                        does one consumer group keep up? Start `ringhub-loadgen telemetry` beside it
  ringhub-loadgen reader --host localhost --ca tls/ca.pem --policy service --key BASE64 \\
      --until-caught-up --json
                        all that is retained, as fast as it comes";

/// Arguments of `reader`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
#[command(group(ArgGroup::new("end").args(["duration", "until_caught_up"])))]
pub struct ReaderArguments {
    /// Host name of the hub, as its certificate knows it
    #[arg(long, value_name = "NAME")]
    pub host: String,
    /// Address to connect to, if not what the host name resolves to
    #[arg(long, value_name = "ADDR")]
    pub address: Option<IpAddr>,
    /// Port of AMQP over TLS
    #[arg(long, value_name = "PORT", default_value_t = 5671)]
    pub port: u16,
    /// PEM file with the certificates to trust
    #[arg(long, value_name = "FILE")]
    pub ca: PathBuf,
    /// Shared access policy with the right ServiceConnect
    #[arg(long, value_name = "NAME", default_value = "service")]
    pub policy: String,
    /// Key of the policy, base64
    #[arg(long, value_name = "BASE64")]
    pub key: String,
    /// Event-Hubs-compatible name, the EntityPath of the connection string
    #[arg(long, value_name = "NAME", default_value = EVENT_HUB)]
    pub entity: String,
    /// Consumer group to read as
    #[arg(long, short = 'g', value_name = "NAME", default_value = ConsumerGroup::DEFAULT)]
    pub consumer_group: String,
    /// Partitions to read, such as 0,3 [default: all]
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub partitions: Vec<String>,
    /// Where to begin: `latest`, `earliest`, or with what was enqueued at a time, in milliseconds
    /// since 1970 or like 2026-11-23T06:00:00Z [default: latest; earliest with --until-caught-up]
    #[arg(long, value_name = "START", value_parser = parse_start)]
    pub from: Option<Start>,
    /// Events that the hub may send ahead, per partition
    #[arg(long, value_name = "N", default_value_t = 5000)]
    #[arg(value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub credit: u32,
    /// Read as the only one of the group; the same or a higher number takes the place over
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub epoch: Option<i64>,
    /// Check the order of each device too, in what one run of `telemetry --numbered` has sent
    #[arg(long)]
    pub numbered: bool,
    /// How long to read, such as 30s or 10m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub duration: Duration,
    /// Read until all that was there at the beginning has come, instead
    #[arg(long)]
    pub until_caught_up: bool,
    /// Longest time for an answer of the hub, and to catch up without any event
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// Process of the server on this machine: its processor time and memory are reported
    #[arg(long, value_name = "PID")]
    pub server_pid: Option<u32>,
    /// What is told, and where to.
    #[command(flatten)]
    pub output: Output,
    /// Longest time from enqueued to received, at the 99th percentile, before the run has failed
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub lag_p99_max: Option<Duration>,
    /// Most events by which a partition may be ahead of its reader before the run has failed
    #[arg(long, value_name = "N")]
    pub lag_events_max: Option<u64>,
}

impl ReaderArguments {
    /// Where to begin: before all that is to be caught up with, if nothing else is said.
    pub(super) fn from(&self) -> Start {
        let default = if self.until_caught_up { Start::Earliest } else { Start::Latest };
        self.from.unwrap_or(default)
    }
}

fn parse_start(text: &str) -> Result<Start, String> {
    match text {
        "latest" => Ok(Start::Latest),
        "earliest" => Ok(Start::Earliest),
        time => parse_enqueued_time(time)
            .map(Start::EnqueuedAt)
            .map_err(|problem| format!("is neither `latest` nor `earliest`, and {problem}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_a_word_or_a_time() {
        assert_eq!(parse_start("latest"), Ok(Start::Latest));
        assert_eq!(parse_start("earliest"), Ok(Start::Earliest));
        assert_eq!(parse_start("1970-01-01T00:00:02Z"), Ok(Start::EnqueuedAt(2000)));
        let problem = parse_start("oldest").unwrap_err();
        assert!(problem.contains("`earliest`") && problem.contains("1970"), "{problem}");
    }
}
