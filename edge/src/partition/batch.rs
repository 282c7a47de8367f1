//! Records that wait for the next commit; they stay in the rings until it is built.

use std::time::{Duration, Instant};

use ringhub_core::id::HubPartition;
use ringhub_core::limits::COMMIT_CHUNKS_MAX;
use ringhub_core::log::record::{DamagedRecord, RecordView};
use ringhub_core::position::RingPosition;
use ringhub_core::ring::{Consumer, Popped};

use super::PartitionsConfig;
use super::slots::SlotId;
use super::table::{HubTable, Target};

/// A record in its ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) ring: usize,
    pub(super) record: Popped,
    /// The next of the same partition.
    next: Option<u32>,
}

/// The records of one partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) place: HubPartition,
    pub(super) slot: SlotId,
    pub(super) record_count: u32,
    bytes: usize,
    first: u32,
    last: u32,
}

/// Records in the order of their rings, grouped by partition. What it takes in memory depends on
/// the records, not on how many partitions there are but for two bytes each.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) groups: Vec<Group>,
    waiting: Vec<Waiting>,
    /// By slot: one more than the place of its group, 0 without.
    group_of: Vec<u16>,
    /// Position after the last record taken of each ring.
    pub(super) upto: Vec<Option<RingPosition>>,
    pub(super) bytes: usize,
    since: Option<Instant>,
    next_ring: usize,
}

const _: () = assert!(COMMIT_CHUNKS_MAX < u16::MAX as usize);

impl Batch {
    pub(super) fn new(ring_count: usize) -> Self {
        Self {
            groups: Vec::new(),
            waiting: Vec::new(),
            group_of: Vec::new(),
            upto: vec![None; ring_count],
            bytes: 0,
            since: None,
            next_ring: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// When the first record was taken; now if there is none.
    pub(super) fn since(&self) -> Instant {
        self.since.unwrap_or_else(Instant::now)
    }

    /// Takes records ring by ring until `bytes_max` is reached, or there are as many partitions as
    /// a commit may have; the ring after the last one served goes first next time. A ring gives at
    /// most an even share before the next has its turn. Records of hubs that are gone are dropped.
    pub(super) fn gather(
        &mut self,
        rings: &mut [Consumer],
        bytes_max: usize,
        hubs: &mut HubTable,
    ) -> Result<(), DamagedRecord> {
        let share = bytes_max / rings.len().max(1) + 1;
        let mut idle = 0;
        while idle < rings.len() && !self.is_full(bytes_max) {
            let ring = self.next_ring % rings.len();
            let before = self.bytes;
            while !self.is_full(bytes_max) && self.bytes - before < share {
                let Some(record) = rings[ring].pop() else { break };
                self.take(ring, record, rings[ring].record(record), hubs)?;
            }
            idle = if self.bytes == before { idle + 1 } else { 0 };
            self.next_ring = ring + 1;
        }
        Ok(())
    }

    fn is_full(&self, bytes_max: usize) -> bool {
        self.bytes >= bytes_max || self.groups.len() >= COMMIT_CHUNKS_MAX
    }

    fn take(
        &mut self,
        ring: usize,
        record: Popped,
        bytes: &[u8],
        hubs: &mut HubTable,
    ) -> Result<(), DamagedRecord> {
        let view = RecordView::parse(bytes)?;
        if view.bytes().len() != bytes.len() {
            return Err(DamagedRecord { at: view.bytes().len() });
        }
        let place = view.place();
        match hubs.target(place) {
            Target::Slot(slot) => {
                self.push(place, slot, Waiting { ring, record, next: None }, bytes.len());
            }
            Target::Nobody => {}
            Target::Invalid => return Err(DamagedRecord { at: 0 }),
        }
        self.upto[ring] = Some(record.position);
        self.since.get_or_insert_with(Instant::now);
        Ok(())
    }

    fn push(&mut self, place: HubPartition, slot: SlotId, waiting: Waiting, bytes: usize) {
        let at = u32::try_from(self.waiting.len()).expect("a commit is small");
        self.waiting.push(waiting);
        self.bytes += bytes;
        let of_slot = slot.0 as usize;
        if of_slot >= self.group_of.len() {
            self.group_of.resize(of_slot + 1, 0);
        }
        let found = usize::from(self.group_of[of_slot]).checked_sub(1);
        match found.map(|found| &mut self.groups[found]) {
            // A slot may have got another owner since the batch was begun.
            Some(group) if group.place == place => {
                self.waiting[group.last as usize].next = Some(at);
                group.last = at;
                group.record_count += 1;
                group.bytes += bytes;
            }
            _ => {
                let group = Group { place, slot, record_count: 1, bytes, first: at, last: at };
                self.groups.push(group);
                let number = u16::try_from(self.groups.len()).expect("COMMIT_CHUNKS_MAX");
                self.group_of[of_slot] = number;
            }
        }
    }

    /// The records of a group, in their order.
    pub(super) fn records_of(&self, group: &Group) -> impl Iterator<Item = &Waiting> {
        let first = self.waiting.get(group.first as usize);
        std::iter::successors(first, |waiting| self.waiting.get(waiting.next? as usize))
    }

    /// Drops the records of hubs that have gone since they were taken.
    pub(super) fn drop_gone(&mut self, hubs: &HubTable) {
        let bytes = &mut self.bytes;
        self.groups.retain(|group| {
            let is_there = hubs.is_of(group.slot, group.place);
            *bytes -= if is_there { 0 } else { group.bytes };
            is_there
        });
    }

    /// How long to wait for more; `None` when the commit is due.
    pub(super) fn wait(&self, config: &PartitionsConfig) -> Option<Duration> {
        if self.is_full(config.commit_bytes) {
            return None;
        }
        let since = self.since?;
        config.commit_delay.checked_sub(since.elapsed()).filter(|wait| !wait.is_zero())
    }

    /// Forgets the records, which stand in a commit now.
    pub(super) fn clear(&mut self) {
        self.group_of.fill(0);
        self.groups.clear();
        self.waiting.clear();
        self.upto.fill(None);
        self.bytes = 0;
        self.since = None;
    }
}
