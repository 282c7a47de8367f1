//! MQTT 3.1.1 control packets in both directions, one file for each layout.
//!
//! | Packet | No. | From | File |
//! | --- | --- | --- | --- |
//! | CONNECT | 1 | client | [`connect`] |
//! | CONNACK | 2 | server | [`connack`] |
//! | PUBLISH | 3 | both | [`publish`] |
//! | PUBACK | 4 | both | [`id_only`] |
//! | SUBSCRIBE | 8 | client | [`subscribe`] |
//! | SUBACK | 9 | server | [`suback`] |
//! | UNSUBSCRIBE | 10 | client | [`unsubscribe`] |
//! | UNSUBACK | 11 | server | [`id_only`] |
//! | PINGREQ | 12 | client | [`empty`] |
//! | PINGRESP | 13 | server | [`empty`] |
//! | DISCONNECT | 14 | client | [`empty`] |
//!
//! Decoding borrows everything and allocates nothing. Packets 5 to 7 belong to QoS 2, which the hub
//! does not offer.

pub mod connack;
pub mod connect;
pub mod empty;
pub mod error;
mod field;
pub mod fixed_header;
pub mod id_only;
pub mod packet_type;
pub mod publish;
pub mod suback;
pub mod subscribe;
pub mod unsubscribe;

use bytes::BytesMut;

pub use connack::{Connack, ConnackCode};
pub use connect::{AnyConnect, Connect, ConnectWill};
pub use empty::{Disconnect, Pingreq, Pingresp};
pub use error::{DecodeError, EncodeError};
pub use fixed_header::FixedHeader;
pub use id_only::{Puback, Unsuback};
pub use packet_type::PacketType;
pub use publish::{Delivery, Publish};
pub use suback::Suback;
pub use subscribe::Subscribe;
pub use unsubscribe::Unsubscribe;

use crate::limits::MQTT_PACKET_BYTES_MAX;

/// Quality of service (MQTT 3.1.1 section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Qos {
    /// QoS 0.
    AtMostOnce = 0,
    /// QoS 1.
    AtLeastOnce = 1,
    /// QoS 2.
    ExactlyOnce = 2,
}

impl Qos {
    const fn from_bits(bits: u8) -> Result<Self, DecodeError> {
        match bits {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            2 => Ok(Self::ExactlyOnce),
            _ => Err(DecodeError::Qos(bits)),
        }
    }
}

