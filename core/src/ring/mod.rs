//! RING: single-producer single-consumer byte ring of variable-length records, one per shard and
//! executor.
//!
//! ```text
//!            released          cursor             published        written
//!               │ popped, held   │ to be popped       │ this turn      │
//!  ─────────────┴────────────────┴────────────────────┴────────────────┴──────▶ RingPosition
//!    free again   consumer reads                        producer writes
//! ```
//!
//! Positions count bytes for ever; a position's place in the buffer is its remainder by the
//! capacity. A record is an eight-byte length, its bytes, and padding to eight; it never wraps: a
//! marker sends the consumer to the start of the buffer instead. The producer publishes once per
//! turn, not per record. The consumer hands out records by reference, releases them when it has
//! copied them, and stores how far they are committed to disk.
//!
//! The module has the only unsafe code of this crate. Safe code would need one allocation per
//! record, or two copies through a locked queue; the `ring` bench reports the distance to a plain
//! copy.
#![allow(unsafe_code, reason = "two threads share one byte buffer; see the SAFETY notes")]

mod buffer;
mod consumer;
mod producer;
mod watch;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use consumer::{Consumer, Popped};
pub use producer::{Producer, RingFull};
pub use watch::CommitWatch;

use buffer::{Shared, WORD};

/// Makes a ring of `capacity` bytes whose records have at most a quarter of that.
///
/// # Panics
/// If `capacity` is not a power of two of at least 64.
#[must_use]
pub fn ring(capacity: usize) -> (Producer, Consumer) {
    assert!(capacity.is_power_of_two() && capacity >= 8 * WORD, "ring capacity {capacity}");
    let shared = Arc::new(Shared::new(capacity));
    let watch = CommitWatch::new();
    (Producer::new(Arc::clone(&shared), watch.clone()), Consumer::new(shared, watch))
}

/// Largest record that a ring of `capacity` bytes takes.
#[must_use]
pub const fn record_bytes_max(capacity: usize) -> usize {
    capacity / 4
}
