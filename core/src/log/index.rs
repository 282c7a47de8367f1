//! What is known of a segment without reading it: where each partition ends, and roughly where to
//! look for a position.
//!
//! The index is sparse: a partition gets an entry once per [`INDEX_STRIDE_BYTES`] of the segment,
//! and a reader goes on from commit to commit from there. A sealed segment has its summary in a
//! file beside it; if that is missing or damaged, scanning the segment makes it anew.

use std::collections::BTreeMap;

use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::commit::{Chunk, CommitHead};
use super::segment::SegmentHeader;
use super::state::StoredState;
use super::{
    Chain, CommitNumber, FilePosition, LogError, LogId, PartitionState, SegmentNumber, States,
    checksum,
};
use crate::id::{HubId, HubPartition, PartitionId};
use crate::position::{EnqueuedTime, Offset, SequenceNumber};
use crate::reader::StartAt;
use crate::time::UnixMillis;

const MAGIC: [u8; 8] = *b"rhsegidx";
const INDEX_VERSION: u32 = 2;

/// The same layout; all is of hub 0, and partitions without events are listed too.
const INDEX_VERSION_OF_ONE_HUB: u32 = 1;

/// Distance in the file between two entries of one partition. A search reads at most this much in
/// vain; an entry takes 40 bytes of memory for as long as the segment is retained.
pub const INDEX_STRIDE_BYTES: u64 = 512 * 1024;

/// The first record of a chunk and the commit that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    offset: Offset,
    sequence_number: SequenceNumber,
    enqueued_time: EnqueuedTime,
    commit: FilePosition,
}

/// Sparse index of one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentIndex {
    partitions: BTreeMap<HubPartition, Vec<IndexEntry>>,
}

impl SegmentIndex {
    /// Takes in the chunks of the commit at `at`. Commits come in the order of their positions.
    pub fn insert(&mut self, chunks: &[Chunk], at: FilePosition) {
        for chunk in chunks {
            let entries = self.partitions.entry(chunk.place).or_default();
            if entries.last().is_none_or(|last| at.0 - last.commit.0 >= INDEX_STRIDE_BYTES) {
                entries.push(IndexEntry {
                    offset: chunk.first_offset,
                    sequence_number: chunk.first_sequence_number,
                    enqueued_time: chunk.first_enqueued,
                    commit: at,
                });
            }
        }
    }

    /// A commit at or before the first event that `start` admits; `None` says to begin at the first
    /// commit.
    #[must_use]
    pub fn find(&self, place: HubPartition, start: StartAt) -> Option<FilePosition> {
        let entries = self.partitions.get(&place)?;
        let before = entries.partition_point(|entry| match start {
            StartAt::Offset(offset) => entry.offset <= offset,
            StartAt::SequenceNumber(number) => entry.sequence_number <= number,
            StartAt::EnqueuedTime(time) => entry.enqueued_time < time,
        });
        before.checked_sub(1).map(|last| entries[last].commit)
    }
}

/// A segment as it is known without reading its commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentSummary {
    /// The log.
    pub log: LogId,
    /// The segment.
    pub segment: SegmentNumber,
    /// How often it was written anew; its commits are elsewhere in the file each time.
    pub rewrites: u16,
    /// Where each partition that has events in it stands after the last commit.
    pub ends: States,
    /// Number of the commit after the last.
    pub next_commit: CommitNumber,
    /// Link of the commit after the last.
    pub next_chain: Chain,
    /// Where the last commit ends.
    pub data_end: FilePosition,
    /// Where to look.
    pub index: SegmentIndex,
}

impl SegmentSummary {
    /// A segment without commits.
    #[must_use]
    pub fn new(header: &SegmentHeader) -> Self {
        Self {
            log: header.log,
            segment: header.segment,
            rewrites: header.rewrites(),
            ends: States::default(),
            next_commit: header.first_commit,
            next_chain: header.chain,
            data_end: header.data_start(),
            index: SegmentIndex::default(),
        }
    }

