//! The hubs of one executor, and where their partitions stand.
//!
//! A hub without events is one entry: its partitions get slots, counters and whatever else with
//! their first events.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ringhub_core::id::{ExecutorId, HubId, HubPartition};
use ringhub_core::limits::HUBS_MAX;
use ringhub_core::log::retention::is_out;
use ringhub_core::log::{PartitionState, States};
use ringhub_core::number_map::NumberMap;
use ringhub_core::time::UnixMillis;

use super::PartitionsConfig;
use super::config::executor_of;
use super::counters::ExecutorCounters;
use super::hubs::{HubLog, HubRefused};
use super::slots::{Slot, SlotId, Slots};

/// No event of the partition yet.
const NO_SLOT: SlotId = SlotId(u32::MAX);

#[derive(Debug)]
struct Hub {
    partition_count: u16,
    retention_ms: i64,
    /// By partition; empty while the hub has no event here.
    slots: Box<[SlotId]>,
}

/// Every hub of the process, as one executor knows it.
#[derive(Debug)]
pub(super) struct HubTable {
    executor: ExecutorId,
    executor_count: u16,
    configured: HubId,
    hubs: NumberMap<HubId, Hub>,
    slots: Slots,
    /// Partitions of all hubs on this executor, with events or without.
    partition_count: usize,
    partitions_max: usize,
    /// Hubs that are gone and have left records in the log.
    gone: HashSet<HubId>,
    counters: Arc<ExecutorCounters>,
}

/// What a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Slot(SlotId),
    /// Its hub is gone.
    Nobody,
    /// The hub has no such partition here: no shard pushes that.
    Invalid,
}

impl HubTable {
    /// Begins with the hubs of the configuration and with what the log says of them. The configured
    /// hub has its slots from the start, so that its numbers are there without an event.
    pub(super) fn new(
        config: &PartitionsConfig,
        executor: ExecutorId,
        counters: Arc<ExecutorCounters>,
        (oldest, ends): (&States, &States),
    ) -> Self {
        let mut table = Self {
            executor,
            executor_count: config.executor_count,
            configured: config.hub,
            hubs: NumberMap::default(),
            slots: Slots::default(),
            partition_count: 0,
            partitions_max: config.log_partitions_max(),
            gone: HashSet::new(),
            counters,
        };
        for log in config.other_hubs.iter().chain([&config.configured()]) {
            table.insert(*log);
        }
        let configured = config.places_of(executor).into_iter();
        for place in configured.chain(ends.iter().map(|end| end.place)) {
            if table.has(place) {
                table.make_slot(place, oldest.get(place), ends.get(place));
            }
        }
        table
    }

    fn insert(&mut self, log: HubLog) {
        let HubLog { hub, partition_count, retention } = log;
        self.partition_count += self.partitions_here(log);
        let retention_ms = millis(retention);
        self.hubs.insert(hub, Hub { partition_count, retention_ms, slots: Box::default() });
    }

    fn is_here(&self, place: HubPartition) -> bool {
        executor_of(place, self.executor_count) == self.executor
    }

    fn partitions_here(&self, log: HubLog) -> usize {
        log.places().filter(|place| self.is_here(*place)).count()
    }

    fn make_slot(
        &mut self,
        place: HubPartition,
        oldest: PartitionState,
        end: PartitionState,
    ) -> SlotId {
        let Some(hub) = self.hubs.get_mut(&place.hub) else { return NO_SLOT };
        if hub.slots.is_empty() {
            hub.slots = vec![NO_SLOT; usize::from(hub.partition_count)].into();
        }
        let of_place = &mut hub.slots[usize::from(place.partition.0)];
        if *of_place == NO_SLOT {
            let counters = self.counters.add_partition(place);
            let slot = Slot { stamped: end, committed: end, oldest, counters };
            slot.note_range();
            *of_place = self.slots.insert(slot);
        }
        *of_place
    }

    /// True if the hub is there and has the partition, on this executor.
    pub(super) fn has(&self, place: HubPartition) -> bool {
        let hub = self.hubs.get(&place.hub);
        hub.is_some_and(|hub| place.partition.0 < hub.partition_count) && self.is_here(place)
    }

    /// What a record for `place` is to be appended to; the first one makes the slot.
    pub(super) fn target(&mut self, place: HubPartition) -> Target {
        let Some(hub) = self.hubs.get(&place.hub) else { return Target::Nobody };
        match hub.slots.get(usize::from(place.partition.0)) {
            Some(&slot) if slot != NO_SLOT => Target::Slot(slot),
            _ if self.has(place) => {
                let new = PartitionState::new(place);
                Target::Slot(self.make_slot(place, new, new))
            }
            _ => Target::Invalid,
        }
    }

    pub(super) fn slot_mut(&mut self, id: SlotId) -> Option<&mut Slot> {
        self.slots.get_mut(id)
    }

    /// True while the slot is that of `place`.
    pub(super) fn is_of(&self, id: SlotId, place: HubPartition) -> bool {
        self.slots.get(id).is_some_and(|slot| slot.place() == place)
    }

