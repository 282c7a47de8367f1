//! The newest committed events in memory.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use ringhub_core::id::{HubId, HubPartition};
use ringhub_core::log::commit::Chunk;
use ringhub_core::position::{EnqueuedTime, Offset, SequenceNumber};
use ringhub_core::reader::StartAt;

use super::segment_file::SharedBuffer;
use super::selection::{Selected, cut};

/// Newest commits of an executor, bounded in bytes. They stay in the buffers that they were written
/// from: holding one costs no copy, and a reader's records are copied once, when it asks.
#[derive(Debug)]
pub(super) struct Tail {
    /// Those with a chunk here.
    partitions: HashMap<HubPartition, VecDeque<TailChunk>>,
    /// Length and partitions of each commit, oldest first.
    commits: VecDeque<(usize, Vec<HubPartition>)>,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct TailChunk {
    first_offset: Offset,
    first_sequence_number: SequenceNumber,
    first_enqueued: EnqueuedTime,
    commit: SharedBuffer,
    range: Range<usize>,
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
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { partitions: HashMap::new(), commits: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// Bytes of the commits that it holds.
    pub(super) fn memory(&self) -> usize {
        self.bytes
    }

    /// Takes in the chunks of a durable commit; the oldest commits make room.
    pub(super) fn push(&mut self, commit: &SharedBuffer, chunks: &[Chunk]) {
        for chunk in chunks {
            self.partitions.entry(chunk.place).or_default().push_back(TailChunk {
                first_offset: chunk.first_offset,
                first_sequence_number: chunk.first_sequence_number,
                first_enqueued: chunk.first_enqueued,
                commit: commit.clone(),
                range: chunk.range(),
            });
        }
        let len = commit.bytes().len();
        self.commits.push_back((len, chunks.iter().map(|chunk| chunk.place).collect()));
        self.bytes += len;
        while self.bytes > self.bytes_max && self.commits.len() > 1 {
            let Some((len, places)) = self.commits.pop_front() else { break };
            for place in places {
                self.pop_front(place);
            }
            self.bytes -= len;
        }
    }

    fn pop_front(&mut self, place: HubPartition) {
        let Some(chunks) = self.partitions.get_mut(&place) else { return };
        chunks.pop_front();
        if chunks.is_empty() {
            self.partitions.remove(&place);
        }
    }

    /// Nothing of `hub` is found any more; its bytes go with their commits.
    pub(super) fn remove_hub(&mut self, hub: HubId) {
        self.partitions.retain(|place, _| place.hub != hub);
    }

    /// Up to `bytes_max` of records from the first that `start` admits; `None` if older events than
    /// those here may be admitted, or none of those here is.
    pub(super) fn select(
        &self,
        place: HubPartition,
        start: StartAt,
        bytes_max: usize,
    ) -> Option<Selected> {
        let chunks = self.partitions.get(&place)?;
        let from = chunks.partition_point(|chunk| chunk.begins_by(start)).checked_sub(1)?;
        let (mut records, mut next) = (Vec::new(), None);
        for chunk in chunks.range(from..) {
            let chunk = &chunk.commit.bytes()[chunk.range.clone()];
            let cut = cut(chunk, start, bytes_max.saturating_sub(records.len()), next.is_none());
            records.extend_from_slice(&chunk[cut.range]);
            next = cut.next.or(next);
            if cut.is_full {
                break;
            }
        }
        next.map(|next| Selected { records: records.into(), next, resume: None })
    }
}
