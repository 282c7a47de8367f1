//! Records that wait for the next commit; they stay in the rings until it is built.

use std::time::{Duration, Instant};

use ringhub_core::log::record::{DamagedRecord, RecordView};
use ringhub_core::position::RingPosition;
use ringhub_core::ring::{Consumer, Popped};

use super::PartitionsConfig;

/// A record in its ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) ring: usize,
    pub(super) record: Popped,
}

/// Records in the order of their rings, grouped by partition.
#[derive(Debug)]
pub(super) struct Batch {
    /// By partition number; those of other executors stay empty.
    pub(super) partitions: Vec<Vec<Waiting>>,
    /// Position after the last record taken of each ring.
    pub(super) upto: Vec<Option<RingPosition>>,
    pub(super) bytes: usize,
    since: Option<Instant>,
    next_ring: usize,
}

impl Batch {
    pub(super) fn new(ring_count: usize, partition_count: usize) -> Self {
        Self {
            partitions: vec![Vec::new(); partition_count],
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

    /// Takes records ring by ring until `bytes_max` is reached; the ring after the last one served
    /// goes first next time. A ring gives at most an even share before the next has its turn.
    pub(super) fn gather(
        &mut self,
        rings: &mut [Consumer],
        bytes_max: usize,
    ) -> Result<(), DamagedRecord> {
        let share = bytes_max / rings.len().max(1) + 1;
        let mut idle = 0;
        while idle < rings.len() && self.bytes < bytes_max {
            let ring = self.next_ring % rings.len();
            let before = self.bytes;
            while self.bytes < bytes_max && self.bytes - before < share {
                let Some(record) = rings[ring].pop() else { break };
                self.take(ring, record, rings[ring].record(record))?;
            }
            idle = if self.bytes == before { idle + 1 } else { 0 };
            self.next_ring = ring + 1;
        }
        Ok(())
    }

    fn take(&mut self, ring: usize, record: Popped, bytes: &[u8]) -> Result<(), DamagedRecord> {
        let view = RecordView::parse(bytes)?;
        let partition = self.partitions.get_mut(usize::from(view.partition().0));
        if view.bytes().len() != bytes.len() {
            return Err(DamagedRecord { at: view.bytes().len() });
        }
        partition.ok_or(DamagedRecord { at: 0 })?.push(Waiting { ring, record });
        self.upto[ring] = Some(record.position);
        self.bytes += bytes.len();
        self.since.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// How long to wait for more; `None` when the commit is due.
    pub(super) fn wait(&self, config: &PartitionsConfig) -> Option<Duration> {
        if self.bytes >= config.commit_bytes {
            return None;
        }
        let since = self.since?;
        config.commit_delay.checked_sub(since.elapsed()).filter(|wait| !wait.is_zero())
    }

    /// Forgets the records, which stand in a commit now.
    pub(super) fn clear(&mut self) {
        self.partitions.iter_mut().for_each(Vec::clear);
        self.upto.fill(None);
        self.bytes = 0;
        self.since = None;
    }
}