    fn slot_id(&self, place: HubPartition) -> Option<SlotId> {
        self.hubs.get(&place.hub)?.slots.get(usize::from(place.partition.0)).copied()
    }

    /// The partition, if it has had an event and its hub is there.
    pub(super) fn slot(&self, place: HubPartition) -> Option<&Slot> {
        self.slots.get(self.slot_id(place)?)
    }

    pub(super) fn slot_of_mut(&mut self, place: HubPartition) -> Option<&mut Slot> {
        self.slots.get_mut(self.slot_id(place)?)
    }

    /// What readers may know of a partition.
    pub(super) fn committed(&self, place: HubPartition) -> PartitionState {
        self.slot(place).map_or_else(|| PartitionState::new(place), |slot| slot.committed)
    }

    /// Where a partition begins for its readers.
    pub(super) fn oldest(&self, place: HubPartition) -> PartitionState {
        self.slot(place).map_or_else(|| PartitionState::new(place), |slot| slot.oldest)
    }

    /// Nothing up to `end` may be read any more.
    pub(super) fn advance_oldest(&mut self, end: &PartitionState) {
        if let Some(slot) = self.slot_of_mut(end.place)
            && slot.oldest.next_offset < end.next_offset
        {
            slot.oldest = *end;
            slot.note_range();
        }
    }

    /// Where every partition with events stands.
    pub(super) fn states(&self) -> States {
        self.slots.iter().map(|slot| slot.committed).collect()
    }

    /// The time from which on events of `hub` are kept; `None` if it is gone.
    pub(super) fn horizon(&self, hub: HubId, now: UnixMillis) -> Option<UnixMillis> {
        let retention_ms = self.hubs.get(&hub)?.retention_ms;
        Some(UnixMillis::from_millis(now.as_millis().saturating_sub(retention_ms)))
    }

    /// The latest horizon of any hub: nothing that is younger is too old for anybody.
    pub(super) fn newest_horizon(&self, now: UnixMillis) -> UnixMillis {
        let shortest = self.hubs.values().map(|hub| hub.retention_ms).min().unwrap_or(i64::MAX);
        UnixMillis::from_millis(now.as_millis().saturating_sub(shortest))
    }

    /// Lets nobody read up to those of `ends` that are too old for their hub.
    pub(super) fn hide_old(&mut self, ends: &States, now: UnixMillis) {
        for end in ends.iter() {
            if is_out(end, &|hub| self.horizon(hub, now)) {
                self.advance_oldest(end);
            }
        }
    }

    /// Notes of which hubs the log has records.
    pub(super) fn note_found(&mut self, hubs: impl Iterator<Item = HubId>) {
        let known = &self.hubs;
        self.gone.extend(hubs.filter(|hub| !known.contains_key(hub)));
    }

    /// The hubs that are gone and have left records in the log.
    pub(super) fn gone(&self) -> &HashSet<HubId> {
        &self.gone
    }

    /// The log has no more records of these hubs.
    pub(super) fn forget(&mut self, purged: &HashSet<HubId>) {
        self.gone.retain(|hub| !purged.contains(hub));
    }

    pub(super) fn add(&mut self, log: HubLog) -> Result<(), HubRefused> {
        if self.hubs.contains_key(&log.hub) {
            return Err(HubRefused::Exists(log.hub));
        }
        if self.gone.contains(&log.hub) {
            return Err(HubRefused::Used(log.hub));
        }
        if self.hubs.len() >= HUBS_MAX {
            return Err(HubRefused::TooManyHubs);
        }
        let partitions = self.partitions_here(log);
        if self.partition_count + partitions > self.partitions_max {
            return Err(HubRefused::TooManyPartitions(self.partitions_max));
        }
        self.insert(log);
        Ok(())
    }

    pub(super) fn set_retention(
        &mut self,
        hub: HubId,
        retention: Duration,
    ) -> Result<(), HubRefused> {
        let found = self.hubs.get_mut(&hub).ok_or(HubRefused::Unknown(hub))?;
        found.retention_ms = millis(retention);
        Ok(())
    }

    /// Forgets a hub and its positions. Its records stay in the log, where nobody finds them.
    pub(super) fn remove(&mut self, hub: HubId) -> Result<(), HubRefused> {
        if hub == self.configured {
            return Err(HubRefused::Configured(hub));
        }
        let removed = self.hubs.remove(&hub).ok_or(HubRefused::Unknown(hub))?;
        let partition_count = removed.partition_count;
        let log = HubLog { hub, partition_count, retention: Duration::ZERO };
        self.partition_count -= self.partitions_here(log);
        let slots = removed.slots.iter().filter(|slot| **slot != NO_SLOT);
        for slot in slots {
            self.gone.insert(hub);
            self.slots.remove(*slot);
        }
        self.counters.remove_partitions(hub);
        Ok(())
    }
}

fn millis(retention: Duration) -> i64 {
    i64::try_from(retention.as_millis()).unwrap_or(i64::MAX)
}
