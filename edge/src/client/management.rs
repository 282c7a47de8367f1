//! Questions to the `$management` node of the Event-Hubs-compatible endpoint.

use bytes::BytesMut;
use ringhub_core::codec::amqp::primitive::{Value, write_str};
use ringhub_core::codec::amqp::section::{
    Body, MapSection, Message, MessageId, Properties, begin_map_section, end_map_section,
    write_null_body,
};

use super::amqp::{AmqpClient, AmqpFact};
use super::{ClientError, Refusal, Result};

/// The node, for the links of both directions.
pub const NODE: &str = "$management";

/// Status of an answer that is no refusal.
const OK: i32 = 200;

/// Where a partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Sequence number of the oldest event that is retained; 0 when there never was one.
    pub begin: i64,
    /// Sequence number of the newest event; -1 when there never was one.
    pub last: i64,
    /// When that was enqueued, in milliseconds since 1970.
    pub last_enqueued_ms: i64,
}

/// The partitions of an entity, by their ids.
///
/// # Errors
/// [`ClientError`] when the hub refuses, or answers something else.
///
/// Source: service-endpoints reference, "`$management` node".
pub fn partition_ids(client: &mut AmqpClient, entity: &str) -> Result<Vec<String>> {
    let answers = client.attach_receiver(NODE, None)?;
    client.wait_for(|fact| (*fact == AmqpFact::Attached(answers)).then_some(()))?;
    client.grant_credit(answers, 1);
    let questions = client.attach_sender(NODE)?;
    client.wait_for(|fact| (*fact == AmqpFact::Credit(questions)).then_some(()))?;
    let sent = client.send(questions, &about_event_hub(entity));
    sent.map_err(|error| ClientError::Protocol(error.to_string()))?;
    let answer = client.wait_for(|fact| match fact {
        AmqpFact::Message { payload, .. } => Some(payload.clone()),
        _ => None,
    })?;
    if let Some(refusal) = read_refusal(&answer) {
        return Err(refusal.into());
    }
    read_partition_ids(&answer)
        .ok_or_else(|| ClientError::Protocol("what $management says".to_owned()))
}

/// The question about an event hub; [`read_partition_ids`] reads the answer.
#[must_use]
pub fn about_event_hub(entity: &str) -> BytesMut {
    question(&["operation", "READ", "type", "com.microsoft:eventhub", "name", entity])
}

/// The question about a partition; [`read_position`] reads the answer.
#[must_use]
pub fn about_partition(entity: &str, partition: &str) -> BytesMut {
    let kind = "com.microsoft:partition";
    question(&["operation", "READ", "type", kind, "name", entity, "partition", partition])
}

/// Application properties of these keys and values.
fn question(texts: &[&str]) -> BytesMut {
    let mut out = BytesMut::new();
    let message_id = Some(MessageId::Str("1"));
    Properties { message_id, reply_to: Some(NODE), ..Properties::default() }.encode(&mut out);
    let start = begin_map_section(&mut out, MapSection::ApplicationProperties);
    texts.iter().for_each(|text| write_str(&mut out, text));
    end_map_section(&mut out, start, u32::try_from(texts.len()).unwrap_or(u32::MAX));
    write_null_body(&mut out);
    out
}

/// Why there is no answer; `None` when there is one. Its code is the AMQP condition.
#[must_use]
pub fn read_refusal(answer: &[u8]) -> Option<Refusal> {
    let said = Message::decode(answer).ok()?.application_properties?;
    let status = match said.value("status-code") {
        Some(Value::Int(status)) if status != OK => u16::try_from(status).unwrap_or(u16::MAX),
        _ => return None,
    };
    let text = |key| said.value(key).and_then(|value| value.as_text()).unwrap_or_default();
    let (code, message) = (text("error-condition"), text("status-description"));
    let message = message.trim_end_matches('.').to_owned();
    Some(Refusal { status, code: code.to_owned(), message })
}

/// The partitions of an event hub, by their ids; `None` when the bytes say something else.
#[must_use]
pub fn read_partition_ids(answer: &[u8]) -> Option<Vec<String>> {
    let Body::Value(Value::Map(body)) = Message::decode(answer).ok()?.body else { return None };
    let Some(Value::Array(ids)) = body.value("partition_ids") else { return None };
    ids.iter().map(|id| id.ok()?.as_text().map(ToOwned::to_owned)).collect()
}

/// Where a partition stands; `None` when the bytes say something else.
#[must_use]
pub fn read_position(answer: &[u8]) -> Option<Position> {
    let Body::Value(Value::Map(body)) = Message::decode(answer).ok()?.body else { return None };
    let long = |key| match body.value(key) {
        Some(Value::Long(number)) => Some(number),
        _ => None,
    };
    let Some(Value::Timestamp(last_enqueued_ms)) = body.value("last_enqueued_time_utc") else {
        return None;
    };
    Some(Position {
        begin: long("begin_sequence_number")?,
        last: long("last_enqueued_sequence_number")?,
        last_enqueued_ms,
    })
}

#[cfg(test)]
mod tests {
    use ringhub_core::codec::amqp::performative::Condition;
    use ringhub_core::session::amqp::RequestReply;
    use ringhub_core::session::amqp::event_head::LastEnqueued;
    use ringhub_core::session::amqp::management::{
        EventHubInfo, ManagementRead, ManagementRequest, PartitionInfo,
    };
    use ringhub_core::time::UnixMillis;

    use super::*;

    #[test]
    fn the_hub_understands_the_question_and_its_answer_is_understood() {
        let question = about_event_hub("ringhub");
        let read = ManagementRequest::decode(&question).unwrap().read;
        assert_eq!(read, Some(ManagementRead::EventHub { entity: "ringhub" }));
        let mut answer = BytesMut::new();
        let created_at = UnixMillis::EPOCH;
        EventHubInfo { entity: "ringhub", created_at, partition_count: 3 }.encode(&mut answer);
        assert_eq!(read_partition_ids(&answer).unwrap(), ["0", "1", "2"]);
        assert_eq!(read_partition_ids(b"no message"), None);
    }

    #[test]
    fn the_hub_understands_the_question_about_a_partition_too() {
        let question = about_partition("ringhub", "2");
        let read = ManagementRequest::decode(&question).unwrap().read;
        assert_eq!(read, Some(ManagementRead::Partition { entity: "ringhub", partition: "2" }));
        let mut answer = BytesMut::new();
        let enqueued_time = UnixMillis::from_millis(9);
        let last = Some(LastEnqueued { sequence_number: 7, offset: 1, enqueued_time });
        let (entity, partition) = ("ringhub", "2");
        PartitionInfo { entity, partition, begin_sequence_number: 3, last }.encode(&mut answer);
        let position = Position { begin: 3, last: 7, last_enqueued_ms: 9 };
        assert_eq!(read_position(&answer), Some(position));
        assert_eq!(read_position(b"no message"), None);
    }

    #[test]
    fn a_refusal_is_told_from_an_answer() {
        let (mut refused, mut answered) = (BytesMut::new(), BytesMut::new());
        let condition = Some(Condition::NotFound);
        RequestReply { correlation_id: None, status: 404, description: "None.", condition }
            .encode(&mut refused);
        RequestReply::ok(None).encode(&mut answered);
        let refusal = read_refusal(&refused).expect("it is one");
        assert_eq!(refusal.to_string(), "None (404 amqp:not-found)");
        assert!(refusal.is_not_found());
        assert_eq!((read_refusal(&answered), read_refusal(b"no message")), (None, None));
    }
}
