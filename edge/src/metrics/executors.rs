//! What the executors have counted: rings, commits, partitions, readers.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use ringhub_core::id::HubPartition;
use ringhub_core::meter::{Counter, Histogram, Snapshot};

use super::Sources;
use super::page::{Kind, Page, Scale};
use crate::partition::{
    ExecutorCounters, ExecutorView, LogState, PartitionCounters, ReaderCounters,
};

/// A number of each executor: name, meaning, where it stands.
type OfExecutor = (&'static str, Kind, &'static str, fn(&ExecutorCounters) -> &Counter);

const OF_EXECUTOR: [OfExecutor; 10] = [
    ("ringhub_commits_total", Kind::Counter, "Durable commits.", |c| &c.commits),
    ("ringhub_commit_messages_total", Kind::Counter, "Events in durable commits.", |c| &c.messages),
    ("ringhub_log_bytes_total", Kind::Counter, LOG_BYTES, |c| &c.bytes),
    ("ringhub_syncs_total", Kind::Counter, "Calls of fdatasync that succeeded.", |c| &c.syncs),
    ("ringhub_log_failures_total", Kind::Counter, FAILURES, |c| &c.failures),
    ("ringhub_disk_full_total", Kind::Counter, DISK_FULL, |c| &c.disk_full),
    ("ringhub_segments", Kind::Gauge, "Segments with data.", |c| &c.segments),
    ("ringhub_segment_rewrites_total", Kind::Counter, REWRITES, |c| &c.rewrites),
    ("ringhub_tail_bytes", Kind::Gauge, TAIL, |c| &c.tail_bytes),
    ("ringhub_reader_catch_ups_total", Kind::Counter, CATCH_UPS, |c| &c.catch_ups),
];

const LOG_BYTES: &str = "Bytes of durable commits, headers and padding included.";
const FAILURES: &str = "Writes and syncs that failed; the first ends the log until a restart.";
const DISK_FULL: &str = "Times that there was no room for the next segment.";
const REWRITES: &str = "Segments that were written anew without events of removed hubs.";
const TAIL: &str = "Memory of the newest events, from which readers are served.";
const CATCH_UPS: &str = "Times that a reader was served from the disk.";

/// A number of each partition.
type OfPartition = (&'static str, Kind, &'static str, fn(&PartitionCounters) -> &Counter);

const OF_PARTITION: [OfPartition; 6] = [
    ("ringhub_partition_messages_total", Kind::Counter, "Events committed since the start.", |p| {
        &p.messages
    }),
    ("ringhub_partition_bytes_total", Kind::Counter, "Bytes of those.", |p| &p.bytes),
    ("ringhub_partition_next_sequence_number", Kind::Gauge, NEXT_NUMBER, |p| {
        &p.next_sequence_number
    }),
    ("ringhub_partition_next_offset", Kind::Gauge, "Offset after the newest event.", |p| {
        &p.next_offset
    }),
    ("ringhub_partition_oldest_sequence_number", Kind::Gauge, OLDEST_NUMBER, |p| {
        &p.oldest_sequence_number
    }),
    ("ringhub_partition_oldest_offset", Kind::Gauge, "Offset of the oldest event.", |p| {
        &p.oldest_offset
    }),
];

const NEXT_NUMBER: &str = "Sequence number after the newest durable event.";
const OLDEST_NUMBER: &str = "Sequence number of the oldest event that is kept.";

pub(super) fn write(sources: &Sources, page: &mut Page) {
    write_states(sources, page);
    write_rings(sources, page);
    for (name, kind, help, counter) in OF_EXECUTOR {
        let mut family = page.family(name, kind, help);
        for executor in sources.partitions.executors() {
            let value = counter(&executor.counters).read();
            family.sample(&[("executor", &executor.executor.0)], value);
        }
    }
    let name = "ringhub_commit_duration_seconds";
    let help = "Time of a commit from the first byte written to the report that it is durable.";
    write_histograms(sources, page, (name, Scale::LATENCY, help), |c| &c.commit_time);
    let help = "Length of a commit, headers and padding included.";
    let name = "ringhub_commit_size_bytes";
    write_histograms(sources, page, (name, Scale::BYTES, help), |c| &c.commit_bytes);
    write_partitions(sources, page);
    write_readers(sources, page);
}

