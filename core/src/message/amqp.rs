//! Device-to-cloud messages as AMQP carries them: one in a transfer, or many as a batch.
//!
//! ```text
//!  transfer ── AmqpTelemetry::read ──▶ judged as a whole ── try_for_each ──▶ as_d2c ──▶ seat
//! ```
//!
//! Source: device-endpoints reference, "Telemetry messages".

use std::borrow::Cow;
use std::fmt::Write as _;

use super::d2c::amqp_len;
use super::{D2cMessage, MessageTooLarge, SystemProperties};
use crate::codec::amqp::performative::{AmqpError, Condition};
use crate::codec::amqp::primitive::{Map, Value};
use crate::codec::amqp::section::{
    BATCH_FORMAT, Body, DataSections, Message, MessageId, Properties,
};
use crate::codec::amqp::{DecodeError, id_text, value_text};
use crate::limits::{
    D2C_BATCH_MESSAGES_MAX, D2C_MESSAGE_BYTES_MAX, D2C_STAMP_BYTES_MAX, RECORD_BYTES_MAX,
};
use crate::time::UnixMillis;

/// Bytes that the encoding of one application property takes beside its name and value.
const PROPERTY_HEAD_BYTES_MAX: usize = 10;

/// Name and value of an application property.
type Property<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Why a transfer is rejected; nothing of it may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTelemetry {
    /// No AMQP message, or a batch that holds one which is none.
    #[error("the message is malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// Neither one message nor a batch.
    #[error("the message format {0:#x} is not known")]
    Format(u32),
    /// A batch must consist of data sections, one a message, and have at least one.
    #[error("a batch must be made of data sections, one for each message")]
    Batch,
    /// More than [`D2C_BATCH_MESSAGES_MAX`].
    #[error("a batch has at most {D2C_BATCH_MESSAGES_MAX} messages")]
    TooMany,
    /// A body that is not made of bytes.
    #[error("the body must be data sections, or a text or bytes as value")]
    Body,
    /// An application property without a name, or of a type that has no text.
    #[error("application properties must have names, and be text, numbers, booleans or times")]
    Property,
    /// A message is too large, whatever the size of the transfer.
    #[error(transparent)]
    TooLarge(#[from] MessageTooLarge),
}

impl InvalidTelemetry {
    /// What the device is told in the rejected state.
    #[must_use]
    pub const fn condition(&self) -> Condition {
        match self {
            Self::TooLarge(_) => Condition::MessageSizeExceeded,
            _ => Condition::ArgumentError,
        }
    }

    /// The error for the rejected state; `text` holds its description.
    pub fn error<'t>(&self, text: &'t mut String) -> AmqpError<'t> {
        text.clear();
        // Writing to a string does not fail.
        let _ = write!(text, "{self}");
        AmqpError::new(self.condition(), text)
    }
}

/// The messages of one transfer of a device, all of them good: the hub takes all or none.
///
/// Reading the same bytes again gives the same messages, so a driver that has to wait within a
/// batch keeps the bytes and goes on behind those that it has taken.
///
/// Read in place and given out by reference, because a message split into its parts is larger than
/// most messages.
#[derive(Clone, Debug, Default)]
pub struct AmqpTelemetry<'a> {
    /// The message of format 0.
    one: AmqpMessage<'a>,
    /// The messages of [`BATCH_FORMAT`], which the C SDK always uses.
    batch: Option<DataSections<'a>>,
}

impl<'a> AmqpTelemetry<'a> {
    /// Reads a transfer of `format` into an empty value and judges every message in it.
    ///
    /// One message is split once and nothing of it is copied, unless its body comes in several
    /// sections, or ids and properties are no text; a batch is split twice, here and by
    /// [`try_for_each`](Self::try_for_each). What the outer message of a batch holds beside its
    /// data is not looked at.
    ///
    /// # Errors
    /// [`InvalidTelemetry`], for the rejected state.
    pub fn read(&mut self, format: u32, payload: &'a [u8]) -> Result<(), InvalidTelemetry> {
        match format {
            0 => self.one.read(payload),
            BATCH_FORMAT => {
                self.batch = Some(Self::read_batch(payload)?);
                Ok(())
            }
            other => Err(InvalidTelemetry::Format(other)),
        }
    }

