//! The properties section.

use bytes::BytesMut;

use super::code;
use crate::codec::amqp::error::DecodeError;
use crate::codec::amqp::performative::Fields;
use crate::codec::amqp::primitive::{
    Value, write_binary, write_descriptor, write_list, write_option, write_str, write_symbol,
    write_timestamp, write_uint, write_ulong, write_uuid,
};

/// A message id or correlation id in one of its four types; an answer keeps the type of the
/// question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageId<'a> {
    /// A number.
    Ulong(u64),
    /// A UUID in network byte order.
    Uuid([u8; 16]),
    /// Bytes.
    Binary(&'a [u8]),
    /// Text.
    Str(&'a str),
}

impl<'a> MessageId<'a> {
    #[inline(always)]
    fn decode(fields: &mut Fields<'a>) -> Result<Option<Self>, DecodeError> {
        match fields.next()? {
            Value::Null => Ok(None),
            Value::Ulong(number) => Ok(Some(Self::Ulong(number))),
            Value::Uuid(uuid) => Ok(Some(Self::Uuid(*uuid))),
            Value::Binary(bytes) => Ok(Some(Self::Binary(bytes))),
            Value::Str(text) | Value::Symbol(text) => Ok(Some(Self::Str(text))),
            _ => Err(DecodeError::WrongType),
        }
    }

    fn encode(self, out: &mut BytesMut) {
        match self {
            Self::Ulong(number) => write_ulong(out, number),
            Self::Uuid(uuid) => write_uuid(out, &uuid),
            Self::Binary(bytes) => write_binary(out, bytes),
            Self::Str(text) => write_str(out, text),
        }
    }
}

/// The properties of a message, each of which may be null (AMQP 1.0 part 3, section 3.2.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Properties<'a> {
    /// Id that the sender gave the message.
    pub message_id: Option<MessageId<'a>>,
    /// Who made the message.
    pub user_id: Option<&'a [u8]>,
    /// Node that the message is meant for.
    pub to: Option<&'a str>,
    /// What it is about.
    pub subject: Option<&'a str>,
    /// Node that answers go to.
    pub reply_to: Option<&'a str>,
    /// Id of the message that this answers.
    pub correlation_id: Option<MessageId<'a>>,
    /// MIME type of the body.
    pub content_type: Option<&'a str>,
    /// Encoding on top of the MIME type.
    pub content_encoding: Option<&'a str>,
    /// When the message loses its meaning, in milliseconds since the Unix epoch.
    pub absolute_expiry_time: Option<i64>,
    /// When it was made, in milliseconds since the Unix epoch.
    pub creation_time: Option<i64>,
    /// Group that the message belongs to.
    pub group_id: Option<&'a str>,
    /// Place in the group.
    pub group_sequence: Option<u32>,
    /// Group that answers belong to.
    pub reply_to_group_id: Option<&'a str>,
}

impl<'a> Properties<'a> {
    /// Reads every field in place.
    pub(super) fn read(&mut self, mut fields: Fields<'a>) -> Result<(), DecodeError> {
        self.message_id = MessageId::decode(&mut fields)?;
        self.user_id = fields.binary()?;
        self.to = fields.text()?;
        self.subject = fields.text()?;
        self.reply_to = fields.text()?;
        self.correlation_id = MessageId::decode(&mut fields)?;
        self.content_type = fields.text()?;
        self.content_encoding = fields.text()?;
        self.absolute_expiry_time = fields.timestamp()?;
        self.creation_time = fields.timestamp()?;
        self.group_id = fields.text()?;
        self.group_sequence = fields.number("group-sequence")?;
        self.reply_to_group_id = fields.text()?;
        Ok(())
    }

    /// Appends the section with all thirteen fields.
    pub fn encode(&self, out: &mut BytesMut) {
        write_descriptor(out, code::PROPERTIES);
        write_list(out, 13, |out| {
            write_option(out, self.message_id, |out, id| id.encode(out));
            write_option(out, self.user_id, write_binary);
            write_option(out, self.to, write_str);
            write_option(out, self.subject, write_str);
            write_option(out, self.reply_to, write_str);
            write_option(out, self.correlation_id, |out, id| id.encode(out));
            write_option(out, self.content_type, write_symbol);
            write_option(out, self.content_encoding, write_symbol);
            write_option(out, self.absolute_expiry_time, write_timestamp);
            write_option(out, self.creation_time, write_timestamp);
            write_option(out, self.group_id, write_str);
            write_option(out, self.group_sequence, write_uint);
            write_option(out, self.reply_to_group_id, write_str);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::amqp::section::Message;

    #[test]
    fn every_property_comes_back() {
        let properties = Properties {
            message_id: Some(MessageId::Uuid([7; 16])),
            user_id: Some(b"u"),
            to: Some("t"),
            subject: Some("s"),
            reply_to: Some("r"),
            correlation_id: Some(MessageId::Ulong(0)),
            content_type: Some("application/json"),
            content_encoding: Some("utf-8"),
            absolute_expiry_time: Some(-1),
            creation_time: Some(1_700_000_000_000),
            group_id: Some("g"),
            group_sequence: Some(9),
            reply_to_group_id: Some("h"),
        };
        let mut out = BytesMut::new();
        properties.encode(&mut out);
        assert_eq!(Message::decode(&out).unwrap().properties, properties);
    }
}
