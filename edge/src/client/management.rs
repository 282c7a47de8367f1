//! Questions to the `$management` node of the Event-Hubs-compatible endpoint.

use bytes::BytesMut;
use ringhub_core::codec::amqp::primitive::{Value, write_str};
use ringhub_core::codec::amqp::section::{
    Body, MapSection, Message, MessageId, Properties, begin_map_section, end_map_section,
    write_null_body,
};

use super::amqp::{AmqpClient, AmqpFact};
use super::{ClientError, Result};

const NODE: &str = "$management";

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
    let sent = client.send(questions, &question(entity));
    sent.map_err(|error| ClientError::Protocol(error.to_string()))?;
    let answer = client.wait_for(|fact| match fact {
        AmqpFact::Message { payload, .. } => Some(payload.clone()),
        _ => None,
    })?;
    read_partition_ids(&answer)
        .ok_or_else(|| ClientError::Protocol("what $management says".to_owned()))
}

fn question(entity: &str) -> BytesMut {
    let mut out = BytesMut::new();
    let message_id = Some(MessageId::Str("1"));
    Properties { message_id, reply_to: Some(NODE), ..Properties::default() }.encode(&mut out);
    let start = begin_map_section(&mut out, MapSection::ApplicationProperties);
    for text in ["operation", "READ", "type", "com.microsoft:eventhub", "name", entity] {
        write_str(&mut out, text);
    }
    end_map_section(&mut out, start, 6);
    write_null_body(&mut out);
    out
}

fn read_partition_ids(answer: &[u8]) -> Option<Vec<String>> {
    let Body::Value(Value::Map(body)) = Message::decode(answer).ok()?.body else { return None };
    let Some(Value::Array(ids)) = body.value("partition_ids") else { return None };
    ids.iter().map(|id| id.ok()?.as_text().map(ToOwned::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use ringhub_core::session::amqp::management::{
        EventHubInfo, ManagementRead, ManagementRequest,
    };
    use ringhub_core::time::UnixMillis;

    use super::*;

    #[test]
    fn the_hub_understands_the_question_and_its_answer_is_understood() {
        let question = question("ringhub");
        let read = ManagementRequest::decode(&question).unwrap().read;
        assert_eq!(read, Some(ManagementRead::EventHub { entity: "ringhub" }));
        let mut answer = BytesMut::new();
        let created_at = UnixMillis::EPOCH;
        EventHubInfo { entity: "ringhub", created_at, partition_count: 3 }.encode(&mut answer);
        assert_eq!(read_partition_ids(&answer).unwrap(), ["0", "1", "2"]);
        assert_eq!(read_partition_ids(b"no message"), None);
    }
}
