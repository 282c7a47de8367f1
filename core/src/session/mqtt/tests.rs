//! Session behaviour, one rule of the hub per test, over real packets.

use core::num::NonZeroU16;
use core::time::Duration;

use bytes::BytesMut;
use hex_literal::hex;

use super::*;
use crate::codec::mqtt::{
    Connack, ConnackCode, Connect, ConnectWill, DecodeError, Delivery, Packet, Publish, Qos,
    Subscribe, Unsubscribe, decode,
};
use crate::id::PacketId;
use crate::limits::{MQTT_INFLIGHT_BYTES_MAX, MQTT_INFLIGHT_PUBLISHES_MAX};
use crate::position::{Committed, RingPosition};
use crate::time::Timestamp;

const EVENTS: &str = "devices/d/messages/events/";
const USER: &str = "hub.example/d/?api-version=2021-04-12";
const CONNECT: Connect<'_> = Connect {
    clean_session: false,
    keep_alive: 60,
    client_id: "d",
    will: None,
    user_name: Some(USER),
    password: Some(b"token"),
};
const ACCEPTANCE: Acceptance =
    Acceptance { session_present: false, subscriptions: Subscriptions::NONE, token_deadline: None };
const WILL: ConnectWill<'_> =
    ConnectWill { topic: EVENTS, payload: b"gone", qos: Qos::AtLeastOnce, retain: true };

fn at(secs: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_secs(secs)
}

fn id(number: u16) -> PacketId {
    PacketId(NonZeroU16::new(number).unwrap())
}

fn connect_packet<'a>(connect: Connect<'a>, bytes: &'a mut BytesMut) -> Packet<'a> {
    connect.encode(bytes).unwrap();
    decode(bytes).unwrap().unwrap().0
}

/// A session that has been let in; its CONNACK is transmitted.
fn connected(connect: Connect<'_>, acceptance: Acceptance) -> MqttSession {
    let mut session = MqttSession::new(at(0));
    let mut bytes = BytesMut::new();
    let handled = session.handle_packet(connect_packet(connect, &mut bytes), at(0));
    assert!(matches!(handled, Ok(Handled::Connect(_))), "{handled:?}");
    session.accept(acceptance, at(0));
    transmitted(&mut session);
    session
}

fn transmitted(session: &mut MqttSession) -> BytesMut {
    let mut out = BytesMut::new();
    let any = session.poll_transmit(&mut out);
    assert_eq!(any, !out.is_empty());
    out
}

fn publish(topic: &str, delivery: Delivery) -> Packet<'_> {
    Packet::Publish(Publish { topic, delivery, retain: false, payload: b"body" })
}

const fn qos1(id: PacketId) -> Delivery {
    Delivery::AtLeastOnce { id, dup: false }
}

/// Hands in a QoS 1 event and lets the ring take it at `position`.
fn accept_event(session: &mut MqttSession, number: u16, position: u64) {
    let handled = session.handle_packet(publish(EVENTS, qos1(id(number))), at(1));
    let Ok(Handled::Publish(event)) = handled else { panic!("{handled:?}") };
    session.handle_accepted(event.receipt, RingPosition(position));
}

fn subscribe(session: &mut MqttSession, filters: &[(&str, Qos)]) -> Result<(), SessionError> {
    let mut bytes = BytesMut::new();
    Subscribe::encode_filters(id(9), filters, &mut bytes).unwrap();
    let packet = decode(&bytes).unwrap().unwrap().0;
    session.handle_packet(packet, at(1)).map(|_| ())
}

#[test]
fn an_idle_session_is_small() {
    assert!(size_of::<MqttSession>() <= 192, "{} bytes", size_of::<MqttSession>());
}

#[test]
fn lets_a_client_in_after_the_verdict() {
    let mut session = MqttSession::new(at(0));
    let mut bytes = BytesMut::new();
    let handled = session.handle_packet(connect_packet(CONNECT, &mut bytes), at(0));
    let Ok(Handled::Connect(request)) = handled else { panic!("{handled:?}") };
    assert_eq!((request.user_name.host, request.user_name.device), ("hub.example", "d"));
    assert_eq!((request.password, request.clean_session), (Some(&b"token"[..]), false));
    assert!(!session.can_read(), "packets after CONNECT wait for CONNACK");
    assert!(transmitted(&mut session).is_empty());
    session.accept(Acceptance { session_present: true, ..ACCEPTANCE }, at(0));
    assert!(session.can_read());
    assert_eq!(transmitted(&mut session)[..], hex!("20 02 01 00"));
}

