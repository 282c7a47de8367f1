//! Positions in a partition and in a ring, and how durable they are.

use core::fmt;

use crate::id::{ExecutorId, ShardId};
use crate::time::UnixMillis;

/// Byte position of an event in its partition, as readers see it: rises, has gaps, is opaque to
/// clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub u64);

/// Consecutive number of an event in its partition, from 0, without gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber(pub u64);

/// Wall-clock time at which an event was appended to its partition; never falls within a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnqueuedTime(pub UnixMillis);

/// Bytes that have ever gone through one ring up to and including a record.
///
/// A producer gets one per pushed record; the record is durable once the ring's committed position
/// has reached it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RingPosition(pub u64);

/// A record's place in one ring: durable once that ring's committed position has reached it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// Producer side of the ring.
    pub shard: ShardId,
    /// Consumer side of the ring.
    pub executor: ExecutorId,
    /// Position after the record.
    pub position: RingPosition,
}

/// A position that is durable: `fdatasync` has returned for everything up to it.
///
/// Only the partition executor makes one from a finished commit; everybody else passes it on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Committed<P>(pub P);

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
