//! Events as readers get them: what the hub puts before the stored sections.

use bytes::BytesMut;

use crate::codec::amqp::primitive::{write_long, write_str, write_symbol, write_timestamp};
use crate::codec::amqp::section::{MapSection, begin_map_section, end_map_section};
use crate::time::UnixMillis;

/// The stamps of one stored event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventHead<'a> {
    /// Number of the event in its partition.
    pub sequence_number: u64,
    /// Offset of the event in its partition.
    pub offset: u64,
    /// When it was appended, in milliseconds since the Unix epoch.
    pub enqueued_time_ms: i64,
    /// Elements in `annotations`: twice the pairs.
    pub annotation_count: u32,
    /// More pairs for the message annotations, already encoded.
    pub annotations: &'a [u8],
}

impl EventHead<'_> {
    /// Appends the message annotations; the stored sections follow as a second part of the message.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut digits = [0; 20];
        let start = begin_map_section(out, MapSection::MessageAnnotations);
        write_symbol(out, "x-opt-sequence-number");
        write_long(out, long(self.sequence_number));
        write_symbol(out, "x-opt-offset");
        write_str(out, decimal(self.offset, &mut digits));
        write_symbol(out, "x-opt-enqueued-time");
        write_timestamp(out, self.enqueued_time_ms);
        out.extend_from_slice(self.annotations);
        end_map_section(out, start, 6 + self.annotation_count);
    }
}

/// The newest event of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastEnqueued {
    /// Its sequence number.
    pub sequence_number: i64,
    /// Its offset.
    pub offset: u64,
    /// When it was appended.
    pub enqueued_time: UnixMillis,
}

/// What a reader that asked for runtime metrics learns with every event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuntimeMetrics {
    /// The newest event of the partition.
    pub last: LastEnqueued,
    /// When that was looked up.
    pub retrieved: UnixMillis,
}

impl RuntimeMetrics {
    /// Appends the delivery annotations, which come before everything else.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut digits = [0; 20];
        let start = begin_map_section(out, MapSection::DeliveryAnnotations);
        write_symbol(out, "last_enqueued_sequence_number");
        write_long(out, self.last.sequence_number);
        write_symbol(out, "last_enqueued_offset");
        write_str(out, decimal(self.last.offset, &mut digits));
        write_symbol(out, "last_enqueued_time_utc");
        write_timestamp(out, self.last.enqueued_time.as_millis());
        write_symbol(out, "runtime_info_retrieval_time_utc");
        write_timestamp(out, self.retrieved.as_millis());
        end_map_section(out, start, 8);
    }
}

fn long(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Writes a number in decimal into the end of `digits`.
pub(super) fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &str {
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + u8::try_from(number % 10).expect("a digit is below ten");
        number /= 10;
        if number == 0 {
            break;
        }
    }
    core::str::from_utf8(&digits[start..]).expect("digits are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::amqp::primitive::Value;
    use crate::codec::amqp::section::Message;

    #[test]
    fn stamps_have_the_types_that_clients_cast_to() {
        let mut pairs = BytesMut::new();
        write_symbol(&mut pairs, "iothub-connection-device-id");
        write_str(&mut pairs, "dev");
        let mut out = BytesMut::new();
        let last = LastEnqueued {
            sequence_number: 9,
            offset: u64::MAX,
            enqueued_time: UnixMillis::from_millis(3),
        };
        RuntimeMetrics { last, retrieved: UnixMillis::from_millis(4) }.encode(&mut out);
        let head = EventHead {
            sequence_number: 0,
            offset: 0,
            enqueued_time_ms: 1_700_000_000_000,
            annotation_count: 2,
            annotations: &pairs,
        };
        head.encode(&mut out);
        let message = Message::decode(&out).unwrap();
        let stamps = message.message_annotations.unwrap();
        assert_eq!(stamps.count(), 8);
        assert_eq!(stamps.value("x-opt-sequence-number"), Some(Value::Long(0)));
        assert_eq!(stamps.value("x-opt-offset"), Some(Value::Str("0")));
        let time = Value::Timestamp(1_700_000_000_000);
        assert_eq!(stamps.value("x-opt-enqueued-time"), Some(time));
        assert_eq!(stamps.value("iothub-connection-device-id"), Some(Value::Str("dev")));
        let metrics = message.delivery_annotations.unwrap();
        let offset = Value::Str("18446744073709551615");
        assert_eq!(metrics.value("last_enqueued_offset"), Some(offset));
        assert_eq!(metrics.value("last_enqueued_sequence_number"), Some(Value::Long(9)));
    }
}
