//! Detach: the end of a link.

use bytes::BytesMut;

use super::{AmqpError, Fields, code};
use crate::codec::amqp::error::DecodeError;
use crate::codec::amqp::primitive::{
    write_bool, write_descriptor, write_list, write_option, write_uint,
};

/// The detach performative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detach<'a> {
    /// Handle of the link, as the sender of this numbers it.
    pub handle: u32,
    /// Whether the link is gone for good.
    pub closed: bool,
    /// Why, if not in good order.
    pub error: Option<AmqpError<'a>>,
}

impl<'a> Detach<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            handle: fields.number("handle")?.ok_or(DecodeError::MissingField("handle"))?,
            closed: fields.boolean()?.unwrap_or(false),
            error: AmqpError::decode(fields)?,
        })
    }

    /// Appends the performative.
    pub fn encode(&self, out: &mut BytesMut) {
        write_descriptor(out, code::DETACH);
        write_list(out, 3, |out| {
            write_uint(out, self.handle);
            write_bool(out, self.closed);
            write_option(out, self.error, |out, error| error.encode(out));
        });
    }
}
