//! Begin: a session and its windows.

use bytes::BytesMut;

use super::{Fields, code};
use crate::codec::amqp::error::DecodeError;
use crate::codec::amqp::primitive::{
    write_descriptor, write_list, write_null, write_option, write_uint, write_ushort,
};

/// The begin performative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// In an answer: the channel of the begin that is answered.
    pub remote_channel: Option<u16>,
    /// Transfer id of the first frame that the sender of this will send.
    pub next_outgoing_id: u32,
    /// Transfer frames that the sender of this accepts.
    pub incoming_window: u32,
    /// Transfer frames that the sender of this may send.
    pub outgoing_window: u32,
    /// Highest link handle that the sender of this accepts; absent reads as no bound.
    pub handle_max: u32,
}

impl Begin {
    pub(super) fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            remote_channel: fields.number("remote-channel")?,
            next_outgoing_id: fields
                .number("next-outgoing-id")?
                .ok_or(DecodeError::MissingField("next-outgoing-id"))?,
            incoming_window: fields
                .number("incoming-window")?
                .ok_or(DecodeError::MissingField("incoming-window"))?,
            outgoing_window: fields
                .number("outgoing-window")?
                .ok_or(DecodeError::MissingField("outgoing-window"))?,
            handle_max: fields.number("handle-max")?.unwrap_or(u32::MAX),
        })
    }

    /// Appends the performative.
    pub fn encode(&self, out: &mut BytesMut) {
        write_descriptor(out, code::BEGIN);
        write_list(out, 8, |out| {
            write_option(out, self.remote_channel, write_ushort);
            write_uint(out, self.next_outgoing_id);
            write_uint(out, self.incoming_window);
            write_uint(out, self.outgoing_window);
            write_uint(out, self.handle_max);
            for _ in 0..3 {
                write_null(out);
            }
        });
    }
}
