//! PINGREQ (MQTT 3.1.1 section 3.12), PINGRESP (section 3.13) and DISCONNECT (section 3.14):
//! packets without fields.

use bytes::{BufMut, BytesMut};

use super::error::DecodeError;
use super::field::Fields;
use super::packet_type::PacketType;

/// A client shows that it is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pingreq;

/// Answers a PINGREQ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pingresp;

/// A client leaves on purpose, so that its will is not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect;

impl Pingreq {
    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        Fields::new(body).end().map(|()| Self)
    }

    /// Writes the packet.
    pub fn encode(&self, out: &mut BytesMut) {
        encode(PacketType::Pingreq, out);
    }
}

impl Pingresp {
    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        Fields::new(body).end().map(|()| Self)
    }

    /// Writes the packet.
    pub fn encode(&self, out: &mut BytesMut) {
        encode(PacketType::Pingresp, out);
    }
}

impl Disconnect {
    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        Fields::new(body).end().map(|()| Self)
    }

    /// Writes the packet.
    pub fn encode(&self, out: &mut BytesMut) {
        encode(PacketType::Disconnect, out);
    }
}

fn encode(packet_type: PacketType, out: &mut BytesMut) {
    out.put_slice(&[(packet_type as u8) << 4, 0]);
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::super::Packet;
    use super::super::tests::{decodes_and_encodes, rejects};
    use super::*;

    #[test]
    fn they_have_no_fields() {
        decodes_and_encodes(&hex!("c0 00"), Packet::Pingreq(Pingreq));
        decodes_and_encodes(&hex!("d0 00"), Packet::Pingresp(Pingresp));
        decodes_and_encodes(&hex!("e0 00"), Packet::Disconnect(Disconnect));
        for first in [0xc0, 0xd0, 0xe0] {
            rejects(&[first, 1, 0], DecodeError::TrailingBytes);
        }
    }
}
