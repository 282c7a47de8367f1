//! Who may settle a message or a batch, and how.

use crate::time::UnixMillis;

/// Names one hand-out of a message or batch. Random, so that nobody settles what he did not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockToken(pub u128);

/// A lock as it is taken. `H` is a seat for a message to a device, a connection for feedback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock<H> {
    /// What settles the message.
    pub token: LockToken,
    /// Who gets it, and loses it by ending.
    pub holder: H,
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
pub(super) enum State<H> {
    Enqueued,
    Locked(Lock<H>),
    /// Nobody gets it until the store has settled it; when the store fails, it is there again.
    /// The token is that of the verdict; the hub's own verdicts have none.
    Settling {
        token: Option<LockToken>,
        until: UnixMillis,
    },
}

impl<H> State<H> {
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
