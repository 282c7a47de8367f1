//! End: the end of a session.

use bytes::BytesMut;

use super::{AmqpError, Fields, code};
use crate::codec::amqp::error::DecodeError;
use crate::codec::amqp::primitive::{write_descriptor, write_list, write_option};

/// The end performative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct End<'a> {
    /// Why, if not in good order.
    pub error: Option<AmqpError<'a>>,
}

impl<'a> End<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, DecodeError> {
        Ok(Self { error: AmqpError::decode(fields)? })
    }

    /// Appends the performative.
    pub fn encode(&self, out: &mut BytesMut) {
        write_descriptor(out, code::END);
        write_list(out, 1, |out| write_option(out, self.error, |out, error| error.encode(out)));
    }
}
