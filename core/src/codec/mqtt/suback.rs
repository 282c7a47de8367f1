//! SUBACK (MQTT 3.1.1 section 3.9).

use bytes::{BufMut, BytesMut};

use super::error::{DecodeError, EncodeError};
use super::field::Fields;
use super::fixed_header;
use super::packet_type::PacketType;
use crate::id::PacketId;

/// Code of a filter that the server refused.
pub const FAILURE: u8 = 0x80;

/// Answers a SUBSCRIBE, one code per filter in the same order [MQTT-3.8.4-5].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suback<'a> {
    /// Identifier of the SUBSCRIBE.
    pub id: PacketId,
    /// Granted QoS, or [`FAILURE`].
    pub codes: &'a [u8],
}

impl<'a> Suback<'a> {
    pub(super) fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(body);
        let id = fields.packet_id()?;
        let codes = fields.rest();
        // [MQTT-3.9.3-2]
        match codes.iter().find(|code| !matches!(**code, 0..=2 | FAILURE)) {
            Some(&code) => Err(DecodeError::ReservedAnswer(code)),
            None => Ok(Self { id, codes }),
        }
    }

    /// Writes the packet.
    ///
    /// # Errors
    /// [`EncodeError::PacketTooLong`]; `out` is unchanged then.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        fixed_header::encode(PacketType::Suback, 0, 2 + self.codes.len(), out)?;
        out.put_u16(self.id.0.get());
        out.put_slice(self.codes);
        Ok(())
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
    fn reads_and_writes_codes_in_order() {
        let id = PacketId(NonZeroU16::new(7).unwrap());
        let suback = Suback { id, codes: &[0, 1, 2, FAILURE] };
        decodes_and_encodes(&hex!("90 06 0007 00 01 02 80"), Packet::Suback(suback));
    }

    #[test]
    fn rejects_what_the_specification_forbids() {
        rejects(&hex!("90 03 0007 03"), DecodeError::ReservedAnswer(3));
        rejects(&hex!("90 03 0000 00"), DecodeError::ZeroPacketId);
        rejects(&hex!("90 01 00"), DecodeError::Truncated);
    }
}
