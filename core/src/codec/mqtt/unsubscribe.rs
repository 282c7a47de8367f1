//! UNSUBSCRIBE (MQTT 3.1.1 section 3.10).
//!
//! ```text
//! packet id u16 | one or more topic filters
//! ```

use bytes::{BufMut, BytesMut};

use super::error::{DecodeError, EncodeError};
use super::field::{Fields, put_sized, sized};
use super::fixed_header;
use super::packet_type::PacketType;
use crate::id::PacketId;

/// A client declines messages that it subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// Identifier that the UNSUBACK repeats.
    pub id: PacketId,
    /// At least one filter, checked at decoding.
    entries: &'a [u8],
}

impl<'a> Unsubscribe<'a> {
    pub(super) fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(body);
        let id = fields.packet_id()?;
        let entries = fields.rest();
        if entries.is_empty() {
            return Err(DecodeError::NoFilter); // [MQTT-3.10.3-2]
        }
        while !fields.is_empty() {
            fields.filter()?;
        }
        Ok(Self { id, entries })
    }

    /// Filters in the order of the packet.
    pub fn filters(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut fields = Fields::new(self.entries);
        // Decoding has seen every filter, so the first failure is the end.
        core::iter::from_fn(move || fields.filter().ok())
    }

    /// Writes the packet.
    ///
    /// # Errors
    /// [`EncodeError::PacketTooLong`]; `out` is unchanged then.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        fixed_header::encode(PacketType::Unsubscribe, 0b0010, 2 + self.entries.len(), out)?;
        out.put_u16(self.id.0.get());
        out.put_slice(self.entries);
        Ok(())
    }

    /// Writes a packet with these filters; at least one is needed.
    ///
    /// # Errors
    /// [`EncodeError`] when a filter does not fit; `out` is unchanged then.
    pub fn encode_filters(
        id: PacketId,
        filters: &[&str],
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        let mut remaining = 2;
        for filter in filters {
            remaining += sized(filter.as_bytes())?;
        }
        fixed_header::encode(PacketType::Unsubscribe, 0b0010, remaining, out)?;
        out.put_u16(id.0.get());
        for filter in filters {
            put_sized(filter.as_bytes(), out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroU16;

    use hex_literal::hex;

    use super::super::tests::{decodes_and_encodes, rejects};
    use super::super::{Packet, decode};
    use super::*;

    const BYTES: [u8; 11] = hex!("a2 09 0007 0001 23 0002 612f");

    #[test]
    fn reads_and_writes_filters_in_order() {
        let Ok(Some((packet @ Packet::Unsubscribe(unsubscribe), _))) = decode(&BYTES) else {
            panic!("{:?}", decode(&BYTES))
        };
        let filters: Vec<_> = unsubscribe.filters().collect();
        assert_eq!(filters, ["#", "a/"]);
        decodes_and_encodes(&BYTES, packet);

        let mut out = BytesMut::new();
        let id = PacketId(NonZeroU16::new(7).unwrap());
        Unsubscribe::encode_filters(id, &filters, &mut out).unwrap();
        assert_eq!(out[..], BYTES);
    }

    #[test]
    fn rejects_what_the_specification_forbids() {
        rejects(&hex!("a2 02 0007"), DecodeError::NoFilter);
        rejects(&hex!("a2 05 0000 0001 23"), DecodeError::ZeroPacketId);
        rejects(&hex!("a2 05 0007 0002 23"), DecodeError::Truncated);
        rejects(&hex!("a2 04 0007 0000"), DecodeError::EmptyTopic);
    }
}
