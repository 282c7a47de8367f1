//! Method calls over AMQP, and their answers.
//!
//! Source: device-endpoints reference, "Methods over AMQP".

use std::borrow::Cow;

use bytes::BytesMut;

use super::call::{CallId, MethodCall};
use crate::codec::amqp::DecodeError;
use crate::codec::amqp::performative::{AmqpError, Condition};
use crate::codec::amqp::primitive::{Map, Value, write_int, write_str};
use crate::codec::amqp::section::{
    MapSection, Message, MessageId, Properties, begin_map_section, end_map_section, write_data,
};

/// Application property with the name of the method, in the case that clients look for.
const METHOD_NAME: &str = "IoThub-methodname";
/// Application property with the status of an answer.
const STATUS: &str = "IoThub-status";

/// What the bytes of a call's UUID have beside the 64 bits of its number: a UUID of version 8
/// (RFC 9562, section 5.8).
const UUID_FORM: [u8; 16] = [0, 0, 0, 0, 0, 0, 0x80, 0, 0x80, 0, 0, 0, 0, 0, 0, 0];

impl CallId {
    /// The correlation id of the call.
    #[must_use]
    pub fn to_uuid(self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h] = self.0.to_be_bytes();
        let mut uuid = UUID_FORM;
        uuid[..6].copy_from_slice(&[a, b, c, d, e, f]);
        uuid[10..12].copy_from_slice(&[g, h]);
        uuid
    }

    /// The call of a correlation id; `None` for what the hub never wrote.
    #[must_use]
    pub fn from_uuid(uuid: [u8; 16]) -> Option<Self> {
        let [a, b, c, d, e, f, _, _, _, _, g, h, ..] = uuid;
        let id = Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]));
        (id.to_uuid() == uuid).then_some(id)
    }
}

impl MethodCall {
    /// Appends the call as a message with one data section; it goes out settled. Costs a copy of
    /// the payload.
    pub fn encode_amqp(&self, out: &mut BytesMut) {
        let correlation_id = Some(MessageId::Uuid(self.id.to_uuid()));
        Properties { correlation_id, ..Properties::default() }.encode(out);
        let start = begin_map_section(out, MapSection::ApplicationProperties);
        write_str(out, METHOD_NAME);
        write_str(out, &self.invocation.name);
        end_map_section(out, start, 2);
        write_data(out, &self.invocation.payload);
    }
}

/// What a device answered to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmqpAnswer<'a> {
    /// The call; its [`Display`](core::fmt::Display) is the request id of other protocols.
    pub id: CallId,
    /// What the device made of the call; any number.
    pub status: i32,
    /// JSON text, not looked at, or empty.
    pub body: Cow<'a, [u8]>,
}

impl AmqpAnswer<'_> {
    /// Appends the answer under the correlation id of the call, in whichever form (client side).
    pub fn encode_as(correlation_id: MessageId<'_>, status: i32, body: &[u8], out: &mut BytesMut) {
        let correlation_id = Some(correlation_id);
        Properties { correlation_id, ..Properties::default() }.encode(out);
        let start = begin_map_section(out, MapSection::ApplicationProperties);
        write_str(out, STATUS);
        write_int(out, status);
        end_map_section(out, start, 2);
        write_data(out, body);
    }
}

/// A call as it comes to a device (client side).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmqpCall<'a> {
    /// Repeat it with the answer.
    pub correlation_id: MessageId<'a>,
    /// Name of the method.
    pub name: &'a str,
    /// JSON text, or empty.
    pub payload: Cow<'a, [u8]>,
}

impl<'a> AmqpCall<'a> {
    /// Reads a message of the hub; `None` if the hub never sends such a one.
    #[must_use]
    pub fn decode(payload: &'a [u8]) -> Option<Self> {
        let message = Message::decode(payload).ok()?;
        Some(Self {
            correlation_id: message.properties.correlation_id?,
            name: message.application_properties?.value(METHOD_NAME)?.as_text()?,
            payload: message.body.joined(),
        })
    }
}

/// Why a message is no answer: it is rejected, and the call goes on waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAnswer {
    /// No AMQP message.
    #[error("the answer is malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// The correlation id is none of the hub's.
    #[error("the correlation id of the answer is not that of a call")]
    CorrelationId,
    /// The status is missing, or no number.
    #[error("the property {STATUS} of the answer is missing or no 32-bit number")]
    Status,
}

impl InvalidAnswer {
    /// The error for the rejected state.
    #[must_use]
    pub const fn error(&self) -> AmqpError<'static> {
        let text = match self {
            Self::Malformed(_) => "The answer is malformed.",
            Self::CorrelationId => "The correlation id of the answer is not that of a call.",
            Self::Status => "The property IoThub-status of the answer is missing or no number.",
        };
        AmqpError::new(Condition::ArgumentError, text)
    }
}

impl<'a> AmqpAnswer<'a> {
    /// Reads a message of the link for answers.
    ///
    /// The correlation id counts in every form that clients repeat it in: as a UUID, as its sixteen
    /// bytes, or as its text. The status may be of any integer type, or a number as text.
    ///
    /// # Errors
    /// [`InvalidAnswer`].
    pub fn decode(payload: &'a [u8]) -> Result<Self, InvalidAnswer> {
        let message = Message::decode(payload)?;
        let uuid = message.properties.correlation_id.and_then(|id| id.as_uuid());
        let id = uuid.and_then(CallId::from_uuid).ok_or(InvalidAnswer::CorrelationId)?;
        let status = message.application_properties.as_ref().and_then(status_of);
        let status = status.ok_or(InvalidAnswer::Status)?;
        Ok(Self { id, status, body: message.body.joined() })
    }
}

