//! Close: the end of a connection.

use bytes::BytesMut;

use super::{AmqpError, Fields, code};
use crate::codec::amqp::error::DecodeError;
use crate::codec::amqp::primitive::{write_descriptor, write_list, write_option};

/// The close performative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Close<'a> {
    /// Why, if not in good order.
    pub error: Option<AmqpError<'a>>,
}

impl<'a> Close<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, DecodeError> {
        Ok(Self { error: AmqpError::decode(fields)? })
    }

    /// Appends the performative.
    pub fn encode(&self, out: &mut BytesMut) {
        write_descriptor(out, code::CLOSE);
        write_list(out, 1, |out| write_option(out, self.error, |out, error| error.encode(out)));
    }
}
