//! PINGREQ (MQTT 3.1.1 section 3.12).

use bytes::{BufMut, BytesMut};

use super::error::DecodeError;
use super::field::Fields;

/// A client shows that it is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pingreq;

impl Pingreq {
    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        Fields::new(body).end().map(|()| Self)
    }

    /// Writes the packet.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_slice(&[0xc0, 0]);
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::super::Packet;
    use super::super::tests::{decodes_and_encodes, rejects};
    use super::*;

    #[test]
    fn has_no_fields() {
        decodes_and_encodes(&hex!("c0 00"), Packet::Pingreq(Pingreq));
        rejects(&hex!("c0 01 00"), DecodeError::TrailingBytes);
    }
}
