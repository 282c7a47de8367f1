//! Flow: windows of a session and credit of a link.

use bytes::BytesMut;

use super::{Fields, code};
use crate::codec::amqp::error::DecodeError;
use crate::codec::amqp::primitive::{
    write_bool, write_descriptor, write_list, write_null, write_option, write_uint,
};

/// The flow performative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Transfer id that the sender of this expects next; absent before it has seen the begin of its
    /// peer.
    pub next_incoming_id: Option<u32>,
    /// Transfer frames that the sender of this accepts from there on.
    pub incoming_window: u32,
    /// Transfer id that the sender of this sends next.
    pub next_outgoing_id: u32,
    /// Transfer frames that the sender of this may send.
    pub outgoing_window: u32,
    /// State of one link, if the flow is about one.
    pub link: Option<LinkFlow>,
    /// Whether an answer is wanted.
    pub echo: bool,
}

/// The part of a flow that concerns a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkFlow {
    /// Handle of the link, as the sender of this numbers it.
    pub handle: u32,
    /// Deliveries so far; absent from a receiver that has not seen the attach of its peer.
    pub delivery_count: Option<u32>,
    /// Deliveries that may follow; absent leaves it as it was.
    pub link_credit: Option<u32>,
    /// Deliveries that the sender of the link could make.
    pub available: u32,
    /// Whether credit is to be used up, by deliveries or without.
    pub drain: bool,
}

impl Flow {
    pub(super) fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let next_incoming_id = fields.number("next-incoming-id")?;
        let incoming_window = fields
            .number("incoming-window")?
            .ok_or(DecodeError::MissingField("incoming-window"))?;
        let next_outgoing_id = fields
            .number("next-outgoing-id")?
            .ok_or(DecodeError::MissingField("next-outgoing-id"))?;
        let outgoing_window = fields
            .number("outgoing-window")?
            .ok_or(DecodeError::MissingField("outgoing-window"))?;
        let handle: Option<u32> = fields.number("handle")?;
        let delivery_count = fields.number("delivery-count")?;
        let link_credit = fields.number("link-credit")?;
        let available = fields.number("available")?.unwrap_or(0);
        let drain = fields.boolean()?.unwrap_or(false);
        let echo = fields.boolean()?.unwrap_or(false);
        let link =
            handle.map(|handle| LinkFlow { handle, delivery_count, link_credit, available, drain });
        Ok(Self {
            next_incoming_id,
            incoming_window,
            next_outgoing_id,
            outgoing_window,
            link,
            echo,
        })
    }

    /// Appends the performative.
    pub fn encode(&self, out: &mut BytesMut) {
        write_descriptor(out, code::FLOW);
        write_list(out, 11, |out| {
            write_option(out, self.next_incoming_id, write_uint);
            write_uint(out, self.incoming_window);
            write_uint(out, self.next_outgoing_id);
            write_uint(out, self.outgoing_window);
            write_option(out, self.link.map(|link| link.handle), write_uint);
            write_option(out, self.link.and_then(|link| link.delivery_count), write_uint);
            write_option(out, self.link.and_then(|link| link.link_credit), write_uint);
            write_option(out, self.link.map(|link| link.available), write_uint);
            write_bool(out, self.link.is_some_and(|link| link.drain));
            write_bool(out, self.echo);
            write_null(out);
        });
    }
}
