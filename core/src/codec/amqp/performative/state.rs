//! Delivery states and outcomes.

use bytes::BytesMut;

use super::{AmqpError, Fields, code};
use crate::codec::amqp::error::DecodeError;
use crate::codec::amqp::primitive::{
    write_bool, write_descriptor, write_empty_list, write_list, write_null, write_option,
};

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DeliveryState<'a> {
    /// Taken.
    Accepted,
    /// Refused as it is, for a reason that may be given.
    Rejected(Option<AmqpError<'a>>),
    /// Not taken; another attempt may succeed.
    Released,
    /// Not taken, and to be changed before another attempt.
    Modified {
        /// Whether the attempt counts as failed.
        delivery_failed: bool,
        /// Whether this receiver must not get it again.
        undeliverable_here: bool,
    },
    /// A state that is no outcome: parts have arrived.
    Other,
}

impl<'a> DeliveryState<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Option<Self>, DecodeError> {
        let Some((descriptor, mut fields)) = fields.composite()? else { return Ok(None) };
        Ok(Some(match u8::try_from(descriptor) {
            Ok(code::ACCEPTED) => Self::Accepted,
            // A broken reason must not end the connection, which others may be using.
            Ok(code::REJECTED) => Self::Rejected(AmqpError::decode(&mut fields).ok().flatten()),
            Ok(code::RELEASED) => Self::Released,
            Ok(code::MODIFIED) => Self::Modified {
                delivery_failed: fields.boolean()?.unwrap_or(false),
                undeliverable_here: fields.boolean()?.unwrap_or(false),
            },
            _ => Self::Other,
        }))
    }

    /// Appends the state; one that is no outcome is written as null.
    pub(super) fn encode(&self, out: &mut BytesMut) {
        match *self {
            Self::Accepted => encode_empty(code::ACCEPTED, out),
            Self::Released => encode_empty(code::RELEASED, out),
            Self::Rejected(error) => {
                write_descriptor(out, code::REJECTED);
                write_list(out, 1, |out| {
                    write_option(out, error, |out, error| error.encode(out));
                });
            }
            Self::Modified { delivery_failed, undeliverable_here } => {
                write_descriptor(out, code::MODIFIED);
                write_list(out, 3, |out| {
                    write_bool(out, delivery_failed);
                    write_bool(out, undeliverable_here);
                    write_null(out);
                });
            }
            Self::Other => write_null(out),
        }
    }
}

fn encode_empty(code: u8, out: &mut BytesMut) {
    write_descriptor(out, code);
    write_empty_list(out);
}
