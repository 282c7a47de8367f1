//! The messages that wait for one device or module.

use std::collections::VecDeque;

use bytes::Bytes;

use super::lock::State;
use super::{AckLevel, Lock, LockLost, LockToken, Outcome, Verdict};
use crate::id::SeatId;
use crate::time::UnixMillis;

/// A message that was accepted and is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedMessage {
    /// Its place: rises with every message of an identity.
    pub sequence_number: u64,
    /// Properties and body, as [`DeviceMessage`](super::DeviceMessage) encodes them.
    pub content: Bytes,
    /// Whether the sender wants to hear of its end.
    pub ack: AckLevel,
    /// When it was accepted.
    pub enqueued: UnixMillis,
    /// When it is worth nothing any more.
    pub expires: UnixMillis,
    /// How often it was abandoned.
    pub delivery_count: u32,
    /// Whether a device may have seen it already.
    pub delivered: bool,
}

/// The queue takes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue of the device is full")]
pub struct QueueFull;

/// A message that was handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedMessage {
    /// Its place in the queue.
    pub sequence_number: u64,
    /// Properties and body.
    pub content: Bytes,
    /// When it was accepted.
    pub enqueued: UnixMillis,
    /// How often it was abandoned before.
    pub delivery_count: u32,
    /// Whether a device may have seen it before.
    pub redelivered: bool,
}

/// What a verdict leads to. The store makes it durable; until then the message stays taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The message ends: [`DeviceQueue::remove`] follows.
    Ended {
        /// Which one.
        sequence_number: u64,
        /// How.
        outcome: Outcome,
    },
    /// The message comes again: [`DeviceQueue::put_back`] follows.
    Abandoned {
        /// Which one.
        sequence_number: u64,
        /// The lock that ended so.
        token: LockToken,
        /// How often by now.
        delivery_count: u32,
    },
}

/// What time has done to a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Messages that have expired: they stay taken until [`DeviceQueue::remove`].
    pub expired: Vec<u64>,
    /// Whether a lock has lapsed, so that there is something to deliver.
    pub lapsed: bool,
}

#[derive(Debug)]
struct Entry {
    message: QueuedMessage,
    state: State<SeatId>,
}

/// The queue of one identity: first in, first out; abandoned messages keep their place.
///
/// Every operation looks through the queue once, which has at most
/// [`C2D_QUEUE_DEPTH_MAX`](crate::limits::C2D_QUEUE_DEPTH_MAX) messages.
///
/// Source: device-endpoints reference, "Cloud-to-device queue".
#[derive(Debug, Default)]
pub struct DeviceQueue {
    /// By rising sequence number.
    entries: VecDeque<Entry>,
    /// Messages on their way to the disk.
    reserved: usize,
}

impl DeviceQueue {
    /// Keeps a place for a message that is not durable yet; [`push`](Self::push) or
    /// [`cancel`](Self::cancel) follows.
    ///
    /// # Errors
    /// [`QueueFull`] when `depth_max` messages wait or are on their way.
    pub fn reserve(&mut self, depth_max: usize) -> Result<(), QueueFull> {
        if self.entries.len() + self.reserved >= depth_max {
            return Err(QueueFull);
        }
        self.reserved += 1;
        Ok(())
    }

    /// Gives a place back.
    pub fn cancel(&mut self) {
        self.reserved = self.reserved.saturating_sub(1);
    }

    /// Takes a durable message into the place kept for it, or one that a start found.
    pub fn push(&mut self, message: QueuedMessage) {
        self.cancel();
        debug_assert!(
            self.entries
                .back()
                .is_none_or(|last| { last.message.sequence_number < message.sequence_number }),
            "sequence numbers rise"
        );
        self.entries.push_back(Entry { message, state: State::Enqueued });
    }

    /// Hands out the first message that nobody has, under `lock`.
    pub fn lock_next(&mut self, lock: Lock<SeatId>, now: UnixMillis) -> Option<LockedMessage> {
        let free =
            |entry: &&mut Entry| entry.state == State::Enqueued && now < entry.message.expires;
        let entry = self.entries.iter_mut().find(free)?;
        entry.state = State::Locked(lock);
        let message = &mut entry.message;
        Some(LockedMessage {
            sequence_number: message.sequence_number,
            content: message.content.clone(),
            enqueued: message.enqueued,
            delivery_count: message.delivery_count,
            redelivered: core::mem::replace(&mut message.delivered, true),
        })
    }

