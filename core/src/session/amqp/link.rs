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

/// The links of a connection; a slot is used again under another generation.
#[derive(Debug, Default)]
pub(super) struct LinkTable {
    slots: Vec<(u32, Option<Link>)>,
    live: usize,
}

impl LinkTable {
    pub(super) const fn len(&self) -> usize {
        self.live
    }

    pub(super) fn insert(&mut self, link: Link) -> LinkId {
        self.live += 1;
        let free = if self.live <= self.slots.len() {
            self.slots.iter().position(|(_, link)| link.is_none())
        } else {
            None
        };
        let slot = free.unwrap_or(self.slots.len());
        if slot == self.slots.len() {
            self.slots.push((0, None));
        }
        self.slots[slot].1 = Some(link);
        let slot_number = u32::try_from(slot).expect("the number of links is bounded");
        LinkId { slot: slot_number, generation: self.slots[slot].0 }
    }

    pub(super) fn link(&self, id: LinkId) -> Option<&Link> {
        let (generation, link) = self.slots.get(index(id.slot))?;
        link.as_ref().filter(|_| *generation == id.generation)
    }

    pub(super) fn link_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        let (generation, link) = self.slots.get_mut(index(id.slot))?;
        link.as_mut().filter(|_| *generation == id.generation)
    }

    pub(super) fn remove(&mut self, id: LinkId) -> Option<Link> {
        let (generation, slot) = self.slots.get_mut(index(id.slot))?;
        if *generation != id.generation {
            return None;
        }
        let link = slot.take()?;
        *generation = generation.wrapping_add(1);
        self.live -= 1;
        Some(link)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        (0u32..).zip(&self.slots).filter_map(|(slot, (generation, link))| {
            let link = link.as_ref()?;
            Some((LinkId { slot, generation: *generation }, link))
        })
    }
}

fn index(slot: u32) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}
