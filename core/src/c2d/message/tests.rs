//! Messages as service SDKs send them.

use super::*;
use crate::codec::amqp::primitive::{write_bool, write_int, write_null, write_timestamp};
use crate::codec::amqp::section::write_null_body;
use crate::id::{DeviceId, ModuleId};

const NOW: UnixMillis = UnixMillis::from_millis(1_700_000_000_000);
const HOUR: Duration = Duration::from_hours(1);
const TO: &str = "/devices/d/messages/devicebound";

fn message(properties: Properties<'_>, pairs: &[(&str, &str)], body: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    properties.encode(&mut out);
    let start = begin_map_section(&mut out, MapSection::ApplicationProperties);
    for (name, value) in pairs {
        write_str(&mut out, name);
        write_str(&mut out, value);
    }
    end_map_section(&mut out, start, u32::try_from(2 * pairs.len()).unwrap());
    write_data(&mut out, body);
    out
}

fn to(to: &str) -> Properties<'_> {
    Properties { to: Some(to), ..Properties::default() }
}

fn read(bytes: &[u8]) -> Result<DeviceMessage, Unacceptable> {
    DeviceMessage::read(bytes, NOW, HOUR)
}

#[test]
fn ids_are_kept_as_paths_have_them() {
    let address = "/devices/a:1/modules/b,2/messages/devicebound";
    let kept = read(&message(to(address), &[], b"")).unwrap();
    let kept = Message::decode(&kept.content).unwrap();
    let expected = "/devices/a%3A1/modules/b%2C2/messages/deviceBound";
    assert_eq!(kept.properties.to, Some(expected));
}

#[test]
fn every_spelling_of_the_recipient_is_read() {
    let identity = |device: &str, module: Option<&str>| Identity {
        device: DeviceId::parse(device).unwrap(),
        module: module.map(|module| ModuleId::parse(module).unwrap()),
    };
    for (address, expected) in [
        (TO, identity("d", None)),
        ("/devices/a%3A1/messages/deviceBound", identity("a:1", None)),
        ("/devices/a:1/messages/deviceBound", identity("a:1", None)),
        ("/devices/d/modules/m/messages/deviceBound", identity("d", Some("m"))),
    ] {
        let message = read(&message(to(address), &[], b"x")).unwrap();
        assert_eq!(message.identity, expected, "{address}");
    }
    for bad in ["", "/", "d", "/devices/d", "/devices/d/messages/events", "/devices/a b/x"] {
        assert_eq!(read(&message(to(bad), &[], b"x")), Err(Unacceptable::To), "{bad}");
    }
    assert_eq!(read(&message(Properties::default(), &[], b"")), Err(Unacceptable::To));
}

#[test]
fn ids_become_text_and_level_and_expiry_are_read() {
    let asked = Properties {
        message_id: Some(MessageId::Uuid(*b"\x01\x23\x45\x67\x89\xab\xcd\xef0123wxyz")),
        correlation_id: Some(MessageId::Ulong(7)),
        absolute_expiry_time: Some(NOW.as_millis() + 1),
        ..to(TO)
    };
    let message = read(&message(asked, &[(ACK, "FULL"), ("a", "b")], b"body")).unwrap();
    assert_eq!(message.ack, AckLevel::Full);
    assert_eq!(message.expires.as_millis(), NOW.as_millis() + 1);
    let id = message_id(&message.content);
    assert_eq!(id, Some("01234567-89ab-cdef-3031-32337778797a"));
    let kept = Message::decode(&message.content).unwrap();
    assert_eq!(kept.properties.correlation_id, Some(MessageId::Str("7")));
    assert_eq!(kept.properties.to, Some("/devices/d/messages/deviceBound"));
    assert_eq!(kept.application_properties.unwrap().value(ACK), Some(Value::Str("full")));
    assert_eq!(kept.body, Body::Data(b"body"));
}

#[test]
fn without_an_expiry_the_hubs_time_counts() {
    let message = read(&message(to(TO), &[], b"")).unwrap();
    assert_eq!(message.expires.as_millis(), NOW.as_millis() + 3_600_000);
    assert_eq!((message.ack, message_id(&message.content)), (AckLevel::None, None));
}

