//! Attach: a link, its termini and how it settles.

use bytes::BytesMut;

use super::{Fields, SELECTOR_FILTER, Source, Target, code};
use crate::codec::amqp::error::DecodeError;
use crate::codec::amqp::primitive::{
    Map, Value, write_bool, write_descriptor, write_list, write_null, write_option, write_str,
    write_ubyte, write_uint, write_ulong,
};

/// Which end of a link somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Sends the messages.
    Sender,
    /// Receives the messages.
    Receiver,
}

impl Role {
    /// The other end.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Sender => Self::Receiver,
            Self::Receiver => Self::Sender,
        }
    }

    pub(super) fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        match fields.boolean()? {
            Some(true) => Ok(Self::Receiver),
            Some(false) => Ok(Self::Sender),
            None => Err(DecodeError::MissingField("role")),
        }
    }

    pub(super) fn encode(self, out: &mut BytesMut) {
        write_bool(out, self == Self::Receiver);
    }
}

/// How a sender settles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SenderSettleMode {
    /// Every delivery waits for an outcome.
    Unsettled,
    /// No delivery does.
    Settled,
    /// Each delivery says for itself.
    #[default]
    Mixed,
}

/// When a receiver settles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReceiverSettleMode {
    /// With its outcome.
    #[default]
    First,
    /// After the sender has settled.
    Second,
}

/// The attach performative; unsettled maps are neither read nor written, since no delivery is ever
/// resumed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attach<'a> {
    /// Name of the link, unique for its direction between two containers.
    pub name: &'a str,
    /// Number that the sender of this gives the link.
    pub handle: u32,
    /// Role of the sender of this.
    pub role: Role,
    /// How the sending end settles.
    pub snd_settle_mode: SenderSettleMode,
    /// When the receiving end settles.
    pub rcv_settle_mode: ReceiverSettleMode,
    /// Where messages come from; null in an answer refuses the link.
    pub source: Option<Source<'a>>,
    /// Where messages go to; null in an answer refuses the link.
    pub target: Option<Target<'a>>,
    /// Where the delivery count starts; mandatory from a sender.
    pub initial_delivery_count: Option<u32>,
    /// Largest message in bytes that the sender of this accepts; zero and absent mean no bound.
    pub max_message_size: Option<u64>,
    /// One symbol or an array of them.
    pub desired_capabilities: Value<'a>,
    /// Link properties by symbol.
    pub properties: Option<Map<'a>>,
    /// What is wrong with the fields behind `role`, all of which are as if they were absent then.
    /// Neither written nor part of an answer: who it is from knows which link to refuse.
    pub fault: Option<DecodeError>,
}

impl<'a> Attach<'a> {
    /// Asks for a link with nothing special about it, under handle 0.
    #[must_use]
    pub const fn plain(name: &'a str, role: Role, source: Source<'a>, target: Target<'a>) -> Self {
        Self {
            name,
            handle: 0,
            role,
            snd_settle_mode: SenderSettleMode::Mixed,
            rcv_settle_mode: ReceiverSettleMode::First,
            source: Some(source),
            target: Some(target),
            initial_delivery_count: match role {
                Role::Sender => Some(0),
                Role::Receiver => None,
            },
            max_message_size: None,
            desired_capabilities: Value::Null,
            properties: None,
            fault: None,
        }
    }

    /// Reads an attach. Values of a wrong type or out of range are a [fault](Self::fault) of the
    /// link; without name, handle and role, or where the bytes are no values, there is no link that
    /// could have one.
    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, DecodeError> {
        let name = fields.text()?.ok_or(DecodeError::MissingField("name"))?;
        let handle = fields.number("handle")?.ok_or(DecodeError::MissingField("handle"))?;
        let role = Role::decode(fields)?;
        let plain = Self::plain(name, role, Source::default(), Target::default());
        let plain = Self { handle, source: None, target: None, ..plain };
        let behind_role = fields.clone();
        plain.decode_rest(fields).or_else(|fault| {
            behind_role.skip_all()?;
            Ok(Self { fault: Some(fault), ..plain })
        })
    }

