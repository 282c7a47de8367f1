//! SUBSCRIBE (MQTT 3.1.1 section 3.8).
//!
//! ```text
//! packet id u16 | one or more of: topic filter | requested QoS u8
//! ```

use bytes::{BufMut, BytesMut};

use super::Qos;
use super::error::{DecodeError, EncodeError};
use super::field::{Fields, put_sized, sized};
use super::fixed_header;
use super::packet_type::PacketType;
use crate::id::PacketId;

/// A client's request for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// Identifier that the SUBACK repeats.
    pub id: PacketId,
    /// At least one filter with its QoS, checked at decoding.
    entries: &'a [u8],
}

impl<'a> Subscribe<'a> {
    pub(super) fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(body);
        let id = fields.packet_id()?;
        let entries = fields.rest();
        if entries.is_empty() {
            return Err(DecodeError::NoFilter); // [MQTT-3.8.3-3]
        }
        while !fields.is_empty() {
            decode_entry(&mut fields)?;
        }
        Ok(Self { id, entries })
    }

    /// Filters and requested QoS in the order of the packet.
    pub fn filters(&self) -> impl Iterator<Item = (&'a str, Qos)> + use<'a> {
        let mut fields = Fields::new(self.entries);
        // Decoding has seen every entry, so the first failure is the end.
        core::iter::from_fn(move || decode_entry(&mut fields).ok())
    }

    /// Writes the packet.
    ///
    /// # Errors
    /// [`EncodeError::PacketTooLong`]; `out` is unchanged then.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        fixed_header::encode(PacketType::Subscribe, 0b0010, 2 + self.entries.len(), out)?;
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
        filters: &[(&str, Qos)],
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        let mut remaining = 2;
        for (filter, _) in filters {
            remaining += sized(filter.as_bytes())? + 1;
        }
        fixed_header::encode(PacketType::Subscribe, 0b0010, remaining, out)?;
        out.put_u16(id.0.get());
        for (filter, qos) in filters {
            put_sized(filter.as_bytes(), out)?;
            out.put_u8(*qos as u8);
        }
        Ok(())
    }
}

fn decode_entry<'a>(fields: &mut Fields<'a>) -> Result<(&'a str, Qos), DecodeError> {
    let filter = fields.filter()?;
    let qos = Qos::from_bits(fields.u8()?)?; // [MQTT-3-8.3-4]
    Ok((filter, qos))
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroU16;

    use hex_literal::hex;

    use super::super::tests::{decodes_and_encodes, rejects};
    use super::super::{Packet, decode};
    use super::*;

    const BYTES: [u8; 13] = hex!("82 0b 0007 0001 23 01 0002 612f 00");

    #[test]
    fn reads_and_writes_filters_in_order() {
        let Ok(Some((packet @ Packet::Subscribe(subscribe), _))) = decode(&BYTES) else {
            panic!("{:?}", decode(&BYTES))
        };
        assert_eq!(subscribe.id.0.get(), 7);
        let filters: Vec<_> = subscribe.filters().collect();
        assert_eq!(filters, [("#", Qos::AtLeastOnce), ("a/", Qos::AtMostOnce)]);
        decodes_and_encodes(&BYTES, packet);

        let mut out = BytesMut::new();
        let id = PacketId(NonZeroU16::new(7).unwrap());
        Subscribe::encode_filters(id, &filters, &mut out).unwrap();
        assert_eq!(out[..], BYTES);
    }

    #[test]
    fn rejects_what_the_specification_forbids() {
        let cases: [(&[u8], DecodeError); 7] = [
            (&hex!("82 02 0007"), DecodeError::NoFilter),
            (&hex!("82 06 0000 0001 23 01"), DecodeError::ZeroPacketId),
            (&hex!("82 06 0007 0001 23 03"), DecodeError::Qos(3)),
            (&hex!("82 06 0007 0001 23 81"), DecodeError::Qos(0x81)),
            (&hex!("82 05 0007 0001 23"), DecodeError::Truncated),
            (&hex!("82 05 0007 0000 01"), DecodeError::EmptyTopic),
            (&hex!("82 07 0007 0002 6123 01"), DecodeError::Wildcard),
        ];
        for (bytes, error) in cases {
            rejects(bytes, error);
        }
    }
}
