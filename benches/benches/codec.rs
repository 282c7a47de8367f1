//! Codec: cost of one message from bytes to typed parts, beside a plain search through the same
//! bytes.
//!
//! The samples are those of the tests. Pairs are interleaved, so that drift of the machine meets
//! both.

mod codec_support;

use std::hint::black_box;
use std::sync::Arc;

use bytes::BytesMut;
use codec_support::{Costs, allocations, compare, measure};
use ringhub_core::codec::amqp::Frame;
use ringhub_core::codec::amqp::performative::Performative;
use ringhub_core::codec::amqp::section::Message;
use ringhub_core::codec::mqtt::{Packet, decode};
use ringhub_core::id::{DeviceId, HubId, HubPartition, Identity, PartitionId};
use ringhub_core::log::record::RecordView;
use ringhub_core::message::{AuthScope, D2cEncoder, Origin};
use ringhub_core::position::{Committed, RingPosition};
use ringhub_core::session::amqp::event_head::EventHead;
use ringhub_core::session::amqp::{
    AmqpConfig, AmqpConnection, AmqpEvent, LinkAccept, LinkId, Outgoing,
};
use ringhub_core::session::mqtt::property_bag::{PropertyBag, PropertyName};
use ringhub_core::session::mqtt::topic::Topic;
use ringhub_core::session::mqtt::{
    Acceptance, D2cPublish, Handled, MqttSession, Subscriptions, d2c_message, system_properties,
};
use ringhub_core::time::{Timestamp, UnixMillis};

const CONNECT: &[u8] = include_bytes!("../../core/samples/mqtt/connect_sas.bin");
const PUBLISH: &[u8] = include_bytes!("../../core/samples/mqtt/publish_qos1_three_properties.bin");
const TRANSFER: &[u8] = include_bytes!("../../core/samples/amqp/transfer_all_sections.bin");

/// What a reader sends before events flow to it.
const READER: [&[u8]; 5] = [
    b"AMQP\0\x01\0\0",
    include_bytes!("../../core/samples/amqp/open.bin"),
    include_bytes!("../../core/samples/amqp/begin.bin"),
    include_bytes!("../../core/samples/amqp/attach_partition_receiver.bin"),
    include_bytes!("../../core/samples/amqp/flow_credit.bin"),
];

/// Events that are written into one connection before its buffer is emptied.
const EVENTS_PER_TURN: u64 = 50;

fn main() {
    let identity = device();
    compare("MQTT PUBLISH, QoS 1", 100.0, PUBLISH, |bytes| decode_publish(&identity, bytes));
    compare("AMQP transfer", 200.0, TRANSFER, decode_transfer);
    telemetry();
    delivery();
}

fn device() -> Identity {
    let device = DeviceId::parse("cooler-7").expect("the device of the samples");
    Identity { device, module: None }
}

/// Reads a PUBLISH with its topic, and its property bag split, system properties recognised.
fn decode_publish(identity: &Identity, bytes: &[u8]) {
    let Ok(Some((Packet::Publish(publish), _))) = decode(bytes) else { panic!("a PUBLISH") };
    let Ok(Topic::Events { bag }) = Topic::parse(publish.topic, identity) else {
        panic!("a topic of telemetry")
    };
    let bag = PropertyBag::parse(bag).expect("a valid bag");
    let system = bag
        .into_iter()
        .filter(|property| matches!(black_box(*property).name, PropertyName::System(_)));
    assert_eq!(system.count(), 2);
    black_box(&publish);
}

/// Reads a transfer with all sections, every annotation and property typed.
fn decode_transfer(bytes: &[u8]) {
    let frame = Frame::decode(bytes, 65_536).expect("a frame").expect("a whole frame").0;
    let (performative, payload) = Performative::decode(frame.body).expect("a transfer");
    black_box(&performative);
    let message = Message::decode(payload).expect("a message");
    let maps = [
        message.delivery_annotations,
        message.message_annotations,
        message.application_properties,
        message.footer,
    ];
    let pairs = maps.into_iter().flatten().flat_map(|map| map.pairs());
    let typed = pairs.filter(|pair| black_box(pair).is_ok());
    assert_eq!(typed.count(), 5);
    black_box(&message);
}

/// A session that has been let in.
fn connected() -> MqttSession {
    let mut session = MqttSession::new(Timestamp::ZERO);
    let (packet, _) = decode(CONNECT).expect("a CONNECT").expect("a whole CONNECT");
    session.handle_packet(packet, Timestamp::ZERO).expect("a good CONNECT");
    let subscriptions = Subscriptions::NONE;
    let acceptance = Acceptance { session_present: false, subscriptions, token_deadline: None };
    session.accept(acceptance, Timestamp::ZERO);
    session.poll_transmit(&mut BytesMut::new());
    session
}

