//! What an executor counts, readable from any thread.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ringhub_core::id::{ConsumerGroup, HubId, HubPartition};
use ringhub_core::log::PartitionState;
use ringhub_core::log::commit::Chunk;
use ringhub_core::meter::{Counter, Histogram};

/// Counters of one executor since its start. The executor alone writes.
#[derive(Debug)]
pub struct ExecutorCounters {
    /// Durable commits.
    pub commits: Counter,
    /// Events in them.
    pub messages: Counter,
    /// Bytes of them in the log, headers and padding included.
    pub bytes: Counter,
    /// Calls of `fdatasync` that succeeded.
    pub syncs: Counter,
    /// Writes and syncs that failed.
    pub failures: Counter,
    /// Times that there was no room on the disk.
    pub disk_full: Counter,
    /// Segments with data, the one that is written included.
    pub segments: Counter,
    /// Segments that were written anew without the records of removed hubs.
    pub rewrites: Counter,
    /// Memory of the newest events, in bytes.
    pub tail_bytes: Counter,
    /// Times that a reader was served from the disk.
    pub catch_ups: Counter,
    /// Length of each commit, in bytes.
    pub commit_bytes: Histogram,
    /// Write and sync of each commit, until it is reported in order, in nanoseconds.
    pub commit_time: Histogram,
    /// Of each message: from its publication to the batch, in nanoseconds.
    pub ring: Histogram,
    /// Of each message: from the first of its batch to the durable commit, in nanoseconds.
    pub log: Histogram,
    partitions: Mutex<BTreeMap<HubPartition, Arc<PartitionCounters>>>,
    readers: Mutex<Vec<Weak<ReaderCounters>>>,
}

/// Counters of one partition.
#[derive(Debug)]
pub struct PartitionCounters {
    /// The partition.
    pub place: HubPartition,
    /// Events committed since the start.
    pub messages: Counter,
    /// Bytes of them since the start.
    pub bytes: Counter,
    /// Offset after the newest event.
    pub next_offset: Counter,
    /// Sequence number after the newest event.
    pub next_sequence_number: Counter,
    /// When the newest event was appended, in milliseconds since 1970; 0 without one.
    pub newest_ms: Counter,
    /// Offset of the oldest event.
    pub oldest_offset: Counter,
    /// Sequence number of the oldest event.
    pub oldest_sequence_number: Counter,
}

/// Where one reader stands.
#[derive(Debug)]
pub struct ReaderCounters {
    /// What it reads.
    pub place: HubPartition,
    /// For whom.
    pub group: ConsumerGroup,
    /// Offset of the next event that it gets; that of the end at first, if it began by time.
    pub next_offset: Counter,
}

impl ExecutorCounters {
    pub(super) fn new() -> Self {
        Self {
            commits: Counter::default(),
            messages: Counter::default(),
            bytes: Counter::default(),
            syncs: Counter::default(),
            failures: Counter::default(),
            disk_full: Counter::default(),
            segments: Counter::default(),
            rewrites: Counter::default(),
            tail_bytes: Counter::default(),
            catch_ups: Counter::default(),
            commit_bytes: Histogram::default(),
            commit_time: Histogram::default(),
            ring: Histogram::default(),
            log: Histogram::default(),
            partitions: Mutex::default(),
            readers: Mutex::default(),
        }
    }

    /// The open readers.
    #[must_use]
    pub fn readers(&self) -> Vec<Arc<ReaderCounters>> {
        self.lock_readers().iter().filter_map(Weak::upgrade).collect()
    }

    /// Lists a reader until it is dropped. The lock is taken when readers open and when somebody
    /// looks, never for an event.
    pub(super) fn add_reader(
        &self,
        place: HubPartition,
        group: ConsumerGroup,
        next_offset: u64,
    ) -> Arc<ReaderCounters> {
        let counters = ReaderCounters { place, group, next_offset: Counter::default() };
        counters.next_offset.set(next_offset);
        let counters = Arc::new(counters);
        let mut readers = self.lock_readers();
        readers.retain(|reader| reader.strong_count() > 0);
        readers.push(Arc::downgrade(&counters));
        counters
    }

    /// The partitions that have had an event, and those of the configured hub, in the order of hub
    /// and partition.
    #[must_use]
    pub fn partitions(&self) -> Vec<Arc<PartitionCounters>> {
        self.lock_partitions().values().cloned().collect()
    }

    /// Lists a partition. The lock is taken for its first event and when somebody looks.
    pub(super) fn add_partition(&self, place: HubPartition) -> Arc<PartitionCounters> {
        let counters = Arc::new(PartitionCounters::new(place));
        self.lock_partitions().insert(place, Arc::clone(&counters));
        counters
    }

    /// Forgets the partitions of a hub that is gone.
    pub(super) fn remove_partitions(&self, hub: HubId) {
        self.lock_partitions().retain(|place, _| place.hub != hub);
    }

    fn lock_partitions(&self) -> MutexGuard<'_, BTreeMap<HubPartition, Arc<PartitionCounters>>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_readers(&self) -> MutexGuard<'_, Vec<Weak<ReaderCounters>>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartitionCounters {
    fn new(place: HubPartition) -> Self {
        Self {
            place,
            messages: Counter::default(),
            bytes: Counter::default(),
            next_offset: Counter::default(),
            next_sequence_number: Counter::default(),
            newest_ms: Counter::default(),
            oldest_offset: Counter::default(),
            oldest_sequence_number: Counter::default(),
        }
    }

    /// A chunk of the partition is durable.
    pub(super) fn note_chunk(&self, chunk: &Chunk) {
        self.messages.add(chunk.record_count.into());
        self.bytes.add(chunk.len.into());
    }

    /// The partition holds what is between `oldest` and `end`.
    pub(super) fn note_range(&self, oldest: &PartitionState, end: &PartitionState) {
        self.oldest_offset.set(oldest.next_offset.0);
        self.oldest_sequence_number.set(oldest.next_sequence_number.0);
        self.next_offset.set(end.next_offset.0);
        self.next_sequence_number.set(end.next_sequence_number.0);
        let newest_ms = end.last.map_or(0, |last| last.enqueued_time.0.as_millis());
        self.newest_ms.set(u64::try_from(newest_ms).unwrap_or(0));
    }
}
