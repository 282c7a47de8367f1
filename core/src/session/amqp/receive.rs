//! Messages from the peer, and what it says about ours.

use bytes::BytesMut;

use super::connection::AmqpConnection;
use super::link::{DeliveryId, LinkId, LinkState, Partial};
use super::signal::{AmqpEvent, Payload};
use crate::codec::amqp::performative::{
    AmqpError, Condition, DeliveryState, DeliveryTag, Disposition, Role, Transfer,
};

impl AmqpConnection {
    pub(super) fn on_transfer<'i>(
        &mut self,
        channel: u16,
        transfer: &Transfer,
        payload: &'i [u8],
    ) -> Option<AmqpEvent<'i>> {
        let window = self.config.session_window;
        let session = self.session_mut(channel).filter(|session| !session.ending)?;
        if !session.count_incoming() {
            let error = AmqpError::new(Condition::WindowViolation, "the session window was shut");
            self.end_session(channel, &error);
            return None;
        }
        let replenish = session.incoming_window <= window / 2;
        let bound = session.remote_handles.get(&transfer.handle).copied();
        if replenish {
            self.send_session_flow(channel);
        }
        let Some(id) = bound else {
            self.end_for_unattached_handle(channel);
            return None;
        };
        let link = self.links.link(id)?;
        match (link.state, link.role) {
            (LinkState::Attached, Role::Receiver) if transfer.is_tag_too_long => {
                self.detach_for(id, Condition::InvalidField, "the delivery tag is too long");
                None
            }
            (LinkState::Attached, Role::Receiver) if link.partial.is_some() => {
                self.on_continuation(id, transfer, payload)
            }
            (LinkState::Attached, Role::Receiver) => self.on_delivery(id, transfer, payload),
            (LinkState::Attached, Role::Sender) => {
                self.detach_for(id, Condition::NotAllowed, "transfers go the other way here");
                None
            }
            _ => None,
        }
    }

    fn on_delivery<'i>(
        &mut self,
        id: LinkId,
        transfer: &Transfer,
        payload: &'i [u8],
    ) -> Option<AmqpEvent<'i>> {
        let Some(number) = transfer.delivery_id else {
            self.detach_for(id, Condition::InvalidField, "the delivery id is missing");
            return None;
        };
        let link = self.links.link_mut(id)?;
        if link.credit == 0 {
            self.detach_for(id, Condition::TransferLimitExceeded, "there was no credit left");
            return None;
        }
        link.count_delivery();
        if transfer.aborted {
            return Some(AmqpEvent::Aborted(id));
        }
        if !link.permits(payload.len()) {
            self.refuse_size(id);
            return None;
        }
        let tag = transfer.delivery_tag.unwrap_or_else(|| DeliveryTag::of_delivery_id(number));
        let format = transfer.message_format.unwrap_or(0);
        let settled = transfer.settled.unwrap_or(false);
        if transfer.more {
            let bytes = BytesMut::new();
            link.partial = Some(Partial { number, tag, format, settled, bytes });
            self.extend_partial(id, payload);
            return None;
        }
        let delivery = DeliveryId { link: id, number };
        let payload = Payload::Borrowed(payload);
        Some(AmqpEvent::Message { delivery, tag, format, settled, payload })
    }

    fn on_continuation<'i>(
        &mut self,
        id: LinkId,
        transfer: &Transfer,
        payload: &'i [u8],
    ) -> Option<AmqpEvent<'i>> {
        let partial = self.links.link_mut(id)?.partial.as_mut()?;
        partial.settled |= transfer.settled.unwrap_or(false);
        let number = partial.number;
        if transfer.aborted {
            self.drop_partial(id);
            return Some(AmqpEvent::Aborted(id));
        }
        if transfer.delivery_id.is_some_and(|other| other != number) {
            self.detach_for(id, Condition::InvalidField, "a message was begun inside another");
            return None;
        }
        if !self.extend_partial(id, payload) || transfer.more {
            return None;
        }
        let partial = self.links.link_mut(id)?.partial.take()?;
        self.partial_bytes -= partial.bytes.len();
        Some(AmqpEvent::Message {
            delivery: DeliveryId { link: id, number },
            tag: partial.tag,
            format: partial.format,
            settled: partial.settled,
            payload: Payload::Assembled(partial.bytes),
        })
    }

    /// Permits messages that have arrived in part to hold so many bytes, over all links;
    /// [`AMQP_PARTIAL_BYTES_MAX`](crate::limits::AMQP_PARTIAL_BYTES_MAX) at the beginning.
    pub fn permit_partial_bytes(&mut self, bytes: usize) {
        self.partial_bytes_max = bytes;
    }

    /// Appends a frame to what has arrived; `false` if that was too much and the link is detached.
    fn extend_partial(&mut self, id: LinkId, payload: &[u8]) -> bool {
        let all_partial_bytes = self.partial_bytes + payload.len();
        let Some(link) = self.links.link_mut(id) else { return false };
        let len = link.partial.as_ref().map_or(0, |partial| partial.bytes.len()) + payload.len();
        if !link.permits(len) {
            self.refuse_size(id);
            return false;
        }
        if all_partial_bytes > self.partial_bytes_max {
            let text = "too many messages in part on the connection";
            self.detach_for(id, Condition::ResourceLimitExceeded, text);
            return false;
        }
        if let Some(partial) = &mut link.partial {
            partial.bytes.extend_from_slice(payload);
            self.partial_bytes = all_partial_bytes;
        }
        true
    }

    fn refuse_size(&mut self, id: LinkId) {
        let text = "the message is larger than the link permits";
        self.detach_for(id, Condition::MessageSizeExceeded, text);
    }

    pub(super) fn drop_partial(&mut self, id: LinkId) {
        let partial = self.links.link_mut(id).and_then(|link| link.partial.take());
        self.partial_bytes -= partial.map_or(0, |partial| partial.bytes.len());
    }

    /// Tells the sender what became of its delivery, or (on links we send on) settles after the
    /// receiver: a `Settled` event with `settled: false`, as receivers in settle mode second cause
    /// it, waits for that.
    ///
    /// Deliveries may be settled in any order and at any later time; that of a link which is gone
    /// is left alone.
    pub fn settle(&mut self, delivery: DeliveryId, state: DeliveryState<'_>) {
        self.settle_run(delivery, delivery, state);
    }

    /// As [`settle`](Self::settle) for the deliveries from `first` to `last`, each of which
    /// [follows](DeliveryId::follows) the one before: one frame for all of them.
    pub fn settle_run(&mut self, first: DeliveryId, last: DeliveryId, state: DeliveryState<'_>) {
        let Some(link) = self.links.link(first.link) else { return };
        let (channel, role) = (link.session, link.role);
        let (first, last) = (first.number, last.number);
        if role == Role::Sender {
            (first..=last).for_each(|number| self.forget_unsettled(channel, number));
        }
        let disposition = Disposition { role, first, last, settled: true, state: Some(state) };
        self.write(channel, |out| disposition.encode(out));
    }

    /// Tells the next outcome out of the range of a disposition, if one is left that the driver
    /// does not know.
    pub(super) fn on_disposition<'i>(
        &mut self,
        channel: u16,
        disposition: &Disposition<'i>,
    ) -> Option<AmqpEvent<'i>> {
        let outcome = disposition.state.filter(|state| *state != DeliveryState::Other);
        if disposition.role == Role::Sender || !(disposition.settled || outcome.is_some()) {
            return None;
        }
        let from = self.told_below.take().unwrap_or(disposition.first);
        let unsettled = &mut self.session_mut(channel)?.unsettled;
        let (number, link) = unsettled.apply(disposition, from)?;
        self.told_below = Some(number.wrapping_add(1));
        if disposition.settled {
            self.count_settled(link);
        }
        let delivery = DeliveryId { link, number };
        Some(AmqpEvent::Settled { delivery, state: outcome, settled: disposition.settled })
    }

    fn forget_unsettled(&mut self, channel: u16, number: u32) {
        let removed =
            self.session_mut(channel).and_then(|session| session.unsettled.remove(number));
        if let Some(link) = removed {
            self.count_settled(link);
        }
    }

    fn count_settled(&mut self, link: LinkId) {
        self.unsettled -= 1;
        if let Some(link) = self.links.link_mut(link) {
            link.unsettled -= 1;
        }
    }
}
