//! Where the partitions that have had an event stand.

use std::sync::Arc;

use ringhub_core::id::HubPartition;
use ringhub_core::log::PartitionState;

use super::counters::PartitionCounters;

/// Place of a partition among those of its executor that have had an event; used again once its hub
/// is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlotId(pub(super) u32);

/// One partition.
#[derive(Debug)]
pub(super) struct Slot {
    /// With every stamp given out.
    pub(super) stamped: PartitionState,
    /// With durable events only: what readers may know.
    pub(super) committed: PartitionState,
    /// The end of what is too old to be read.
    pub(super) oldest: PartitionState,
    pub(super) counters: Arc<PartitionCounters>,
}

impl Slot {
    pub(super) fn place(&self) -> HubPartition {
        self.stamped.place
    }

    /// Notes what the partition holds.
    pub(super) fn note_range(&self) {
        self.counters.note_range(&self.oldest, &self.committed);
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Option<Slot>>,
    free: Vec<SlotId>,
}

impl Slots {
    pub(super) fn insert(&mut self, slot: Slot) -> SlotId {
        if let Some(id) = self.free.pop() {
            self.slots[id.0 as usize] = Some(slot);
            return id;
        }
        self.slots.push(Some(slot));
        SlotId(u32::try_from(self.slots.len() - 1).expect("a log has few partitions"))
    }

    pub(super) fn remove(&mut self, id: SlotId) {
        if self.slots[id.0 as usize].take().is_some() {
            self.free.push(id);
        }
    }

    pub(super) fn get(&self, id: SlotId) -> Option<&Slot> {
        self.slots.get(id.0 as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: SlotId) -> Option<&mut Slot> {
        self.slots.get_mut(id.0 as usize)?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().flatten()
    }
}