#[test]
fn session_present_is_told_only_to_those_who_keep_sessions() {
    let mut kept = Subscriptions::NONE;
    kept.insert(SubscriptionKind::Methods, Qos::AtLeastOnce);
    let acceptance = Acceptance { session_present: true, subscriptions: kept, ..ACCEPTANCE };
    assert_eq!(connected(CONNECT, acceptance).subscriptions(), kept);
    let clean = connected(Connect { clean_session: true, ..CONNECT }, acceptance);
    assert_eq!(clean.subscriptions(), Subscriptions::NONE);
}

#[test]
fn answers_a_bad_connect_with_its_code() {
    let cases: [(Connect<'_>, SessionError, u8); 4] = [
        (Connect { user_name: None, password: None, ..CONNECT }, SessionError::NoUserName, 4),
        (
            Connect { user_name: Some("hub"), ..CONNECT },
            SessionError::UserName(user_name::InvalidUserName::NoDevice),
            4,
        ),
        (Connect { client_id: "", ..CONNECT }, SessionError::ClientId, 2),
        (Connect { client_id: "D", ..CONNECT }, SessionError::ClientId, 2),
    ];
    for (connect, error, code) in cases {
        let mut session = MqttSession::new(at(0));
        let mut bytes = BytesMut::new();
        let handled = session.handle_packet(connect_packet(connect, &mut bytes), at(0));
        assert_eq!(handled.err(), Some(error));
        assert_eq!(session.close(CloseReason::Error(error)), None);
        assert_eq!(transmitted(&mut session)[..], [0x20, 2, 0, code], "{error}");
        assert!(!session.can_read() && session.poll_timeout().is_none());
    }
}

#[test]
fn answers_another_protocol_level_with_code_1() {
    let mut session = MqttSession::new(at(0));
    let bytes = hex!("10 0e 0004 4d515454 05 02 003c 00 0001 64");
    let packet = decode(&bytes).unwrap().unwrap().0;
    let error = session.handle_packet(packet, at(0)).unwrap_err();
    assert_eq!(error, SessionError::ProtocolLevel(5));
    session.close(CloseReason::Error(error));
    assert_eq!(transmitted(&mut session)[..], hex!("20 02 00 01"));
}

#[test]
fn a_refused_client_hears_the_code_and_leaves_no_will() {
    let mut session = MqttSession::new(at(0));
    let mut bytes = BytesMut::new();
    let packet = connect_packet(Connect { will: Some(WILL), ..CONNECT }, &mut bytes);
    session.handle_packet(packet, at(0)).unwrap();
    session.refuse(ConnackCode::NotAuthorized);
    assert_eq!(transmitted(&mut session)[..], hex!("20 02 00 05"));
    assert_eq!(session.close(CloseReason::TransportLost), None);
}

#[test]
fn rejects_publish_before_connect() {
    let mut session = MqttSession::new(at(0));
    let handled = session.handle_packet(publish(EVENTS, Delivery::AtMostOnce), at(0));
    assert_eq!(handled.err(), Some(SessionError::ExpectedConnect));
    session.close(CloseReason::Error(SessionError::ExpectedConnect));
    assert!(transmitted(&mut session).is_empty());
}

#[test]
fn rejects_what_a_connected_client_may_not_send() {
    let exactly_once = Delivery::ExactlyOnce { id: id(1), dup: false };
    let foreign = SessionError::Topic(topic::TopicError::Foreign);
    let unknown = SessionError::Topic(topic::TopicError::Unknown);
    let mut bytes = BytesMut::new();
    let cases = [
        (connect_packet(CONNECT, &mut bytes), SessionError::SecondConnect),
        (publish(EVENTS, exactly_once), SessionError::PublishQos),
        (publish("$iothub/twin/GET/?$rid=1", exactly_once), SessionError::PublishQos),
        (publish("a/b", Delivery::AtMostOnce), unknown),
        (publish("devices/e/messages/events/", Delivery::AtMostOnce), foreign),
        (
            publish("devices/d/messages/events/=x", Delivery::AtMostOnce),
            SessionError::PropertyBag(property_bag::InvalidPropertyBag::NoName),
        ),
        (Packet::Connack(Connack::Accepted { session_present: false }), SessionError::ServerPacket),
    ];
    for (packet, error) in cases {
        let mut session = connected(CONNECT, ACCEPTANCE);
        assert_eq!(session.handle_packet(packet, at(1)).err(), Some(error), "{packet:?}");
        session.close(CloseReason::Error(error));
        assert!(transmitted(&mut session).is_empty(), "a connected client hears nothing");
    }
}

#[test]
fn limits_the_size_of_a_message_with_its_decoded_properties() {
    let mut session = connected(CONNECT, ACCEPTANCE);
    let payload = vec![0; 256 * 1024 - 4];
    let mut handle = |topic: &str| {
        let delivery = Delivery::AtMostOnce;
        let packet = Packet::Publish(Publish { topic, delivery, retain: false, payload: &payload });
        session.handle_packet(packet, at(1)).err()
    };
    assert_eq!(handle("devices/d/messages/events/ab=%20%20"), None);
    let too_large = SessionError::MessageTooLarge(256 * 1024 + 1);
    assert_eq!(handle("devices/d/messages/events/ab=%20%20%20"), Some(too_large));
}

#[test]
fn acknowledges_only_what_is_committed_and_in_order() {
    let mut session = connected(CONNECT, ACCEPTANCE);
    accept_event(&mut session, 5, 100);
    accept_event(&mut session, 3, 200);
    accept_event(&mut session, 4, 300);
    assert!(transmitted(&mut session).is_empty());
    assert!(!session.handle_committed(Committed(RingPosition(99))));
    assert!(session.handle_committed(Committed(RingPosition(250))));
    assert_eq!(transmitted(&mut session)[..], hex!("40 02 0005  40 02 0003"));
    assert!(session.handle_committed(Committed(RingPosition(300))));
    assert_eq!(transmitted(&mut session)[..], hex!("40 02 0004"));
    assert_eq!(session.last_accepted(), RingPosition(300));
}

#[test]
fn a_packet_that_the_ring_did_not_take_can_be_handed_in_again() {
    let mut session = connected(CONNECT, ACCEPTANCE);
    let first = session.handle_packet(publish(EVENTS, qos1(id(1))), at(1));
    assert!(matches!(first, Ok(Handled::Publish(_))));
    accept_event(&mut session, 1, 10);
    session.handle_committed(Committed(RingPosition(10)));
    assert_eq!(transmitted(&mut session)[..], hex!("40 02 0001"));
}

#[test]
fn the_puback_of_a_twin_request_keeps_its_turn() {
    let mut session = connected(CONNECT, ACCEPTANCE);
    accept_event(&mut session, 1, 10);
    let handled = session.handle_packet(publish("$iothub/twin/GET/?$rid=7", qos1(id(2))), at(1));
    let Ok(Handled::TwinRequest(request)) = handled else { panic!("{handled:?}") };
    assert_eq!(request, TwinRequest { rid: "7", operation: TwinOperation::Get });
    assert!(transmitted(&mut session).is_empty());
    session.handle_committed(Committed(RingPosition(10)));
    assert_eq!(transmitted(&mut session)[..], hex!("40 02 0001  40 02 0002"));

    let topic = "$iothub/methods/res/200/?$rid=2a";
    let handled = session.handle_packet(publish(topic, qos1(id(3))), at(1));
    let Ok(Handled::MethodResponse(response)) = handled else { panic!("{handled:?}") };
    assert_eq!((response.status, response.rid, response.body), (200, "2a", &b"body"[..]));
    assert_eq!(transmitted(&mut session)[..], hex!("40 02 0003"), "nothing is before it");
}

#[test]
fn stops_reading_at_the_publish_limit() {
    let mut session = connected(CONNECT, ACCEPTANCE);
    for number in 1..=MQTT_INFLIGHT_PUBLISHES_MAX as u16 {
        assert!(session.can_read());
        accept_event(&mut session, number, number.into());
    }
    assert!(!session.can_read());
    session.handle_committed(Committed(RingPosition(1)));
    transmitted(&mut session);
    assert!(session.can_read());
}

#[test]
fn stops_reading_at_the_byte_limit() {
    let mut session = connected(CONNECT, ACCEPTANCE);
    let payload = vec![0; MQTT_INFLIGHT_BYTES_MAX / 4];
    for number in 1..=4 {
        assert!(session.can_read());
        let delivery = qos1(id(number));
        let publish = Publish { topic: EVENTS, delivery, retain: false, payload: &payload };
        let Ok(Handled::Publish(event)) = session.handle_packet(Packet::Publish(publish), at(1))
        else {
            panic!("refused")
        };
        session.handle_accepted(event.receipt, RingPosition(number.into()));
    }
    assert!(!session.can_read());
}

#[test]
fn suback_leaves_after_the_change_is_durable() {
    let mut session = connected(CONNECT, ACCEPTANCE);
    let filters = [
        ("devices/d/messages/devicebound/#", Qos::AtLeastOnce),
        ("$iothub/twin/res/#", Qos::AtMostOnce),
        ("nobody/cares", Qos::ExactlyOnce),
    ];
    subscribe(&mut session, &filters).unwrap();
    assert!(!session.can_read(), "a GET behind a SUBSCRIBE waits for it");
    assert!(transmitted(&mut session).is_empty());
    session.handle_subscribed();
    assert_eq!(transmitted(&mut session)[..], hex!("90 05 0009 01 00 01"));
    assert_eq!(session.subscriptions().device_bound(), Some(Qos::AtLeastOnce));

    let mut bytes = BytesMut::new();
    Unsubscribe::encode_filters(id(10), &["$iothub/twin/res/#"], &mut bytes).unwrap();
    let handled = session.handle_packet(decode(&bytes).unwrap().unwrap().0, at(1));
    let Ok(Handled::Unsubscribe(change)) = handled else { panic!("{handled:?}") };
    assert!(change.persist);
    assert_eq!(change.subscriptions.qos(SubscriptionKind::TwinResponses), None);
    session.handle_subscribed();
    assert_eq!(transmitted(&mut session)[..], hex!("b0 02 000a"));
    assert_eq!(session.reply_twin(200, "1", None, b"{}"), Err(NotSent::NotSubscribed));
}

#[test]
fn rejects_a_subscription_to_another_identity() {
    let mut session = connected(CONNECT, ACCEPTANCE);
    let filters = [("devices/e/messages/devicebound/#", Qos::AtLeastOnce)];
    let foreign = SessionError::Topic(topic::TopicError::Foreign);
    assert_eq!(subscribe(&mut session, &filters), Err(foreign));
    let many = [("a", Qos::AtMostOnce); 101];
    let mut session = connected(CONNECT, ACCEPTANCE);
    assert_eq!(subscribe(&mut session, &many), Err(SessionError::TooManyFilters));
}

/// A session with every subscription of a device at one QoS.
fn subscribed(qos: Qos) -> MqttSession {
    let mut subscriptions = Subscriptions::NONE;
    for kind in [
        SubscriptionKind::DeviceBound,
        SubscriptionKind::Methods,
        SubscriptionKind::TwinResponses,
        SubscriptionKind::DesiredProperties,
    ] {
        subscriptions.insert(kind, qos);
    }
    connected(CONNECT, Acceptance { subscriptions, ..ACCEPTANCE })
}

/// Topic and delivery of the only packet that leaves.
fn sent(session: &mut MqttSession) -> (String, Delivery) {
    let out = transmitted(session);
    let Ok(Some((Packet::Publish(publish), size))) = decode(&out) else { panic!("{out:02x?}") };
    assert_eq!(size, out.len());
    (publish.topic.to_owned(), publish.delivery)
}

#[test]
fn writes_the_topics_that_sdks_parse() {
    let mut session = subscribed(Qos::AtMostOnce);
    let quiet = |topic: &str| (topic.to_owned(), Delivery::AtMostOnce);
    session.reply_twin(204, "1%20a", Some(8), b"").unwrap();
    assert_eq!(sent(&mut session), quiet("$iothub/twin/res/204/?$rid=1%20a&$version=8"));
    session.reply_twin(501, "2", None, b"{}").unwrap();
    assert_eq!(sent(&mut session), quiet("$iothub/twin/res/501/?$rid=2"));
    session.notify_desired(4, b"{}").unwrap();
    assert_eq!(sent(&mut session), quiet("$iothub/twin/PATCH/properties/desired/?$version=4"));
    session.invoke_method("defrost", "2a", b"").unwrap();
    assert_eq!(sent(&mut session), quiet("$iothub/methods/POST/defrost/?$rid=2a"));
}

#[test]
fn a_delivery_completes_with_its_puback() {
    let mut session = subscribed(Qos::AtLeastOnce);
    let token = DeliveryToken(77);
    let message =
        DeviceBound { input: None, bag: "%24.to=x", payload: b"", redelivered: true, token };
    assert_eq!(session.deliver(message), Ok(Delivered::AwaitsPuback));
    let (topic, delivery) = sent(&mut session);
    assert_eq!(topic, "devices/d/messages/devicebound/%24.to=x");
    let Delivery::AtLeastOnce { id, dup: true } = delivery else { panic!("{delivery:?}") };
    let puback = Packet::Puback(crate::codec::mqtt::Puback { id });
    let handled = session.handle_packet(puback, at(1));
    assert!(matches!(handled, Ok(Handled::Delivered(DeliveryToken(77)))), "{handled:?}");
    let again = session.handle_packet(puback, at(1));
    assert!(matches!(again, Ok(Handled::Nothing)), "{again:?}");

    assert_eq!(subscribed(Qos::AtMostOnce).deliver(message), Ok(Delivered::Written));
    let input = DeviceBound { input: Some("in"), ..message };
    assert_eq!(session.deliver(input), Err(NotSent::NotSubscribed));
}

#[test]
fn unacknowledged_deliveries_are_limited_and_replies_fall_back_to_qos_0() {
    let mut session = subscribed(Qos::AtLeastOnce);
    let message = |token| DeviceBound {
        input: None,
        bag: "%24.to=x",
        payload: b"",
        redelivered: false,
        token: DeliveryToken(token),
    };
    for token in 0..10 {
        assert_eq!(session.deliver(message(token)), Ok(Delivered::AwaitsPuback));
    }
    assert_eq!(session.deliver(message(10)), Err(NotSent::WindowFull));
    for _ in 10..64 {
        session.notify_desired(1, b"{}").unwrap();
    }
    transmitted(&mut session);
    session.notify_desired(2, b"{}").unwrap();
    assert_eq!(sent(&mut session).1, Delivery::AtMostOnce);
}

#[test]
fn a_client_that_does_not_read_is_not_read() {
    let mut session = subscribed(Qos::AtMostOnce);
    let body = vec![b' '; 128 * 1024];
    session.reply_twin(200, "1", None, &body).unwrap();
    assert!(session.can_read());
    session.reply_twin(200, "2", None, &body).unwrap();
    assert!(!session.can_read());
    assert_eq!(session.reply_twin(200, "3", None, &body), Err(NotSent::WindowFull));
    transmitted(&mut session);
    assert!(session.can_read());
}

#[test]
fn every_end_but_disconnect_gives_the_will() {
    let connect = Connect { will: Some(WILL), ..CONNECT };
    let reasons = [
        CloseReason::Error(SessionError::KeepAliveExpired),
        CloseReason::Error(SessionError::TokenExpired),
        CloseReason::Error(SessionError::Decode(DecodeError::Nul)),
        CloseReason::TransportLost,
        CloseReason::TakenOver,
        CloseReason::IdentityRemoved,
        CloseReason::ShuttingDown,
    ];
    for reason in reasons {
        let mut session = connected(connect, ACCEPTANCE);
        let will = session.close(reason).unwrap_or_else(|| panic!("no will after {reason:?}"));
        let message = will.publish(&topic::tests::device()).unwrap();
        assert_eq!(message.payload, b"gone");
        let added: Vec<_> = message.added_properties().collect();
        assert_eq!(added, [("mqtt-retain", "true"), ("iothub-MessageType", "Will")]);
        assert_eq!(session.close(reason), None, "a will is published once");
    }
    let mut session = connected(connect, ACCEPTANCE);
    let handled = session.handle_packet(Packet::Disconnect(crate::codec::mqtt::Disconnect), at(1));
    assert!(matches!(handled, Ok(Handled::Disconnect)));
    assert_eq!(session.close(CloseReason::Disconnect), None);
}

#[test]
fn a_will_is_judged_when_it_is_due() {
    use property_bag::InvalidPropertyBag;
    let bag = |error| InvalidWill::Message(SessionError::PropertyBag(error));
    let own = |topic| ConnectWill { topic, ..WILL };
    let cases = [
        (own("one/LWT"), InvalidWill::Topic),
        (own("devices/e/messages/events/"), InvalidWill::Topic),
        (own("devices/d/modules/m/messages/events/"), InvalidWill::Topic),
        (own("$iothub/twin/GET/?$rid=1"), InvalidWill::Topic),
        (own("devices/d/messages/events/a=+"), InvalidWill::Topic),
        (own("devices/d/messages/events/#"), InvalidWill::Topic),
        (own("#"), InvalidWill::Topic),
        (ConnectWill { qos: Qos::ExactlyOnce, ..WILL }, InvalidWill::Qos),
        (own("devices/d/messages/events/=x"), bag(InvalidPropertyBag::NoName)),
        (own("devices/d/messages/events/a/b"), bag(InvalidPropertyBag::Slash)),
    ];
    for (will, error) in cases {
        let mut session = connected(Connect { will: Some(will), ..CONNECT }, ACCEPTANCE);
        let due =
            session.close(CloseReason::TransportLost).expect("the client is in, the will due");
        assert_eq!(due.publish(&topic::tests::device()), Err(error), "{will:?}");
        assert_eq!(due.topic(), will.topic);
    }
    let silent = ConnectWill { payload: b"", ..own("devices/d/messages/events/a=%zz/") };
    let mut session = connected(Connect { will: Some(silent), ..CONNECT }, ACCEPTANCE);
    let due = session.close(CloseReason::TransportLost).expect("a will of no bytes is a will");
    assert_eq!(due.publish(&topic::tests::device()).unwrap().payload, b"");
}

#[test]
fn marks_duplicates_and_retained_messages() {
    let mut session = connected(CONNECT, ACCEPTANCE);
    let delivery = Delivery::AtLeastOnce { id: id(1), dup: true };
    let packet = Packet::Publish(Publish { topic: EVENTS, delivery, retain: true, payload: b"" });
    let Ok(Handled::Publish(event)) = session.handle_packet(packet, at(1)) else { panic!() };
    let added: Vec<_> = event.added_properties().collect();
    assert_eq!(added, [("mqtt-dup", "true"), ("mqtt-retain", "true")]);
}

#[test]
fn a_client_has_a_minute_to_get_in() {
    let mut session = MqttSession::new(at(0));
    assert_eq!(session.poll_timeout(), Some(at(60)));
    assert_eq!(session.handle_timeout(at(59)), Ok(()));
    assert_eq!(session.handle_timeout(at(60)), Err(SessionError::ConnectTimeout));
}

#[test]
fn keep_alive_is_one_and_a_half_times_what_was_asked_with_a_cap() {
    for (asked, expected) in
        [(60, 90), (1, 1), (1177, 1765), (1178, 1767), (65_535, 1767), (0, 1767)]
    {
        let session = connected(Connect { keep_alive: asked, ..CONNECT }, ACCEPTANCE);
        let deadline = session.poll_timeout().unwrap().since(at(0));
        assert_eq!(deadline.as_secs(), expected, "keep alive {asked}");
    }
    let mut session = connected(CONNECT, ACCEPTANCE);
    session.handle_packet(Packet::Pingreq(crate::codec::mqtt::Pingreq), at(50)).unwrap();
    assert_eq!(transmitted(&mut session)[..], hex!("d0 00"));
    assert_eq!(session.handle_timeout(at(139)), Ok(()));
    assert_eq!(session.handle_timeout(at(140)), Err(SessionError::KeepAliveExpired));
}

#[test]
fn silence_does_not_count_while_the_hub_does_not_read() {
    let mut session = connected(CONNECT, ACCEPTANCE);
    subscribe(&mut session, &[("$iothub/twin/res/#", Qos::AtMostOnce)]).unwrap();
    assert_eq!(session.handle_timeout(at(1000)), Ok(()));
    assert_eq!(session.poll_timeout(), Some(at(1090)));
    session.handle_subscribed();
    assert_eq!(session.handle_timeout(at(1090)), Err(SessionError::KeepAliveExpired));
}

#[test]
fn a_token_ends_the_session_at_its_deadline() {
    let acceptance = Acceptance { token_deadline: Some(at(310)), ..ACCEPTANCE };
    let mut session = connected(Connect { keep_alive: 600, ..CONNECT }, acceptance);
    assert_eq!(session.poll_timeout(), Some(at(310)));
    assert_eq!(session.handle_timeout(at(309)), Ok(()));
    assert_eq!(session.handle_timeout(at(310)), Err(SessionError::TokenExpired));
}
