//! Transfer: one frame of a message.

use bytes::BytesMut;

use super::{Fields, code};
use crate::codec::amqp::error::DecodeError;
use crate::codec::amqp::primitive::{
    write_binary, write_bool, write_descriptor, write_list, write_null, write_option, write_uint,
};

/// Name that a sender gives a delivery: up to 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DeliveryTag {
    len: u8,
    bytes: [u8; Self::LEN_MAX],
}

impl DeliveryTag {
    /// Longest tag in bytes (AMQP 1.0 part 2, section 2.8.7).
    pub const LEN_MAX: usize = 32;

    /// Takes a tag of at most [`LEN_MAX`](Self::LEN_MAX) bytes.
    #[must_use]
    pub fn new(tag: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::LEN_MAX];
        bytes.get_mut(..tag.len())?.copy_from_slice(tag);
        Some(Self { len: u8::try_from(tag.len()).ok()?, bytes })
    }

    /// The tag of a delivery id: its four bytes.
    #[must_use]
    pub fn of_delivery_id(id: u32) -> Self {
        let mut bytes = [0; Self::LEN_MAX];
        bytes[..4].copy_from_slice(&id.to_be_bytes());
        Self { len: 4, bytes }
    }

    /// The bytes of the tag.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl core::fmt::Debug for DeliveryTag {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:02x?}", self.as_bytes())
    }
}

/// The transfer performative; its payload follows it in the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Handle of the link, as the sender of this numbers it.
    pub handle: u32,
    /// Number of the delivery in its session; null on continuation frames.
    pub delivery_id: Option<u32>,
    /// Name of the delivery; null on continuation frames.
    pub delivery_tag: Option<DeliveryTag>,
    /// Whether the tag was longer than tags may be, and was left out.
    pub is_tag_too_long: bool,
    /// Format of the message; null on continuation frames.
    pub message_format: Option<u32>,
    /// Whether the sender has forgotten the delivery; absent leaves it as it was.
    pub settled: Option<bool>,
    /// Whether more frames of this message follow.
    pub more: bool,
    /// Whether the message is given up and to be forgotten.
    pub aborted: bool,
}

impl Transfer {
    #[inline]
    pub(super) fn decode(mut fields: Fields<'_>) -> Result<Self, DecodeError> {
        let handle = fields.number("handle")?.ok_or(DecodeError::MissingField("handle"))?;
        let delivery_id = fields.number("delivery-id")?;
        let tag = fields.binary()?;
        let delivery_tag = tag.and_then(DeliveryTag::new);
        let is_tag_too_long = tag.is_some() && delivery_tag.is_none();
        let message_format = fields.number("message-format")?;
        let settled = fields.boolean()?;
        let more = fields.boolean()?.unwrap_or(false);
        fields.skip(3)?;
        let aborted = fields.boolean()?.unwrap_or(false);
        Ok(Self {
            handle,
            delivery_id,
            delivery_tag,
            is_tag_too_long,
            message_format,
            settled,
            more,
            aborted,
        })
    }

    /// Appends the performative; the payload goes right behind it.
    pub fn encode(&self, out: &mut BytesMut) {
        write_descriptor(out, code::TRANSFER);
        write_list(out, 11, |out| {
            write_uint(out, self.handle);
            write_option(out, self.delivery_id, write_uint);
            write_option(out, self.delivery_tag, |out, tag| write_binary(out, tag.as_bytes()));
            write_option(out, self.message_format, write_uint);
            write_option(out, self.settled, write_bool);
            write_bool(out, self.more);
            for _ in 0..3 {
                write_null(out);
            }
            write_option(out, self.aborted.then_some(true), write_bool);
            write_bool(out, false);
        });
    }
}
