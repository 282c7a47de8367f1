//! Where a reader starts.

use crate::position::{EnqueuedTime, Offset, SequenceNumber};

/// Whether the named event itself is part of what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `>=`
    Inclusive,
    /// `>`
    Exclusive,
}

/// A start position.
///
/// Source: service-endpoints reference, "Start position: the selector filter".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// From the oldest retained event on.
    Earliest,
    /// Only events that are enqueued after the reader was opened.
    Latest,
    /// From an offset on.
    Offset(Offset, Bound),
    /// From a sequence number on.
    SequenceNumber(SequenceNumber, Bound),
    /// From the first event on that was enqueued at or after a time.
    EnqueuedTime(EnqueuedTime, Bound),
}
