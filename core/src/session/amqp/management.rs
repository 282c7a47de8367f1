//! `$management`: reads about the event hub and its partitions.
//!
//! Source: service-endpoints reference, "`$management` node".

use bytes::{BufMut, BytesMut};

use crate::codec::amqp::DecodeError;
use crate::codec::amqp::performative::Condition;
use crate::codec::amqp::primitive::{
    write_array, write_bool, write_int, write_long, write_map, write_str, write_timestamp,
};
use crate::codec::amqp::section::{Message, MessageId, write_value_descriptor};
use crate::time::UnixMillis;

use super::event_head::{LastEnqueued, decimal};
use super::reply::RequestReply;

const EVENT_HUB: &str = "com.microsoft:eventhub";
const PARTITION: &str = "com.microsoft:partition";

/// A request to `$management`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagementRequest<'a> {
    /// Id to answer with.
    pub message_id: Option<MessageId<'a>>,
    /// Target address or name of the link for the answer.
    pub reply_to: Option<&'a str>,
    /// Token that the client adds although the connection may hold one already.
    pub security_token: Option<&'a str>,
    /// What is asked; `None` is nothing that is offered.
    pub read: Option<ManagementRead<'a>>,
}

/// What can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManagementRead<'a> {
    /// The event hub.
    EventHub {
        /// Its name.
        entity: &'a str,
    },
    /// One of its partitions.
    Partition {
        /// Name of the event hub.
        entity: &'a str,
        /// Number of the partition as spelled.
        partition: &'a str,
    },
}

impl<'a> ManagementRequest<'a> {
    /// Reads a request; its body is not looked at.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are no message.
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let message = Message::decode(payload)?;
        let asked = message.application_properties;
        let text = |key| asked.and_then(|map| map.value(key)).and_then(|value| value.as_text());
        let read = match (text("operation"), text("type"), text("name")) {
            (Some("READ"), Some(EVENT_HUB), Some(entity)) => {
                Some(ManagementRead::EventHub { entity })
            }
            (Some("READ"), Some(PARTITION), Some(entity)) => {
                text("partition").map(|partition| ManagementRead::Partition { entity, partition })
            }
            _ => None,
        };
        Ok(Self {
            message_id: message.properties.message_id,
            reply_to: message.properties.reply_to,
            security_token: text("security_token"),
            read,
        })
    }
}

/// The answer to a request for something that is not offered.
#[must_use]
pub const fn unsupported(correlation_id: Option<MessageId<'_>>) -> RequestReply<'_> {
    RequestReply {
        correlation_id,
        status: 400,
        description: "The request names no known operation, type or partition.",
        condition: Some(Condition::ArgumentError),
    }
}

/// What is told about an event hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventHubInfo<'a> {
    /// Its name.
    pub entity: &'a str,
    /// When it was made.
    pub created_at: UnixMillis,
    /// How many partitions it has; they are numbered from 0.
    pub partition_count: u16,
}

impl EventHubInfo<'_> {
    /// Appends the body of the answer, an amqp-value section.
    pub fn encode(&self, out: &mut BytesMut) {
        write_value_descriptor(out);
        write_map(out, 10, |out| {
            write_str(out, "name");
            write_str(out, self.entity);
            write_str(out, "type");
            write_str(out, EVENT_HUB);
            write_str(out, "created_at");
            write_timestamp(out, self.created_at.as_millis());
            write_str(out, "partition_count");
            write_int(out, self.partition_count.into());
            write_str(out, "partition_ids");
            write_partition_ids(out, self.partition_count);
        });
    }
}

/// An array and not a list, because some clients cast it.
fn write_partition_ids(out: &mut BytesMut, count: u16) {
    write_array(out, 0xa1, count.into(), |out| {
        for partition in 0..count {
            let mut digits = [0; 20];
            let digits = decimal(partition.into(), &mut digits);
            out.put_u8(u8::try_from(digits.len()).expect("a u16 has at most five digits"));
            out.put_slice(digits.as_bytes());
        }
    });
}

