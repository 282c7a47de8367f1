//! PUBACK (MQTT 3.1.1 section 3.4).

use bytes::{BufMut, BytesMut};

use super::error::DecodeError;
use super::field::Fields;
use crate::id::PacketId;

/// Takes over a QoS 1 message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Puback {
    /// Identifier of the packet that is answered.
    pub id: PacketId,
}

impl Puback {
    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(body);
        let id = fields.packet_id()?;
        fields.end()?;
        Ok(Self { id })
    }

    /// Writes the packet.
    pub fn encode(&self, out: &mut BytesMut) {
        let [high, low] = self.id.0.get().to_be_bytes();
        out.put_slice(&[0x40, 2, high, low]);
    }
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
    }

    #[test]
    fn rejects_what_the_specification_forbids() {
        rejects(&hex!("40 02 0000"), DecodeError::ZeroPacketId);
        rejects(&hex!("40 01 12"), DecodeError::Truncated);
        rejects(&hex!("40 03 1234 00"), DecodeError::TrailingBytes);
    }
}
