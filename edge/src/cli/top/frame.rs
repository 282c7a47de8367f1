//! One picture of a hub, from two pages of its numbers.

use super::scrape::{Scrape, between, quantile};
use crate::picture::{bytes, count, duration, table};

/// Stages in the order of the data path.
const STAGES: [&str; 8] =
    ["listener", "tls", "codec", "session", "ring", "log", "acknowledge", "reader"];

/// Hubs whose quotas are shown.
const QUOTA_LINES_MAX: usize = 8;

const STAGE_DURATION: &str = "ringhub_stage_duration_seconds";

/// Renders what happened between `before` and `now`.
pub(super) fn render(before: &Scrape, now: &Scrape) -> String {
    let frame = Frame { before, now };
    [frame.head(), frame.stages(), frame.shards(), frame.executors(), frame.partitions()].join("\n")
}

struct Frame<'a> {
    before: &'a Scrape,
    now: &'a Scrape,
}

impl Frame<'_> {
    /// Growth of a counter per second.
    fn rate(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let seconds = self.now.at.duration_since(self.before.at).as_secs_f64().max(1e-3);
        (self.now.sum(name, labels) - self.before.sum(name, labels)).max(0.0) / seconds
    }

    /// A quantile of what came since the page before.
    fn quantile(&self, name: &str, labels: &[(&str, &str)], part: f64) -> String {
        let buckets = between(&self.before.buckets(name, labels), &self.now.buckets(name, labels));
        quantile(&buckets, part).map_or_else(|| "-".to_owned(), duration)
    }

    fn head(&self) -> String {
        let hub = self.now.values_of("ringhub_devices", "hub").join(" ");
        let refusals = self.rate("ringhub_refusals_total", &[]);
        let gauge = |name| self.now.sum(name, &[]);
        let quotas = self.quotas();
        format!(
            "{hub}   connections {}   devices {} of {}   refusals/s {refusals:.0}\n\
             messages/s in {}   to readers {}   to devices {}   CPU {:.0} %   memory {}\n{quotas}",
            count(gauge("ringhub_connections")),
            count(self.now.sum("ringhub_devices", &[("state", "connected")])),
            count(self.now.sum("ringhub_devices", &[("state", "registered")])),
            count(self.rate("ringhub_d2c_messages_total", &[])),
            count(self.rate("ringhub_reader_messages_total", &[])),
            count(self.rate("ringhub_c2d_messages_total", &[])),
            self.rate("process_cpu_seconds_total", &[]) * 100.0,
            bytes(gauge("process_resident_memory_bytes")),
        )
    }

    /// A line for each hub that has quotas.
    fn quotas(&self) -> String {
        let hubs = self.now.values_of("ringhub_quota_messages", "hub");
        let line = |hub: &String| {
            let of = [("hub", hub.as_str())];
            let limit = self.now.sum("ringhub_quota_messages_max", &of);
            let limit = if limit > 0.0 { count(limit) } else { "any number".to_owned() };
            format!(
                "quota of {hub}: {} of {limit} messages today   delayed/s {}   refused/s {}\n",
                count(self.now.sum("ringhub_quota_messages", &of)),
                count(self.rate("ringhub_quota_delayed_total", &of)),
                count(self.rate("ringhub_quota_refused_total", &of)),
            )
        };
        hubs.iter().take(QUOTA_LINES_MAX).map(line).collect()
    }

    fn stages(&self) -> String {
        let header = ["STAGE", "PER S", "P50", "P99", "P99.9"].map(ToOwned::to_owned);
        let mut rows = vec![header.to_vec()];
        let mut row = |title: &str, name: &str, labels: &[(&str, &str)]| {
            let rate = self.rate(&format!("{name}_count"), labels);
            let of = |part| self.quantile(name, labels, part);
            rows.push(vec![title.to_owned(), count(rate), of(0.5), of(0.99), of(0.999)]);
        };
        for stage in STAGES {
            row(stage, STAGE_DURATION, &[("stage", stage)]);
        }
        row("read to PUBACK", "ringhub_d2c_accept_duration_seconds", &[]);
        table(&rows)
    }

    fn shards(&self) -> String {
        let header = ["SHARD", "CONNECTIONS", "MSG/S", "IN/S", "OUT/S", "TURN P99", "RING", "MAIL"];
        let mut rows = vec![header.map(ToOwned::to_owned).to_vec()];
        for shard in self.now.values_of("ringhub_turns_total", "shard") {
            let labels = [("shard", shard.as_str())];
            rows.push(vec![
                shard.clone(),
                count(self.now.sum("ringhub_connections", &labels)),
                count(self.rate("ringhub_d2c_messages_total", &labels)),
                bytes(self.rate("ringhub_received_bytes_total", &labels)),
                bytes(self.rate("ringhub_sent_bytes_total", &labels)),
                self.quantile("ringhub_turn_duration_seconds", &labels, 0.99),
                bytes(self.now.sum("ringhub_ring_awaiting_bytes", &labels)),
                count(self.now.sum("ringhub_mailbox_depth", &labels)),
            ]);
        }
        table(&rows)
    }

    fn executors(&self) -> String {
        let header = ["EXECUTOR", "STATE", "COMMITS/S", "SYNCS/S", "BYTES/S", "COMMIT P50", "P99"];
        let mut rows = vec![header.map(ToOwned::to_owned).to_vec()];
        for executor in self.now.values_of("ringhub_commits_total", "executor") {
            let labels = [("executor", executor.as_str())];
            let is_in = |state: &&str| {
                self.now.sum("ringhub_executor_state", &[labels[0], ("state", state)]) > 0.0
            };
            let state = ["running", "disk_full", "failed"].into_iter().find(is_in);
            let of = |part| self.quantile("ringhub_commit_duration_seconds", &labels, part);
            rows.push(vec![
                executor.clone(),
                state.unwrap_or("-").to_owned(),
                count(self.rate("ringhub_commits_total", &labels)),
                count(self.rate("ringhub_syncs_total", &labels)),
                bytes(self.rate("ringhub_log_bytes_total", &labels)),
                of(0.5),
                of(0.99),
            ]);
        }
        table(&rows)
    }

    fn partitions(&self) -> String {
        let header = ["PARTITION", "MSG/S", "BYTES/S", "KEPT EVENTS", "READERS", "LAG"];
        let mut rows = vec![header.map(ToOwned::to_owned).to_vec()];
        for partition in self.now.values_of("ringhub_partition_messages_total", "partition") {
            let labels = [("partition", partition.as_str())];
            let next = self.now.sum("ringhub_partition_next_sequence_number", &labels);
            let oldest = self.now.sum("ringhub_partition_oldest_sequence_number", &labels);
            rows.push(vec![
                partition.clone(),
                count(self.rate("ringhub_partition_messages_total", &labels)),
                bytes(self.rate("ringhub_partition_bytes_total", &labels)),
                count(next - oldest),
                count(self.now.sum("ringhub_readers", &labels)),
                bytes(self.now.sum("ringhub_reader_lag_bytes", &labels)),
            ]);
        }
        table(&rows)
    }
}
