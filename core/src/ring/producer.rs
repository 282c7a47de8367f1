//! The side of the shard.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::buffer::{Shared, WORD, WRAP};
use super::watch::CommitWatch;
use crate::position::{Committed, RingPosition};

/// The ring has no room for the record now: try again after the consumer has released some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ring is full")]
pub struct RingFull;

/// Pushes records; lives on one thread at a time.
pub struct Producer {
    shared: Arc<Shared>,
    watch: CommitWatch,
    written: u64,
    published: u64,
    /// The consumer's index as last seen: read again only when the room seems too small.
    released: u64,
}

impl Producer {
    pub(super) fn new(shared: Arc<Shared>, watch: CommitWatch) -> Self {
        Self { shared, watch, written: 0, published: 0, released: 0 }
    }

    /// Copies `record` into the ring and returns the position after it. The consumer sees it after
    /// [`publish`](Self::publish). Linear in the record's length.
    ///
    /// # Errors
    /// [`RingFull`]: nothing was written.
    ///
    /// # Panics
    /// If the record is larger than [`record_bytes_max`](super::record_bytes_max): it would never fit.
    pub fn push(&mut self, record: &[u8]) -> Result<RingPosition, RingFull> {
        let capacity = self.shared.capacity();
        assert!(record.len() <= super::record_bytes_max(capacity), "record of {}", record.len());
        let len = WORD + record.len().next_multiple_of(WORD);
        let index = self.shared.index(self.written);
        let to_end = capacity - index;
        let skip = if to_end < len { to_end } else { 0 };
        self.reserve(skip + len)?;
        // SAFETY: `reserve` made sure that `skip + len` bytes from `written` on are not within
        // `released..published`; both writes of each branch lie in that range and end before the buffer does.
        unsafe {
            if skip > 0 {
                self.shared.write(index, &WRAP.to_le_bytes());
            }
            let index = if skip > 0 { 0 } else { index };
            self.shared.write(index, &(record.len() as u64).to_le_bytes());
            self.shared.write(index + WORD, record);
        }
        self.written += (skip + len) as u64;
        Ok(self.position())
    }

    /// Whether a record of `record_len` bytes would be taken now. One atomic load.
    #[must_use]
    pub fn has_room(&self, record_len: usize) -> bool {
        let capacity = self.shared.capacity();
        let len = WORD + record_len.next_multiple_of(WORD);
        let to_end = capacity - self.shared.index(self.written);
        let skip = if to_end < len { to_end } else { 0 };
        let released = self.shared.released.0.load(Ordering::Acquire);
        self.written + (skip + len) as u64 - released <= capacity as u64
    }

    /// Shows the consumer everything that was pushed. One atomic store; nothing if nothing was pushed.
    ///
    /// Returns true if there was anything to show.
    pub fn publish(&mut self) -> bool {
        if self.published == self.written {
            return false;
        }
        self.published = self.written;
        self.shared.published.0.store(self.written, Ordering::Release);
        true
    }

    /// Bytes that are published and not released, framing included. One atomic load.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        self.published - self.shared.released.0.load(Ordering::Acquire)
    }

    /// Position after the last pushed record.
    #[must_use]
    pub fn position(&self) -> RingPosition {
        RingPosition(self.written)
    }

    /// How far the ring's records are on disk.
    #[must_use]
    pub fn committed(&self) -> Committed<RingPosition> {
        self.watch.committed()
    }

    /// A handle that tells the committed position on any thread.
    #[must_use]
    pub fn watch(&self) -> CommitWatch {
        self.watch.clone()
    }

    fn reserve(&mut self, len: usize) -> Result<(), RingFull> {
        let end = self.written + len as u64;
        let capacity = self.shared.capacity() as u64;
        if end - self.released > capacity {
            self.released = self.shared.released.0.load(Ordering::Acquire);
            if end - self.released > capacity {
                return Err(RingFull);
            }
        }
        Ok(())
    }
}

impl core::fmt::Debug for Producer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Producer").field("written", &self.written).finish_non_exhaustive()
    }
}
