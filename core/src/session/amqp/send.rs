//! Messages to the peer.

use bytes::{Buf, BytesMut};

use super::connection::{AmqpConnection, Phase};
use super::link::{DeliveryId, LinkId, LinkState};
use super::session::Unsent;
use crate::codec::amqp::performative::{DeliveryTag, Role, Transfer};
use crate::limits::{AMQP_LINK_UNSETTLED_MAX, AMQP_OUT_BYTES_MAX, AMQP_UNSETTLED_MAX};

/// Bytes kept free in each frame for its header and the transfer performative.
const TRANSFER_HEAD_BYTES_MAX: usize = 80;

/// Why a message cannot be sent, now or at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendBlocked {
    /// The link is gone, not attached, or we receive on it.
    #[error("the link does not send")]
    NotSending,
    /// The receiver takes no more for now: a `Credit` event tells when.
    #[error("there is no credit")]
    Credit,
    /// The session takes no more for now: `WindowOpened` tells when.
    #[error("the session window is shut")]
    Window,
    /// Too much waits to be written: try after `poll_transmit`.
    #[error("too many bytes wait to be written")]
    Output,
    /// Too many deliveries of the link or the connection wait for their outcome: try after a
    /// `Settled` event.
    #[error("too many deliveries are unsettled")]
    Unsettled,
    /// The receiver never takes a message of this size.
    #[error("the message is larger than the receiver permits")]
    Size,
}

/// How a message goes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// Whether no outcome is wanted.
    pub settled: bool,
    /// Format number; zero is an ordinary message.
    pub format: u32,
    /// Name of the delivery; `None` takes the bytes of its number.
    pub tag: Option<DeliveryTag>,
}

impl Outgoing {
    /// As events go to readers: settled, without outcome.
    pub const SETTLED: Self = Self { settled: true, format: 0, tag: None };
}

impl AmqpConnection {
    /// Whether a message could be sent on the link now.
    ///
    /// # Errors
    /// [`SendBlocked`]: what is missing.
    pub fn can_send(&self, id: LinkId) -> Result<(), SendBlocked> {
        let link = self.links.link(id).ok_or(SendBlocked::NotSending)?;
        let is_open = self.phase == Phase::Open && link.state == LinkState::Attached;
        if !is_open || link.role != Role::Sender {
            return Err(SendBlocked::NotSending);
        }
        if link.credit == 0 {
            return Err(SendBlocked::Credit);
        }
        let session = self.sessions.get(usize::from(link.session)).and_then(Option::as_ref);
        let session = session.ok_or(SendBlocked::NotSending)?;
        if session.remote_incoming_window == 0 || session.unsent.is_some() {
            return Err(SendBlocked::Window);
        }
        if self.out.len() >= AMQP_OUT_BYTES_MAX {
            return Err(SendBlocked::Output);
        }
        Ok(())
    }

    /// Sends a message that is given in parts, in as many frames as the peer needs.
    ///
    /// What the window does not allow yet is kept and follows by itself. Nothing is allocated for a
    /// message that goes out at once, beyond the growth of the output.
    ///
    /// # Errors
    /// [`SendBlocked`]: nothing was sent.
    pub fn send(
        &mut self,
        id: LinkId,
        parts: &[&[u8]],
        how: Outgoing,
    ) -> Result<DeliveryId, SendBlocked> {
        self.can_send(id)?;
        let len = parts.iter().map(|part| part.len()).sum();
        let link = self.links.link_mut(id).ok_or(SendBlocked::NotSending)?;
        if !link.permits(len) {
            return Err(SendBlocked::Size);
        }
        let channel = link.session;
        if !how.settled {
            let too_many = link.unsettled >= AMQP_LINK_UNSETTLED_MAX;
            if too_many || self.unsettled >= AMQP_UNSETTLED_MAX {
                return Err(SendBlocked::Unsettled);
            }
            link.unsettled += 1;
            self.unsettled += 1;
        }
        link.count_delivery();
        let handle = link.handle;
        let number = self.number_delivery(channel, id, how.settled)?;
        let transfer = Transfer {
            handle,
            delivery_id: Some(number),
            delivery_tag: Some(how.tag.unwrap_or_else(|| DeliveryTag::of_delivery_id(number))),
            is_tag_too_long: false,
            message_format: Some(how.format),
            settled: Some(how.settled),
            more: false,
            aborted: false,
        };
        let mut rest = Parts { parts, offset: 0, len };
        self.send_frames(channel, transfer, &mut rest);
        if rest.len > 0 {
            let mut kept = BytesMut::with_capacity(rest.len);
            rest.take(rest.len, &mut kept);
            if let Some(session) = self.session_mut(channel) {
                session.unsent = Some(Unsent { link: id, rest: kept.freeze() });
            }
        }
        Ok(DeliveryId { link: id, number })
    }