    fn read_batch(payload: &'a [u8]) -> Result<DataSections<'a>, InvalidTelemetry> {
        let sections = match Message::decode(payload)?.body {
            Body::Data(_) => DataSections::of(payload),
            Body::DataSections(sections) => sections,
            _ => return Err(InvalidTelemetry::Batch),
        };
        for (place, section) in sections.enumerate() {
            if place == D2C_BATCH_MESSAGES_MAX {
                return Err(InvalidTelemetry::TooMany);
            }
            AmqpMessage::default().read(section)?;
        }
        Ok(sections)
    }

    /// Gives the messages to `take` in their order, beginning behind the first `skip`, until it
    /// fails.
    ///
    /// # Errors
    /// That of `take`.
    pub fn try_for_each<E>(
        &self,
        skip: usize,
        mut take: impl FnMut(&AmqpMessage<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(sections) = self.batch else {
            return if skip == 0 { take(&self.one) } else { Ok(()) };
        };
        for section in sections.skip(skip) {
            let mut message = AmqpMessage::default();
            // All of them have been read before.
            if message.read(section).is_ok() {
                take(&message)?;
            }
        }
        Ok(())
    }
}

/// One message of a device.
#[derive(Clone, Debug, Default)]
pub struct AmqpMessage<'a> {
    message: Message<'a>,
    system: SystemProperties<'a>,
    body: Cow<'a, [u8]>,
}

impl<'a> AmqpMessage<'a> {
    /// Reads the sections of a message into an empty value, in any order, and counts its size.
    ///
    /// # Errors
    /// [`InvalidTelemetry`].
    fn read(&mut self, bytes: &'a [u8]) -> Result<(), InvalidTelemetry> {
        self.message.read(bytes)?;
        self.body = body_of(&self.message.body)?;
        self.read_properties();
        self.read_annotations()?;
        self.check()
    }

    fn read_properties(&mut self) {
        let (system, properties) = (&mut self.system, &self.message.properties);
        let ascii = |text: Option<&'a str>| text.filter(|text| text.is_ascii()).map(Cow::Borrowed);
        system.message_id = properties.message_id.map(any_id_text);
        system.correlation_id = properties.correlation_id.map(any_id_text);
        system.user_id = properties.user_id.map(bytes_text);
        system.to = properties.to.map(Cow::Borrowed);
        system.content_type = ascii(properties.content_type);
        system.content_encoding = ascii(properties.content_encoding);
        system.absolute_expiry = properties.absolute_expiry_time.map(UnixMillis::from_millis);
    }

    fn read_annotations(&mut self) -> Result<(), InvalidTelemetry> {
        let Some(annotations) = self.message.message_annotations else { return Ok(()) };
        annotations.pairs().try_for_each(|pair| pair.map(drop))?;
        let text = |name| annotations.value(name)?.as_text().map(Cow::Borrowed);
        self.system.component = text("dt-subject");
        self.system.interface_id = text("iothub-interface-id");
        Ok(())
    }

    /// The message as the hub takes it from any protocol: ids, user id and values of properties as
    /// text, several data sections as one body.
    pub fn as_d2c(&self) -> D2cMessage<'_, impl Iterator<Item = Property<'_>> + Clone> {
        let (amqp, application) = (self.of_amqp_alone(), self.application());
        D2cMessage { system: &self.system, amqp, application, body: &self.body }
    }

    /// The properties, if one is set that no other protocol has.
    fn of_amqp_alone(&self) -> Option<&Properties<'a>> {
        let properties = &self.message.properties;
        let Properties { subject, reply_to, group_id, group_sequence, reply_to_group_id, .. } =
            properties;
        let is_set = subject.is_some()
            || reply_to.is_some()
            || group_id.is_some()
            || group_sequence.is_some()
            || reply_to_group_id.is_some();
        is_set.then_some(properties)
    }

