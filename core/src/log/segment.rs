//! One file of the log: its header, and the names of the files in a log's directory.

use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::index::SegmentSummary;
use super::state::StoredState;
use super::{
    Chain, CommitNumber, FilePosition, LogError, LogId, PartitionState, SegmentNumber, States,
    checksum,
};
use crate::id::{ExecutorId, HubId};
use crate::limits::LOG_PARTITIONS_MAX;
use crate::time::UnixMillis;

const MAGIC: [u8; 8] = *b"rhsegmnt";

/// Version of everything in a segment file.
pub const FORMAT_VERSION: u32 = 2;

/// Segments of this version hold one hub, whose number is 0. They are read, not written.
const VERSION_OF_ONE_HUB: u32 = 1;

/// Headers are multiples of this. One is enough for the states of a few hubs.
pub const SEGMENT_HEADER_BYTES: usize = 8192;

/// Length of the state of a partition in a header.
pub const STATE_BYTES: usize = size_of::<StoredState>();

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct StoredHeaderOfOneHub {
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
    rewrites: U16,
    reserved: U16,
}

/// The rest of the header; zeros unless the segment was written anew.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct StoredHeader {
    of_one_hub: StoredHeaderOfOneHub,
    commit_count: U64,
    next_commit: U64,
    next_chain: U64,
}

const _: () = assert!(size_of::<StoredHeaderOfOneHub>() == 88);
const _: () = assert!(size_of::<StoredHeader>() == 112);
const _: () = assert!(LOG_PARTITIONS_MAX <= u16::MAX as usize);

/// Length of a header with the states of `count` partitions.
#[must_use]
pub const fn header_len(count: usize) -> usize {
    (size_of::<StoredHeader>() + count * STATE_BYTES).next_multiple_of(SEGMENT_HEADER_BYTES)
}

/// What cannot change while a log lives: it decides which partition is in which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogShape {
    /// The configured hub.
    pub hub: HubId,
    /// Executor that the log belongs to.
    pub executor: ExecutorId,
    /// Number of executors.
    pub executor_count: u16,
    /// Number of partitions of the configured hub.
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
    pub bases: States,
    /// Set once the segment was written anew.
    pub rewritten: Option<Rewritten>,
}

/// What a segment that was written anew, without the records of hubs that are gone, says of
/// itself. It is whole: its file got its name once all of it was durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// How often that was.
    pub times: u16,
    /// Commits that are left, numbered anew from the first.
    pub commit_count: u64,
    /// Number of the commit after the last that there once was, in the next segment.
    pub next_commit: CommitNumber,
    /// Link of that commit.
    pub next_chain: Chain,
}

impl SegmentHeader {
    /// Where the first commit begins.
    #[must_use]
    pub fn data_start(&self) -> FilePosition {
        let len = header_len(self.bases.len()) as u64;
        FilePosition(len.next_multiple_of(u64::from(self.block)))
    }

    /// How often the segment was written anew.
    #[must_use]
    pub fn rewrites(&self) -> u16 {
        self.rewritten.map_or(0, |rewritten| rewritten.times)
    }

    /// Where each partition stands behind the segment with this `summary`.
    #[must_use]
    pub fn ends(&self, summary: &SegmentSummary) -> States {
        let mut ends = self.bases.clone();
        ends.extend(summary.ends.iter().copied());
        ends
    }

    /// Writes the header to the start of `out`, zeros after it.
    ///
    /// # Panics
    /// If `out` is shorter than [`data_start`](Self::data_start), or there are more partitions than
    /// a log can have.
    pub fn encode(&self, out: &mut [u8]) {
        out.fill(0);
        let rewritten = self.rewritten.as_ref();
        let of_one_hub = StoredHeaderOfOneHub {
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
            state_count: u16::try_from(self.bases.len()).expect("below LOG_PARTITIONS_MAX").into(),
            rewrites: self.rewrites().into(),
            reserved: U16::ZERO,
        };
        let mut header = StoredHeader {
            of_one_hub,
            commit_count: rewritten.map_or(0, |rewritten| rewritten.commit_count).into(),
            next_commit: rewritten.map_or(0, |rewritten| rewritten.next_commit.0).into(),
            next_chain: rewritten.map_or(0, |rewritten| rewritten.next_chain.0).into(),
        };
        let size = size_of::<StoredHeader>();
        for (place, base) in out[size..].chunks_exact_mut(STATE_BYTES).zip(self.bases.iter()) {
            place.copy_from_slice(StoredState::from(base).as_bytes());
        }
        out[..size].copy_from_slice(header.as_bytes());
        header.of_one_hub.checksum = checksum(&out[..header_len(self.bases.len())]).into();
        out[..size].copy_from_slice(header.as_bytes());
    }

