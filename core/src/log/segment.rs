//! One file of the log: its header, and the names of the files in a log's directory.

use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::state::StoredState;
use super::{Chain, CommitNumber, FilePosition, LogError, LogId, PartitionState, SegmentNumber};
use super::{checksum, commit};
use crate::id::{ExecutorId, HubId};
use crate::limits::PARTITIONS_MAX;
use crate::time::UnixMillis;

const MAGIC: [u8; 8] = *b"rhsegmnt";

/// Version of everything in a segment file.
pub const FORMAT_VERSION: u32 = 1;

/// Room for the header at the start of a segment; the first commit follows.
pub const SEGMENT_HEADER_BYTES: usize = 8192;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct StoredHeader {
    magic: [u8; 8],
    version: U32,
    block: U32,
    checksum: U64,
    log: [u8; 16],
    segment: U64,
    first_commit: U64,
    chain: U64,
    created_ms: I64,
    hub: U32,
    executor: U16,
    executor_count: U16,
    partition_count: U16,
    state_count: U16,
    reserved: U32,
}

const _: () = assert!(size_of::<StoredHeader>() == 88);
const _: () = assert!(
    size_of::<StoredHeader>() + PARTITIONS_MAX * size_of::<StoredState>() <= SEGMENT_HEADER_BYTES
);
const _: () = assert!(commit::COMMIT_HEADER_BYTES_MAX <= SEGMENT_HEADER_BYTES);

/// What cannot change while a log lives: it decides which partition is in which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogShape {
    /// Hub whose partitions these are.
    pub hub: HubId,
    /// Executor that the log belongs to.
    pub executor: ExecutorId,
    /// Number of executors of the hub.
    pub executor_count: u16,
    /// Number of partitions of the hub.
    pub partition_count: u16,
}

/// Head of a segment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The log.
    pub log: LogId,
    /// Whose log it is.
    pub shape: LogShape,
    /// The segment.
    pub segment: SegmentNumber,
    /// Unit of writing in bytes.
    pub block: u32,
    /// Number of the first commit.
    pub first_commit: CommitNumber,
    /// Link of the first commit.
    pub chain: Chain,
    /// When the segment was begun.
    pub created: UnixMillis,
    /// Where each partition stood before the first commit. All commits of earlier segments were
    /// durable then.
    pub bases: Vec<PartitionState>,
}

impl SegmentHeader {
    /// Where the first commit begins.
    #[must_use]
    pub fn data_start(&self) -> FilePosition {
        FilePosition((SEGMENT_HEADER_BYTES as u64).next_multiple_of(u64::from(self.block)))
    }

    /// Writes the header to the start of `out`, zeros after it.
    ///
    /// # Panics
    /// If `out` is shorter than [`SEGMENT_HEADER_BYTES`], or there are more partitions than a hub
    /// can have.
    pub fn encode(&self, out: &mut [u8]) {
        out.fill(0);
        let mut header = StoredHeader {
            magic: MAGIC,
            version: FORMAT_VERSION.into(),
            block: self.block.into(),
            checksum: U64::ZERO,
            log: self.log.0,
            segment: self.segment.0.into(),
            first_commit: self.first_commit.0.into(),
            chain: self.chain.0.into(),
            created_ms: self.created.as_millis().into(),
            hub: self.shape.hub.0.into(),
            executor: self.shape.executor.0.into(),
            executor_count: self.shape.executor_count.into(),
            partition_count: self.shape.partition_count.into(),
            state_count: u16::try_from(self.bases.len()).expect("partitions are few").into(),
            reserved: U32::ZERO,
        };
        let size = size_of::<StoredHeader>();
        for (place, base) in out[size..].chunks_exact_mut(40).zip(&self.bases) {
            place.copy_from_slice(StoredState::from(base).as_bytes());
        }
        out[..size].copy_from_slice(header.as_bytes());
        header.checksum = checksum(&out[..SEGMENT_HEADER_BYTES]).into();
        out[..size].copy_from_slice(header.as_bytes());
    }

