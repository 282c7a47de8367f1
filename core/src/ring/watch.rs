//! How far a ring is committed, for everybody who waits for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::buffer::Padded;
use crate::position::{Committed, RingPosition};

/// Tells the committed position of one ring on any thread. Cloning is cheap.
#[derive(Clone)]
pub struct CommitWatch(Arc<Padded<AtomicU64>>);

impl CommitWatch {
    pub(super) fn new() -> Self {
        Self(Arc::new(Padded(AtomicU64::new(0))))
    }

    /// How far the ring's records are on disk. One load.
    #[must_use]
    pub fn committed(&self) -> Committed<RingPosition> {
        Committed(RingPosition(self.0.0.load(Ordering::Acquire)))
    }

    /// Only the consumer calls this, so load and store need not be one operation.
    pub(super) fn advance(&self, upto: RingPosition) {
        let before = self.0.0.load(Ordering::Relaxed);
        assert!(before <= upto.0, "a commit moved backwards from {before} to {}", upto.0);
        self.0.0.store(upto.0, Ordering::Release);
    }
}

impl core::fmt::Debug for CommitWatch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.committed().fmt(f)
    }
}