    /// Takes in the commit at the end, whose chunks lead to `ends`.
    pub fn append(&mut self, head: &CommitHead, ends: &[PartitionState]) {
        self.index.insert(&head.chunks, self.data_end);
        self.ends.extend(ends.iter().copied());
        self.data_end.0 += head.len as u64;
        self.next_commit = CommitNumber(head.place.number.0 + 1);
        self.next_chain = head.next_chain;
    }
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct StoredSummary {
    magic: [u8; 8],
    version: U32,
    state_count: U16,
    rewrites: U16,
    log: [u8; 16],
    segment: U64,
    next_commit: U64,
    next_chain: U64,
    data_end: U64,
    reserved: U64,
    entry_count: U64,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct StoredEntry {
    offset: U64,
    sequence_number: U64,
    enqueued_ms: I64,
    commit: U64,
    partition: U16,
    reserved: U16,
    hub: U32,
}

const _: () = assert!(size_of::<StoredSummary>() == 80);
const _: () = assert!(size_of::<StoredEntry>() == 40);

impl SegmentSummary {
    /// The content of an index file: header, states, entries, checksum of all that.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let entry_count: usize = self.index.partitions.values().map(Vec::len).sum();
        let header = StoredSummary {
            magic: MAGIC,
            version: INDEX_VERSION.into(),
            state_count: u16::try_from(self.ends.len()).expect("below LOG_PARTITIONS_MAX").into(),
            rewrites: self.rewrites.into(),
            log: self.log.0,
            segment: self.segment.0.into(),
            next_commit: self.next_commit.0.into(),
            next_chain: self.next_chain.0.into(),
            data_end: self.data_end.0.into(),
            reserved: U64::ZERO,
            entry_count: (entry_count as u64).into(),
        };
        let mut out = header.as_bytes().to_vec();
        for state in self.ends.iter() {
            out.extend_from_slice(StoredState::from(state).as_bytes());
        }
        for (place, entries) in &self.index.partitions {
            for entry in entries {
                out.extend_from_slice(stored_entry(*place, entry).as_bytes());
            }
        }
        let sum = checksum(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// Reads the content of an index file. One of version 1 lists partitions without events, too.
    ///
    /// # Errors
    /// [`LogError`]: the file is of no use, and the segment is to be scanned instead.
    pub fn decode(bytes: &[u8]) -> Result<Self, LogError> {
        let damaged = || LogError::Damaged { what: "index", at: 0 };
        let (body, sum) = bytes.split_last_chunk::<8>().ok_or_else(damaged)?;
        let (header, rest) = StoredSummary::ref_from_prefix(body).map_err(|_| damaged())?;
        if header.magic != MAGIC {
            return Err(LogError::Magic("segment index"));
        }
        if ![INDEX_VERSION_OF_ONE_HUB, INDEX_VERSION].contains(&header.version.get()) {
            let found = header.version.get();
            return Err(LogError::Version { found, known: INDEX_VERSION });
        }
        if checksum(body) != u64::from_le_bytes(*sum) {
            return Err(damaged());
        }
        let count = usize::from(header.state_count.get());
        let (states, rest) =
            <[StoredState]>::ref_from_prefix_with_elems(rest, count).map_err(|_| damaged())?;
        let entries = <[StoredEntry]>::ref_from_bytes(rest).map_err(|_| damaged())?;
        Ok(Self {
            log: LogId(header.log),
            segment: SegmentNumber(header.segment.get()),
            rewrites: header.rewrites.get(),
            ends: states.iter().map(PartitionState::from).collect(),
            next_commit: CommitNumber(header.next_commit.get()),
            next_chain: Chain(header.next_chain.get()),
            data_end: FilePosition(header.data_end.get()),
            index: read_entries(entries),
        })
    }
}

fn stored_entry(place: HubPartition, entry: &IndexEntry) -> StoredEntry {
    StoredEntry {
        offset: entry.offset.0.into(),
        sequence_number: entry.sequence_number.0.into(),
        enqueued_ms: entry.enqueued_time.0.as_millis().into(),
        commit: entry.commit.0.into(),
        partition: place.partition.0.into(),
        reserved: U16::ZERO,
        hub: place.hub.0.into(),
    }
}

fn read_entries(stored: &[StoredEntry]) -> SegmentIndex {
    let mut index = SegmentIndex::default();
    for entry in stored {
        let (hub, partition) = (HubId(entry.hub.get()), PartitionId(entry.partition.get()));
        index.partitions.entry(HubPartition { hub, partition }).or_default().push(IndexEntry {
            offset: Offset(entry.offset.get()),
            sequence_number: SequenceNumber(entry.sequence_number.get()),
            enqueued_time: EnqueuedTime(UnixMillis::from_millis(entry.enqueued_ms.get())),
            commit: FilePosition(entry.commit.get()),
        });
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: HubPartition = HubPartition { hub: HubId(70_000), partition: PartitionId(1) };

    fn summary() -> SegmentSummary {
        let mut index = SegmentIndex::default();
        for step in 0..10_u64 {
            let chunk = Chunk {
                place: PLACE,
                record_count: 1,
                position: 0,
                len: 8,
                first_offset: Offset(step * 100),
                first_sequence_number: SequenceNumber(step),
                first_enqueued: EnqueuedTime(UnixMillis::from_millis(50)),
                last_enqueued: EnqueuedTime(UnixMillis::from_millis(50)),
                checksum: 0,
            };
            index.insert(&[chunk], FilePosition(8192 + step * INDEX_STRIDE_BYTES / 2));
        }
        let mut end = PartitionState::new(PLACE);
        end.append(8, UnixMillis::from_millis(60));
        SegmentSummary {
            log: LogId([3; 16]),
            segment: SegmentNumber(9),
            rewrites: 3,
            ends: [end].into_iter().collect(),
            next_commit: CommitNumber(10),
            next_chain: Chain(77),
            data_end: FilePosition(1 << 20),
            index,
        }
    }

    #[test]
    fn finds_the_entry_at_or_before_a_position() {
        let index = summary().index;
        let find = |start| index.find(PLACE, start).map(|at| at.0);
        let entry = |number: u64| Some(8192 + number * INDEX_STRIDE_BYTES);
        assert_eq!(find(StartAt::Offset(Offset(0))), entry(0));
        assert_eq!(find(StartAt::Offset(Offset(199))), entry(0), "every second chunk has an entry");
        assert_eq!(find(StartAt::Offset(Offset(200))), entry(1));
        assert_eq!(find(StartAt::SequenceNumber(SequenceNumber(9))), entry(4));
        let time = |ms| StartAt::EnqueuedTime(EnqueuedTime(UnixMillis::from_millis(ms)));
        assert_eq!(find(time(50)), None, "an equal time may stand in earlier chunks too");
        assert_eq!(find(time(51)), entry(4));
        let other = HubPartition { hub: HubId(0), ..PLACE };
        assert_eq!(index.find(other, time(51)), None, "another hub's partition");
    }

    #[test]
    fn a_summary_comes_back_as_written_and_damage_is_seen() {
        let bytes = summary().encode();
        assert_eq!(SegmentSummary::decode(&bytes), Ok(summary()));
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0x10;
            assert!(SegmentSummary::decode(&damaged).is_err(), "byte {position}");
            assert!(SegmentSummary::decode(&bytes[..position]).is_err(), "length {position}");
        }
    }
}