    /// Reads the header at the start of a file.
    ///
    /// # Errors
    /// [`LogError`]: wrong magic, unknown version, or damage.
    pub fn decode(bytes: &[u8]) -> Result<Self, LogError> {
        let damaged = LogError::Damaged { what: "segment header", at: 0 };
        let bytes = bytes.get(..SEGMENT_HEADER_BYTES).ok_or_else(|| damaged.clone())?;
        let (stored, rest) = StoredHeader::ref_from_prefix(bytes).map_err(|_| damaged.clone())?;
        if stored.magic != MAGIC {
            return Err(LogError::Magic("segment"));
        }
        if stored.version.get() != FORMAT_VERSION {
            return Err(LogError::Version { found: stored.version.get(), known: FORMAT_VERSION });
        }
        let mut unsealed = bytes.to_vec();
        unsealed[16..24].fill(0);
        let count = usize::from(stored.state_count.get());
        let block = stored.block.get();
        if checksum(&unsealed) != stored.checksum.get() || count > PARTITIONS_MAX || block == 0 {
            return Err(damaged);
        }
        let (states, _) =
            <[StoredState]>::ref_from_prefix_with_elems(rest, count).map_err(|_| damaged)?;
        Ok(Self {
            log: LogId(stored.log),
            shape: LogShape {
                hub: HubId(stored.hub.get()),
                executor: ExecutorId(stored.executor.get()),
                executor_count: stored.executor_count.get(),
                partition_count: stored.partition_count.get(),
            },
            segment: SegmentNumber(stored.segment.get()),
            block,
            first_commit: CommitNumber(stored.first_commit.get()),
            chain: Chain(stored.chain.get()),
            created: UnixMillis::from_millis(stored.created_ms.get()),
            bases: states.iter().map(PartitionState::from).collect(),
        })
    }
}

/// Name of the file of a segment.
#[must_use]
pub fn segment_file_name(segment: SegmentNumber) -> String {
    format!("{:020}.segment", segment.0)
}

/// Name of the file of a sealed segment's index.
#[must_use]
pub fn index_file_name(segment: SegmentNumber) -> String {
    format!("{:020}.index", segment.0)
}

/// The segment whose file has this name, if it is the name of one.
#[must_use]
pub fn parse_segment_file_name(name: &str) -> Option<SegmentNumber> {
    let digits = name.strip_suffix(".segment")?;
    let valid = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
    valid.then(|| digits.parse().ok().map(SegmentNumber)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::PartitionId;
    use crate::position::{Offset, SequenceNumber};

    fn header() -> SegmentHeader {
        let mut base = PartitionState::new(PartitionId(5));
        base.append(64, UnixMillis::from_millis(9));
        SegmentHeader {
            log: LogId([1; 16]),
            shape: LogShape {
                hub: HubId(2),
                executor: ExecutorId(1),
                executor_count: 4,
                partition_count: 8,
            },
            segment: SegmentNumber(3),
            block: 4096,
            first_commit: CommitNumber(17),
            chain: Chain(99),
            created: UnixMillis::from_millis(1),
            bases: vec![PartitionState::new(PartitionId(1)), base],
        }
    }

    #[test]
    fn a_header_comes_back_as_written() {
        let mut bytes = vec![0xff; SEGMENT_HEADER_BYTES];
        header().encode(&mut bytes);
        assert_eq!(&bytes[..12], b"rhsegmnt\x01\0\0\0");
        let read = SegmentHeader::decode(&bytes).expect("valid");
        assert_eq!(read, header());
        assert_eq!(read.bases[1].next_offset, Offset(64));
        assert_eq!(read.bases[1].next_sequence_number, SequenceNumber(1));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let mut bytes = vec![0; SEGMENT_HEADER_BYTES];
        assert_eq!(SegmentHeader::decode(&bytes), Err(LogError::Magic("segment")));
        header().encode(&mut bytes);
        bytes[8] = 2;
        let unknown = LogError::Version { found: 2, known: 1 };
        assert_eq!(SegmentHeader::decode(&bytes), Err(unknown));
        for position in [12, 20, 40, 100, 170, 8000] {
            header().encode(&mut bytes);
            bytes[position] ^= 1;
            let damaged = LogError::Damaged { what: "segment header", at: 0 };
            assert_eq!(SegmentHeader::decode(&bytes), Err(damaged), "{position}");
        }
    }

    #[test]
    fn file_names_sort_and_parse() {
        assert_eq!(segment_file_name(SegmentNumber(12)), "00000000000000000012.segment");
        assert_eq!(
            parse_segment_file_name("00000000000000000012.segment"),
            Some(SegmentNumber(12))
        );
        for name in ["12.segment", "00000000000000000012.index", "+0000000000000000012.segment"] {
            assert_eq!(parse_segment_file_name(name), None, "{name}");
        }
    }
}
