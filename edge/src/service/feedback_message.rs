//! A batch of feedback as back ends get it.
//!
//! Source: service-endpoints reference, "Delivery feedback".

use bytes::BytesMut;
use ringhub_control_plane::c2d::{FEEDBACK_CONTENT_TYPE, feedback_json};
use ringhub_core::c2d::LockedBatch;
use ringhub_core::codec::amqp::primitive::{write_symbol, write_timestamp};
use ringhub_core::codec::amqp::section::{
    MapSection, Properties, begin_map_section, end_map_section, write_data, write_header,
};
use ringhub_core::time::UnixMillis;

const TO: &str = "/messages/serviceBound/feedback";

/// Appends the sections of a batch; `host` is the hub's name.
pub(super) fn write(out: &mut BytesMut, batch: &LockedBatch, host: &str) {
    write_header(out, batch.delivery_count);
    let start = begin_map_section(out, MapSection::MessageAnnotations);
    let newest = batch.records.last().map_or(UnixMillis::EPOCH, |record| record.time);
    write_symbol(out, "iothub-enqueuedtime");
    write_timestamp(out, newest.as_millis());
    end_map_section(out, start, 2);
    let properties = Properties {
        user_id: Some(host.as_bytes()),
        to: Some(TO),
        content_type: Some(FEEDBACK_CONTENT_TYPE),
        ..Properties::default()
    };
    properties.encode(out);
    write_data(out, feedback_json(&batch.records).as_bytes());
}

#[cfg(test)]
mod tests {
    use ringhub_core::c2d::{FeedbackRecord, LockToken, Outcome};
    use ringhub_core::codec::amqp::primitive::Value as AmqpValue;
    use ringhub_core::codec::amqp::section::{Body, Message};
    use ringhub_core::id::{DeviceId, Identity};
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_batch_has_what_the_sdks_dereference() {
        let record = FeedbackRecord {
            id: 3,
            identity: Identity { device: DeviceId::parse("dev-1").expect("valid"), module: None },
            generation: 638_000_000_000_000_000,
            message_id: "c2d-17".into(),
            outcome: Outcome::DeliveryCountExceeded,
            time: UnixMillis::from_millis(1_899_996_400_123),
        };
        let batch =
            LockedBatch { token: LockToken(1), records: [record].into(), delivery_count: 2 };
        let mut out = BytesMut::new();
        write(&mut out, &batch, "hub.example");
        let message = Message::decode(&out).expect("a message");
        assert_eq!(message.properties.content_type, Some(FEEDBACK_CONTENT_TYPE));
        assert_eq!(message.properties.user_id, Some(&b"hub.example"[..]));
        let annotations = message.message_annotations.expect("annotations");
        let enqueued = annotations.value("iothub-enqueuedtime");
        assert_eq!(enqueued, Some(AmqpValue::Timestamp(1_899_996_400_123)));
        let header = message.header.expect("a header").iter().last();
        assert_eq!(header, Some(Ok(AmqpValue::Uint(2))));
        let Body::Data(body) = message.body else { panic!("one data section") };
        let records: Value = serde_json::from_slice(body).expect("JSON");
        assert_eq!(
            records,
            json!([{
                "originalMessageId": "c2d-17",
                "description": "DeliveryCountExceeded",
                "deviceGenerationId": "638000000000000000",
                "deviceId": "dev-1",
                "enqueuedTimeUtc": "2030-03-17T16:46:40.1230000Z",
                "statusCode": "DeliveryCountExceeded",
            }])
        );
    }
}
