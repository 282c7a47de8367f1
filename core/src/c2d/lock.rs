//! Who may settle a message or a batch, and how.

use crate::id::ConnectionId;
use crate::time::UnixMillis;

/// Names one hand-out of a message or batch. Random, so that nobody settles what he did not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockToken(pub u128);

/// A lock as it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// What settles the message.
    pub token: LockToken,
    /// The connection that gets the message; its end ends the lock.
    pub holder: ConnectionId,
    /// When the lock ends by itself.
    pub until: UnixMillis,
}

/// What the receiver says about a message or batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Complete,
    /// It shall never come again.
    Reject,
    /// It shall come again; counted.
    Abandon,
}

/// The lock was lost: it lapsed, was never given, or the message is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lock is lost")]
pub struct LockLost;

/// Where a message or batch is between two owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Enqueued,
    Locked(Lock),
    /// Nobody gets it until the store has settled it; when the store fails, it is there again.
    /// The token is that of the verdict; the hub's own verdicts have none.
    Settling {
        token: Option<LockToken>,
        until: UnixMillis,
    },
}

impl State {
    /// Whether `token` may settle at `now`.
    pub(super) fn is_held_by(&self, token: LockToken, now: UnixMillis) -> bool {
        matches!(self, Self::Locked(lock) if lock.token == token && now < lock.until)
    }

    /// When it is enqueued again by itself.
    pub(super) fn ends(&self) -> Option<UnixMillis> {
        match *self {
            Self::Enqueued => None,
            Self::Locked(Lock { until, .. }) | Self::Settling { until, .. } => Some(until),
        }
    }

    /// Enqueues again what has waited long enough; true if it did.
    pub(super) fn lapse(&mut self, now: UnixMillis) -> bool {
        let is_over = self.ends().is_some_and(|until| until <= now);
        if is_over {
            *self = Self::Enqueued;
        }
        is_over
    }
}
