//! Transfers as device SDKs send them.

use bytes::BytesMut;
use hex_literal::hex;

use super::*;
use crate::codec::amqp::primitive::{
    write_binary, write_bool, write_int, write_list, write_null, write_str, write_symbol,
    write_timestamp, write_uuid,
};
use crate::codec::amqp::section::{
    MapSection, Properties, begin_map_section, end_map_section, write_data,
};
use crate::id::{DeviceId, HubId, HubPartition, Identity, PartitionId};
use crate::message::{AuthScope, D2cEncoder, Origin};

/// What back ends get to see of a message.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    system: SystemProperties<'static>,
    application: Vec<String>,
    body: Vec<u8>,
}

fn seen(message: &AmqpMessage<'_>) -> Seen {
    let D2cMessage { system, application, body, .. } = message.as_d2c();
    let own = |text: &Option<Cow<'_, str>>| text.clone().map(|text| Cow::Owned(text.into_owned()));
    Seen {
        system: SystemProperties {
            message_id: own(&system.message_id),
            correlation_id: own(&system.correlation_id),
            user_id: own(&system.user_id),
            to: own(&system.to),
            content_type: own(&system.content_type),
            content_encoding: own(&system.content_encoding),
            absolute_expiry: system.absolute_expiry,
            component: own(&system.component),
            interface_id: own(&system.interface_id),
        },
        application: application.map(|(name, value)| format!("{name}={value}")).collect(),
        body: body.to_vec(),
    }
}

fn read(format: u32, payload: &[u8]) -> Result<Vec<Seen>, InvalidTelemetry> {
    read_behind(0, format, payload)
}

/// What is behind the first `skip` messages.
fn read_behind(skip: usize, format: u32, payload: &[u8]) -> Result<Vec<Seen>, InvalidTelemetry> {
    let mut telemetry = AmqpTelemetry::default();
    telemetry.read(format, payload)?;
    let mut all = Vec::new();
    telemetry.try_for_each(skip, |message| {
        all.push(seen(message));
        Ok::<(), InvalidTelemetry>(())
    })?;
    Ok(all)
}

fn one(payload: &[u8]) -> Seen {
    let mut all = read(0, payload).expect("a good message");
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn map(out: &mut BytesMut, section: MapSection, pairs: u32, write: impl FnOnce(&mut BytesMut)) {
    let start = begin_map_section(out, section);
    write(out);
    end_map_section(out, start, 2 * pairs);
}

fn application(pairs: &[(&str, &str)]) -> BytesMut {
    let mut out = BytesMut::new();
    let count = u32::try_from(pairs.len()).unwrap();
    map(&mut out, MapSection::ApplicationProperties, count, |out| {
        for (name, value) in pairs {
            write_str(out, name);
            write_str(out, value);
        }
    });
    out
}

fn data(data: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    write_data(&mut out, data);
    out
}

fn batch(messages: &[&[u8]]) -> BytesMut {
    let mut out = BytesMut::new();
    messages.iter().for_each(|message| write_data(&mut out, message));
    out
}

#[test]
fn a_message_of_node_has_its_uuid_as_text() {
    // rhea: properties {message-id uuid, correlation-id uuid}, application properties, data.
    let payload = hex!(
        "005373 c02706"
        "98 00112233 4455 6677 8899 aabbccddeeff 40 40 40 40"
        "98 ffeeddcc bbaa 9988 7766 554433221100"
        "005374 c10d02 a105 6c6576656c a103 686f74"
        "005375 a003 7b7d0a"
    );
    let seen = one(&payload);
    let id = |text: &'static str| Some(Cow::Borrowed(text));
    assert_eq!(seen.system.message_id, id("00112233-4455-6677-8899-aabbccddeeff"));
    assert_eq!(seen.system.correlation_id, id("ffeeddcc-bbaa-9988-7766-554433221100"));
    assert_eq!((&*seen.application, &*seen.body), (&["level=hot".to_owned()][..], &b"{}\n"[..]));
}

#[test]
fn a_batch_of_the_c_sdk_is_unpacked_in_whatever_order_its_sections_are() {
    // uamqp: data {properties, application properties, annotations, data} for each event.
    let first = hex!(
        "005373 c00a06 53 07 40 40 40 40 a101 63"
        "005374 c10702 a1016b a10176"
        "005372 c11302 a30a 64742d7375626a656374 a104 70756d70"
        "005375 a005 6669727374"
    );
    let second = hex!("005375 a006 7365636f6e64 005374 c10702 a1016b a10177");
    let mut payload = hex!("005372 c10702 a1016f a10175").to_vec();
    payload.extend_from_slice(&batch(&[&first, &second]));
    let all = read(BATCH_FORMAT, &payload).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].system.message_id.as_deref(), Some("7"));
    assert_eq!(all[0].system.correlation_id.as_deref(), Some("c"));
    assert_eq!(all[0].system.component.as_deref(), Some("pump"));
    assert_eq!((&*all[0].application, &*all[0].body), (&["k=v".to_owned()][..], &b"first"[..]));
    assert_eq!((&*all[1].application, &*all[1].body), (&["k=w".to_owned()][..], &b"second"[..]));
    assert_eq!(read_behind(1, BATCH_FORMAT, &payload).unwrap()[..], all[1..]);
}

