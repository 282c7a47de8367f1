//! One live seat per identity, and telemetry in order across its seats.
//!
//! ```text
//!  new seat             directory             old seat
//!  reserve ───────────▶ holder = new
//!       evict ────────────────────────────▶ stops reading, pushes the will
//!                       release(last) ◀───── ends
//!  predecessors gone ◀─ only the holder left
//!  serves, publishes nothing before `last` is committed
//! ```
//!
//! [`Tenure`] is the directory's half, one per identity; [`Admission`] is the seat's half. A seat
//! that ends while it waits releases like any other, so that every order of ends leaves one holder
//! and no one forgotten. What becomes of the connection that carries an evicted seat is its
//! driver's business.

use crate::id::{SeatId, ShardId};
use crate::position::Ticket;

/// Who holds an identity, kept in its directory entry.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tenure {
    holder: Option<SeatId>,
    /// Seats that reserved and have not released yet, the holder among them.
    unreleased: u16,
    fence: Option<Ticket>,
}

/// What a new seat learns when it reserves its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The seat to evict; it may have ended already, then its mail is answered by nobody and
    /// needs no answer.
    pub previous: Option<SeatId>,
    /// Where the new seat stands.
    pub admission: Admission,
}

impl Tenure {
    /// Makes `seat` the holder. Constant time.
    pub fn reserve(&mut self, seat: SeatId) -> Reservation {
        let previous = self.holder.replace(seat);
        self.unreleased = self.unreleased.saturating_add(1);
        let admission = if self.unreleased == 1 {
            Admission::after(self.fence)
        } else {
            Admission::AwaitingPredecessors
        };
        Reservation { previous, admission }
    }

    /// Ends a reservation; `last` is the last record that the seat pushed, if it pushed one.
    ///
    /// Returns the holder when it is now alone: it is to be told with [`fence`](Self::fence). Each
    /// seat that reserved releases exactly once.
    pub fn release(&mut self, seat: SeatId, last: Option<Ticket>) -> Option<SeatId> {
        self.unreleased = self.unreleased.saturating_sub(1);
        self.fence = last.or(self.fence);
        if self.holder == Some(seat) {
            self.holder = None;
        }
        if self.unreleased == 1 { self.holder } else { None }
    }

    /// A visitor has pushed `last`: one that takes no seat and evicts nobody, such as a request
    /// over HTTP. It too publishes nothing before the [`fence`](Self::fence) is committed, and
    /// becomes the fence of whoever comes next. Beside a live seat its records have no order.
    ///
    /// A seat that has left meanwhile has left a fence too, which this one must not hide: what is
    /// not committed stays the fence, unless its own ring puts `last` behind it.
    pub fn visit(&mut self, last: Ticket, is_committed: impl FnOnce(Ticket) -> bool) {
        let is_behind = |fence: Ticket| {
            let is_same_ring = (fence.shard, fence.executor) == (last.shard, last.executor);
            is_same_ring || is_committed(fence)
        };
        if self.fence.is_none_or(is_behind) {
            self.fence = Some(last);
        }
    }

    /// Last record of the identity's former seats: the next one publishes nothing before it
    /// is committed.
    #[must_use]
    pub fn fence(&self) -> Option<Ticket> {
        self.fence
    }

    /// The seat that serves the identity, or is about to.
    #[must_use]
    pub fn holder(&self) -> Option<SeatId> {
        self.holder
    }
}

/// How far a seat is on its way to publish for its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Former seats have not ended yet: the client hears nothing (no CONNACK).
    AwaitingPredecessors,
    /// The client may hear that it is in; nothing may be published before this record is committed.
    AwaitingCommit(Ticket),
    /// May publish.
    Open,
}

impl Admission {
    /// The admission of the only seat of an identity.
    #[must_use]
    pub fn after(fence: Option<Ticket>) -> Self {
        fence.map_or(Self::Open, Self::AwaitingCommit)
    }

    /// Whether a seat on `shard` that ends may still push its will.
    ///
    /// What it pushes becomes the fence of its successor. While it waits for a fence itself, that
    /// would hide a record of another ring that is not committed yet; records of its own ring are
    /// committed in their order.
    pub fn may_leave_will(
        &mut self,
        shard: ShardId,
        is_committed: impl FnOnce(Ticket) -> bool,
    ) -> bool {
        self.may_publish(is_committed)
            || matches!(*self, Self::AwaitingCommit(fence) if fence.shard == shard)
    }

    /// Takes the news that all former seats have released.
    pub fn handle_predecessors_gone(&mut self, fence: Option<Ticket>) {
        *self = Self::after(fence);
    }

    /// Whether the seat may publish now; asks `is_committed` for the fence only.
    pub fn may_publish(&mut self, is_committed: impl FnOnce(Ticket) -> bool) -> bool {
        if let Self::AwaitingCommit(fence) = *self
            && is_committed(fence)
        {
            *self = Self::Open;
        }
        *self == Self::Open
    }
}
