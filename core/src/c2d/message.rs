//! A message to a device, as back ends send it over AMQP and as it is kept.
//!
//! It is kept as the AMQP sections that a device would get: properties, application properties and
//! one data section, ids and values as text.

use core::time::Duration;
use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

use super::ack::{ACK, AckLevel};
use super::bag::{MqttForm, escape};
use crate::codec::amqp::primitive::{Map, Value, write_str};
use crate::codec::amqp::section::{
    Body, MapSection, Message, MessageId, Properties, begin_map_section, end_map_section,
    write_data,
};
use crate::codec::amqp::{DecodeError, id_text, value_text};
use crate::id::Identity;
use crate::limits::{C2D_BAG_BYTES_MAX, C2D_MESSAGE_BYTES_MAX, C2D_TTL_MAX, MESSAGE_ID_CHARS_MAX};
use crate::session::amqp::{DeviceNode, NodeAddress};
use crate::time::UnixMillis;

/// A message that may go into a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceMessage {
    /// Whom it is for.
    pub identity: Identity,
    /// Of which outcomes the sender wants to hear.
    pub ack: AckLevel,
    /// When it is worth nothing any more.
    pub expires: UnixMillis,
    /// Properties and body as AMQP sections.
    pub content: Bytes,
}

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// No AMQP message.
    #[error("the message is malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// `to` is no queue of a device or module.
    #[error("the property 'to' must be /devices/{{id}}/messages/devicebound")]
    To,
    /// `iothub-ack` has another value.
    #[error("iothub-ack is none, positive, negative or full")]
    Ack,
    /// The expiry lies in the past, or too far ahead.
    #[error("the expiry must lie in the future and not more than two days ahead (403009)")]
    Expiry,
    /// A message id that is too long.
    #[error("a message id has at most 128 characters")]
    MessageId,
    /// Bytes where devices need text, or text where they need a symbol.
    #[error("ids and user id must be text, content type and encoding ASCII")]
    NotText,
    /// A property without a name, or of a type that has no text.
    #[error("properties must have names, and be text, numbers, booleans or times")]
    Property,
    /// A body that is not made of bytes.
    #[error("the body must be data sections")]
    Body,
    /// Too many bytes.
    #[error("the message is larger than 65536 bytes (413001)")]
    TooLarge,
}

impl DeviceMessage {
    /// Reads a message as it came over a link; without an expiry of its own it lives for `ttl`.
    ///
    /// # Errors
    /// [`Unacceptable`], to be told to the sender.
    ///
    /// Source: service-endpoints reference, "Link and message".
    pub fn read(sections: &[u8], now: UnixMillis, ttl: Duration) -> Result<Self, Unacceptable> {
        let message = Message::decode(sections)?;
        let asked = message.properties;
        let identity = recipient(asked.to.ok_or(Unacceptable::To)?)?;
        let expires = expiry(asked.absolute_expiry_time, now, ttl)?;
        let mut writer = Writer::default();
        writer.properties(&asked, &identity)?;
        let ack = writer.application_properties(message.application_properties)?;
        writer.body(&message.body)?;
        let content = writer.finish()?;
        Ok(Self { identity, ack, expires, content })
    }
}

/// The id that the sender gave a kept message.
#[must_use]
pub fn message_id(content: &[u8]) -> Option<&str> {
    match Message::decode(content).ok()?.properties.message_id? {
        MessageId::Str(text) => Some(text),
        _ => None,
    }
}

fn recipient(to: &str) -> Result<Identity, Unacceptable> {
    match NodeAddress::parse(to) {
        NodeAddress::Device { identity, node: DeviceNode::DeviceBound } => Ok(identity),
        _ => Err(Unacceptable::To),
    }
}

fn expiry(asked: Option<i64>, now: UnixMillis, ttl: Duration) -> Result<UnixMillis, Unacceptable> {
    let ahead = |span: Duration| {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        UnixMillis::from_millis(now.as_millis().saturating_add(millis))
    };
    let expires = asked.map_or_else(|| ahead(ttl), UnixMillis::from_millis);
    let is_good = now < expires && expires <= ahead(C2D_TTL_MAX);
    if is_good { Ok(expires) } else { Err(Unacceptable::Expiry) }
}

/// Writes the kept form and counts what the size limit counts.
#[derive(Default)]
struct Writer {
    out: BytesMut,
    size: usize,
}