/// What is told about a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionInfo<'a> {
    /// Name of the event hub.
    pub entity: &'a str,
    /// Number of the partition as text.
    pub partition: &'a str,
    /// Sequence number of the oldest retained event, 0 when empty.
    pub begin_sequence_number: i64,
    /// The newest event; `None` when the partition is empty.
    pub last: Option<LastEnqueued>,
}

impl PartitionInfo<'_> {
    /// Appends the body of the answer, an amqp-value section.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut digits = [0; 20];
        let offset = self.last.map_or("-1", |last| decimal(last.offset, &mut digits));
        write_value_descriptor(out);
        write_map(out, 16, |out| {
            write_str(out, "name");
            write_str(out, self.entity);
            write_str(out, "type");
            write_str(out, PARTITION);
            write_str(out, "partition");
            write_str(out, self.partition);
            write_str(out, "begin_sequence_number");
            write_long(out, self.begin_sequence_number);
            write_str(out, "last_enqueued_sequence_number");
            write_long(out, self.last.map_or(-1, |last| last.sequence_number));
            write_str(out, "last_enqueued_offset");
            write_str(out, offset);
            write_str(out, "last_enqueued_time_utc");
            write_timestamp(out, self.last.map_or(0, |last| last.enqueued_time.as_millis()));
            write_str(out, "is_partition_empty");
            write_bool(out, self.last.is_none());
        });
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::codec::amqp::primitive::Value;
    use crate::codec::amqp::section::{Body, MapSection, begin_map_section, end_map_section};

    #[test]
    fn reads_requests_for_both_kinds() {
        for (pairs, expected) in [
            (
                &[("operation", "READ"), ("type", EVENT_HUB), ("name", "eh")][..],
                Some(ManagementRead::EventHub { entity: "eh" }),
            ),
            (
                &[("operation", "READ"), ("type", PARTITION), ("name", "eh"), ("partition", "2")],
                Some(ManagementRead::Partition { entity: "eh", partition: "2" }),
            ),
            (&[("operation", "READ"), ("type", PARTITION), ("name", "eh")], None),
            (&[("operation", "DELETE"), ("type", EVENT_HUB), ("name", "eh")], None),
            (&[], None),
        ] {
            let mut out = BytesMut::new();
            let start = begin_map_section(&mut out, MapSection::ApplicationProperties);
            for (key, value) in pairs {
                write_str(&mut out, key);
                write_str(&mut out, value);
            }
            end_map_section(&mut out, start, u32::try_from(pairs.len() * 2).unwrap());
            assert_eq!(ManagementRequest::decode(&out).unwrap().read, expected);
        }
    }

    #[test]
    fn the_event_hub_answer_is_byte_exact() {
        let mut out = BytesMut::new();
        let created_at = UnixMillis::from_millis(1_700_000_000_000);
        EventHubInfo { entity: "eh1", created_at, partition_count: 4 }.encode(&mut out);
        let expected = [
            &hex!("005377 c16d0a a104")[..],
            b"name\xa1\x03eh1\xa1\x04type\xa1\x16com.microsoft:eventhub\xa1\x0acreated_at",
            &hex!("83 0000018bcfe56800 a10f"),
            b"partition_count\x54\x04\xa1\x0dpartition_ids",
            &hex!("e00a04a1 0130 0131 0132 0133"),
        ]
        .concat();
        assert_eq!(out[..], expected);
    }

    #[test]
    fn the_partition_answer_has_the_promised_types() {
        let mut out = BytesMut::new();
        let empty =
            PartitionInfo { entity: "e", partition: "0", begin_sequence_number: 0, last: None };
        empty.encode(&mut out);
        let Body::Value(Value::Map(map)) = Message::decode(&out).unwrap().body else {
            panic!("a map")
        };
        for (key, value) in [
            ("begin_sequence_number", Value::Long(0)),
            ("last_enqueued_sequence_number", Value::Long(-1)),
            ("last_enqueued_offset", Value::Str("-1")),
            ("last_enqueued_time_utc", Value::Timestamp(0)),
            ("is_partition_empty", Value::Bool(true)),
        ] {
            assert_eq!(map.value(key), Some(value), "{key}");
        }
    }
}
