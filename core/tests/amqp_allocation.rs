//! Counts allocations: reading a transfer makes none, sending an event makes none, nor does storing
//! what a device sent.

use std::hint::black_box;
use std::sync::Arc;

use allocation_counter::measure;
use bytes::BytesMut;
use ringhub_core::codec::amqp::Frame;
use ringhub_core::codec::amqp::performative::Performative;
use ringhub_core::codec::amqp::primitive::write_str;
use ringhub_core::codec::amqp::section::{
    MapSection, Message, MessageId, Properties, begin_map_section, end_map_section, write_data,
};
use ringhub_core::id::{DeviceId, HubId, HubPartition, Identity, PartitionId};
use ringhub_core::message::{AmqpTelemetry, AuthScope, D2cEncoder, MessageTooLarge, Origin};
use ringhub_core::session::amqp::event_head::EventHead;
use ringhub_core::session::amqp::{
    AmqpConfig, AmqpConnection, AmqpEvent, LinkAccept, LinkId, Outgoing,
};
use ringhub_core::time::{Timestamp, UnixMillis};

const TRANSFER: &[u8] = include_bytes!("../samples/amqp/transfer_all_sections.bin");

/// Reads a whole transfer with every annotation and property typed; the number of pairs.
fn read_transfer(bytes: &[u8]) -> usize {
    let (frame, _) = Frame::decode(bytes, 65536).unwrap().unwrap();
    let (performative, payload) = Performative::decode(frame.body).unwrap();
    black_box(performative);
    let message = Message::decode(payload).unwrap();
    black_box(message.properties.message_id);
    let maps = [message.message_annotations, message.application_properties];
    let mut pairs = 0;
    for pair in maps.into_iter().flatten().flat_map(|map| map.pairs()) {
        black_box(pair.unwrap());
        pairs += 1;
    }
    pairs
}

#[test]
fn reading_a_transfer_does_not_allocate() {
    let mut pairs = 0;
    assert_eq!(measure(|| pairs = read_transfer(TRANSFER)).count_total, 0);
    assert_eq!(pairs, 5);
    assert_eq!(measure(|| drop(black_box(vec![1u8]))).count_total, 1, "the counter counts");
}

/// A hub with an attached reader that has granted credit.
fn hub_with_reader() -> (AmqpConnection, LinkId) {
    let mut hub = AmqpConnection::hub(Arc::new(AmqpConfig::default()), Timestamp::ZERO);
    let input = [
        &b"AMQP\0\x01\0\0"[..],
        include_bytes!("../samples/amqp/open.bin"),
        include_bytes!("../samples/amqp/begin.bin"),
        include_bytes!("../samples/amqp/attach_partition_receiver.bin"),
        include_bytes!("../samples/amqp/flow_credit.bin"),
    ]
    .concat();
    let (mut used, mut reader) = (0, None);
    loop {
        let (consumed, event) = hub.handle_bytes(&input[used..], Timestamp::ZERO).unwrap();
        used += consumed;
        match event {
            Some(AmqpEvent::LinkRequested { link, .. }) => {
                let accept =
                    LinkAccept { credit: 0, max_message_size: u64::MAX, snd_settle_mode: None };
                hub.accept_link(link, accept);
                reader = Some(link);
            }
            None if consumed == 0 => return (hub, reader.unwrap()),
            _ => {}
        }
    }
}

#[test]
fn sending_an_event_does_not_allocate_once_the_buffers_have_grown() {
    let (mut hub, link) = hub_with_reader();
    let (mut head, mut out) = (BytesMut::with_capacity(1024), BytesMut::with_capacity(1 << 17));
    let mut send = |hub: &mut AmqpConnection, number| {
        head.clear();
        let event = EventHead {
            sequence_number: number,
            offset: number * 300,
            enqueued_time_ms: 1_700_000_000_000,
            annotation_count: 0,
            annotations: &[],
        };
        event.encode(&mut head);
        hub.send(link, &[&head, &[7; 256]], Outgoing::SETTLED).unwrap();
    };
    (0..140).for_each(|number| send(&mut hub, number));
    hub.poll_transmit(&mut out);
    out.clear();
    let counted = measure(|| {
        (140..280).for_each(|number| send(&mut hub, number));
        hub.poll_transmit(&mut out);
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn telemetry_of_a_device_goes_into_its_record_without_an_allocation() {
    let device = DeviceId::parse("cooler-7").unwrap();
    let identity = Identity { device, module: None };
    let origin = Origin::new(&identity, AuthScope::Device, "638", None);
    let to = HubPartition { hub: HubId(0), partition: PartitionId(0) };
    let payload = message_of_a_device();
    let mut encoder = D2cEncoder::default();
    let mut store = |payload: &[u8]| {
        let mut telemetry = AmqpTelemetry::default();
        telemetry.read(0, payload).unwrap();
        let mut stored = 0;
        let taken = telemetry.try_for_each(0, |message| {
            let record = encoder.encode(to, &origin, message.as_d2c(), UnixMillis::EPOCH)?;
            stored += black_box(record).len();
            Ok::<(), MessageTooLarge>(())
        });
        taken.unwrap();
        stored
    };
    let first = store(&payload);
    let mut second = 0;
    assert_eq!(measure(|| second = store(&payload)).count_total, 0);
    assert!(first > payload.len() && first == second);
}

/// Properties, application properties and body, all of them text.
fn message_of_a_device() -> BytesMut {
    let mut out = BytesMut::new();
    let properties = Properties {
        message_id: Some(MessageId::Str("m-1")),
        user_id: Some(b"u"),
        content_type: Some("application/json"),
        content_encoding: Some("utf-8"),
        ..Properties::default()
    };
    properties.encode(&mut out);
    let start = begin_map_section(&mut out, MapSection::ApplicationProperties);
    for text in ["level", "hot", "site", "north"] {
        write_str(&mut out, text);
    }
    end_map_section(&mut out, start, 4);
    write_data(&mut out, br#"{"temperature":21.5}"#);
    out
}
