//! How long the stages of the data path take, over all shards and executors.

use ringhub_core::meter::{Histogram, Snapshot};

use super::Sources;
use super::page::{Page, Scale};
use crate::partition::ExecutorCounters;
use crate::shard::ShardStages;

const HELP: &str = "Time in a stage of the data path. listener, tls, codec and session: every \
     sixteenth receive; ring and log: every message; acknowledge: every turn that took a commit; \
     reader: every answer to a reader; c2d_store: every message to a device; c2d_route and \
     c2d_deliver: those that waited for no connection.";

const ACCEPT_HELP: &str =
    "Time from the read that brought a message to the flush after its commit; every message.";

/// Stages on shards, in the order of the path.
const BEFORE_RING: [(&str, OfShard); 4] = [
    ("listener", |stages| &stages.listener),
    ("tls", |stages| &stages.tls),
    ("codec", |stages| &stages.codec),
    ("session", |stages| &stages.session),
];

const ON_EXECUTORS: [(&str, OfExecutor); 2] =
    [("ring", |counters| &counters.ring), ("log", |counters| &counters.log)];

/// Of a message to a device that is connected, after the store.
const TO_DEVICES: [(&str, OfShard); 2] =
    [("c2d_route", |stages| &stages.c2d_route), ("c2d_deliver", |stages| &stages.c2d_deliver)];

const AFTER_LOG: [(&str, OfShard); 2] =
    [("acknowledge", |stages| &stages.acknowledge), ("reader", |stages| &stages.reader)];

type OfShard = fn(&ShardStages) -> &Histogram;
type OfExecutor = fn(&ExecutorCounters) -> &Histogram;

pub(super) fn write(sources: &Sources, page: &mut Page) {
    let name = "ringhub_stage_duration_seconds";
    let mut family = page.histograms(name, Scale::LATENCY, HELP);
    for (stage, histogram) in BEFORE_RING {
        family.histogram(&[("stage", &stage)], &of_shards(sources, histogram));
    }
    for (stage, histogram) in ON_EXECUTORS {
        let executors = sources.partitions.executors();
        let snapshot = sum(executors.map(|executor| histogram(&executor.counters)));
        family.histogram(&[("stage", &stage)], &snapshot);
    }
    for (stage, histogram) in AFTER_LOG {
        family.histogram(&[("stage", &stage)], &of_shards(sources, histogram));
    }
    let stored = sum([&sources.control.store_counters().c2d_time].into_iter());
    family.histogram(&[("stage", &"c2d_store")], &stored);
    for (stage, histogram) in TO_DEVICES {
        family.histogram(&[("stage", &stage)], &of_shards(sources, histogram));
    }
    let accepted = of_shards(sources, |stages| &stages.accepted);
    let name = "ringhub_d2c_accept_duration_seconds";
    page.histograms(name, Scale::LATENCY, ACCEPT_HELP).histogram(&[], &accepted);
}

fn of_shards(sources: &Sources, histogram: OfShard) -> Snapshot {
    sum(sources.shards.iter().map(|shard| histogram(&shard.stages)))
}

fn sum<'h>(histograms: impl Iterator<Item = &'h Histogram>) -> Snapshot {
    let mut snapshot = Snapshot::default();
    histograms.for_each(|histogram| histogram.add_to(&mut snapshot));
    snapshot
}