/// One control packet, borrowed from the bytes that it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is named after the packet that it holds")]
pub enum Packet<'a> {
    Connect(AnyConnect<'a>),
    Connack(Connack),
    Publish(Publish<'a>),
    Puback(Puback),
    Subscribe(Subscribe<'a>),
    Suback(Suback<'a>),
    Unsubscribe(Unsubscribe<'a>),
    Unsuback(Unsuback),
    Pingreq(Pingreq),
    Pingresp(Pingresp),
    Disconnect(Disconnect),
}

/// Reads the packet at the front of `bytes` and gives its size; `None` asks for more bytes.
///
/// # Errors
/// [`DecodeError`]: close the connection without an answer.
pub fn decode(bytes: &[u8]) -> Result<Option<(Packet<'_>, usize)>, DecodeError> {
    decode_within(bytes, MQTT_PACKET_BYTES_MAX)
}

/// Like [`decode`], for packets of at most `packet_bytes_max` bytes, fixed header included.
///
/// A larger packet is refused as soon as its fixed header is there, before its body has arrived.
///
/// # Errors
/// [`DecodeError`]: close the connection without an answer.
pub fn decode_within(
    bytes: &[u8],
    packet_bytes_max: usize,
) -> Result<Option<(Packet<'_>, usize)>, DecodeError> {
    let Some((header, header_size)) = FixedHeader::decode(bytes)? else { return Ok(None) };
    let size = header_size + header.remaining;
    if size > packet_bytes_max {
        return Err(DecodeError::TooLarge { bytes: size, max: packet_bytes_max });
    }
    let Some(body) = bytes.get(header_size..size) else { return Ok(None) };
    Ok(Some((decode_body(header, body)?, size)))
}

fn decode_body(header: FixedHeader, body: &[u8]) -> Result<Packet<'_>, DecodeError> {
    Ok(match header.packet_type {
        PacketType::Connect => Packet::Connect(AnyConnect::decode(body)?),
        PacketType::Connack => Packet::Connack(Connack::decode(body)?),
        PacketType::Publish => Packet::Publish(Publish::decode(header.flags, body)?),
        PacketType::Puback => Packet::Puback(Puback::decode(body)?),
        PacketType::Subscribe => Packet::Subscribe(Subscribe::decode(body)?),
        PacketType::Suback => Packet::Suback(Suback::decode(body)?),
        PacketType::Unsubscribe => Packet::Unsubscribe(Unsubscribe::decode(body)?),
        PacketType::Unsuback => Packet::Unsuback(Unsuback::decode(body)?),
        PacketType::Pingreq => Packet::Pingreq(Pingreq::decode(body)?),
        PacketType::Pingresp => Packet::Pingresp(Pingresp::decode(body)?),
        PacketType::Disconnect => Packet::Disconnect(Disconnect::decode(body)?),
    })
}

impl Packet<'_> {
    /// Writes the packet. A CONNECT of another protocol level has no known layout and writes
    /// nothing.
    ///
    /// # Errors
    /// [`EncodeError`] when a field does not fit; `out` is unchanged then.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        match self {
            Self::Connect(AnyConnect::V4(packet)) => return packet.encode(out),
            Self::Connect(AnyConnect::Other { .. }) => {}
            Self::Connack(packet) => packet.encode(out),
            Self::Publish(packet) => return packet.encode(out),
            Self::Puback(packet) => packet.encode(out),
            Self::Subscribe(packet) => return packet.encode(out),
            Self::Suback(packet) => return packet.encode(out),
            Self::Unsubscribe(packet) => return packet.encode(out),
            Self::Unsuback(packet) => packet.encode(out),
            Self::Pingreq(packet) => packet.encode(out),
            Self::Pingresp(packet) => packet.encode(out),
            Self::Disconnect(packet) => packet.encode(out),
        }
        Ok(())
    }
}

/// Feeds arbitrary bytes to the decoder and checks what must hold for all input; the hook of the
/// fuzz target.
///
/// # Panics
/// When a decoded packet does not encode to a packet equal to it, or more bytes are consumed than
/// given.
pub fn check_arbitrary(mut bytes: &[u8]) {
    while let Ok(Some((packet, size))) = decode(bytes) {
        assert!(size <= bytes.len(), "consumed more than there was");
        check_round_trip(packet);
        bytes = &bytes[size..];
    }
}

fn check_round_trip(packet: Packet<'_>) {
    let mut encoded = BytesMut::new();
    packet.encode(&mut encoded).expect("what was decoded fits its fields");
    if matches!(packet, Packet::Connect(AnyConnect::Other { .. })) {
        return;
    }
    assert_eq!(decode(&encoded), Ok(Some((packet, encoded.len()))), "encoded {encoded:02x?}");
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    /// Checks both directions, every truncation, and that bytes after the packet are left alone.
    #[track_caller]
    pub(super) fn decodes_and_encodes(bytes: &[u8], packet: Packet<'_>) {
        assert_eq!(decode(bytes), Ok(Some((packet, bytes.len()))));
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
        let mut followed = bytes.to_vec();
        followed.extend_from_slice(&hex!("00 ff"));
        assert_eq!(decode(&followed), Ok(Some((packet, bytes.len()))));
        let mut encoded = BytesMut::new();
        packet.encode(&mut encoded).unwrap();
        assert_eq!(encoded[..], *bytes);
    }

    #[track_caller]
    pub(super) fn rejects(bytes: &[u8], error: DecodeError) {
        assert_eq!(decode(bytes), Err(error), "{bytes:02x?}");
    }

    #[test]
    fn refuses_an_oversize_packet_from_its_fixed_header() {
        let header = hex!("30 80 01");
        assert_eq!(decode_within(&header, 131), Ok(None));
        let too_large = Err(DecodeError::TooLarge { bytes: 131, max: 130 });
        assert_eq!(decode_within(&header, 130), too_large);
        let largest = hex!("30 ff ff ff 7f");
        assert!(matches!(decode(&largest), Err(DecodeError::TooLarge { .. })));
    }

    #[test]
    fn short_arbitrary_bytes_never_panic() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                check_arbitrary(&[first, 4, 0, second, second, first]);
            }
        }
    }
}
