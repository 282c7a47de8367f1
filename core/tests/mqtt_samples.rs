//! Samples in `samples/mqtt` decode to the values below and are what the encoder writes.
//!
//! Tests, benches and the fuzz corpus share them. After a change of this table,
//! `RINGHUB_WRITE_SAMPLES=1 cargo test -p ringhub-core --test mqtt_samples` writes them anew.

use core::num::NonZeroU16;
use std::path::Path;

use bytes::BytesMut;
use ringhub_core::codec::mqtt::{
    AnyConnect, Connack, ConnackCode, Connect, ConnectWill, Delivery, Disconnect, Packet, Pingreq,
    Pingresp, Puback, Publish, Qos, Suback, Subscribe, Unsuback, Unsubscribe, decode,
};
use ringhub_core::id::PacketId;

const ID: PacketId = PacketId(NonZeroU16::new(0x1234).unwrap());
const QOS1: Delivery = Delivery::AtLeastOnce { id: ID, dup: false };
const BODY: [u8; 256] = [b'x'; 256];
const TOKEN: &[u8] = b"SharedAccessSignature sr=demo.azure-devices.net%2Fdevices%2Fcooler-7&\
    sig=3vQ5kq4c6Wm1y4kTQx8b7gq0m3c1u9oYb6h2m8b1v1Q%3D&se=1800000000";
const CONNECT: Connect<'_> = Connect {
    clean_session: false,
    keep_alive: 60,
    client_id: "cooler-7",
    will: None,
    user_name: Some(
        "demo.azure-devices.net/cooler-7/?api-version=2021-04-12&DeviceClientType=py%2F2.12.0",
    ),
    password: Some(TOKEN),
};
const CONNECT_MODULE_WILL: Connect<'_> = Connect {
    clean_session: true,
    keep_alive: 0,
    client_id: "cooler-7/pump",
    will: Some(ConnectWill {
        topic: "devices/cooler-7/modules/pump/messages/events/state=lost",
        payload: b"{\"online\":false}",
        qos: Qos::AtLeastOnce,
        retain: false,
    }),
    user_name: Some("demo.azure-devices.net/cooler-7/pump/?api-version=2021-04-12"),
    password: None,
};

const fn publish<'a>(topic: &'a str, delivery: Delivery, payload: &'a [u8]) -> Packet<'a> {
    Packet::Publish(Publish { topic, delivery, retain: false, payload })
}

/// Name and value of every sample that one value describes.
const SAMPLES: [(&str, Packet<'_>); 16] = [
    ("connect_sas", Packet::Connect(AnyConnect::V4(CONNECT))),
    ("connect_module_will", Packet::Connect(AnyConnect::V4(CONNECT_MODULE_WILL))),
    ("connack_accepted", Packet::Connack(Connack::Accepted { session_present: true })),
    ("connack_not_authorized", Packet::Connack(Connack::Refused(ConnackCode::NotAuthorized))),
    (
        "publish_qos1_three_properties",
        publish("devices/cooler-7/messages/events/$.mid=m-1&$.ce=utf-8&level=high", QOS1, &BODY),
    ),
    (
        "publish_qos1_escaped_properties",
        publish(
            "devices/cooler-7/messages/events/%24.mid=m-1&%24.ct=application%2Fjson&%24.ce=utf-8&level=hot%20spot",
            QOS1,
            b"{\"t\":81}",
        ),
    ),
    (
        "publish_qos0_no_properties",
        publish("devices/cooler-7/messages/events/", Delivery::AtMostOnce, &BODY),
    ),
    ("publish_module", publish("devices/cooler-7/modules/pump/messages/events/a=1/", QOS1, b"")),
    ("publish_twin_get", publish("$iothub/twin/GET/?$rid=1", QOS1, b" ")),
    (
        "publish_twin_reported",
        publish("$iothub/twin/PATCH/properties/reported/?$rid=11&$version=7", QOS1, b"{\"fan\":3}"),
    ),
    ("publish_method_response", publish("$iothub/methods/res/200/?$rid=2a", QOS1, b"{}")),
    ("puback", Packet::Puback(Puback { id: ID })),
    ("suback", Packet::Suback(Suback { id: ID, codes: &[1, 0, 0x80] })),
    ("unsuback", Packet::Unsuback(Unsuback { id: ID })),
    ("pingreq", Packet::Pingreq(Pingreq)),
    ("pingresp", Packet::Pingresp(Pingresp)),
];

const FILTERS: [(&str, Qos); 4] = [
    ("devices/cooler-7/messages/devicebound/#", Qos::AtLeastOnce),
    ("$iothub/methods/POST/#", Qos::AtMostOnce),
    ("$iothub/twin/res/#", Qos::AtMostOnce),
    ("$iothub/twin/PATCH/properties/desired/#", Qos::AtLeastOnce),
];

/// Compares with the checked-in sample, or writes it when asked to.
fn compare(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("samples/mqtt/{name}.bin"));
    if std::env::var_os("RINGHUB_WRITE_SAMPLES").is_some() {
        std::fs::write(&path, bytes).unwrap();
    }
    let sample = std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(sample, bytes, "{name}");
    sample
}

#[test]
fn samples_are_what_the_table_says() {
    for (name, packet) in
        SAMPLES.into_iter().chain([("disconnect", Packet::Disconnect(Disconnect))])
    {
        let mut bytes = BytesMut::new();
        packet.encode(&mut bytes).unwrap();
        let sample = compare(name, &bytes);
        assert_eq!(decode(&sample), Ok(Some((packet, sample.len()))), "{name}");
    }
}

#[test]
fn subscription_samples_hold_the_filters() {
    let mut bytes = BytesMut::new();
    Subscribe::encode_filters(ID, &FILTERS, &mut bytes).unwrap();
    let sample = compare("subscribe", &bytes);
    let Ok(Some((Packet::Subscribe(subscribe), _))) = decode(&sample) else { panic!() };
    assert!(subscribe.id == ID && subscribe.filters().eq(FILTERS));

    let names = FILTERS.map(|(filter, _)| filter);
    bytes.clear();
    Unsubscribe::encode_filters(ID, &names, &mut bytes).unwrap();
    let sample = compare("unsubscribe", &bytes);
    let Ok(Some((Packet::Unsubscribe(unsubscribe), _))) = decode(&sample) else { panic!() };
    assert!(unsubscribe.id == ID && unsubscribe.filters().eq(names));
}

#[test]
fn the_benchmark_sample_has_the_sizes_that_the_budget_names() {
    let (_, Packet::Publish(publish)) = SAMPLES[4] else { panic!() };
    assert_eq!((publish.topic.len(), publish.payload.len()), (64, 256));
}
