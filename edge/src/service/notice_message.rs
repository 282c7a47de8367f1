//! A notice as back ends get it.
//!
//! Source: service-endpoints reference, "Delivery feedback", "File-upload notifications".

use bytes::BytesMut;
use ringhub_control_plane::c2d::Notice;
use ringhub_core::codec::amqp::primitive::{write_symbol, write_timestamp};
use ringhub_core::codec::amqp::section::{
    MapSection, Properties, begin_map_section, end_map_section, write_data, write_header,
};

/// Appends the sections of a notice; `host` is the hub's name.
pub(super) fn write(out: &mut BytesMut, notice: &Notice, host: &str) {
    write_header(out, notice.delivery_count);
    let start = begin_map_section(out, MapSection::MessageAnnotations);
    write_symbol(out, "iothub-enqueuedtime");
    write_timestamp(out, notice.enqueued.as_millis());
    end_map_section(out, start, 2);
    let properties = Properties {
        user_id: Some(host.as_bytes()),
        to: Some(notice.kind.node()),
        content_type: Some(notice.kind.content_type()),
        ..Properties::default()
    };
    properties.encode(out);
    write_data(out, notice.body.as_bytes());
}

#[cfg(test)]
mod tests {
    use ringhub_control_plane::c2d::NoticeKind;
    use ringhub_core::c2d::LockToken;
    use ringhub_core::codec::amqp::primitive::Value as AmqpValue;
    use ringhub_core::codec::amqp::section::{Body, Message};
    use ringhub_core::time::UnixMillis;

    use super::*;

    #[test]
    fn a_notice_has_what_the_sdks_dereference() {
        for kind in NoticeKind::ALL {
            let notice = Notice {
                kind,
                token: LockToken(1),
                delivery_count: 2,
                enqueued: UnixMillis::from_millis(1_899_996_400_123),
                body: "{}".to_owned(),
            };
            let mut out = BytesMut::new();
            write(&mut out, &notice, "hub.example");
            let message = Message::decode(&out).expect("a message");
            assert_eq!(message.properties.content_type, Some(kind.content_type()));
            assert_eq!(message.properties.user_id, Some(&b"hub.example"[..]));
            let annotations = message.message_annotations.expect("annotations");
            let enqueued = annotations.value("iothub-enqueuedtime");
            assert_eq!(enqueued, Some(AmqpValue::Timestamp(1_899_996_400_123)));
            let header = message.header.expect("a header").iter().last();
            assert_eq!(header, Some(Ok(AmqpValue::Uint(2))));
            assert_eq!(message.body, Body::Data(b"{}"));
        }
    }
}
