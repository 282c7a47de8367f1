//! `$cbs`: requests to put a token.
//!
//! Answer each request with a disposition first and the [`RequestReply`] second: one client takes
//! any other order for a fault.
//!
//! Source: service-endpoints reference, "CBS".

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::codec::amqp::DecodeError;
use crate::codec::amqp::performative::Condition;
use crate::codec::amqp::primitive::{Map, Value};
use crate::codec::amqp::section::{Body, Message, MessageId};
use crate::id::{DeviceId, Identity, ModuleId};

use super::reply::RequestReply;
use crate::auth::Scope;

/// A request to `$cbs`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CbsRequest<'a> {
    /// Id to answer with.
    pub message_id: Option<MessageId<'a>>,
    /// Target address or name of the link for the answer.
    pub reply_to: Option<&'a str>,
    /// What is asked, or why it cannot be done.
    pub put_token: Result<PutToken<'a>, CbsFault>,
}

/// The token and what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutToken<'a> {
    /// Kind of token as the client calls it; the text of the token tells more.
    pub token_type: &'a str,
    /// Audience as spelled, perhaps percent-encoded.
    pub audience: &'a str,
    /// When it expires, in milliseconds since the Unix epoch, if the client said so.
    pub expiration: Option<i64>,
    /// The token itself, without a leading `Bearer `.
    pub token: &'a str,
}

/// What the resource of a token stands for, be it a token's own (`sr`) or an audience.
///
/// The audience of a request is not what counts for a device: one client encodes it, another names
/// its gateway in it. Take the subject of the token's own scope.
///
/// Source: device-endpoints reference, "CBS node `$cbs`", "Scope and permission rules".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSubject {
    /// All of the hub: the host alone.
    Hub,
    /// `devices`: every device and module, as gateways have it with the key of a policy.
    Devices,
    /// `devices/{d}` or `devices/{d}/modules/{m}`, whatever node follows. The scope of a device
    /// covers its modules too.
    Identity(Identity),
    /// Something else: a node of back ends, or an id that cannot be.
    Other,
}

impl TokenSubject {
    /// Finds what a scope stands for.
    #[must_use]
    pub fn of(scope: &Scope<'_>) -> Self {
        let mut path = scope.path().filter(|segment| !segment.starts_with("api-version="));
        match path.next() {
            None => return Self::Hub,
            Some(devices) if devices.eq_ignore_ascii_case("devices") => {}
            Some(_) => return Self::Other,
        }
        let Some(device) = path.next() else { return Self::Devices };
        let Ok(device) = DeviceId::parse(&decoded(device)) else { return Self::Other };
        let module = match path.next() {
            Some(modules) if modules.eq_ignore_ascii_case("modules") => path.next(),
            _ => return Self::Identity(Identity { device, module: None }),
        };
        match module.map(|module| ModuleId::parse(&decoded(module))) {
            None => Self::Identity(Identity { device, module: None }),
            Some(Ok(module)) => Self::Identity(Identity { device, module: Some(module) }),
            Some(Err(_)) => Self::Other,
        }
    }
}

/// Some clients encode ids before they encode the whole.
fn decoded(id: &str) -> Cow<'_, str> {
    percent_decode_str(id).decode_utf8().unwrap_or_default()
}

/// Why a request is no put-token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CbsFault {
    /// Another operation, or none.
    #[error("The operation is not supported; only put-token is.")]
    Operation,
    /// No audience.
    #[error("MalformedToken: The request names no audience.")]
    Audience,
    /// No token in the body.
    #[error("MalformedToken: The request holds no token.")]
    Token,
}

impl CbsFault {
    /// The answer that tells it.
    #[must_use]
    pub const fn reply(self, correlation_id: Option<MessageId<'_>>) -> RequestReply<'_> {
        let (status, description, condition) = match self {
            Self::Operation => {
                (501, "Only the operation put-token is supported.", Condition::NotImplemented)
            }
            Self::Audience => {
                (400, "MalformedToken: the name property is missing.", Condition::ArgumentError)
            }
            Self::Token => (400, "MalformedToken: the body is empty.", Condition::ArgumentError),
        };
        RequestReply { correlation_id, status, description, condition: Some(condition) }
    }
}

impl<'a> CbsRequest<'a> {
    /// Reads a request.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are no message.
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let message = Message::decode(payload)?;
        Ok(Self {
            message_id: message.properties.message_id,
            reply_to: message.properties.reply_to,
            put_token: put_token(&message),
        })
    }
}

fn put_token<'a>(message: &Message<'a>) -> Result<PutToken<'a>, CbsFault> {
    let asked = message.application_properties.ok_or(CbsFault::Operation)?;
    if text_of(&asked, "operation") != Some("put-token") {
        return Err(CbsFault::Operation);
    }
    let token = token_text(&message.body).ok_or(CbsFault::Token)?;
    Ok(PutToken {
        token_type: text_of(&asked, "type").unwrap_or_default(),
        audience: text_of(&asked, "name").ok_or(CbsFault::Audience)?,
        expiration: asked.value("expiration").and_then(|value| value.as_integer()),
        token: token.strip_prefix("Bearer ").unwrap_or(token),
    })
}