    fn number_delivery(
        &mut self,
        channel: u16,
        link: LinkId,
        settled: bool,
    ) -> Result<u32, SendBlocked> {
        let session = self.session_mut(channel).ok_or(SendBlocked::NotSending)?;
        let number = session.next_delivery_id;
        session.next_delivery_id = number.wrapping_add(1);
        if !settled {
            session.unsettled.push(number, link);
        }
        Ok(number)
    }

    /// Sends frames until the message is out or the window is shut.
    fn send_frames(&mut self, channel: u16, first: Transfer, rest: &mut Parts<'_>) {
        let max_frame = usize::try_from(self.peer_max_frame.min(self.config.max_frame_size));
        let room = max_frame.unwrap_or(usize::MAX) - TRANSFER_HEAD_BYTES_MAX;
        let mut transfer = first;
        loop {
            let Some(session) = self.session_mut(channel) else { return };
            if session.remote_incoming_window == 0 {
                return;
            }
            session.count_outgoing();
            let len = rest.len.min(room);
            transfer.more = len < rest.len;
            self.write(channel, |out| {
                transfer.encode(out);
                rest.take(len, out);
            });
            if !transfer.more {
                return;
            }
            transfer = continuation(transfer.handle);
        }
    }

    /// Goes on with a message that the window had stopped.
    pub(super) fn flush_unsent(&mut self, channel: u16) {
        let Some(session) = self.session_mut(channel) else { return };
        let Some(mut unsent) = session.unsent.take() else { return };
        let Some(handle) = self.links.link(unsent.link).map(|link| link.handle) else { return };
        let parts = [&unsent.rest[..]];
        let mut rest = Parts { parts: &parts, offset: 0, len: unsent.rest.len() };
        self.send_frames(channel, continuation(handle), &mut rest);
        let left = rest.len;
        unsent.rest.advance(unsent.rest.len() - left);
        if left > 0
            && let Some(session) = self.session_mut(channel)
        {
            session.unsent = Some(unsent);
        }
    }
}

/// Frames after the first repeat neither number nor tag nor format: some clients take that as a new
/// delivery.
const fn continuation(handle: u32) -> Transfer {
    Transfer {
        handle,
        delivery_id: None,
        delivery_tag: None,
        is_tag_too_long: false,
        message_format: None,
        settled: None,
        more: false,
        aborted: false,
    }
}

/// What is left of a message in parts.
struct Parts<'a> {
    parts: &'a [&'a [u8]],
    /// Bytes of the first part that are gone.
    offset: usize,
    /// Bytes left in all.
    len: usize,
}

impl Parts<'_> {
    /// Moves `wanted` bytes to the end of `out`; no more than there are.
    fn take(&mut self, wanted: usize, out: &mut BytesMut) {
        let mut wanted = wanted.min(self.len);
        self.len -= wanted;
        while let Some((first, others)) = self.parts.split_first() {
            let rest = &first[self.offset..];
            if wanted < rest.len() {
                out.extend_from_slice(&rest[..wanted]);
                self.offset += wanted;
                return;
            }
            out.extend_from_slice(rest);
            wanted -= rest.len();
            self.offset = 0;
            self.parts = others;
        }
    }
}
