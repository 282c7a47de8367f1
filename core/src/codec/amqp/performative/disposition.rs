//! Disposition: the state of a range of deliveries.

use bytes::BytesMut;

use super::{DeliveryState, Fields, Role, code};
use crate::codec::amqp::error::DecodeError;
use crate::codec::amqp::primitive::{
    write_bool, write_descriptor, write_list, write_option, write_uint,
};

/// The disposition performative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disposition<'a> {
    /// Role of the sender of this: whose deliveries are meant follows from it.
    pub role: Role,
    /// First delivery id.
    pub first: u32,
    /// Last delivery id, inclusive.
    pub last: u32,
    /// Whether the sender of this has forgotten the deliveries.
    pub settled: bool,
    /// State or outcome.
    pub state: Option<DeliveryState<'a>>,
}

impl<'a> Disposition<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, DecodeError> {
        let role = Role::decode(fields)?;
        let first = fields.number("first")?.ok_or(DecodeError::MissingField("first"))?;
        let last = fields.number("last")?.unwrap_or(first);
        let settled = fields.boolean()?.unwrap_or(false);
        let state = DeliveryState::decode(fields)?;
        Ok(Self { role, first, last, settled, state })
    }

    /// Appends the performative.
    pub fn encode(&self, out: &mut BytesMut) {
        write_descriptor(out, code::DISPOSITION);
        write_list(out, 6, |out| {
            self.role.encode(out);
            write_uint(out, self.first);
            write_uint(out, self.last);
            write_bool(out, self.settled);
            write_option(out, self.state, |out, state| state.encode(out));
            write_bool(out, false);
        });
    }
}
