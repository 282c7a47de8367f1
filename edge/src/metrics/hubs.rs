//! The numbers of each hub in the commit logs, summed over its partitions.
//!
//! A process may have thousands of hubs, so only those that hold events are shown, and the numbers
//! of single partitions of the configured one alone.

use std::collections::BTreeMap;

use ringhub_core::id::HubId;
use ringhub_core::limits::METRICS_HUBS_MAX;

use super::Sources;
use super::page::{Kind, Page};
use crate::partition::PartitionCounters;

/// What the partitions of a hub have together.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    messages: u64,
    bytes: u64,
    kept_messages: u64,
    kept_bytes: u64,
    partitions: u64,
    readers: u64,
}

impl Sum {
    fn add(&mut self, partition: &PartitionCounters) {
        let kept = |next: u64, oldest: u64| next.saturating_sub(oldest);
        let (next, oldest) = (&partition.next_sequence_number, &partition.oldest_sequence_number);
        self.messages += partition.messages.read();
        self.bytes += partition.bytes.read();
        self.kept_messages += kept(next.read(), oldest.read());
        self.kept_bytes += kept(partition.next_offset.read(), partition.oldest_offset.read());
        self.partitions += u64::from(next.read() > 0);
    }
}

/// A number of each hub.
type OfHub = (&'static str, Kind, &'static str, fn(&Sum) -> u64);

const OF_HUB: [OfHub; 6] = [
    ("ringhub_hub_messages_total", Kind::Counter, MESSAGES, |sum| sum.messages),
    ("ringhub_hub_bytes_total", Kind::Counter, "Bytes of those.", |sum| sum.bytes),
    ("ringhub_hub_kept_messages", Kind::Gauge, "Events that can be read.", |sum| sum.kept_messages),
    ("ringhub_hub_kept_bytes", Kind::Gauge, "Bytes of those.", |sum| sum.kept_bytes),
    ("ringhub_hub_partitions", Kind::Gauge, PARTITIONS, |sum| sum.partitions),
    ("ringhub_hub_readers", Kind::Gauge, "Open readers of all partitions.", |sum| sum.readers),
];

const MESSAGES: &str = "Events of a hub committed since the start.";
const PARTITIONS: &str = "Partitions of a hub that have ever had an event.";

pub(super) fn write(sources: &Sources, page: &mut Page) {
    let mut sums: BTreeMap<HubId, Sum> = BTreeMap::new();
    for executor in sources.partitions.executors() {
        for partition in executor.counters.partitions() {
            sums.entry(partition.place.hub).or_default().add(&partition);
        }
        for reader in executor.counters.readers() {
            sums.entry(reader.place.hub).or_default().readers += 1;
        }
    }
    let left_out = sums.len().saturating_sub(METRICS_HUBS_MAX);
    let shown: Vec<(String, Sum)> = sums
        .into_iter()
        .take(METRICS_HUBS_MAX)
        .map(|(hub, sum)| (sources.name_of(hub), sum))
        .collect();
    for (name, kind, help, value) in OF_HUB {
        let mut family = page.family(name, kind, help);
        for (hub, sum) in &shown {
            family.sample_of(hub, &[], value(sum));
        }
    }
    let help = "Hubs with events that have no numbers of their own, because there are too many.";
    page.single("ringhub_hubs_left_out", Kind::Gauge, help, left_out);
}