fn token_text<'a>(body: &Body<'a>) -> Option<&'a str> {
    let text = match *body {
        Body::Value(Value::Str(text) | Value::Symbol(text)) => text,
        Body::Value(Value::Binary(bytes)) | Body::Data(bytes) => {
            core::str::from_utf8(bytes).ok()?
        }
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

fn text_of<'a>(map: &Map<'a>, key: &str) -> Option<&'a str> {
    map.value(key)?.as_text()
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use hex_literal::hex;

    use super::*;
    use crate::codec::amqp::primitive::{write_str, write_timestamp};
    use crate::codec::amqp::section::{
        MapSection, Properties, begin_map_section, end_map_section, write_null_body,
        write_value_descriptor,
    };

    #[test]
    fn the_subject_of_a_token_is_found_in_every_form_of_its_resource() {
        let identity = |device: &str, module: Option<&str>| {
            let module = module.map(|module| ModuleId::parse(module).unwrap());
            let device = DeviceId::parse(device).unwrap();
            TokenSubject::Identity(Identity { device, module })
        };
        for (resource, expected) in [
            ("demo.example", TokenSubject::Hub),
            ("demo.example/", TokenSubject::Hub),
            ("demo.example%2fdevices", TokenSubject::Devices),
            ("demo.example/Devices/", TokenSubject::Devices),
            ("demo.example%2Fdevices%2Fcooler-7", identity("cooler-7", None)),
            ("amqps%3a%2f%2fdemo.example%3A5671%2fdevices%2fcooler-7", identity("cooler-7", None)),
            ("demo.example/devices/a%253A1", identity("a:1", None)),
            ("demo.example/devices/cooler-7/api-version=2016-11-14", identity("cooler-7", None)),
            ("demo.example/devices/cooler-7/messages/events", identity("cooler-7", None)),
            ("demo.example/devices/cooler-7/modules/pump", identity("cooler-7", Some("pump"))),
            ("demo.example/devices/a b", TokenSubject::Other),
            ("demo.example/devices/a/modules/b c", TokenSubject::Other),
            ("demo.example/messages/events", TokenSubject::Other),
        ] {
            let scope = Scope::decode(resource).unwrap();
            assert_eq!(TokenSubject::of(&scope), expected, "{resource}");
        }
    }

    fn request(pairs: &[(&str, &str)], token: Option<&str>) -> BytesMut {
        let mut out = BytesMut::new();
        let properties = Properties {
            message_id: Some(MessageId::Ulong(0)),
            reply_to: Some("cbs"),
            ..Properties::default()
        };
        properties.encode(&mut out);
        let start = begin_map_section(&mut out, MapSection::ApplicationProperties);
        for (key, value) in pairs {
            write_str(&mut out, key);
            write_str(&mut out, value);
        }
        write_str(&mut out, "expiration");
        write_timestamp(&mut out, 5);
        let count = u32::try_from(pairs.len() * 2 + 2).unwrap();
        end_map_section(&mut out, start, count);
        match token {
            None => write_null_body(&mut out),
            Some(token) => {
                write_value_descriptor(&mut out);
                write_str(&mut out, token);
            }
        }
        out
    }

    const WHOLE: [(&str, &str); 3] =
        [("operation", "put-token"), ("type", "jwt"), ("name", "hub/devices/d")];

    #[test]
    fn reads_a_put_token() {
        let bytes = request(&WHOLE, Some("Bearer x.y.z"));
        let request = CbsRequest::decode(&bytes).unwrap();
        assert_eq!(request.message_id, Some(MessageId::Ulong(0)));
        assert_eq!(request.reply_to, Some("cbs"));
        let expected = PutToken {
            token_type: "jwt",
            audience: "hub/devices/d",
            expiration: Some(5),
            token: "x.y.z",
        };
        assert_eq!(request.put_token, Ok(expected));
    }

    #[test]
    fn tells_what_is_missing() {
        for (pairs, token, fault) in [
            (&WHOLE[1..], Some("t"), CbsFault::Operation),
            (&[("operation", "delete-token")], Some("t"), CbsFault::Operation),
            (&WHOLE[..2], Some("t"), CbsFault::Audience),
            (&WHOLE[..], None, CbsFault::Token),
            (&WHOLE[..], Some(""), CbsFault::Token),
        ] {
            let bytes = request(pairs, token);
            assert_eq!(CbsRequest::decode(&bytes).unwrap().put_token, Err(fault));
        }
        assert!(CbsRequest::decode(b"\0").is_err());
    }

    #[test]
    fn the_answer_is_byte_exact() {
        let uuid = hex!("00112233445566778899aabbccddeeff");
        let mut out = BytesMut::new();
        RequestReply::ok(Some(MessageId::Uuid(uuid))).encode(&mut out);
        let expected =
            [
                &hex!(
                    "005373 c01e0d 4040404040 98 00112233445566778899aabbccddeeff 40404040404040"
                )[..],
                &hex!("005374 c12b04 a10b"),
                b"status-code",
                &hex!("71000000c8 a112"),
                b"status-description",
                &hex!("a102 4f4b 005377 40"),
            ]
            .concat();
        assert_eq!(out[..], expected);
    }
}
