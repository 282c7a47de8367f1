//! What a shard and an executor tell each other about their ring, for measurements alone.

use std::sync::atomic::{AtomicU64, Ordering};

use ringhub_core::meter::Counter;
use ringhub_core::position::RingPosition;
use ringhub_core::time::Timestamp;

/// Publications that may wait to be seen. An executor that does not keep up sees the oldest ones;
/// those beyond are not measured.
const MARKS: usize = 64;

/// Nothing became durable that the shard does not know.
const NOTHING: u64 = 0;

#[derive(Debug, Default)]
struct Mark {
    upto: Counter,
    at: Counter,
    messages: Counter,
}

/// A queue of publications from the shard to the executor, and the time of a commit back. Costs a
/// few stores per turn and per commit.
#[derive(Debug)]
pub(super) struct Marks {
    slots: [Mark; MARKS],
    /// Marks that were written; the shard's.
    written: AtomicU64,
    /// Marks that were seen; the executor's.
    seen: AtomicU64,
    /// Position of the last record that is published; the shard's.
    pushed: Counter,
    /// When the oldest commit became durable that the shard has not asked about.
    durable_since: AtomicU64,
}

impl Marks {
    pub(super) fn new() -> Self {
        Self {
            slots: std::array::from_fn(|_| Mark::default()),
            written: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            pushed: Counter::default(),
            durable_since: AtomicU64::new(NOTHING),
        }
    }

    /// The shard publishes `messages` records up to `upto` at `at`.
    pub(super) fn publish(&self, upto: RingPosition, at: Timestamp, messages: u64) {
        self.pushed.set(upto.0);
        let written = self.written.load(Ordering::Relaxed);
        if written - self.seen.load(Ordering::Acquire) == MARKS as u64 {
            return;
        }
        let slot = &self.slots[written as usize % MARKS];
        slot.upto.set(upto.0);
        slot.at.set(at.as_nanos());
        slot.messages.set(messages);
        self.written.store(written + 1, Ordering::Release);
    }

    /// The executor has taken all records up to `upto` at `now`: calls `each` with the nanoseconds
    /// that a publication lay in the ring and its number of messages.
    pub(super) fn take(&self, upto: RingPosition, now: Timestamp, mut each: impl FnMut(u64, u64)) {
        let written = self.written.load(Ordering::Acquire);
        let mut seen = self.seen.load(Ordering::Relaxed);
        while seen < written {
            let slot = &self.slots[seen as usize % MARKS];
            if slot.upto.read() > upto.0 {
                break;
            }
            each(now.as_nanos().saturating_sub(slot.at.read()), slot.messages.read());
            seen += 1;
        }
        self.seen.store(seen, Ordering::Release);
    }

    /// A commit with records of this ring is durable since `at`.
    pub(super) fn note_durable(&self, at: Timestamp) {
        // The shard may empty the place in between: then this commit is the oldest, too.
        if self.durable_since.load(Ordering::Relaxed) == NOTHING {
            self.durable_since.store(at.as_nanos(), Ordering::Relaxed);
        }
    }

    /// When the oldest commit became durable since the last call.
    pub(super) fn take_durable_since(&self) -> Option<Timestamp> {
        let nanos = self.durable_since.load(Ordering::Relaxed);
        (nanos != NOTHING).then(|| {
            self.durable_since.store(NOTHING, Ordering::Relaxed);
            Timestamp::from_nanos(nanos)
        })
    }

    /// Position after the last record that is published.
    pub(super) fn pushed(&self) -> RingPosition {
        RingPosition(self.pushed.read())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    #[test]
    fn a_publication_is_seen_once_when_all_of_it_is_taken() {
        let marks = Marks::new();
        marks.publish(RingPosition(10), at(100), 1);
        marks.publish(RingPosition(30), at(200), 2);
        let mut seen = Vec::new();
        let mut take =
            |upto, now| marks.take(RingPosition(upto), at(now), |ns, n| seen.push((ns, n)));
        take(9, 300);
        take(29, 400);
        take(30, 500);
        take(30, 600);
        assert_eq!(seen, [(300, 1), (300, 2)]);
        assert_eq!(marks.pushed(), RingPosition(30));
    }

    #[test]
    fn what_finds_no_place_is_not_measured() {
        let marks = Marks::new();
        (1..=MARKS as u64 + 5).for_each(|n| marks.publish(RingPosition(n), at(1), 1));
        let mut messages = 0;
        marks.take(RingPosition(1000), at(2), |_, n| messages += n);
        marks.publish(RingPosition(1001), at(3), 7);
        marks.take(RingPosition(1001), at(4), |_, n| messages += n);
        assert_eq!(messages, MARKS as u64 + 7);
    }

    #[test]
    fn the_oldest_commit_counts() {
        let marks = Marks::new();
        marks.note_durable(at(5));
        marks.note_durable(at(9));
        assert_eq!(marks.take_durable_since(), Some(at(5)));
        assert_eq!(marks.take_durable_since(), None);
    }
}