fn status_of(properties: &Map<'_>) -> Option<i32> {
    let is_status =
        |name: &Value<'_>| name.as_text().is_some_and(|name| name.eq_ignore_ascii_case(STATUS));
    let mut pairs = properties.pairs().map_while(Result::ok);
    let (_, value) = pairs.find(|(name, _)| is_status(name))?;
    match value.as_text() {
        Some(text) => text.parse().ok(),
        None => i32::try_from(value.as_integer()?).ok(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hex_literal::hex;

    use super::*;
    use crate::codec::amqp::primitive::uuid_text;
    use crate::codec::amqp::section::Body;
    use crate::method::Invocation;

    const ID: CallId = CallId(0x0011_2233_4455_6677);
    const UUID: [u8; 16] = hex!("00112233 4455 8000 8000 667700000000");

    #[test]
    fn an_id_comes_back_from_its_uuid_and_no_other() {
        for id in [CallId(0), ID, CallId(u64::MAX)] {
            assert_eq!(CallId::from_uuid(id.to_uuid()), Some(id));
        }
        assert_eq!(ID.to_uuid(), UUID);
        for place in [6, 7, 8, 9, 12, 13, 14, 15] {
            let mut other = UUID;
            other[place] ^= 1;
            assert_eq!(CallId::from_uuid(other), None);
        }
    }

    #[test]
    fn calls_have_a_uuid_a_name_and_one_data_section() {
        for payload in [&b""[..], br#"{"minutes":5}"#] {
            let invocation =
                Invocation { name: "defrost".into(), payload: Bytes::from_static(payload) };
            let mut out = BytesMut::new();
            MethodCall { id: ID, invocation }.encode_amqp(&mut out);
            let message = Message::decode(&out).unwrap();
            assert_eq!(message.properties.correlation_id, Some(MessageId::Uuid(UUID)));
            let name = message.application_properties.unwrap().value("IoThub-methodname");
            assert_eq!(name, Some(Value::Str("defrost")));
            assert_eq!(message.body, Body::Data(payload));
        }
    }

    #[test]
    fn a_client_and_the_hub_understand_each_other() {
        let invocation = Invocation { name: "m".into(), payload: Bytes::from_static(b"1") };
        let (mut call, mut reply) = (BytesMut::new(), BytesMut::new());
        MethodCall { id: ID, invocation }.encode_amqp(&mut call);
        let called = AmqpCall::decode(&call).unwrap();
        assert_eq!((called.name, &*called.payload), ("m", &b"1"[..]));
        AmqpAnswer::encode_as(called.correlation_id, -7, b"2", &mut reply);
        let expected = AmqpAnswer { id: ID, status: -7, body: Cow::Borrowed(b"2") };
        assert_eq!(AmqpAnswer::decode(&reply), Ok(expected));
        assert_eq!(AmqpCall::decode(b""), None);
    }

    fn answer(id: Option<MessageId<'_>>, name: &str, status: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        Properties { correlation_id: id, ..Properties::default() }.encode(&mut out);
        let start = begin_map_section(&mut out, MapSection::ApplicationProperties);
        write_str(&mut out, name);
        out.extend_from_slice(status);
        end_map_section(&mut out, start, 2);
        write_data(&mut out, b"{}");
        out
    }

    #[test]
    fn answers_are_known_by_their_id_in_every_form_and_status_in_every_type() {
        let text = uuid_text(&UUID);
        let ids = [MessageId::Uuid(UUID), MessageId::Binary(&UUID), MessageId::Str(&text)];
        let statuses: [&[u8]; 7] = [
            &hex!("71 000000c8"),
            &hex!("52 c8"),
            &hex!("53 c8"),
            &hex!("50 c8"),
            &hex!("81 00000000000000c8"),
            &hex!("61 00c8"),
            &hex!("a103 323030"),
        ];
        for (id, status) in ids.into_iter().flat_map(|id| statuses.map(|status| (id, status))) {
            let bytes = answer(Some(id), "IoThub-status", status);
            let expected = AmqpAnswer { id: ID, status: 200, body: Cow::Borrowed(b"{}") };
            assert_eq!(AmqpAnswer::decode(&bytes), Ok(expected), "{id:?} {status:02x?}");
        }
    }

    #[test]
    fn what_is_no_answer_is_told_why() {
        let id = Some(MessageId::Uuid(UUID));
        let good = &hex!("54 01")[..];
        for (bytes, error) in [
            (answer(None, STATUS, good), InvalidAnswer::CorrelationId),
            (answer(Some(MessageId::Ulong(1)), STATUS, good), InvalidAnswer::CorrelationId),
            (answer(Some(MessageId::Uuid([7; 16])), STATUS, good), InvalidAnswer::CorrelationId),
            (answer(id, "status", good), InvalidAnswer::Status),
            (answer(id, STATUS, &hex!("40")), InvalidAnswer::Status),
            (answer(id, STATUS, &hex!("81 0000000100000000")), InvalidAnswer::Status),
            (BytesMut::from(&b"\x00\x53"[..]), DecodeError::UnexpectedEnd.into()),
        ] {
            assert_eq!(AmqpAnswer::decode(&bytes), Err(error));
            assert_eq!(error.error().condition, "com.microsoft:argument-error");
        }
    }
}