    /// How many bytes [`decode`](Self::decode) needs, as the first
    /// [`SEGMENT_HEADER_BYTES`] of a file say; at most the length of one with
    /// [`LOG_PARTITIONS_MAX`] states.
    ///
    /// # Errors
    /// [`LogError`]: wrong magic, unknown version, or too short.
    pub fn stated_len(bytes: &[u8]) -> Result<usize, LogError> {
        let bytes = bytes.get(..SEGMENT_HEADER_BYTES).ok_or_else(damaged)?;
        let (stored, _) = StoredHeaderOfOneHub::ref_from_prefix(bytes).map_err(|_| damaged())?;
        if stored.magic != MAGIC {
            return Err(LogError::Magic("segment"));
        }
        match stored.version.get() {
            VERSION_OF_ONE_HUB => Ok(SEGMENT_HEADER_BYTES),
            FORMAT_VERSION => Ok(header_len(usize::from(stored.state_count.get()))),
            found => Err(LogError::Version { found, known: FORMAT_VERSION }),
        }
    }

    /// Reads the header at the start of a file.
    ///
    /// # Errors
    /// [`LogError`]: wrong magic, unknown version, or damage.
    pub fn decode(bytes: &[u8]) -> Result<Self, LogError> {
        let bytes = bytes.get(..Self::stated_len(bytes)?).ok_or_else(damaged)?;
        let (stored, _) = StoredHeaderOfOneHub::ref_from_prefix(bytes).map_err(|_| damaged())?;
        let mut unsealed = bytes.to_vec();
        unsealed[16..24].fill(0);
        let block = stored.block.get();
        if checksum(&unsealed) != stored.checksum.get() || block == 0 {
            return Err(damaged());
        }
        let is_of_one_hub = stored.version.get() == VERSION_OF_ONE_HUB;
        let begin = if is_of_one_hub { size_of_val(stored) } else { size_of::<StoredHeader>() };
        let count = usize::from(stored.state_count.get());
        let (states, _) = <[StoredState]>::ref_from_prefix_with_elems(&bytes[begin..], count)
            .map_err(|_| damaged())?;
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
            rewritten: if is_of_one_hub { None } else { rewritten(bytes)? },
        })
    }
}

fn damaged() -> LogError {
    LogError::Damaged { what: "segment header", at: 0 }
}

fn rewritten(header: &[u8]) -> Result<Option<Rewritten>, LogError> {
    let (stored, _) = StoredHeader::ref_from_prefix(header).map_err(|_| damaged())?;
    let times = stored.of_one_hub.rewrites.get();
    Ok((times > 0).then(|| Rewritten {
        times,
        commit_count: stored.commit_count.get(),
        next_commit: CommitNumber(stored.next_commit.get()),
        next_chain: Chain(stored.next_chain.get()),
    }))
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
    use crate::id::{HubPartition, PartitionId};
    use crate::position::{Offset, SequenceNumber};

    fn header() -> SegmentHeader {
        let base = |hub, partition| {
            let place = HubPartition { hub: HubId(hub), partition: PartitionId(partition) };
            let mut base = PartitionState::new(place);
            base.append(64, UnixMillis::from_millis(9));
            base
        };
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
            bases: [base(0, 5), base(70_000, 1)].into_iter().collect(),
            rewritten: None,
        }
    }

    #[test]
    fn a_header_comes_back_as_written() {
        let mut bytes = vec![0xff; SEGMENT_HEADER_BYTES];
        header().encode(&mut bytes);
        assert_eq!(&bytes[..12], b"rhsegmnt\x02\0\0\0");
        let read = SegmentHeader::decode(&bytes).expect("valid");
        assert_eq!(read, header());
        let place = HubPartition { hub: HubId(70_000), partition: PartitionId(1) };
        assert_eq!(read.bases.get(place).next_offset, Offset(64));
        assert_eq!(read.bases.get(place).next_sequence_number, SequenceNumber(1));
        let (next_commit, next_chain) = (CommitNumber(20), Chain(8));
        let rewritten = Rewritten { times: 2, commit_count: 1, next_commit, next_chain };
        let anew = SegmentHeader { rewritten: Some(rewritten), ..header() };
        anew.encode(&mut bytes);
        assert_eq!(SegmentHeader::decode(&bytes), Ok(anew));
    }

    #[test]
    fn a_header_is_as_long_as_its_states_need() {
        let mut header = header();
        for hub in 1..=1000 {
            let place = HubPartition { hub: HubId(hub), partition: PartitionId(0) };
            let mut state = PartitionState::new(place);
            state.append(64, UnixMillis::from_millis(9));
            header.bases.insert(state);
        }
        let len = header.data_start().0 as usize;
        assert_eq!(len, 40_960);
        let mut bytes = vec![0xff; len];
        header.encode(&mut bytes);
        assert_eq!(SegmentHeader::stated_len(&bytes[..SEGMENT_HEADER_BYTES]), Ok(len));
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        assert!(SegmentHeader::decode(&bytes[..len - 1]).is_err());
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let mut bytes = vec![0; SEGMENT_HEADER_BYTES];
        assert_eq!(SegmentHeader::decode(&bytes), Err(LogError::Magic("segment")));
        header().encode(&mut bytes);
        bytes[8] = 3;
        let unknown = LogError::Version { found: 3, known: 2 };
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
