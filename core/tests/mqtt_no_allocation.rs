//! The telemetry path from bytes to typed parts allocates nothing but room for texts with escapes,
//! and an idle session holds no heap memory.

use std::hint::black_box;

use allocation_counter::measure;
use ringhub_core::codec::mqtt::{Packet, decode};
use ringhub_core::position::{Committed, RingPosition};
use ringhub_core::session::mqtt::property_bag::{Encoded, PropertyName};
use ringhub_core::session::mqtt::{Acceptance, Handled, MqttSession, Subscriptions};
use ringhub_core::time::Timestamp;

const CONNECT: &[u8] = include_bytes!("../samples/mqtt/connect_sas.bin");
const PLAIN: &[u8] = include_bytes!("../samples/mqtt/publish_qos1_three_properties.bin");
const ESCAPED: &[u8] = include_bytes!("../samples/mqtt/publish_qos1_escaped_properties.bin");
const SUBSCRIBE: &[u8] = include_bytes!("../samples/mqtt/subscribe.bin");

fn packet(bytes: &[u8]) -> Packet<'_> {
    decode(bytes).unwrap().unwrap().0
}

fn connected() -> MqttSession {
    let mut session = MqttSession::new(Timestamp::ZERO);
    session.handle_packet(packet(CONNECT), Timestamp::ZERO).unwrap();
    let subscriptions = Subscriptions::NONE;
    let acceptance = Acceptance { session_present: false, subscriptions, token_deadline: None };
    session.accept(acceptance, Timestamp::ZERO);
    session.poll_transmit(&mut bytes::BytesMut::with_capacity(64));
    session
}

#[test]
fn the_counter_counts() {
    assert_eq!(measure(|| drop(black_box(Box::new(1)))).count_total, 1);
}

#[test]
fn decoding_allocates_nothing() {
    for bytes in [CONNECT, PLAIN, ESCAPED, SUBSCRIBE] {
        let work = || {
            if let Packet::Subscribe(subscribe) = black_box(packet(bytes)) {
                assert_eq!(subscribe.filters().count(), 4);
            }
        };
        assert_eq!(measure(work).count_total, 0);
    }
}

#[test]
fn handling_telemetry_allocates_only_for_texts_with_escapes() {
    let mut session = connected();
    for (bytes, properties, escaped_texts) in [(PLAIN, 3, 0), (ESCAPED, 4, 2)] {
        let work = || {
            let handled = session.handle_packet(packet(bytes), Timestamp::ZERO);
            let Ok(Handled::Publish(event)) = handled else { panic!("{handled:?}") };
            let mut count = 0;
            for property in event.bag {
                if let PropertyName::Application(name) = property.name {
                    black_box(name.decode());
                }
                black_box(property.value.map(Encoded::decode));
                count += 1;
            }
            assert_eq!(count, properties);
        };
        assert_eq!(measure(work).count_total, escaped_texts);
    }
}

#[test]
fn a_publish_costs_one_allocation_until_it_is_acknowledged() {
    let mut session = connected();
    let mut out = bytes::BytesMut::with_capacity(64);
    let work = || {
        let handled = session.handle_packet(packet(PLAIN), Timestamp::ZERO);
        let Ok(Handled::Publish(event)) = handled else { panic!("{handled:?}") };
        session.handle_accepted(event.receipt, RingPosition(1));
        session.handle_committed(Committed(RingPosition(1)));
        assert!(session.poll_transmit(&mut out));
    };
    assert_eq!(measure(work).count_total, 1);
}