#[test]
fn system_properties_go_where_readers_look_for_them() {
    let mut payload = BytesMut::new();
    map(&mut payload, MapSection::MessageAnnotations, 5, |out| {
        for (name, value) in [
            ("iothub-interface-id", "urn:i"),
            ("dt-subject", "thermostat"),
            ("Diagnostic-Id", "d1"),
            ("iothub-connection-device-id", "forged"),
            ("x-opt-sequence-number", "7"),
        ] {
            write_symbol(out, name);
            write_str(out, value);
        }
    });
    let properties = Properties {
        message_id: Some(MessageId::Str("m")),
        user_id: Some(b"u"),
        to: Some("/devices/d/messages/events"),
        subject: Some("s"),
        reply_to: Some("r"),
        correlation_id: Some(MessageId::Ulong(3)),
        content_type: Some("application/json"),
        content_encoding: Some("utf-8"),
        absolute_expiry_time: Some(5),
        creation_time: Some(60_000),
        group_id: Some("g"),
        group_sequence: Some(2),
        reply_to_group_id: Some("h"),
    };
    properties.encode(&mut payload);
    payload.extend_from_slice(&application(&[("iothub-ack", "full")]));
    payload.extend_from_slice(&data(b"x"));
    let expected = Seen {
        system: SystemProperties {
            message_id: Some("m".into()),
            correlation_id: Some("3".into()),
            user_id: Some("u".into()),
            to: Some("/devices/d/messages/events".into()),
            content_type: Some("application/json".into()),
            content_encoding: Some("utf-8".into()),
            absolute_expiry: Some(UnixMillis::from_millis(5)),
            component: Some("thermostat".into()),
            interface_id: Some("urn:i".into()),
        },
        application: ["Diagnostic-Id=d1", "iothub-creation-time-utc=1970-01-01T00:01:00Z"]
            .into_iter()
            .chain(["iothub-ack=full"])
            .map(str::to_owned)
            .collect(),
        body: b"x".to_vec(),
    };
    assert_eq!(one(&payload), expected);

    let mut message = AmqpMessage::default();
    message.read(&payload).unwrap();
    let mut encoder = D2cEncoder::default();
    let to = HubPartition { hub: HubId(0), partition: PartitionId(0) };
    let record = encoder.encode(to, &origin(), message.as_d2c(), UnixMillis::EPOCH).unwrap();
    let record = crate::log::record::RecordView::parse(record).unwrap();
    let stored = Message::decode(record.sections()).unwrap();
    let as_text =
        Properties { correlation_id: Some(MessageId::Str("3")), creation_time: None, ..properties };
    assert_eq!(stored.properties, as_text, "what only AMQP has goes along");
}

fn origin() -> Origin {
    let device = DeviceId::parse("d").unwrap();
    Origin::new(&Identity { device, module: None }, AuthScope::Device, "638", None)
}

#[test]
fn properties_of_every_type_become_text() {
    let mut payload = BytesMut::new();
    map(&mut payload, MapSection::ApplicationProperties, 8, |out| {
        write_symbol(out, "symbol");
        write_symbol(out, "s");
        write_str(out, "bool");
        write_bool(out, true);
        write_str(out, "int");
        write_int(out, -5);
        write_str(out, "time");
        write_timestamp(out, 0);
        write_str(out, "uuid");
        write_uuid(out, &[0xab; 16]);
        write_str(out, "null");
        write_null(out);
        write_str(out, "text bytes");
        write_binary(out, b"plain");
        write_str(out, "bytes");
        write_binary(out, b"\xff\x00");
    });
    let expected = [
        "symbol=s",
        "bool=true",
        "int=-5",
        "time=1970-01-01T00:00:00Z",
        "uuid=abababab-abab-abab-abab-abababababab",
        "text bytes=plain",
        "bytes=ff00",
    ];
    assert_eq!(one(&payload).application, expected);

    // Properties {message-id fe ff, user-id 80, correlation-id "text", content-type string "é"}.
    let payload = hex!("005373 c01507 a002feff a00180 40 40 40 a00474657874 a102c3a9");
    let seen = one(&payload);
    assert_eq!(seen.system.message_id.as_deref(), Some("feff"));
    assert_eq!(seen.system.correlation_id.as_deref(), Some("text"));
    assert_eq!(seen.system.user_id.as_deref(), Some("80"));
    assert_eq!(seen.system.content_type, None);
    assert_eq!(seen.application, ["iothub-contenttype=é"]);
}

