//! PUBLISH (MQTT 3.1.1 section 3.3).
//!
//! ```text
//! flags: 3 DUP | 2..1 QoS | 0 RETAIN      topic name | packet id u16 if QoS > 0 | payload to the end
//! ```

use bytes::{BufMut, BytesMut};

use super::Qos;
use super::error::{DecodeError, EncodeError};
use super::field::{Fields, put_sized, sized};
use super::fixed_header;
use super::packet_type::PacketType;
use crate::id::PacketId;

const RETAIN: u8 = 1;
const DUP: u8 = 1 << 3;

/// How a message is delivered, with what only that way of delivery has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// QoS 0: no answer.
    AtMostOnce,
    /// QoS 1: answered by a PUBACK with the same id.
    AtLeastOnce {
        /// Identifier that the acknowledgement repeats.
        id: PacketId,
        /// The sender has sent this packet before.
        dup: bool,
    },
    /// QoS 2: readable, so that a session can tell why it closes.
    ExactlyOnce {
        /// Identifier that the acknowledgement repeats.
        id: PacketId,
        /// The sender has sent this packet before.
        dup: bool,
    },
}

/// A message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Topic name, without wildcard characters [MQTT-3.3.2-2].
    pub topic: &'a str,
    /// Quality of service.
    pub delivery: Delivery,
    /// RETAIN.
    pub retain: bool,
    /// Any bytes, may be empty.
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    pub(super) fn decode(flags: u8, body: &'a [u8]) -> Result<Self, DecodeError> {
        let qos = Qos::from_bits(flags >> 1 & 0b11)?; // [MQTT-3.3.1-4]
        let dup = flags & DUP != 0;
        let mut fields = Fields::new(body);
        let topic = fields.topic_name()?;
        let delivery = match qos {
            Qos::AtMostOnce if dup => return Err(DecodeError::DupWithoutPacketId), // [MQTT-3.3.1-2]
            Qos::AtMostOnce => Delivery::AtMostOnce,
            Qos::AtLeastOnce => Delivery::AtLeastOnce { id: fields.packet_id()?, dup },
            Qos::ExactlyOnce => Delivery::ExactlyOnce { id: fields.packet_id()?, dup },
        };
        Ok(Self { topic, delivery, retain: flags & RETAIN != 0, payload: fields.rest() })
    }

    /// Writes the packet.
    ///
    /// # Errors
    /// [`EncodeError`] when topic or payload do not fit; `out` is unchanged then.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let (qos, id, dup) = match self.delivery {
            Delivery::AtMostOnce => (Qos::AtMostOnce, None, false),
            Delivery::AtLeastOnce { id, dup } => (Qos::AtLeastOnce, Some(id), dup),
            Delivery::ExactlyOnce { id, dup } => (Qos::ExactlyOnce, Some(id), dup),
        };
        let flags =
            (qos as u8) << 1 | if dup { DUP } else { 0 } | if self.retain { RETAIN } else { 0 };
        let id_size = if id.is_some() { 2 } else { 0 };
        let remaining = sized(self.topic.as_bytes())? + id_size + self.payload.len();
        fixed_header::encode(PacketType::Publish, flags, remaining, out)?;
        put_sized(self.topic.as_bytes(), out)?;
        if let Some(PacketId(id)) = id {
            out.put_u16(id.get());
        }
        out.put_slice(self.payload);
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

    const ID: PacketId = PacketId(NonZeroU16::new(0x0a0b).unwrap());

    #[test]
    fn reads_and_writes_every_delivery() {
        let publish =
            |delivery, retain, payload| Publish { topic: "a/b", delivery, retain, payload };
        let cases: [(&[u8], Publish<'_>); 6] = [
            (&hex!("30 05 0003 612f62"), publish(Delivery::AtMostOnce, false, b"")),
            (&hex!("31 07 0003 612f62 6869"), publish(Delivery::AtMostOnce, true, b"hi")),
            (
                &hex!("32 09 0003 612f62 0a0b 6869"),
                publish(Delivery::AtLeastOnce { id: ID, dup: false }, false, b"hi"),
            ),
            (
                &hex!("3b 09 0003 612f62 0a0b 6869"),
                publish(Delivery::AtLeastOnce { id: ID, dup: true }, true, b"hi"),
            ),
            (
                &hex!("34 07 0003 612f62 0a0b"),
                publish(Delivery::ExactlyOnce { id: ID, dup: false }, false, b""),
            ),
            (
                &hex!("3c 08 0003 612f62 0a0b 00"),
                publish(Delivery::ExactlyOnce { id: ID, dup: true }, false, b"\0"),
            ),
        ];
        for (bytes, packet) in cases {
            decodes_and_encodes(bytes, Packet::Publish(packet));
        }
    }

    #[test]
    fn rejects_what_the_specification_forbids() {
        let cases: [(&[u8], DecodeError); 10] = [
            (&hex!("36 05 0001 61 0001"), DecodeError::Qos(3)),
            (&hex!("38 03 0001 61"), DecodeError::DupWithoutPacketId),
            (&hex!("30 02 0000"), DecodeError::EmptyTopic),
            (&hex!("30 05 0003 612b62"), DecodeError::TopicWildcard),
            (&hex!("32 07 0003 612f23 0001"), DecodeError::TopicWildcard),
            (&hex!("32 05 0001 61 0000"), DecodeError::ZeroPacketId),
            (&hex!("32 04 0001 61 00"), DecodeError::Truncated),
            (&hex!("30 03 0002 61"), DecodeError::Truncated),
            (&hex!("30 04 0002 6100"), DecodeError::Nul),
            (&hex!("30 04 0002 61ff"), DecodeError::Utf8),
        ];
        for (bytes, error) in cases {
            rejects(bytes, error);
        }
    }

    #[test]
    fn refuses_a_topic_that_does_not_fit() {
        let topic = "a".repeat(65_536);
        let publish =
            Publish { topic: &topic, delivery: Delivery::AtMostOnce, retain: false, payload: b"" };
        let mut out = BytesMut::new();
        assert_eq!(publish.encode(&mut out), Err(EncodeError::FieldTooLong(65_536)));
        assert!(out.is_empty());
    }
}