    /// Application properties under the names that back ends know; those that the hub takes for its
    /// own from other places come first, so that the application's win.
    fn application(&self) -> impl Iterator<Item = Property<'_>> + Clone {
        let annotated = ["Diagnostic-Id", "Correlation-Context"].into_iter().filter_map(|name| {
            let value = self.message.message_annotations?.value(name)?.as_text()?;
            Some((Cow::Borrowed(name), Cow::Borrowed(value)))
        });
        let created = self.message.properties.creation_time;
        let created = created.map(|millis| {
            let time = crate::codec::amqp::time_text(millis);
            (Cow::Borrowed("iothub-creation-time-utc"), Cow::Owned(time))
        });
        let misplaced = self.misplaced();
        let map = self.message.application_properties;
        let pairs = map.into_iter().flat_map(|map| map.pairs());
        let pairs = pairs.filter_map(|pair| property_of(pair.ok()?).ok().flatten());
        annotated.chain(created).chain(misplaced).chain(pairs)
    }

    /// System properties that AMQP cannot carry in their place to a reader: they are to be symbols,
    /// which are ASCII.
    fn misplaced(&self) -> impl Iterator<Item = Property<'_>> + Clone {
        let properties = &self.message.properties;
        let named = [
            ("iothub-contenttype", properties.content_type),
            ("iothub-contentencoding", properties.content_encoding),
        ];
        named.into_iter().filter_map(|(name, value)| {
            let value = value.filter(|value| !value.is_ascii())?;
            Some((Cow::Borrowed(name), Cow::Borrowed(value)))
        })
    }

    /// Checks each property, and that the message is within the bounds on messages and on records.
    fn check(&self) -> Result<(), InvalidTelemetry> {
        let map = self.message.application_properties;
        for pair in map.iter().flat_map(Map::pairs) {
            property_of(pair?)?;
        }
        let (mut size, mut heads) = (self.body.len(), D2C_STAMP_BYTES_MAX);
        for (name, value) in self.application() {
            size += name.len() + value.len();
            heads += PROPERTY_HEAD_BYTES_MAX;
        }
        size += self.system.len() + self.of_amqp_alone().map_or(0, amqp_len);
        if size > D2C_MESSAGE_BYTES_MAX || size + heads > RECORD_BYTES_MAX {
            return Err(MessageTooLarge(size).into());
        }
        Ok(())
    }
}

fn body_of<'a>(body: &Body<'a>) -> Result<Cow<'a, [u8]>, InvalidTelemetry> {
    if let Body::Data(data) = body {
        return Ok(Cow::Borrowed(data));
    }
    let is_bytes = matches!(
        body,
        Body::Absent
            | Body::DataSections(_)
            | Body::Value(Value::Binary(_) | Value::Str(_) | Value::Null)
    );
    if !is_bytes {
        return Err(InvalidTelemetry::Body);
    }
    Ok(body.joined())
}

/// Name and value of a property; `None` for null, which says nothing.
fn property_of<'a>(
    (name, value): (Value<'a>, Value<'a>),
) -> Result<Option<Property<'a>>, InvalidTelemetry> {
    let name = name.as_text().filter(|name| !name.is_empty()).ok_or(InvalidTelemetry::Property)?;
    let value = match value.undescribed()? {
        Value::Null => return Ok(None),
        Value::Binary(bytes) => bytes_text(bytes),
        value => value_text(value).ok_or(InvalidTelemetry::Property)?,
    };
    Ok(Some((name.into(), value)))
}

fn any_id_text(id: MessageId<'_>) -> Cow<'_, str> {
    match id {
        MessageId::Binary(bytes) => bytes_text(bytes),
        id => id_text(id).unwrap_or_default(),
    }
}

/// Bytes as the text that they are, else in hexadecimal: nothing is lost and two stay two.
fn bytes_text(bytes: &[u8]) -> Cow<'_, str> {
    core::str::from_utf8(bytes).map_or_else(
        |_| {
            let mut text = String::with_capacity(2 * bytes.len());
            for byte in bytes {
                // Writing to a string does not fail.
                let _ = write!(text, "{byte:02x}");
            }
            text.into()
        },
        Cow::Borrowed,
    )
}

#[cfg(test)]
mod tests;
