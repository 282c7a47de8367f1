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
use crate::id::{HubId, HubPartition, PartitionId};
use crate::limits::{COMMIT_BYTES_MAX, COMMIT_CHUNKS_MAX};
use crate::position::{EnqueuedTime, Offset, SequenceNumber};
use crate::time::UnixMillis;

const MAGIC: [u8; 8] = *b"rhcommt2";

/// Of commits from segments of version 1: their chunks name no hub, because all are of hub 0.
const MAGIC_OF_ONE_HUB: [u8; 8] = *b"rhcommit";

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
struct StoredChunkOfOneHub {
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

const _: () = assert!(size_of::<StoredChunkOfOneHub>() == 56);

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct StoredChunk {
    chunk: StoredChunkOfOneHub,
    hub: U32,
    reserved: U32,
}

const _: () = assert!(size_of::<StoredChunk>() == 64);

/// Longest header with its table: what must be read to know where the chunks are.
pub const COMMIT_HEADER_BYTES_MAX: usize =
    size_of::<StoredHeader>() + COMMIT_CHUNKS_MAX * size_of::<StoredChunk>();

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
    pub place: HubPartition,
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
            (fits == event && record.place() == before.place).then_some(())?;
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
        let len =
            usize::try_from(header.commit_len.get()).ok().filter(|&n| n <= COMMIT_BYTES_MAX)?;
        let head = bytes.get(..Self::stated_len(bytes)?)?;
        (checksum(&head[8..]) == header.checksum.get() && len >= head.len()).then_some(())?;
        let chunks = read_table(header, &head[size_of::<StoredHeader>()..])?;
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

    /// How many bytes [`parse`](Self::parse) needs of a commit, as its first bytes say. `None` if
    /// they are not those of one.
    #[must_use]
    pub fn stated_len(bytes: &[u8]) -> Option<usize> {
        let (header, _) = StoredHeader::ref_from_prefix(bytes).ok()?;
        let count = usize::try_from(header.chunk_count.get()).ok();
        let count = count.filter(|&count| count <= COMMIT_CHUNKS_MAX)?;
        match header.magic {
            MAGIC => Some(header_len(count)),
            MAGIC_OF_ONE_HUB => {
                Some(size_of::<StoredHeader>() + count * size_of::<StoredChunkOfOneHub>())
            }
            _ => None,
        }
    }

    /// The chunk of `place`, if this commit has one.
    #[must_use]
    pub fn chunk(&self, place: HubPartition) -> Option<&Chunk> {
        self.chunks.iter().find(|chunk| chunk.place == place)
    }
}

fn read_table(header: &StoredHeader, table: &[u8]) -> Option<Vec<Chunk>> {
    if header.magic == MAGIC {
        let table = <[StoredChunk]>::ref_from_bytes(table).ok()?;
        return Some(table.iter().map(Chunk::from).collect());
    }
    let table = <[StoredChunkOfOneHub]>::ref_from_bytes(table).ok()?;
    Some(table.iter().map(|stored| stored.of(HubId(0))).collect())
}

impl From<&Chunk> for StoredChunk {
    fn from(chunk: &Chunk) -> Self {
        let of_one_hub = StoredChunkOfOneHub {
            checksum: chunk.checksum.into(),
            first_offset: chunk.first_offset.0.into(),
            first_sequence_number: chunk.first_sequence_number.0.into(),
            first_enqueued_ms: chunk.first_enqueued.0.as_millis().into(),
            last_enqueued_ms: chunk.last_enqueued.0.as_millis().into(),
            position: chunk.position.into(),
            len: chunk.len.into(),
            record_count: chunk.record_count.into(),
            partition: chunk.place.partition.0.into(),
            reserved: U16::ZERO,
        };
        Self { chunk: of_one_hub, hub: chunk.place.hub.0.into(), reserved: U32::ZERO }
    }
}

impl StoredChunkOfOneHub {
    fn of(&self, hub: HubId) -> Chunk {
        let time = |ms: I64| EnqueuedTime(UnixMillis::from_millis(ms.get()));
        Chunk {
            place: HubPartition { hub, partition: PartitionId(self.partition.get()) },
            record_count: self.record_count.get(),
            position: self.position.get(),
            len: self.len.get(),
            first_offset: Offset(self.first_offset.get()),
            first_sequence_number: SequenceNumber(self.first_sequence_number.get()),
            first_enqueued: time(self.first_enqueued_ms),
            last_enqueued: time(self.last_enqueued_ms),
            checksum: self.checksum.get(),
        }
    }
}

impl From<&StoredChunk> for Chunk {
    fn from(stored: &StoredChunk) -> Self {
        stored.chunk.of(HubId(stored.hub.get()))
    }
}
