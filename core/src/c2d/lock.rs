//! Who may settle a message or a batch, and how.

use core::fmt;

use crate::codec::amqp::primitive::uuid_text;
use crate::time::UnixMillis;

/// Names one hand-out of a message or batch. Random, so that nobody settles what he did not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockToken(pub u128);

impl LockToken {
    /// Reads what [`Display`](fmt::Display) writes, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hyphen = |place| matches!(place, 8 | 13 | 18 | 23);
        if text.len() != 36 {
            return None;
        }
        let mut token = 0;
        for (place, byte) in text.bytes().enumerate() {
            if is_hyphen(place) {
                (byte == b'-').then_some(())?;
            } else {
                token = token << 4 | u128::from(char::from(byte).to_digit(16)?);
            }
        }
        Some(Self(token))
    }
}

/// As a UUID in lower case.
impl fmt::Display for LockToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&uuid_text(&self.0.to_be_bytes()))
    }
}

/// A lock as it is taken. `H` is a seat for a message to a device; of feedback the
/// token is all that counts, because a back end may take and settle it with two requests.
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
