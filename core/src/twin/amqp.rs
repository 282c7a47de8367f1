//! Twin requests over AMQP, the answers to them, and what the device is told of its own accord.
//!
//! Source: device-endpoints reference, "Twins over AMQP".

use std::borrow::Cow;

use bytes::BytesMut;

use crate::codec::amqp::DecodeError;
use crate::codec::amqp::performative::{AmqpError, Condition};
use crate::codec::amqp::primitive::{Map, Value, write_int, write_long, write_str, write_symbol};
use crate::codec::amqp::section::{
    MapSection, Message, MessageId, Properties, begin_map_section, end_map_section, write_data,
};
use crate::limits::AMQP_CORRELATION_ID_BYTES_MAX;

/// Annotation `resource` of reported properties, in requests.
const REPORTED: &str = "/properties/reported";
/// Annotation `resource` of desired properties, in notifications.
const DESIRED: &str = "/properties/desired";
/// Annotation `resource` of the wish to be notified.
const NOTIFICATIONS: &str = "/notifications/twin/properties/desired";

/// What a device asks on its twin link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwinRequest<'a> {
    /// Id that the answer repeats, value and type; at most [`AMQP_CORRELATION_ID_BYTES_MAX`]. Keep
    /// it as a [`MessageIdBuf`](crate::codec::amqp::section::MessageIdBuf), whose text can be the
    /// request id.
    pub correlation_id: MessageId<'a>,
    /// What to do.
    pub operation: TwinOperation<'a>,
}

/// An operation of a device on its twin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TwinOperation<'a> {
    /// Read the twin.
    Get,
    /// Merge a patch into the reported properties.
    Report {
        /// Only if they have this version.
        version: Option<u64>,
        /// JSON text, not looked at.
        patch: Cow<'a, [u8]>,
    },
    /// Tell the device of its desired properties from now on; answered with 200.
    Subscribe,
    /// No longer tell it; answered with 200.
    Unsubscribe,
}

/// Why a message is no twin request: it is rejected, and there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTwinRequest {
    /// No AMQP message.
    #[error("the twin request is malformed")]
    Malformed(#[from] DecodeError),
    /// No correlation id, or one that is too long: nobody could tell what an answer is for.
    #[error("a twin request has a correlation id of 1 to {AMQP_CORRELATION_ID_BYTES_MAX} bytes")]
    CorrelationId,
    /// Operation and resource name nothing that a device can do.
    #[error("a twin request is GET, PATCH {REPORTED}, PUT or DELETE {NOTIFICATIONS}")]
    Operation,
    /// The version is no number.
    #[error("the version of a twin request is a whole number")]
    Version,
}

impl InvalidTwinRequest {
    /// The error for the rejected state. The description of it does not name the reason of a
    /// malformed message in detail, so that it needs no text of its own.
    #[must_use]
    pub const fn error(&self) -> AmqpError<'static> {
        let text = match self {
            Self::Malformed(_) => "The twin request is malformed.",
            Self::CorrelationId => "A twin request needs a correlation id that is not too long.",
            Self::Operation => "The operation or resource of the twin request is not known.",
            Self::Version => "The version of the twin request is not a whole number.",
        };
        AmqpError::new(Condition::ArgumentError, text)
    }
}

impl<'a> TwinRequest<'a> {
    /// Reads a message of a device's twin link.
    ///
    /// # Errors
    /// [`InvalidTwinRequest`].
    pub fn decode(payload: &'a [u8]) -> Result<Self, InvalidTwinRequest> {
        let message = Message::decode(payload)?;
        let id = message.properties.correlation_id;
        let id = id.filter(|id| (1..=AMQP_CORRELATION_ID_BYTES_MAX).contains(&id.len()));
        let correlation_id = id.ok_or(InvalidTwinRequest::CorrelationId)?;
        let asked = message.message_annotations.ok_or(InvalidTwinRequest::Operation)?;
        let text = |name| asked.value(name).and_then(|value| value.as_text()).unwrap_or_default();
        let (operation, resource) = (text("operation"), text("resource"));
        let is = |word: &str| operation.eq_ignore_ascii_case(word);
        let is_on = |path: &str| resource.trim_end_matches('/').eq_ignore_ascii_case(path);
        let operation = if is("GET") {
            TwinOperation::Get
        } else if is("PATCH") && is_on(REPORTED) {
            TwinOperation::Report { version: version_of(&asked)?, patch: message.body.joined() }
        } else if is("PUT") && is_on(NOTIFICATIONS) {
            TwinOperation::Subscribe
        } else if is("DELETE") && is_on(NOTIFICATIONS) {
            TwinOperation::Unsubscribe
        } else {
            return Err(InvalidTwinRequest::Operation);
        };
        Ok(Self { correlation_id, operation })
    }
}