fn telemetry_of<'p>(session: &mut MqttSession, bytes: &'p [u8]) -> D2cPublish<'p> {
    let (packet, _) = decode(bytes).expect("a PUBLISH").expect("a whole PUBLISH");
    match session.handle_packet(packet, Timestamp::ZERO) {
        Ok(Handled::Publish(publish)) => publish,
        other => panic!("telemetry expected, not {other:?}"),
    }
}

/// From the bytes of a PUBLISH to the record for the ring, and with the session's window and
/// PUBACK.
fn telemetry() {
    let to = HubPartition { hub: HubId(0), partition: PartitionId(0) };
    let origin = Origin::new(&device(), AuthScope::Device, "638000000000000000", None);
    let mut encoder = D2cEncoder::default();
    let mut session = connected();
    let mut encode = |publish: &D2cPublish<'_>| {
        let system = system_properties(publish);
        let message = d2c_message(publish, &system);
        let record = encoder.encode(to, &origin, message, UnixMillis::from_millis(5));
        black_box(record.expect("a small message"));
    };
    let publish = telemetry_of(&mut session, PUBLISH);
    encode(&publish);
    let allocated = allocations(|| encode(&publish));
    measure("D2C record", || encode(black_box(&publish))).print(allocated);

    let mut session = connected();
    let mut out = BytesMut::new();
    let mut position = 0;
    let mut turn = || {
        let publish = telemetry_of(&mut session, black_box(PUBLISH));
        encode(&publish);
        position += 1;
        session.handle_accepted(publish.receipt, RingPosition(position));
        session.handle_committed(Committed(RingPosition(position)));
        session.poll_transmit(&mut out);
        out.clear();
    };
    turn();
    let allocated = allocations(&mut turn);
    measure("PUBLISH to PUBACK", turn).print(allocated);
}

/// A hub with an attached reader that has granted credit.
fn hub_with_reader() -> (AmqpConnection, LinkId) {
    let mut hub = AmqpConnection::hub(Arc::new(AmqpConfig::default()), Timestamp::ZERO);
    let input = READER.concat();
    let (mut used, mut reader) = (0, None);
    loop {
        let (consumed, event) =
            hub.handle_bytes(&input[used..], Timestamp::ZERO).expect("a well-behaved reader");
        used += consumed;
        match event {
            Some(AmqpEvent::LinkRequested { link, .. }) => {
                let accept =
                    LinkAccept { credit: 0, max_message_size: u64::MAX, snd_settle_mode: None };
                hub.accept_link(link, accept);
                reader = Some(link);
            }
            None if consumed == 0 => return (hub, reader.expect("the reader has attached")),
            _ => {}
        }
    }
}

/// From a stored record to the transfer that a reader gets.
fn delivery() {
    let to = HubPartition { hub: HubId(0), partition: PartitionId(0) };
    let origin = Origin::new(&device(), AuthScope::Device, "638000000000000000", None);
    let mut encoder = D2cEncoder::default();
    let publish = telemetry_of(&mut connected(), PUBLISH);
    let system = system_properties(&publish);
    let message = d2c_message(&publish, &system);
    let record = encoder.encode(to, &origin, message, UnixMillis::from_millis(5));
    let record = record.expect("a small message");
    let (mut head, mut out) = (BytesMut::with_capacity(1024), BytesMut::with_capacity(1 << 17));
    let mut deliver = |hub: &mut AmqpConnection, link| {
        for _ in 0..EVENTS_PER_TURN {
            write_event(hub, link, black_box(record), &mut head);
        }
        hub.poll_transmit(&mut out);
        out.clear();
    };
    let mut costs = Costs::new("event delivery");
    let mut allocated = 0;
    for _ in 0..codec_support::RUNS {
        // A connection of its own: the credit of one reader would run out.
        let (mut hub, link) = hub_with_reader();
        deliver(&mut hub, link);
        allocated = allocations(|| costs.time(EVENTS_PER_TURN, || deliver(&mut hub, link)));
    }
    costs.print(allocated);
}

fn write_event(hub: &mut AmqpConnection, link: LinkId, record: &[u8], head: &mut BytesMut) {
    let record = RecordView::parse(record).expect("a whole record");
    head.clear();
    let event = EventHead {
        sequence_number: 1,
        offset: 4096,
        enqueued_time_ms: 1_700_000_000_000,
        annotation_count: record.annotation_count().into(),
        annotations: record.annotations(),
    };
    event.encode(head);
    hub.send(link, &[head, record.sections()], Outgoing::SETTLED).expect("the link has credit");
}
