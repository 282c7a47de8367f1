//! Where a partition stands between two events.

use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::id::{HubId, HubPartition, PartitionId};
use crate::position::{EnqueuedTime, Offset, SequenceNumber};
use crate::time::UnixMillis;

/// The newest event of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastEvent {
    /// Its sequence number.
    pub sequence_number: SequenceNumber,
    /// Its offset.
    pub offset: Offset,
    /// When it was appended.
    pub enqueued_time: EnqueuedTime,
}

/// What the next event of a partition gets, and what the newest one got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// Partition that this is about.
    pub place: HubPartition,
    /// Offset of the next event.
    pub next_offset: Offset,
    /// Sequence number of the next event.
    pub next_sequence_number: SequenceNumber,
    /// The newest event; `None` while there has never been one.
    pub last: Option<LastEvent>,
}

impl PartitionState {
    /// A partition without any event.
    #[must_use]
    pub fn new(place: HubPartition) -> Self {
        Self { place, next_offset: Offset(0), next_sequence_number: SequenceNumber(0), last: None }
    }

    /// Takes one event of `len` bytes in at `now` and returns its stamps; a clock that was set back
    /// stands still.
    pub fn append(&mut self, len: usize, now: UnixMillis) -> LastEvent {
        let not_before = self.last.map_or(UnixMillis::EPOCH, |last| last.enqueued_time.0);
        let event = LastEvent {
            sequence_number: self.next_sequence_number,
            offset: self.next_offset,
            enqueued_time: EnqueuedTime(now.max(not_before)),
        };
        self.next_offset.0 += len as u64;
        self.next_sequence_number.0 += 1;
        self.last = Some(event);
        event
    }
}

/// [`PartitionState`] as it stands in files. The hub is zero in files of version 1, which were of
/// the hub with that number alone.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct StoredState {
    next_offset: U64,
    next_sequence_number: U64,
    last_offset: U64,
    last_enqueued_ms: I64,
    partition: U16,
    reserved: U16,
    hub: U32,
}

const _: () = assert!(size_of::<StoredState>() == 40);

impl From<&PartitionState> for StoredState {
    fn from(state: &PartitionState) -> Self {
        Self {
            next_offset: state.next_offset.0.into(),
            next_sequence_number: state.next_sequence_number.0.into(),
            last_offset: state.last.map_or(0, |last| last.offset.0).into(),
            last_enqueued_ms: state.last.map_or(0, |last| last.enqueued_time.0.as_millis()).into(),
            partition: state.place.partition.0.into(),
            reserved: U16::ZERO,
            hub: state.place.hub.0.into(),
        }
    }
}

impl From<&StoredState> for PartitionState {
    fn from(stored: &StoredState) -> Self {
        let next = stored.next_sequence_number.get();
        Self {
            place: HubPartition {
                hub: HubId(stored.hub.get()),
                partition: PartitionId(stored.partition.get()),
            },
            next_offset: Offset(stored.next_offset.get()),
            next_sequence_number: SequenceNumber(next),
            last: next.checked_sub(1).map(|last| LastEvent {
                sequence_number: SequenceNumber(last),
                offset: Offset(stored.last_offset.get()),
                enqueued_time: EnqueuedTime(UnixMillis::from_millis(stored.last_enqueued_ms.get())),
            }),
        }
    }
}
