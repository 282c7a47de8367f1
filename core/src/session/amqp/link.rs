//! Links: their place in a connection, credit, and what has arrived in part.

use bytes::BytesMut;

use crate::codec::amqp::performative::{DeliveryTag, Role, SenderSettleMode};

/// A session of a connection, by our channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(super) u16);

/// A link of a connection. Commands for a link that is gone do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkId {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// A delivery on a link, in either direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryId {
    /// The link it came or went on.
    pub link: LinkId,
    pub(super) number: u32,
}

impl DeliveryId {
    /// Whether a range that ends with `other` may end with this one instead: it has the next number
    /// and is on the same link. Numbers are those of the session, and some clients apply a range to
    /// every link of it, so no other delivery may lie in one. Nor may a range go past the highest
    /// number: there are clients that compare numbers as they are, and one that runs from the first
    /// up to the last.
    #[must_use]
    pub fn follows(self, other: Self) -> bool {
        self.link == other.link && other.number.checked_add(1) == Some(self.number)
    }
}

/// What may still be sent on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkCredit {
    /// Deliveries that may follow.
    pub left: u32,
    /// Whether the receiver wants them used up now, by deliveries or without.
    pub drain: bool,
}

/// How a requested link is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkAccept {
    /// Credit for the peer, if the peer is the sender.
    pub credit: u32,
    /// Largest message in bytes that is told the peer, and kept to on the way in.
    pub max_message_size: u64,
    /// How we settle, if we are the sender; `None` does as the peer asked.
    pub snd_settle_mode: Option<SenderSettleMode>,
}

/// What is awaited on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkState {
    /// The driver's answer to the attach of the peer.
    AwaitingAnswer,
    /// The peer's answer to our attach.
    AwaitingAttach,
    /// Messages.
    Attached,
    /// The peer's detach after an attach that refused us.
    AwaitingRefusal,
    /// The time to tell the peer why it was refused.
    Refused,
    /// The peer's detach after ours.
    AwaitingDetach,
}

/// One link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) state: LinkState,
    pub(super) session: u16,
    pub(super) name: Box<str>,
    /// Our role.
    pub(super) role: Role,
    /// Our handle.
    pub(super) handle: u32,
    /// The peer's handle, once it has attached.
    pub(super) remote_handle: Option<u32>,
    /// Deliveries so far, in the count of the sender.
    pub(super) delivery_count: u32,
    /// Deliveries that may follow.
    pub(super) credit: u32,
    pub(super) drain: bool,
    /// Largest message in bytes that may be sent in the direction of this link; zero is no bound.
    pub(super) max_message_size: u64,
    pub(super) partial: Option<Partial>,
    /// The peer's attach as it came, while it awaits the driver's answer.
    pub(super) asked: Option<Box<[u8]>>,
    /// The detach with the reason, while it waits for its time after an attach that refused.
    pub(super) refusal: Option<Box<[u8]>>,
    /// Our deliveries on it that wait for their outcome.
    pub(super) unsettled: u32,
}

impl Link {
    pub(super) fn new(session: u16, name: &str, role: Role, handle: u32) -> Self {
        Self {
            state: LinkState::AwaitingAnswer,
            session,
            name: name.into(),
            role,
            handle,
            remote_handle: None,
            delivery_count: 0,
            credit: 0,
            drain: false,
            max_message_size: 0,
            partial: None,
            asked: None,
            refusal: None,
            unsettled: 0,
        }
    }

    /// Whether a message of `len` bytes is within the bound of the link.
    pub(super) fn permits(&self, len: usize) -> bool {
        self.max_message_size == 0
            || u64::try_from(len).is_ok_and(|len| len <= self.max_message_size)
    }

    /// Counts a delivery that begins.
    pub(super) fn count_delivery(&mut self) {
        self.delivery_count = self.delivery_count.wrapping_add(1);
        self.credit = self.credit.saturating_sub(1);
    }
}

/// A delivery of which more frames are to come.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) number: u32,
    pub(super) tag: DeliveryTag,
    pub(super) format: u32,
    pub(super) settled: bool,
    pub(super) bytes: BytesMut,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_next_number_of_the_same_link_follows_and_no_range_wraps() {
        let delivery = |slot, number| {
            let link = LinkId { slot, generation: 0 };
            DeliveryId { link, number }
        };
        assert!(delivery(1, 8).follows(delivery(1, 7)));
        for (next, last) in [((1, 7), 7), ((1, 6), 7), ((1, 9), 7), ((2, 8), 7), ((1, 0), u32::MAX)]
        {
            let (slot, number) = next;
            assert!(!delivery(slot, number).follows(delivery(1, last)), "{next:?} after {last}");
        }
    }
}
