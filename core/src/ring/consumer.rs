//! The side of the executor.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::buffer::{Shared, WORD, WRAP};
use super::watch::CommitWatch;
use crate::position::{Committed, RingPosition};

/// A record that was popped and not yet released; [`Consumer::record`] gives its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Popped {
    start: u64,
    len: usize,
    /// Position after the record, as the producer got it from its push.
    pub position: RingPosition,
}

impl Popped {
    /// Length of the record in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True for a record without bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Pops records; lives on one thread at a time.
pub struct Consumer {
    shared: Arc<Shared>,
    watch: CommitWatch,
    cursor: u64,
    released: u64,
    /// The producer's index as last seen: read again only when all records up to it were popped.
    published: u64,
}

impl Consumer {
    pub(super) fn new(shared: Arc<Shared>, watch: CommitWatch) -> Self {
        Self { shared, watch, cursor: 0, released: 0, published: 0 }
    }

    /// The next record, if one is published. Its bytes stay in the ring until they are released.
    /// Constant time.
    pub fn pop(&mut self) -> Option<Popped> {
        if !self.refresh() {
            return None;
        }
        let mut len = self.word(self.cursor);
        if len == WRAP {
            let index = self.shared.index(self.cursor);
            self.cursor += (self.shared.capacity() - index) as u64;
            len = self.word(self.cursor);
        }
        let len = usize::try_from(len).expect("the producer wrote the length of a slice");
        let start = self.cursor + WORD as u64;
        self.cursor = start + len.next_multiple_of(WORD) as u64;
        Some(Popped { start, len, position: RingPosition(self.cursor) })
    }

    /// True if [`pop`](Self::pop) would return a record.
    pub fn refresh(&mut self) -> bool {
        if self.cursor == self.published {
            self.published = self.shared.published.0.load(Ordering::Acquire);
        }
        self.cursor != self.published
    }

    /// The bytes of a popped record.
    ///
    /// # Panics
    /// If the record was released or belongs to another ring in whose place this one has nothing
    /// popped.
    #[must_use]
    pub fn record(&self, popped: Popped) -> &[u8] {
        let end = popped.start + popped.len as u64;
        assert!(self.released <= popped.start && end <= self.cursor, "record is not held");
        // SAFETY: the range lies within `released..cursor`, which lies within
        // `released..published`: the producer does not write there until `release`, which needs
        // `&mut self` and so outlives no slice from here.
        unsafe { self.shared.read(self.shared.index(popped.start), popped.len) }
    }

    /// Gives the room of all records up to `upto` back to the producer.
    ///
    /// # Panics
    /// If `upto` is beyond what was popped, or moves backwards.
    pub fn release(&mut self, upto: RingPosition) {
        assert!(self.released <= upto.0 && upto.0 <= self.cursor, "release out of order");
        self.released = upto.0;
        self.shared.released.0.store(upto.0, Ordering::Release);
    }

    /// Says that all records up to `upto` are on disk.
    ///
    /// # Panics
    /// If the position moves backwards or was never popped: either would acknowledge what is not
    /// there.
    pub fn set_committed(&mut self, upto: RingPosition) {
        assert!(upto.0 <= self.cursor, "committed beyond what was popped");
        self.watch.advance(upto);
    }

    /// How far the ring's records are on disk.
    #[must_use]
    pub fn committed(&self) -> Committed<RingPosition> {
        self.watch.committed()
    }

    fn word(&self, position: u64) -> u64 {
        // SAFETY: called for a position below `published` at which the producer wrote a length or a
        // marker, both of one word that never wraps; the range stays the consumer's while the slice
        // lives, within this call.
        let bytes = unsafe { self.shared.read(self.shared.index(position), WORD) };
        u64::from_le_bytes(bytes.try_into().expect("a word has eight bytes"))
    }
}

impl core::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Consumer").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}
