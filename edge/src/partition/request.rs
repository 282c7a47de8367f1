//! What a shard asks of a partition executor, and what comes back through its mailbox.

use bytes::Bytes;
use ringhub_core::id::{ConnectionId, ConsumerGroup, HubId, HubPartition, PartitionId};
use ringhub_core::position::{EnqueuedTime, Offset, SequenceNumber};
use ringhub_core::reader::Selector;
use ringhub_core::time::Timestamp;

/// An open reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReaderId {
    /// Hub of the partition that it reads.
    pub hub: HubId,
    /// Partition that it reads.
    pub partition: PartitionId,
    /// Unique within the executor for the life of the process.
    pub number: u64,
}

impl ReaderId {
    /// The partition that it reads.
    #[must_use]
    pub fn place(&self) -> HubPartition {
        HubPartition { hub: self.hub, partition: self.partition }
    }
}

/// One question to the executor that owns `partition`.
#[derive(Debug)]
pub struct PartitionRequest {
    /// Hub that the partition belongs to.
    pub hub: HubId,
    /// Partition that is asked about.
    pub partition: PartitionId,
    /// Connection that the answer is for; its shard's mailbox gets it.
    pub connection: ConnectionId,
    /// Chosen by the asking driver (its link), returned with the answer.
    pub token: u64,
    /// The question.
    pub body: RequestBody,
}

impl PartitionRequest {
    /// The partition that is asked about.
    #[must_use]
    pub fn place(&self) -> HubPartition {
        HubPartition { hub: self.hub, partition: self.partition }
    }
}

/// The question itself.
#[derive(Debug)]
pub enum RequestBody {
    /// Wants a [`PartitionDescription`].
    Describe,
    /// Wants to read from `selector` on. The answer is `Opened` or `Refused`.
    Open {
        /// Consumer group that the reader belongs to.
        group: ConsumerGroup,
        /// Where to start.
        selector: Selector,
        /// Owner level; `None` shares the partition with other readers of the group.
        epoch: Option<i64>,
        /// Name that the client gave the receiver, for the text that a displaced reader gets.
        name: Option<String>,
    },
    /// Wants the next records of an open reader: answered at once when there are some, otherwise
    /// when the next commit brings some. At most one is under way per reader.
    Read {
        /// The reader.
        reader: ReaderId,
        /// Bytes of records wanted at most; a single larger record comes alone.
        bytes_max: usize,
    },
    /// Wants to know when an open reader has been given all that is committed: answered behind its
    /// last records, as soon as its read waits for the next commit. A second one takes the place of
    /// the first.
    AwaitEnd {
        /// The reader.
        reader: ReaderId,
    },
    /// Ends a reader; nothing comes back.
    Close {
        /// The reader.
        reader: ReaderId,
    },
}

/// An answer, or the news that a reader was displaced.
#[derive(Debug)]
pub struct PartitionReply {
    /// Connection that asked.
    pub connection: ConnectionId,
    /// Token of the request.
    pub token: u64,
    /// The answer.
    pub body: ReplyBody,
}

/// The answer itself.
#[derive(Debug)]
pub enum ReplyBody {
    /// To `Describe`.
    Described(PartitionDescription),
    /// To `Open`.
    Opened(ReaderId),
    /// To `Open` and `Read`, and to `Describe` of a partition that is not there or an executor that
    /// has ended.
    Refused(ReadRefused),
    /// To `Read`: whole records, back to back, in order, all committed.
    Records {
        /// The records, each with its header.
        records: Bytes,
        /// State of the partition when the answer was made, for runtime metrics.
        partition: PartitionDescription,
        /// When the answer was made, on the clock of the process.
        answered: Timestamp,
    },
    /// To `AwaitEnd`.
    AtEnd,
    /// Unasked: a reader of the same group with an epoch took this reader's place.
    Stolen {
        /// The displaced reader.
        reader: ReaderId,
        /// Epoch of the new reader.
        epoch: i64,
        /// Name of the new reader.
        by: Option<String>,
    },
}

/// Why a reader was not opened or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ReadRefused {
    /// A reader with a higher epoch holds the partition.
    #[error("a receiver with the higher epoch {holder} exists")]
    LowerEpoch {
        /// Epoch of the holder.
        holder: i64,
    },
    /// A reader with an epoch holds the partition, and this one has none.
    #[error(
        "a receiver with epoch {holder} exists, so that receivers without epoch are not allowed"
    )]
    EpochHeld {
        /// Epoch of the holder.
        holder: i64,
    },
    /// Five readers without epoch read this partition in this group.
    #[error("the partition has its {0} receivers in this consumer group")]
    TooManyReaders(usize),
    /// The selector names an offset beyond the end.
    #[error("offset {supplied} is beyond the last offset {last:?}")]
    OffsetBeyondEnd {
        /// What was asked for.
        supplied: Offset,
        /// Last offset in the partition.
        last: Option<Offset>,
    },
    /// The selector names a sequence number beyond the end.
    #[error("sequence number {supplied} is beyond the last sequence number {last:?}")]
    SequenceNumberBeyondEnd {
        /// What was asked for.
        supplied: SequenceNumber,
        /// Last sequence number in the partition.
        last: Option<SequenceNumber>,
    },
    /// The partition is not one of this executor's.
    #[error("no such partition")]
    UnknownPartition,
    /// The reader is not open, or was displaced.
    #[error("no such reader")]
    UnknownReader,
    /// The log cannot be read here, or has failed.
    #[error("the log cannot be read: {0}")]
    Damaged(String),
}

/// The state of a partition at one moment; covers committed events only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionDescription {
    /// First retained sequence number; the next to come when nothing is retained.
    pub begin_sequence_number: SequenceNumber,
    /// The newest event; `None` while the partition has never had one.
    pub last: Option<(SequenceNumber, Offset, EnqueuedTime)>,
    /// True when no event is retained.
    pub is_empty: bool,
}
