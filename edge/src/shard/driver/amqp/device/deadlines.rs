//! When which seat of a connection has something to do, so that nobody walks all of them.

use std::collections::BTreeSet;

use ringhub_core::time::Timestamp;

/// Seats by their deadlines, one for each seat.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BTreeSet<(Timestamp, u32)>);

impl Deadlines {
    /// Moves the deadline of `seat` from `old` to `new`.
    pub(super) fn change(&mut self, seat: u32, old: Option<Timestamp>, new: Option<Timestamp>) {
        if let Some(at) = old {
            self.0.remove(&(at, seat));
        }
        if let Some(at) = new {
            self.0.insert((at, seat));
        }
    }

    /// The first deadline.
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes out a seat whose deadline is over.
    pub(super) fn poll_expired(&mut self, now: Timestamp) -> Option<u32> {
        let (at, seat) = *self.0.first()?;
        if at > now {
            return None;
        }
        self.0.pop_first();
        Some(seat)
    }
}