fn version_of(asked: &Map<'_>) -> Result<Option<u64>, InvalidTwinRequest> {
    match asked.value("version") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = match value {
                Value::Str(text) | Value::Symbol(text) => text.parse().ok(),
                value => value.as_integer().and_then(|number| u64::try_from(number).ok()),
            };
            number.map(Some).ok_or(InvalidTwinRequest::Version)
        }
    }
}

impl TwinRequest<'_> {
    /// Appends the request as devices send it (client side).
    pub fn encode(&self, out: &mut BytesMut) {
        let (operation, resource, version) = match self.operation {
            TwinOperation::Get => ("GET", None, None),
            TwinOperation::Report { version, .. } => ("PATCH", Some(REPORTED), version),
            TwinOperation::Subscribe => ("PUT", Some(NOTIFICATIONS), None),
            TwinOperation::Unsubscribe => ("DELETE", Some(NOTIFICATIONS), None),
        };
        let start = begin_map_section(out, MapSection::MessageAnnotations);
        write_symbol(out, "operation");
        write_str(out, operation);
        let mut elements = 2;
        if let Some(resource) = resource {
            write_symbol(out, "resource");
            write_str(out, resource);
            elements += 2;
        }
        if let Some(version) = version {
            write_version(out, version);
            elements += 2;
        }
        end_map_section(out, start, elements);
        let correlation_id = Some(self.correlation_id);
        Properties { correlation_id, ..Properties::default() }.encode(out);
        if let TwinOperation::Report { patch, .. } = &self.operation {
            write_data(out, patch);
        }
    }
}

/// What comes to a device on its twin link (client side).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TwinNews<'a> {
    /// The answer to a request.
    Answer {
        /// That of the request.
        correlation_id: MessageId<'a>,
        /// 200 for what was done.
        status: i32,
        /// Version of the reported properties, after a report.
        version: Option<i64>,
        /// The twin, or an error, as JSON; perhaps empty.
        body: Cow<'a, [u8]>,
    },
    /// Desired properties have changed.
    Desired {
        /// Their version.
        version: i64,
        /// What has changed, as JSON with `$version`.
        patch: Cow<'a, [u8]>,
    },
}

impl<'a> TwinNews<'a> {
    /// Reads a message of the hub; `None` if the hub never sends such a one.
    #[must_use]
    pub fn decode(payload: &'a [u8]) -> Option<Self> {
        let message = Message::decode(payload).ok()?;
        let annotations = message.message_annotations?;
        let version = match annotations.value("version") {
            None => None,
            Some(Value::Long(version)) => Some(version),
            Some(_) => return None,
        };
        let body = message.body.joined();
        match (message.properties.correlation_id, annotations.value("status")) {
            (Some(correlation_id), Some(Value::Int(status))) => {
                Some(Self::Answer { correlation_id, status, version, body })
            }
            (None, None) if annotations.value("resource")?.as_text() == Some(DESIRED) => {
                Some(Self::Desired { version: version?, patch: body })
            }
            _ => None,
        }
    }
}

/// The answer to a twin request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TwinResponse<'a> {
    /// That of the request, value and type.
    pub correlation_id: MessageId<'a>,
    /// 200 for what was done, else as over MQTT.
    pub status: i32,
    /// Version of the reported properties, after a report.
    pub version: Option<u64>,
    /// The twin, or an error, as JSON; none is sent if it is empty.
    pub body: &'a [u8],
}

impl TwinResponse<'_> {
    /// Appends the message; it goes out settled.
    pub fn encode(&self, out: &mut BytesMut) {
        let start = begin_map_section(out, MapSection::MessageAnnotations);
        write_symbol(out, "status");
        write_int(out, self.status);
        if let Some(version) = self.version {
            write_version(out, version);
        }
        end_map_section(out, start, if self.version.is_some() { 4 } else { 2 });
        let correlation_id = Some(self.correlation_id);
        Properties { correlation_id, ..Properties::default() }.encode(out);
        if !self.body.is_empty() {
            write_data(out, self.body);
        }
    }
}

/// Appends a notification of desired properties, with which the device learns what has changed and
/// the `version` that they have now; it goes out settled. `patch` is JSON with `$version`.
pub fn write_desired(out: &mut BytesMut, version: u64, patch: &[u8]) {
    let start = begin_map_section(out, MapSection::MessageAnnotations);
    write_symbol(out, "resource");
    write_str(out, DESIRED);
    write_version(out, version);
    end_map_section(out, start, 4);
    write_data(out, patch);
}

fn write_version(out: &mut BytesMut, version: u64) {
    write_symbol(out, "version");
    write_long(out, i64::try_from(version).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests;