    /// Takes the verdict of whoever holds `token`. The message stays taken until `until` at most.
    ///
    /// # Errors
    /// [`LockLost`]: nothing has changed.
    pub fn settle(
        &mut self,
        token: LockToken,
        verdict: Verdict,
        delivery_count_max: u32,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<Settled, LockLost> {
        let held = |entry: &&mut Entry| entry.state.is_held_by(token, now);
        let entry = self.entries.iter_mut().find(held).ok_or(LockLost)?;
        entry.state = State::Settling { token: Some(token), until };
        let sequence_number = entry.message.sequence_number;
        let outcome = match verdict {
            Verdict::Complete => Outcome::Success,
            Verdict::Reject => Outcome::Rejected,
            Verdict::Abandon => {
                let delivery_count = entry.message.delivery_count + 1;
                if delivery_count < delivery_count_max {
                    return Ok(Settled::Abandoned { sequence_number, token, delivery_count });
                }
                Outcome::DeliveryCountExceeded
            }
        };
        Ok(Settled::Ended { sequence_number, outcome })
    }

    /// The end of a message is durable.
    pub fn remove(&mut self, sequence_number: u64) -> Option<QueuedMessage> {
        let place = self.place(sequence_number)?;
        Some(self.entries.remove(place)?.message)
    }

    /// The abandoning of a message is durable. Nothing happens to one that somebody has got again
    /// since.
    pub fn put_back(&mut self, sequence_number: u64, token: LockToken, delivery_count: u32) {
        let Some(place) = self.place(sequence_number) else { return };
        let entry = &mut self.entries[place];
        entry.message.delivery_count = delivery_count;
        if matches!(entry.state, State::Settling { token: Some(held), .. } if held == token) {
            entry.state = State::Enqueued;
        }
    }

    /// Takes a message back that did not leave the hub; it does not count as delivered.
    pub fn take_back(&mut self, token: LockToken, redelivered: bool) {
        let held = |entry: &&mut Entry| matches!(entry.state, State::Locked(l) if l.token == token);
        if let Some(entry) = self.entries.iter_mut().find(held) {
            entry.state = State::Enqueued;
            entry.message.delivered = redelivered;
        }
    }

    /// Ends all locks of a seat that is gone. Not counted; what was handed out last comes
    /// again in its order.
    pub fn unlock(&mut self, holder: SeatId) {
        for entry in &mut self.entries {
            if matches!(entry.state, State::Locked(lock) if lock.holder == holder) {
                entry.state = State::Enqueued;
            }
        }
    }

    /// Takes all messages that nobody has; they stay taken until [`remove`](Self::remove).
    pub fn purge(&mut self, until: UnixMillis) -> Vec<u64> {
        self.take(until, |_| true)
    }

    /// The clock spoke. Expired messages that nobody has are taken until [`remove`](Self::remove);
    /// a message in somebody's hands lives as long as its lock.
    pub fn handle_timeout(&mut self, now: UnixMillis, until: UnixMillis) -> Due {
        let mut lapsed = false;
        for entry in &mut self.entries {
            lapsed |= entry.state.lapse(now);
        }
        Due { expired: self.take(until, |message| message.expires <= now), lapsed }
    }

    fn take(&mut self, until: UnixMillis, wanted: impl Fn(&QueuedMessage) -> bool) -> Vec<u64> {
        let mut taken = Vec::new();
        for entry in &mut self.entries {
            if entry.state == State::Enqueued && wanted(&entry.message) {
                entry.state = State::Settling { token: None, until };
                taken.push(entry.message.sequence_number);
            }
        }
        taken
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` without messages.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixMillis> {
        let deadline = |entry: &Entry| entry.state.ends().unwrap_or(entry.message.expires);
        self.entries.iter().map(deadline).min()
    }

    /// A message by its number.
    #[must_use]
    pub fn message(&self, sequence_number: u64) -> Option<&QueuedMessage> {
        self.place(sequence_number).map(|place| &self.entries[place].message)
    }

    fn place(&self, sequence_number: u64) -> Option<usize> {
        self.entries.iter().position(|entry| entry.message.sequence_number == sequence_number)
    }

    /// All messages, first to last.
    pub fn messages(&self) -> impl Iterator<Item = &QueuedMessage> {
        self.entries.iter().map(|entry| &entry.message)
    }

    /// Messages that have not ended, locked ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when there is nothing to remember: no message, and none on its way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.reserved == 0
    }
}