impl Writer {
    fn properties(&mut self, asked: &Properties<'_>, to: &Identity) -> Result<(), Unacceptable> {
        let message_id = asked.message_id.map(id_as_text).transpose()?;
        if message_id.as_ref().is_some_and(|id| id.chars().count() > MESSAGE_ID_CHARS_MAX) {
            return Err(Unacceptable::MessageId);
        }
        let correlation_id = asked.correlation_id.map(id_as_text).transpose()?;
        if let Some(user) = asked.user_id {
            core::str::from_utf8(user).map_err(|_| Unacceptable::NotText)?;
        }
        let symbols = [asked.content_type, asked.content_encoding];
        if !symbols.into_iter().flatten().all(str::is_ascii) {
            return Err(Unacceptable::NotText);
        }
        let to = queue_path(to);
        let texts = [message_id.as_deref(), correlation_id.as_deref(), Some(&*to)];
        let more = [asked.content_type, asked.content_encoding, asked.reply_to];
        self.size += texts.iter().chain(&more).flatten().map(|text| text.len()).sum::<usize>();
        self.size += asked.user_id.map_or(0, <[u8]>::len);
        let kept = Properties {
            message_id: message_id.as_deref().map(MessageId::Str),
            user_id: asked.user_id,
            to: Some(&to),
            reply_to: asked.reply_to,
            correlation_id: correlation_id.as_deref().map(MessageId::Str),
            content_type: asked.content_type,
            content_encoding: asked.content_encoding,
            absolute_expiry_time: asked.absolute_expiry_time,
            creation_time: asked.creation_time,
            ..Properties::default()
        };
        kept.encode(&mut self.out);
        Ok(())
    }

    fn application_properties(&mut self, asked: Option<Map<'_>>) -> Result<AckLevel, Unacceptable> {
        let mut ack = AckLevel::None;
        let Some(asked) = asked else { return Ok(ack) };
        let start = begin_map_section(&mut self.out, MapSection::ApplicationProperties);
        let mut elements = 0;
        for pair in asked.pairs() {
            let (name, value) = pair?;
            // No bag has a place for what has no name.
            let name = name.as_text().filter(|name| !name.is_empty());
            let name = name.ok_or(Unacceptable::Property)?;
            let Some(mut value) = property_text(value)? else { continue };
            if name == ACK {
                ack = AckLevel::parse(&value).ok_or(Unacceptable::Ack)?;
                value = ack.name().into();
            }
            self.size += name.len() + value.len();
            write_str(&mut self.out, name);
            write_str(&mut self.out, &value);
            elements += 2;
        }
        end_map_section(&mut self.out, start, elements);
        Ok(ack)
    }

    fn body(&mut self, body: &Body<'_>) -> Result<(), Unacceptable> {
        let is_bytes = matches!(
            body,
            Body::Absent
                | Body::Data(_)
                | Body::DataSections(_)
                | Body::Value(Value::Binary(_) | Value::Str(_) | Value::Null)
        );
        if !is_bytes {
            return Err(Unacceptable::Body);
        }
        let whole = body.joined();
        self.size += whole.len();
        write_data(&mut self.out, &whole);
        Ok(())
    }

    /// A message whose bag fits no topic could never be delivered over MQTT.
    fn finish(self) -> Result<Bytes, Unacceptable> {
        if self.size > C2D_MESSAGE_BYTES_MAX {
            return Err(Unacceptable::TooLarge);
        }
        let bag_len = MqttForm::of(&self.out)?.bag.len();
        if bag_len > C2D_BAG_BYTES_MAX {
            Err(Unacceptable::TooLarge)
        } else {
            Ok(self.out.freeze())
        }
    }
}

/// The address of a queue, with ids as paths have them: clients decode each segment.
fn queue_path(identity: &Identity) -> String {
    let device = escape(identity.device.as_str().as_bytes());
    match &identity.module {
        None => format!("/devices/{device}/messages/deviceBound"),
        Some(module) => {
            let module = escape(module.as_str().as_bytes());
            format!("/devices/{device}/modules/{module}/messages/deviceBound")
        }
    }
}

fn id_as_text(id: MessageId<'_>) -> Result<Cow<'_, str>, Unacceptable> {
    id_text(id).ok_or(Unacceptable::NotText)
}

/// The value of a property as devices get it; `None` for null, which they do not get.
fn property_text(value: Value<'_>) -> Result<Option<Cow<'_, str>>, Unacceptable> {
    match value.undescribed()? {
        Value::Null => Ok(None),
        value => value_text(value).map(Some).ok_or(Unacceptable::Property),
    }
}

#[cfg(test)]
mod tests;