fn write_states(sources: &Sources, page: &mut Page) {
    let help = "Whether the log of an executor is in a state: 1 for the one that it is in.";
    let mut family = page.family("ringhub_executor_state", Kind::Gauge, help);
    for executor in sources.partitions.executors() {
        let now = executor.state();
        for (state, name) in [
            (LogState::Running, "running"),
            (LogState::DiskFull, "disk_full"),
            (LogState::Failed, "failed"),
        ] {
            let labels: [(&str, &dyn Display); 2] =
                [("executor", &executor.executor.0), ("state", &name)];
            family.sample(&labels, u8::from(state == now));
        }
    }
}

fn write_rings(sources: &Sources, page: &mut Page) {
    let help = "Bytes that a shard has pushed for an executor and that are not durable yet.";
    let mut family = page.family("ringhub_ring_awaiting_bytes", Kind::Gauge, help);
    for executor in sources.partitions.executors() {
        for ring in executor.rings() {
            let labels: [(&str, &dyn Display); 2] =
                [("shard", &ring.shard.0), ("executor", &executor.executor.0)];
            family.sample(&labels, ring.awaiting_bytes);
        }
    }
}

fn write_histograms(
    sources: &Sources,
    page: &mut Page,
    (name, scale, help): (&'static str, Scale, &str),
    histogram: fn(&ExecutorCounters) -> &Histogram,
) {
    let mut family = page.histograms(name, scale, help);
    for executor in sources.partitions.executors() {
        let mut snapshot = Snapshot::default();
        histogram(&executor.counters).add_to(&mut snapshot);
        family.histogram(&[("executor", &executor.executor.0)], &snapshot);
    }
}

/// Those of the configured hub; of the others only sums are shown.
fn write_partitions(sources: &Sources, page: &mut Page) {
    let partitions = partitions(sources);
    for (name, kind, help, counter) in OF_PARTITION {
        let mut family = page.family(name, kind, help);
        for partition in &partitions {
            let number = partition.place.partition.0;
            family.sample(&[("partition", &number)], counter(partition).read());
        }
    }
    let name = "ringhub_partition_newest_timestamp_seconds";
    let help = "When the newest event was appended, in seconds since 1970; 0 without one.";
    let mut family = page.family(name, Kind::Gauge, help);
    for partition in &partitions {
        let value = partition.newest_ms.read() as f64 / 1e3;
        family.sample(&[("partition", &partition.place.partition.0)], value);
    }
}

fn partitions(sources: &Sources) -> Vec<Arc<PartitionCounters>> {
    let all = sources.partitions.executors().flat_map(|executor| executor.counters.partitions());
    all.filter(|partition| partition.place.hub == sources.hub).collect()
}

/// Readers of one group on one partition.
#[derive(Clone, Copy, Debug, Default)]
struct Readers {
    count: u64,
    lag_bytes: u64,
}

fn write_readers(sources: &Sources, page: &mut Page) {
    let readers = sources.partitions.executors().flat_map(readers_of);
    let mut of_groups: BTreeMap<(u16, String), Readers> = BTreeMap::new();
    for (place, group, lag_bytes) in readers.filter(|(place, ..)| place.hub == sources.hub) {
        let readers = of_groups.entry((place.partition.0, group)).or_default();
        readers.count += 1;
        readers.lag_bytes = readers.lag_bytes.max(lag_bytes);
    }
    let count: fn(&Readers) -> u64 = |readers| readers.count;
    let lag: fn(&Readers) -> u64 = |readers| readers.lag_bytes;
    let lag_help = "Bytes of events that the slowest reader of a group has not been given yet.";
    for (name, help, value) in [
        ("ringhub_readers", "Open readers of a consumer group.", count),
        ("ringhub_reader_lag_bytes", lag_help, lag),
    ] {
        let mut family = page.family(name, Kind::Gauge, help);
        for ((partition, group), readers) in &of_groups {
            let labels: [(&str, &dyn Display); 2] =
                [("partition", partition), ("consumer_group", group)];
            family.sample(&labels, value(readers));
        }
    }
}

/// Place, group and lag of each reader.
fn readers_of(executor: &ExecutorView) -> Vec<(HubPartition, String, u64)> {
    let partitions = executor.counters.partitions();
    let end_of = |place| {
        let found = partitions.binary_search_by_key(&place, |partition| partition.place);
        found.map_or(0, |found| partitions[found].next_offset.read())
    };
    let readers = executor.counters.readers();
    let lag =
        |reader: &ReaderCounters| end_of(reader.place).saturating_sub(reader.next_offset.read());
    let each =
        readers.iter().map(|reader| (reader.place, reader.group.as_str().to_owned(), lag(reader)));
    each.collect()
}
