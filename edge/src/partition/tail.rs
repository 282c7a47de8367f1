//! The newest committed events in memory.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use ringhub_core::log::LastEvent;
use ringhub_core::log::commit::Chunk;
use ringhub_core::log::record::Records;
use ringhub_core::position::{EnqueuedTime, Offset, SequenceNumber};
use ringhub_core::reader::StartAt;

/// Records for a reader, and where it goes on.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) records: Bytes,
    pub(super) next: Offset,
}

/// Newest chunks of all partitions of an executor, bounded in bytes together.
#[derive(Debug)]
pub(super) struct Tail {
    partitions: Vec<VecDeque<TailChunk>>,
    /// Place of the partition of each chunk, oldest first.
    order: VecDeque<usize>,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct TailChunk {
    first_offset: Offset,
    first_sequence_number: SequenceNumber,
    first_enqueued: EnqueuedTime,
    records: Bytes,
}

impl TailChunk {
    /// True if no admitted event stands before this chunk.
    fn begins_by(&self, start: StartAt) -> bool {
        match start {
            StartAt::Offset(offset) => self.first_offset <= offset,
            StartAt::SequenceNumber(number) => self.first_sequence_number <= number,
            StartAt::EnqueuedTime(time) => self.first_enqueued < time,
        }
    }
}

impl Tail {
    pub(super) fn new(partition_count: usize, bytes_max: usize) -> Self {
        Self {
            partitions: (0..partition_count).map(|_| VecDeque::new()).collect(),
            order: VecDeque::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// Takes in a committed chunk; the oldest chunks make room.
    pub(super) fn push(&mut self, place: usize, chunk: &Chunk, records: &[u8]) {
        self.partitions[place].push_back(TailChunk {
            first_offset: chunk.first_offset,
            first_sequence_number: chunk.first_sequence_number,
            first_enqueued: chunk.first_enqueued,
            records: Bytes::copy_from_slice(records),
        });
        self.order.push_back(place);
        self.bytes += records.len();
        while self.bytes > self.bytes_max && self.order.len() > 1 {
            let Some(oldest) = self.order.pop_front() else { break };
            let dropped = self.partitions[oldest].pop_front();
            self.bytes -= dropped.map_or(0, |chunk| chunk.records.len());
        }
    }

    /// Up to `bytes_max` of records from the first that `start` admits; `None` if older events than those here may be
    /// admitted, or none of those here is.
    pub(super) fn select(
        &self,
        place: usize,
        start: StartAt,
        bytes_max: usize,
    ) -> Option<Selected> {
        let chunks = &self.partitions[place];
        let from = chunks.partition_point(|chunk| chunk.begins_by(start)).checked_sub(1)?;
        let mut selection = Selection::new(start, bytes_max);
        for chunk in chunks.range(from..) {
            if !selection.take(&chunk.records) {
                break;
            }
        }
        selection.finish()
    }
}

/// Collects whole records, in order, up to a number of bytes.
pub(super) struct Selection {
    start: StartAt,
    bytes_max: usize,
    slices: Vec<Bytes>,
    bytes: usize,
    next: Option<Offset>,
}

impl Selection {
    pub(super) fn new(start: StartAt, bytes_max: usize) -> Self {
        Self { start, bytes_max, slices: Vec::new(), bytes: 0, next: None }
    }

    /// Takes the admitted records of a chunk that was checked before; false once there is no room for more.
    pub(super) fn take(&mut self, chunk: &Bytes) -> bool {
        let (mut from, mut upto, mut at) = (None, 0, 0);
        let mut has_room = true;
        for record in Records::new(chunk) {
            let Ok(record) = record else { break };
            let len = record.bytes().len();
            if from.is_some() || self.start.admits(&record.event()) {
                if self.bytes > 0 && self.bytes + len > self.bytes_max {
                    has_room = false;
                    break;
                }
                from = from.or(Some(at));
                upto = at + len;
                self.bytes += len;
                self.next = Some(end_of(&record.event(), len));
            }
            at += len;
        }
        if let Some(from) = from {
            self.slices.push(chunk.slice(from..upto));
        }
        has_room
    }

    /// The records, if there are any. One slice is shared, several are copied together.
    pub(super) fn finish(mut self) -> Option<Selected> {
        let next = self.next?;
        if self.slices.len() == 1 {
            return self.slices.pop().map(|records| Selected { records, next });
        }
        let mut records = BytesMut::with_capacity(self.bytes);
        for slice in &self.slices {
            records.extend_from_slice(slice);
        }
        Some(Selected { records: records.freeze(), next })
    }
}

fn end_of(event: &LastEvent, len: usize) -> Offset {
    Offset(event.offset.0 + len as u64)
}
