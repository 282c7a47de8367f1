//! PUBACK (MQTT 3.1.1 section 3.4) and UNSUBACK (section 3.11): a packet identifier and nothing
//! else.

use bytes::{BufMut, BytesMut};

use super::error::DecodeError;
use super::field::Fields;
use super::packet_type::PacketType;
use crate::id::PacketId;

/// Takes over a QoS 1 message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Puback {
    /// Identifier of the packet that is answered.
    pub id: PacketId,
}

/// Answers an UNSUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsuback {
    /// Identifier of the packet that is answered.
    pub id: PacketId,
}

impl Puback {
    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        decode(body).map(|id| Self { id })
    }

    /// Writes the packet.
    pub fn encode(&self, out: &mut BytesMut) {
        encode(PacketType::Puback, self.id, out);
    }
}

impl Unsuback {
    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        decode(body).map(|id| Self { id })
    }

    /// Writes the packet.
    pub fn encode(&self, out: &mut BytesMut) {
        encode(PacketType::Unsuback, self.id, out);
    }
}

fn decode(body: &[u8]) -> Result<PacketId, DecodeError> {
    let mut fields = Fields::new(body);
    let id = fields.packet_id()?;
    fields.end()?;
    Ok(id)
}

fn encode(packet_type: PacketType, id: PacketId, out: &mut BytesMut) {
    let [high, low] = id.0.get().to_be_bytes();
    out.put_slice(&[(packet_type as u8) << 4, 2, high, low]);
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroU16;

    use hex_literal::hex;

    use super::super::Packet;
    use super::super::tests::{decodes_and_encodes, rejects};
    use super::*;

    #[test]
    fn reads_and_writes() {
        let id = PacketId(NonZeroU16::new(0x1234).unwrap());
        decodes_and_encodes(&hex!("40 02 1234"), Packet::Puback(Puback { id }));
        decodes_and_encodes(&hex!("b0 02 1234"), Packet::Unsuback(Unsuback { id }));
    }

    #[test]
    fn rejects_what_the_specification_forbids() {
        for first in [0x40, 0xb0] {
            rejects(&[first, 2, 0, 0], DecodeError::ZeroPacketId);
            rejects(&[first, 1, 0x12], DecodeError::Truncated);
            rejects(&[first, 3, 0x12, 0x34, 0], DecodeError::TrailingBytes);
        }
    }
}