#[test]
fn bodies_of_bytes_are_taken_in_every_form() {
    for (payload, body) in [
        (&hex!("005375 a00161 005375 a000 005375 a0026263")[..], &b"abc"[..]),
        (&hex!("005377 a10474657874"), b"text"),
        (&hex!("005377 a00101"), b"\x01"),
        (&hex!("005377 40"), b""),
        (b"", b""),
        (&hex!("005370 45 005371 c10100 005375 a00161 005378 c10100"), b"a"),
    ] {
        assert_eq!(one(payload).body, body, "{payload:02x?}");
    }
    for payload in [&hex!("005377 41")[..], &hex!("005377 c10100"), &hex!("005376 45")] {
        assert_eq!(read(0, payload), Err(InvalidTelemetry::Body), "{payload:02x?}");
    }
}

#[test]
fn a_bad_message_fails_all_of_its_batch() {
    let good = data(b"good");
    let bad = hex!("005375 a0ff");
    let listed = {
        let mut out = BytesMut::new();
        map(&mut out, MapSection::ApplicationProperties, 1, |out| {
            write_str(out, "list");
            write_list(out, 1, write_null);
        });
        out
    };
    for (payload, error) in [
        (batch(&[&good, &bad]), InvalidTelemetry::Malformed(DecodeError::UnexpectedEnd)),
        (batch(&[&good, &listed]), InvalidTelemetry::Property),
        (batch(&[]), InvalidTelemetry::Batch),
        (BytesMut::from(&hex!("005377 a10474657874")[..]), InvalidTelemetry::Batch),
        (batch(&[&good, &application(&[("", "x")])]), InvalidTelemetry::Property),
        (batch(&vec![&b""[..]; D2C_BATCH_MESSAGES_MAX + 1]), InvalidTelemetry::TooMany),
    ] {
        let read = read(BATCH_FORMAT, &payload);
        assert_eq!(read, Err(error));
        assert_eq!(error.condition(), Condition::ArgumentError);
    }
    assert_eq!(read(BATCH_FORMAT, &batch(&[&b""[..]; 3])).map(|all| all.len()), Ok(3));
    assert_eq!(read(7, &good), Err(InvalidTelemetry::Format(7)));
    let mut text = String::new();
    let told = InvalidTelemetry::Batch.error(&mut text);
    assert_eq!(told.condition, "com.microsoft:argument-error");
    assert!(told.description.is_some_and(|text| text.contains("data sections")));
}

#[test]
fn sizes_are_judged_message_by_message() {
    let fits = data(&vec![b'x'; D2C_MESSAGE_BYTES_MAX]);
    assert_eq!(one(&fits).body.len(), D2C_MESSAGE_BYTES_MAX);
    let too_large = data(&vec![b'x'; D2C_MESSAGE_BYTES_MAX + 1]);
    let with_property = [&fits[..], &application(&[("a", "")])].concat();
    for payload in [&too_large[..], &with_property] {
        let error = read(0, payload).unwrap_err();
        assert_eq!(error, InvalidTelemetry::TooLarge(MessageTooLarge(D2C_MESSAGE_BYTES_MAX + 1)));
        assert_eq!(error.condition(), Condition::MessageSizeExceeded);
        assert_eq!(read(BATCH_FORMAT, &batch(&[&data(b"a"), payload])), Err(error));
    }
    let large = [&fits[..]; 3];
    assert_eq!(read(BATCH_FORMAT, &batch(&large)).map(|all| all.len()), Ok(3));
}

#[test]
fn what_is_judged_good_always_becomes_a_record() {
    let names: Vec<String> = (0..9000).map(|n| format!("{n:x}")).collect();
    let mut encoder = D2cEncoder::default();
    let to = HubPartition { hub: HubId(0), partition: PartitionId(0) };
    let device = DeviceId::parse(&"%".repeat(128)).unwrap();
    let model = "m".repeat(crate::limits::MODEL_ID_BYTES_MAX);
    let identity = Identity { device, module: None };
    let origin = Origin::new(&identity, AuthScope::Device, "638", Some(&model));
    let mut taken = 0;
    for count in (0..=names.len()).step_by(500) {
        let pairs: Vec<(&str, &str)> = names[..count].iter().map(|name| (&**name, "")).collect();
        let used: usize = pairs.iter().map(|(name, _)| name.len()).sum();
        let body = data(&vec![b'x'; D2C_MESSAGE_BYTES_MAX - used]);
        let payload = [application(&pairs), body].concat();
        let mut message = AmqpMessage::default();
        if message.read(&payload).is_err() {
            continue;
        }
        let stored = encoder.encode(to, &origin, message.as_d2c(), UnixMillis::EPOCH);
        assert!(stored.is_ok(), "{count} properties");
        taken += 1;
    }
    assert!((5..names.len() / 500).contains(&taken), "{taken}: the bound was never met");
}