#[test]
fn properties_of_simple_types_become_text_and_null_is_left_out() {
    let mut bytes = BytesMut::new();
    to(TO).encode(&mut bytes);
    let start = begin_map_section(&mut bytes, MapSection::ApplicationProperties);
    write_str(&mut bytes, "n");
    write_int(&mut bytes, -7);
    write_str(&mut bytes, "b");
    write_bool(&mut bytes, true);
    write_str(&mut bytes, "t");
    write_timestamp(&mut bytes, 0);
    write_str(&mut bytes, "nothing");
    write_null(&mut bytes);
    end_map_section(&mut bytes, start, 8);
    write_null_body(&mut bytes);
    let content = read(&bytes).unwrap().content;
    let kept = Message::decode(&content).unwrap();
    let properties = kept.application_properties.unwrap();
    for (name, text) in [("n", "-7"), ("b", "true"), ("t", "1970-01-01T00:00:00Z")] {
        assert_eq!(properties.value(name), Some(Value::Str(text)));
    }
    assert_eq!((properties.count(), kept.body), (6, Body::Data(b"")));
}

#[test]
fn what_cannot_be_delivered_is_refused() {
    let expiry = |ms: i64| Properties { absolute_expiry_time: Some(ms), ..to(TO) };
    let two_days = i64::try_from(C2D_TTL_MAX.as_millis()).unwrap();
    let long = "x".repeat(MESSAGE_ID_CHARS_MAX + 1);
    let id = |text| Properties { message_id: Some(MessageId::Str(text)), ..to(TO) };
    let user = Properties { user_id: Some(b"\xff"), ..to(TO) };
    let large = vec![0; C2D_MESSAGE_BYTES_MAX];
    let escaped = " ".repeat(22_000);
    for (bytes, expected) in [
        (message(to(TO), &[(ACK, "yes")], b""), Unacceptable::Ack),
        (message(expiry(NOW.as_millis()), &[], b""), Unacceptable::Expiry),
        (message(expiry(NOW.as_millis() + two_days + 1), &[], b""), Unacceptable::Expiry),
        (message(expiry(i64::MIN), &[], b""), Unacceptable::Expiry),
        (message(id(&long), &[], b""), Unacceptable::MessageId),
        (message(user, &[], b""), Unacceptable::NotText),
        (message(to(TO), &[], &large), Unacceptable::TooLarge),
        (message(to(TO), &[("wide", &escaped)], b""), Unacceptable::TooLarge),
    ] {
        assert_eq!(read(&bytes), Err(expected));
    }
    assert!(matches!(read(b"\0"), Err(Unacceptable::Malformed(_))));
    let room = C2D_MESSAGE_BYTES_MAX - "/devices/d/messages/deviceBound".len();
    assert!(read(&message(to(TO), &[], &large[..room])).is_ok(), "exactly 64 KiB");
}

#[test]
fn pieces_of_a_body_are_joined_and_sequences_refused() {
    let mut bytes = message(to(TO), &[], b"one ");
    write_data(&mut bytes, b"two ");
    write_data(&mut bytes, b"three");
    let content = read(&bytes).unwrap().content;
    assert_eq!(Message::decode(&content).unwrap().body, Body::Data(b"one two three"));
    let mut bytes = BytesMut::new();
    to(TO).encode(&mut bytes);
    bytes.extend_from_slice(b"\x00\x53\x76\x45");
    assert_eq!(read(&bytes), Err(Unacceptable::Body));
}

#[test]
fn what_goes_out_as_a_symbol_must_be_ascii() {
    // Properties {to, content-type string "\u{e9}"}.
    let mut bytes = BytesMut::from(&b"\x00\x53\x73\xc0\x2b\x07\x40\x40\xa1\x1f"[..]);
    bytes.extend_from_slice(TO.as_bytes());
    bytes.extend_from_slice(b"\x40\x40\x40\xa1\x02\xc3\xa9");
    write_data(&mut bytes, b"x");
    assert_eq!(read(&bytes), Err(Unacceptable::NotText));
}
