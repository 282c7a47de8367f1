//! Everything that one sync makes durable.
//!
//! The header's checksum covers the header and the chunk table; each chunk has its own, so that a
//! reader of one partition reads its chunk only. `durable_before` tells recovery a torn tail from
//! lost data: commits are written several at a time, so a crash may leave a hole before a whole
//! commit, but never before one that says the hole was durable.

use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::record::Records;
use super::{Chain, CommitNumber, LogId, PartitionState, SegmentNumber, checksum};
use crate::id::PartitionId;
use crate::limits::{COMMIT_BYTES_MAX, PARTITIONS_MAX};
use crate::position::{EnqueuedTime, Offset, SequenceNumber};
use crate::time::UnixMillis;

const MAGIC: [u8; 8] = *b"rhcommit";

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct StoredHeader {
    checksum: U64,
    magic: [u8; 8],
    log: [u8; 16],
    segment: U64,
    number: U64,
    chain: U64,
    durable_before: U64,
    commit_len: U32,
    chunk_count: U32,
}

const _: () = assert!(size_of::<StoredHeader>() == 72);

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct StoredChunk {
    checksum: U64,
    first_offset: U64,
    first_sequence_number: U64,
    first_enqueued_ms: I64,
    last_enqueued_ms: I64,
    position: U32,
    len: U32,
    record_count: U32,
    partition: U16,
    reserved: U16,
}

const _: () = assert!(size_of::<StoredChunk>() == 56);

/// Longest header with its table: what must be read to know where the chunks are.
pub const COMMIT_HEADER_BYTES_MAX: usize =
    size_of::<StoredHeader>() + PARTITIONS_MAX * size_of::<StoredChunk>();

/// Place of a commit in its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitPlace {
    /// The log.
    pub log: LogId,
    /// Segment that holds the commit.
    pub segment: SegmentNumber,
    /// The commit.
    pub number: CommitNumber,
    /// Checksum of the header of the commit before it.
    pub chain: Chain,
    /// All commits below this were durable when this one was written.
    pub durable_before: CommitNumber,
}

/// Records of one partition within a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Whose records these are.
    pub partition: PartitionId,
    /// Number of records, at least one.
    pub record_count: u32,
    /// Where they begin, counted from the start of the commit.
    pub position: u32,
    /// How long they are.
    pub len: u32,
    /// Offset of the first.
    pub first_offset: Offset,
    /// Sequence number of the first.
    pub first_sequence_number: SequenceNumber,
    /// When the first was appended.
    pub first_enqueued: EnqueuedTime,
    /// When the last was appended.
    pub last_enqueued: EnqueuedTime,
    /// Checksum of the records.
    pub checksum: u64,
}

impl Chunk {
    /// The range of the chunk within its commit.
    #[must_use]
    pub fn range(&self) -> core::ops::Range<usize> {
        self.position as usize..(self.position as usize + self.len as usize)
    }

    /// True if `bytes` are this chunk's records as they were written.
    #[must_use]
    pub fn is_intact(&self, bytes: &[u8]) -> bool {
        bytes.len() == self.len as usize && checksum(bytes) == self.checksum
    }

    /// State of the partition after this chunk, if its records continue `before` without gap or
    /// overlap.
    #[must_use]
    pub fn continues(&self, before: &PartitionState, records: &[u8]) -> Option<PartitionState> {
        let mut state = *before;
        let mut count = 0;
        for record in Records::new(records) {
            let record = record.ok()?;
            let event = record.event();
            let fits = state.append(record.bytes().len(), event.enqueued_time.0);
            (fits == event && record.partition() == before.partition).then_some(())?;
            count += 1;
        }
        (count == self.record_count).then_some(state)
    }
}

/// Length of the header and table of a commit with `chunk_count` chunks; the first chunk begins
/// there.
#[must_use]
pub fn header_len(chunk_count: usize) -> usize {
    size_of::<StoredHeader>() + chunk_count * size_of::<StoredChunk>()
}

/// Length of a commit with `chunk_count` chunks of `records_len` bytes in all, padded to `block`.
#[must_use]
pub fn commit_len(chunk_count: usize, records_len: usize, block: usize) -> usize {
    (header_len(chunk_count) + records_len).next_multiple_of(block)
}