    /// Reads the fields behind `role`.
    fn decode_rest(self, fields: &mut Fields<'a>) -> Result<Self, DecodeError> {
        let snd_settle_mode = decode_snd_settle_mode(fields)?;
        let rcv_settle_mode = decode_rcv_settle_mode(fields)?;
        let source = Source::decode(fields)?;
        let target = Target::decode(fields)?;
        fields.skip(2)?;
        let initial_delivery_count = fields.number("initial-delivery-count")?;
        let max_message_size = fields.number("max-message-size")?;
        fields.skip(1)?;
        let desired_capabilities = fields.next()?;
        let properties = fields.map()?;
        Ok(Self {
            snd_settle_mode,
            rcv_settle_mode,
            source,
            target,
            initial_delivery_count,
            max_message_size,
            desired_capabilities,
            properties,
            ..self
        })
    }

    /// Appends the performative.
    pub fn encode(&self, out: &mut BytesMut) {
        write_descriptor(out, code::ATTACH);
        write_list(out, 14, |out| {
            write_str(out, self.name);
            write_uint(out, self.handle);
            self.role.encode(out);
            write_ubyte(out, self.snd_settle_mode as u8);
            write_ubyte(out, self.rcv_settle_mode as u8);
            write_option(out, self.source, |out, source| source.encode(out));
            write_option(out, self.target, |out, target| target.encode(out));
            write_null(out);
            write_null(out);
            write_option(out, self.initial_delivery_count, write_uint);
            write_option(out, self.max_message_size, write_ulong);
            write_null(out);
            encode_capabilities(self.desired_capabilities, out);
            write_option(out, self.properties, |out, map| map.encode(out));
        });
    }

    /// Address of the terminus that is not the client's own: the source of its receivers, the
    /// target of its senders.
    #[must_use]
    pub fn node_address(&self) -> Option<&'a str> {
        match self.role {
            Role::Receiver => self.source.and_then(|source| source.address),
            Role::Sender => self.target.and_then(|target| target.address),
        }
    }

    /// Text of the selector filter, whatever descriptor it carries.
    ///
    /// # Errors
    /// [`DecodeError`] if there is a filter and it is not a string.
    pub fn selector_text(&self) -> Result<Option<&'a str>, DecodeError> {
        let Some(filter) = self.source.and_then(|source| source.filter) else { return Ok(None) };
        match filter.value(SELECTOR_FILTER).map(Value::undescribed).transpose()? {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_text().map(Some).ok_or(DecodeError::WrongType),
        }
    }

    /// A link property.
    #[must_use]
    pub fn property(&self, key: &str) -> Option<Value<'a>> {
        self.properties.and_then(|map| map.value(key))
    }

    /// Epoch of a reader, `com.microsoft:epoch`.
    #[must_use]
    pub fn epoch(&self) -> Option<i64> {
        self.property("com.microsoft:epoch").and_then(|value| value.as_integer())
    }

    /// Name that a reader gives itself, `com.microsoft:receiver-name`.
    #[must_use]
    pub fn receiver_name(&self) -> Option<&'a str> {
        self.property("com.microsoft:receiver-name").and_then(|value| value.as_text())
    }

    /// Whether a capability is asked for, as a single symbol or in an array.
    #[must_use]
    pub fn desires(&self, capability: &str) -> bool {
        let is = |value: Value<'_>| value.as_text() == Some(capability);
        match self.desired_capabilities {
            Value::Array(array) => array.iter().any(|item| item.is_ok_and(is)),
            Value::List(list) => list.iter().any(|item| item.is_ok_and(is)),
            single => is(single),
        }
    }
}

fn encode_capabilities(value: Value<'_>, out: &mut BytesMut) {
    match value {
        Value::Symbol(one) => crate::codec::amqp::primitive::write_symbol(out, one),
        Value::Array(many) => many.encode(out),
        _ => write_null(out),
    }
}

fn decode_snd_settle_mode(fields: &mut Fields<'_>) -> Result<SenderSettleMode, DecodeError> {
    match fields.number("snd-settle-mode")?.unwrap_or(2u8) {
        0 => Ok(SenderSettleMode::Unsettled),
        1 => Ok(SenderSettleMode::Settled),
        2 => Ok(SenderSettleMode::Mixed),
        _ => Err(DecodeError::OutOfRange("snd-settle-mode")),
    }
}

fn decode_rcv_settle_mode(fields: &mut Fields<'_>) -> Result<ReceiverSettleMode, DecodeError> {
    match fields.number("rcv-settle-mode")?.unwrap_or(0u8) {
        0 => Ok(ReceiverSettleMode::First),
        1 => Ok(ReceiverSettleMode::Second),
        _ => Err(DecodeError::OutOfRange("rcv-settle-mode")),
    }
}
