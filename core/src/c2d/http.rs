//! A kept message as HTTP devices get it: headers and a body.
//!
//! Source: device-endpoints reference, "C2D (routes 2–5)".

use std::fmt::Write as _;

use super::ack::ACK;
use crate::codec::amqp::primitive::Map;
use crate::codec::amqp::section::{Body, Message, MessageId};
use crate::codec::amqp::{DecodeError, time_text};

/// Headers and body of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpForm<'a> {
    /// Names and values, all of which can stand in a header.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub payload: &'a [u8],
}

impl<'a> HttpForm<'a> {
    /// Turns a kept message into its HTTP form.
    ///
    /// What the sender did not set is left out. A character that no header may hold is written as
    /// `%` and two digits for each of its bytes.
    ///
    /// # Errors
    /// [`DecodeError`] for bytes that are no kept message.
    pub fn of(content: &'a [u8]) -> Result<Self, DecodeError> {
        let message = Message::decode(content)?;
        let properties = message.properties;
        let mut headers = Headers::default();
        headers.set("iothub-messageid", properties.message_id.and_then(text_of));
        headers.set("iothub-to", properties.to);
        headers.set("iothub-correlationid", properties.correlation_id.and_then(text_of));
        let user = properties.user_id.and_then(|user| core::str::from_utf8(user).ok());
        headers.set("iothub-userid", user);
        let expiry = properties.absolute_expiry_time.map(time_text);
        headers.set("iothub-expiry", expiry.as_deref());
        headers.set("content-type", properties.content_type);
        headers.set("content-encoding", properties.content_encoding);
        let application = message.application_properties;
        for pair in application.iter().flat_map(Map::pairs) {
            let (name, value) = pair?;
            let (Some(name), Some(value)) = (name.as_text(), value.as_text()) else { continue };
            if name == ACK {
                headers.set(ACK, Some(value));
            } else {
                headers.0.push((format!("iothub-app-{}", token(name)), field(value)));
            }
        }
        let Body::Data(payload) = message.body else { return Err(DecodeError::WrongType) };
        Ok(Self { headers: headers.0, payload })
    }
}

#[derive(Default)]
struct Headers(Vec<(String, String)>);

impl Headers {
    fn set(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.0.push((name.to_owned(), field(value)));
        }
    }
}

fn text_of(id: MessageId<'_>) -> Option<&str> {
    match id {
        MessageId::Str(text) => Some(text),
        _ => None,
    }
}

/// A text as a name of a header may hold it (RFC 9110, section 5.6.2).
fn token(text: &str) -> String {
    escaped(text, |byte| byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte))
}

/// A text as the value of a header may hold it (RFC 9110, section 5.5).
fn field(text: &str) -> String {
    let is_edge = text.trim_ascii().len() != text.len();
    escaped(text, |byte| byte > b' ' && byte != 0x7f || byte == b' ' && !is_edge)
}

fn escaped(text: &str, may_stay: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let mut bytes = [0; 4];
        let bytes = c.encode_utf8(&mut bytes).as_bytes();
        if bytes.iter().all(|byte| may_stay(*byte)) {
            out.push(c);
        } else {
            for byte in bytes {
                // Writing to a string does not fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use bytes::BytesMut;

    use super::*;
    use crate::c2d::DeviceMessage;
    use crate::codec::amqp::primitive::write_str;
    use crate::codec::amqp::section::{
        MapSection, Properties, begin_map_section, end_map_section, write_data,
    };
    use crate::time::UnixMillis;

    #[test]
    fn what_the_sender_set_stands_in_headers() {
        let mut bytes = BytesMut::new();
        let properties = Properties {
            message_id: Some(MessageId::Str("c-9")),
            to: Some("/devices/d/messages/devicebound"),
            user_id: Some(b"u"),
            content_type: Some("application/json"),
            absolute_expiry_time: Some(60_000),
            ..Properties::default()
        };
        properties.encode(&mut bytes);
        let start = begin_map_section(&mut bytes, MapSection::ApplicationProperties);
        let pairs =
            [("mode", "night"), ("a b", " x"), ("line", "a\r\nb c"), ("iothub-ack", "full")];
        for (name, value) in pairs {
            write_str(&mut bytes, name);
            write_str(&mut bytes, value);
        }
        end_map_section(&mut bytes, start, 8);
        write_data(&mut bytes, b"body");
        let now = UnixMillis::EPOCH;
        let message = DeviceMessage::read(&bytes, now, Duration::from_secs(60)).expect("good");
        let form = HttpForm::of(&message.content).expect("a kept message");
        let headers: Vec<_> = form.headers.iter().map(|(n, v)| format!("{n}: {v}")).collect();
        assert_eq!(
            headers,
            [
                "iothub-messageid: c-9",
                "iothub-to: /devices/d/messages/deviceBound",
                "iothub-userid: u",
                "iothub-expiry: 1970-01-01T00:01:00Z",
                "content-type: application/json",
                "iothub-app-mode: night",
                "iothub-app-a%20b: %20x",
                "iothub-app-line: a%0D%0Ab c",
                "iothub-ack: full",
            ]
        );
        assert_eq!(form.payload, b"body");
    }
}