/// Writes header, table and padding around the records, which stand in `commit` already, back to
/// back in the order of `chunks` from [`header_len`] on. Positions and checksums of `chunks` are
/// filled in. Returns the link for the next.
///
/// # Panics
/// If the records do not fit `commit`: the caller computed its length with [`commit_len`].
pub fn seal(commit: &mut [u8], place: &CommitPlace, chunks: &mut [Chunk]) -> Chain {
    let head_len = header_len(chunks.len());
    let mut end = head_len;
    for chunk in chunks.iter_mut() {
        chunk.position = u32::try_from(end).expect("a commit is shorter than 4 GiB");
        end += chunk.len as usize;
        chunk.checksum = checksum(&commit[chunk.range()]);
    }
    commit[end..].fill(0);
    let mut header = StoredHeader {
        checksum: U64::ZERO,
        magic: MAGIC,
        log: place.log.0,
        segment: place.segment.0.into(),
        number: place.number.0.into(),
        chain: place.chain.0.into(),
        durable_before: place.durable_before.0.into(),
        commit_len: u32::try_from(commit.len()).expect("a commit is shorter than 4 GiB").into(),
        chunk_count: u32::try_from(chunks.len()).expect("chunks are few").into(),
    };
    let (head, table) = commit[..head_len].split_at_mut(size_of::<StoredHeader>());
    for (entry, chunk) in table.chunks_exact_mut(size_of::<StoredChunk>()).zip(chunks.iter()) {
        entry.copy_from_slice(StoredChunk::from(chunk).as_bytes());
    }
    head.copy_from_slice(header.as_bytes());
    header.checksum = checksum(&commit[8..head_len]).into();
    commit[..8].copy_from_slice(header.checksum.as_bytes());
    Chain(header.checksum.get())
}

/// Header and table of a commit, as read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitHead {
    /// Where the commit belongs.
    pub place: CommitPlace,
    /// Its length with padding.
    pub len: usize,
    /// Its chunks, each within `len`.
    pub chunks: Vec<Chunk>,
    /// The link that the next commit carries.
    pub next_chain: Chain,
}

impl CommitHead {
    /// Reads the header and table at the start of `bytes`. `None` if there is no whole and
    /// undamaged one.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (header, _) = StoredHeader::ref_from_prefix(bytes).ok()?;
        let chunk_count = usize::try_from(header.chunk_count.get()).ok()?;
        let len = usize::try_from(header.commit_len.get()).ok()?;
        (header.magic == MAGIC && chunk_count <= PARTITIONS_MAX && len <= COMMIT_BYTES_MAX)
            .then_some(())?;
        let head = bytes.get(..header_len(chunk_count))?;
        (checksum(&head[8..]) == header.checksum.get() && len >= head.len()).then_some(())?;
        let table = <[StoredChunk]>::ref_from_bytes(&head[size_of::<StoredHeader>()..]).ok()?;
        let chunks: Vec<Chunk> = table.iter().map(Chunk::from).collect();
        let inside = |chunk: &Chunk| {
            chunk.position as usize >= head.len()
                && chunk.position as usize + chunk.len as usize <= len
        };
        chunks.iter().all(inside).then_some(())?;
        Some(Self {
            place: CommitPlace {
                log: LogId(header.log),
                segment: SegmentNumber(header.segment.get()),
                number: CommitNumber(header.number.get()),
                chain: Chain(header.chain.get()),
                durable_before: CommitNumber(header.durable_before.get()),
            },
            len,
            chunks,
            next_chain: Chain(header.checksum.get()),
        })
    }

    /// The chunk of `partition`, if this commit has one.
    #[must_use]
    pub fn chunk(&self, partition: PartitionId) -> Option<&Chunk> {
        self.chunks.iter().find(|chunk| chunk.partition == partition)
    }
}

impl From<&Chunk> for StoredChunk {
    fn from(chunk: &Chunk) -> Self {
        Self {
            checksum: chunk.checksum.into(),
            first_offset: chunk.first_offset.0.into(),
            first_sequence_number: chunk.first_sequence_number.0.into(),
            first_enqueued_ms: chunk.first_enqueued.0.as_millis().into(),
            last_enqueued_ms: chunk.last_enqueued.0.as_millis().into(),
            position: chunk.position.into(),
            len: chunk.len.into(),
            record_count: chunk.record_count.into(),
            partition: chunk.partition.0.into(),
            reserved: U16::ZERO,
        }
    }
}

impl From<&StoredChunk> for Chunk {
    fn from(stored: &StoredChunk) -> Self {
        let time = |ms: I64| EnqueuedTime(UnixMillis::from_millis(ms.get()));
        Self {
            partition: PartitionId(stored.partition.get()),
            record_count: stored.record_count.get(),
            position: stored.position.get(),
            len: stored.len.get(),
            first_offset: Offset(stored.first_offset.get()),
            first_sequence_number: SequenceNumber(stored.first_sequence_number.get()),
            first_enqueued: time(stored.first_enqueued_ms),
            last_enqueued: time(stored.last_enqueued_ms),
            checksum: stored.checksum.get(),
        }
    }
}
