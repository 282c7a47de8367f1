//! A kept message as AMQP devices get it, and what they say about it.
//!
//! The kept sections go out as they are; what is new with every delivery stands before them.
//!
//! Source: device-endpoints reference, "C2D messages", "Settlement".

use bytes::BytesMut;

use super::lock::{LockToken, Verdict};
use crate::codec::amqp::performative::{DeliveryState, DeliveryTag};
use crate::codec::amqp::primitive::{
    write_str, write_symbol, write_timestamp, write_ubyte, write_ulong,
};
use crate::codec::amqp::section::{MapSection, begin_map_section, end_map_section};
use crate::time::UnixMillis;

/// What the hub says about one delivery of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryHead {
    /// Number in the queue of the identity.
    pub sequence_number: u64,
    /// What settles it.
    pub token: LockToken,
    /// When the message was accepted.
    pub enqueued: UnixMillis,
    /// How often it was abandoned before; devices are told at most 255.
    pub delivery_count: u32,
}

impl DeliveryHead {
    /// Appends the message annotations. The content of the message follows as a second part of the
    /// same transfer, unsettled, under [`tag_of`] the token:
    ///
    /// ```text
    ///  send(link, &[&head, &delivery.content], Outgoing { tag: Some(tag_of(token)), ..default })
    /// ```
    pub fn encode(&self, out: &mut BytesMut) {
        let start = begin_map_section(out, MapSection::MessageAnnotations);
        write_symbol(out, "x-opt-sequence-number");
        write_ulong(out, self.sequence_number);
        write_symbol(out, "x-opt-lock-token");
        write_str(out, &self.token.to_string());
        write_symbol(out, "iothub-enqueuedtime");
        write_timestamp(out, self.enqueued.as_millis());
        write_symbol(out, "iothub-deliverycount");
        write_ubyte(out, u8::try_from(self.delivery_count).unwrap_or(u8::MAX));
        end_map_section(out, start, 8);
    }
}

/// The delivery tag of a token: a GUID as .NET lays it out, whose first three groups are
/// little-endian.
#[must_use]
pub fn tag_of(token: LockToken) -> DeliveryTag {
    let bytes = swapped(token.0.to_be_bytes());
    DeliveryTag::new(&bytes).expect("sixteen bytes fit a tag")
}

/// The token of a delivery tag; `None` for one that is no GUID.
#[must_use]
pub fn token_of(tag: &DeliveryTag) -> Option<LockToken> {
    let bytes = <[u8; 16]>::try_from(tag.as_bytes()).ok()?;
    Some(LockToken(u128::from_be_bytes(swapped(bytes))))
}

/// Turns the order of the first three groups around, in either direction.
fn swapped(mut bytes: [u8; 16]) -> [u8; 16] {
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}

/// What the outcome of a delivery means. `None` is no outcome: the message stays locked until its
/// time is over, or its link is gone.
#[must_use]
pub const fn verdict_of(state: Option<&DeliveryState<'_>>) -> Option<Verdict> {
    match state {
        Some(DeliveryState::Accepted) => Some(Verdict::Complete),
        Some(DeliveryState::Released | DeliveryState::Modified { .. }) => Some(Verdict::Abandon),
        Some(DeliveryState::Rejected(_)) => Some(Verdict::Reject),
        Some(DeliveryState::Other) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use hex_literal::hex;

    use super::*;
    use crate::c2d::DeviceMessage;
    use crate::codec::amqp::primitive::Value;
    use crate::codec::amqp::section::{Body, Message, MessageId, Properties, write_data};

    const TOKEN: LockToken = LockToken(0x7b0c_6f9e_0a51_4f5e_9d2c_3a1f_0c2b_9e10);

    #[test]
    fn the_tag_of_the_reference_is_byte_exact() {
        let tag = tag_of(TOKEN);
        assert_eq!(tag.as_bytes(), hex!("9e6f0c7b 510a 5e4f 9d2c 3a1f0c2b9e10"));
        assert_eq!(token_of(&tag), Some(TOKEN));
        assert_eq!(token_of(&DeliveryTag::new(&[0; 15]).unwrap()), None);
        assert_eq!(token_of(&DeliveryTag::new(&[0; 17]).unwrap()), None);
    }

    #[test]
    fn head_and_content_are_one_message_with_one_data_section() {
        for body in [&b"payload"[..], b""] {
            let mut sent = BytesMut::new();
            let properties = Properties {
                message_id: Some(MessageId::Uuid([0xab; 16])),
                to: Some("/devices/d/messages/devicebound"),
                user_id: Some(b"ops"),
                ..Properties::default()
            };
            properties.encode(&mut sent);
            let start = begin_map_section(&mut sent, MapSection::ApplicationProperties);
            for name in ["a", "iothub-ack"] {
                write_str(&mut sent, name);
                write_str(&mut sent, "full");
            }
            end_map_section(&mut sent, start, 4);
            write_data(&mut sent, body);
            let kept = DeviceMessage::read(&sent, UnixMillis::EPOCH, Duration::from_secs(60));
            let kept = kept.unwrap().content;

            let mut out = BytesMut::new();
            let enqueued = UnixMillis::from_millis(1_700_000_000_000);
            DeliveryHead { sequence_number: 12, token: TOKEN, enqueued, delivery_count: 300 }
                .encode(&mut out);
            out.extend_from_slice(&kept);
            let message = Message::decode(&out).unwrap();
            let annotations = message.message_annotations.unwrap();
            for (name, value) in [
                ("x-opt-sequence-number", Value::Ulong(12)),
                ("x-opt-lock-token", Value::Str("7b0c6f9e-0a51-4f5e-9d2c-3a1f0c2b9e10")),
                ("iothub-enqueuedtime", Value::Timestamp(1_700_000_000_000)),
                ("iothub-deliverycount", Value::Ubyte(255)),
            ] {
                assert_eq!(annotations.value(name), Some(value), "{name}");
            }
            let id = "abababab-abab-abab-abab-abababababab";
            assert_eq!(message.properties.message_id, Some(MessageId::Str(id)));
            assert_eq!(message.properties.user_id, Some(&b"ops"[..]));
            let application = message.application_properties.unwrap();
            assert_eq!(application.value("iothub-ack"), Some(Value::Str("full")));
            assert_eq!(message.body, Body::Data(body));
        }
    }

    #[test]
    fn outcomes_are_verdicts() {
        let modified = |delivery_failed, undeliverable_here| {
            Some(DeliveryState::Modified { delivery_failed, undeliverable_here })
        };
        for (state, verdict) in [
            (Some(DeliveryState::Accepted), Some(Verdict::Complete)),
            (Some(DeliveryState::Released), Some(Verdict::Abandon)),
            (modified(false, false), Some(Verdict::Abandon)),
            (modified(true, true), Some(Verdict::Abandon)),
            (Some(DeliveryState::Rejected(None)), Some(Verdict::Reject)),
            (Some(DeliveryState::Other), None),
            (None, None),
        ] {
            assert_eq!(verdict_of(state.as_ref()), verdict, "{state:?}");
        }
    }
}
