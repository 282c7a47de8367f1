//! Clients of the MQTT port that break every rule, beside a device that keeps all of them.
//!
//! Goal: each gets the end that MQTT 3.1.1 and the hub's contract name, nobody else notices, and
//! the hub neither grows nor loses a thread.

mod support;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use support::address::MQTT_PORT;
use support::bystander::Arena;
use support::history::read_all;
use support::hub::{Hub, HubOptions};
use support::mqtt::{
    CONNECT, Login, MqttDevice, PUBLISH_QOS0, PUBLISH_QOS1, packet, publish_packet, push_text,
};
use support::patience::eventually;
use support::rest::Device;

/// What a run of these tests may add to the memory of the hub.
const GROWTH_KIB_MAX: u64 = 16 * 1024;
/// A remaining length of 256 MiB - 1, the largest that MQTT can say.
const REMAINING_MAX: [u8; 4] = [0xff, 0xff, 0xff, 0x7f];

fn arena() -> Arena {
    Arena::start(Hub::start_with(HubOptions { shards: 2, ..HubOptions::default() }))
}

/// A CONNECT whose fields can be wrong one by one.
#[derive(Clone)]
struct Fields {
    name: Vec<u8>,
    level: u8,
    flags: u8,
    texts: Vec<Vec<u8>>,
}

impl Fields {
    fn of(login: &Login) -> Self {
        let texts = [&login.client_id, &login.user_name, &login.password];
        let texts = texts.map(|text| text.as_bytes().to_vec()).to_vec();
        Self { name: b"MQTT".to_vec(), level: 4, flags: 0xc0, texts }
    }

    fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        push_bytes(&mut body, &self.name);
        body.extend_from_slice(&[self.level, self.flags, 0, 60]);
        self.texts.iter().for_each(|text| push_bytes(&mut body, text));
        body
    }

    fn packet(&self) -> Vec<u8> {
        packet(CONNECT, &self.body())
    }
}

fn push_bytes(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    body.extend_from_slice(bytes);
}

/// Sends `bytes` as the first of a connection and returns all that comes back until its end.
fn answer_to(hub: &Hub, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut connection = MqttDevice::open(hub)?;
    connection.write(bytes)?;
    connection.flush()?;
    connection.read_to_end()
}

#[test]
fn a_connect_that_is_wrong_gets_its_code_or_no_word() {
    let arena = arena();
    let device = Device::create(&arena.hub, "pump-7");
    let login = Login::device(&arena.hub, &device);
    let good = Fields::of(&login);
    let with = |change: &dyn Fn(&mut Fields)| {
        let mut fields = good.clone();
        change(&mut fields);
        fields.packet()
    };
    let user = |text: &str| {
        let text = text.replace("HOST", &arena.hub.address.host());
        with(&|f| f.texts[1] = text.as_bytes().to_vec())
    };
    let refused = |code: u8| vec![0x20, 2, 0, code];
    let mut cut = good.body();
    cut.truncate(cut.len() - 3);
    let mut longer = good.body();
    longer.extend_from_slice(b"\0\x01x");
    let will_with_qos_3 = with(&|f| {
        f.flags = 0xdc;
        f.texts.splice(1..1, [login.topic.as_bytes().to_vec(), b"gone".to_vec()]);
    });
    let cases: Vec<(&str, Vec<u8>, Vec<u8>)> = vec![
        ("MQTT 5", with(&|f| f.level = 5), refused(1)),
        ("MQTT 3.1", with(&|f| (f.name, f.level) = (b"MQIsdp".to_vec(), 3)), refused(1)),
        ("level 3 as MQTT", with(&|f| f.level = 3), refused(1)),
        ("level 255", with(&|f| f.level = 255), refused(1)),
        ("another client id", with(&|f| f.texts[0] = b"pump-8".to_vec()), refused(2)),
        ("no client id", with(&|f| f.texts[0] = Vec::new()), refused(2)),
        ("no user name", with(&|f| (f.flags, f.texts) = (0, vec![b"pump-7".to_vec()])), refused(4)),
        ("user name without device", user("HOST"), refused(4)),
        ("empty user name", user(""), refused(4)),
        ("another host", user("example.org/pump-7/?api-version=2021-04-12"), refused(5)),
        (
            "no password",
            with(&|f| {
                f.flags = 0x80;
                f.texts.truncate(2);
            }),
            refused(5),
        ),
        ("empty password", with(&|f| f.texts[2] = Vec::new()), refused(5)),
        ("binary password", with(&|f| f.texts[2] = vec![0xff; 300]), refused(5)),
        ("long password", with(&|f| f.texts[2] = vec![b'A'; 60_000]), refused(5)),
        ("will with QoS 3", will_with_qos_3, vec![]),
        ("another protocol name", with(&|f| f.name = b"HTTP".to_vec()), vec![]),
        ("reserved flag", with(&|f| f.flags |= 1), vec![]),
        ("password without user name", with(&|f| f.flags = 0x40), vec![]),
        ("client id that is not UTF-8", with(&|f| f.texts[0] = b"pump\xff\xfe".to_vec()), vec![]),
        ("client id with NUL", with(&|f| f.texts[0] = b"pump\0".to_vec()), vec![]),
        ("fields past the end", packet(CONNECT, &cut), vec![]),
        ("bytes behind the fields", packet(CONNECT, &longer), vec![]),
        ("empty CONNECT", packet(CONNECT, &[]), vec![]),
        ("flags in the fixed header", packet(CONNECT | 3, &good.body()), vec![]),
    ];
    for (title, bytes, expected) in cases {
        let answer = answer_to(&arena.hub, &bytes).unwrap_or_else(|e| panic!("{title}: {e}"));
        assert_eq!(answer, expected, "{title}");
    }
    MqttDevice::connect(&arena.hub, &device).expect("the device itself may connect all the same");
    arena.finish("hostile MQTT, CONNECT", GROWTH_KIB_MAX);
}

#[test]
fn a_will_is_judged_when_it_is_due_and_keeps_no_device_out() {
    let arena = arena();
    let device = Device::create(&arena.hub, "pump-7");
    let login = Login::device(&arena.hub, &device);
    let vanish = |topic: &str, payload: &str, qos: u8, retain: bool| {
        let mut fields = Fields::of(&login);
        fields.flags = 0xc4 | qos << 3 | u8::from(retain) << 5;
        let texts = [topic, payload].map(|text| text.as_bytes().to_vec());
        fields.texts.splice(1..1, texts);
        let mut connection = MqttDevice::open(&arena.hub).expect("the hub listens");
        connection.write(&fields.packet()).expect("the hub listens");
        connection.flush().expect("the hub listens");
        assert_eq!(connection.read_connack().expect("a verdict"), 0, "{topic}");
    };
    let own = &*login.topic;
    let bad = [
        ("one/LWT", 1, true),
        ("devices/pump-8/messages/events/", 0, false),
        (&format!("{own}a=+"), 1, false),
        ("#", 0, false),
        (own, 2, false),
        (&format!("{own}=x"), 1, false),
    ];
    for (topic, qos, retain) in bad {
        vanish(topic, "bad", qos, retain);
    }
    let logged = || arena.hub.log().matches("will dropped").count() == bad.len();
    eventually("every will that is no message is said in the log", logged);
    vanish(own, "", 1, true);
    vanish(own, "good", 1, false);
    let mine = || {
        let events = read_all(&arena.hub).into_iter().filter(|event| event.identity() == "pump-7");
        events.map(|event| event.body).collect::<Vec<_>>()
    };
    eventually("the good wills are stored", || mine() == ["", "good"]);
    arena.finish("hostile MQTT, wills", GROWTH_KIB_MAX);
}

#[test]
fn what_comes_instead_of_a_connect_ends_the_connection_without_a_word() {
    let arena = arena();
    let mut oversize = vec![CONNECT];
    oversize.extend_from_slice(&REMAINING_MAX);
    let topic = "devices/pump-7/messages/events/";
    let mut cases: Vec<(String, Vec<u8>)> = vec![
        ("256 MiB announced".to_owned(), oversize),
        ("five bytes of length".to_owned(), vec![CONNECT, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("PUBLISH".to_owned(), publish_packet(PUBLISH_QOS0, topic, None, b"x")),
        ("PINGREQ".to_owned(), packet(0xc0, &[])),
        ("SUBSCRIBE".to_owned(), packet(0x82, b"\0\x01\0\x01#\0")),
        ("DISCONNECT".to_owned(), packet(0xe0, &[])),
        ("HTTP".to_owned(), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("AMQP".to_owned(), b"AMQP\x03\x01\x00\x00".to_vec()),
        ("zeros".to_owned(), vec![0; 4096]),
    ];
    cases.extend((0..=15).map(|kind| (format!("empty packet {kind}"), packet(kind << 4, &[]))));
    for (title, bytes) in cases {
        let answer = answer_to(&arena.hub, &bytes).unwrap_or_else(|e| panic!("{title}: {e}"));
        assert_eq!(answer, b"", "{title}");
    }
    arena.finish("hostile MQTT, first packet", GROWTH_KIB_MAX);
}

#[test]
fn a_packet_that_a_device_may_not_send_ends_its_connection_only() {
    let arena = arena();
    let device = Device::create(&arena.hub, "pump-7");
    let login = Login::device(&arena.hub, &device);
    let own = &*login.topic;
    let oversize = |first: u8| [&[first][..], &REMAINING_MAX].concat();
    let publish_raw = |topic: &[u8]| {
        let mut body = Vec::new();
        push_bytes(&mut body, topic);
        packet(PUBLISH_QOS0, &body)
    };
    let subscribe = |filter: &str, qos: u8| {
        let mut body = vec![0, 1];
        push_text(&mut body, filter);
        body.push(qos);
        packet(0x82, &body)
    };
    let many = [&[0, 1][..], &b"\0\x01a\0".repeat(101)].concat();
    let mut cases: Vec<(&str, Vec<u8>)> = vec![
        ("second CONNECT", login.connect_packet()),
        ("QoS 2", publish_packet(0x34, own, Some(1), b"x")),
        ("QoS 3", publish_packet(0x36, own, Some(1), b"x")),
        ("packet id 0", publish_packet(PUBLISH_QOS1, own, Some(0), b"x")),
        ("QoS 1 without packet id", publish_packet(PUBLISH_QOS1, own, None, b"")),
        ("QoS 0 with DUP", publish_packet(0x38, own, None, b"x")),
        ("topic that is not UTF-8", publish_raw(b"devices/pump-7/messages/events/\xc3\x28")),
        ("topic with a surrogate", publish_raw(b"devices/pump-7/messages/events/\xed\xa0\x80")),
        ("topic past the end", packet(PUBLISH_QOS0, b"\xff\xffdevices")),
        ("256 MiB announced", oversize(PUBLISH_QOS0)),
        ("five bytes of length", vec![PUBLISH_QOS0, 0x80, 0x80, 0x80, 0x80, 0x01]),
        ("message over 256 KiB", publish_packet(PUBLISH_QOS0, own, None, &vec![b'x'; 262_145])),
        ("SUBSCRIBE without flags", packet(0x80, b"\0\x01\0\x01a\0")),
        ("SUBSCRIBE without filter", packet(0x82, b"\0\x01")),
        ("SUBSCRIBE with QoS 3", subscribe("$iothub/twin/res/#", 3)),
        ("SUBSCRIBE with packet id 0", packet(0x82, b"\0\0\0\x01a\0")),
        ("SUBSCRIBE with 101 filters", packet(0x82, &many)),
        ("SUBSCRIBE to another device", subscribe("devices/pump-8/messages/devicebound/#", 0)),
        ("UNSUBSCRIBE without filter", packet(0xa2, b"\0\x01")),
        ("PINGREQ with body", packet(0xc0, b"x")),
        ("DISCONNECT with flags", packet(0xe1, &[])),
        ("CONNACK", packet(0x20, &[0, 0])),
        ("PUBREC", packet(0x50, &[0, 1])),
        ("PUBREL", packet(0x62, &[0, 1])),
        ("PUBCOMP", packet(0x70, &[0, 1])),
        ("SUBACK", packet(0x90, &[0, 1, 0])),
        ("UNSUBACK", packet(0xb0, &[0, 1])),
        ("PINGRESP", packet(0xd0, &[])),
        ("packet type 0", packet(0x00, &[])),
        ("packet type 15", packet(0xf0, &[])),
        ("short PUBACK", packet(0x40, &[0])),
    ];
    cases.extend(topics_against_the_rules(own));
    for (title, bytes) in cases {
        let mut connection = MqttDevice::connect_as(&arena.hub, &login)
            .unwrap_or_else(|error| panic!("before {title}: {error}"));
        connection.write(&bytes).expect("the hub listens");
        // The hub may have closed already, without reading the rest.
        let _ = connection.flush();
        let answer = connection.read_to_end().unwrap_or_else(|e| panic!("{title}: {e}"));
        assert_eq!(answer, b"", "{title}");
    }
    let stored = read_all(&arena.hub);
    assert!(stored.iter().all(|event| event.identity() != "pump-7"), "none of it is stored");
    arena.finish("hostile MQTT, connected", GROWTH_KIB_MAX);
}

/// Publishes below the telemetry topic `own`, or to the hub's own topics, with wildcards or a bag
/// that is none.
fn topics_against_the_rules(own: &str) -> Vec<(&'static str, Vec<u8>)> {
    let publish = |topic: &str| publish_packet(PUBLISH_QOS1, topic, Some(1), b"x");
    vec![
        ("topic of another device", publish("devices/pump-8/messages/events/")),
        ("topic of a module", publish("devices/pump-7/modules/m/messages/events/")),
        ("topic in capitals", publish("Devices/pump-7/messages/events/")),
        ("any topic", publish("a/b/c")),
        ("empty topic", publish("")),
        ("topic with wildcard", publish("devices/+/messages/events/")),
        ("+ in a bag", publish(&format!("{own}a=+"))),
        ("# in a bag", publish(&format!("{own}a=%23#"))),
        ("+ in a twin topic", publish("$iothub/twin/GET/?$rid=+")),
        ("# in a report", publish("$iothub/twin/PATCH/properties/reported/?$rid=#")),
        ("+ in a method response", publish("$iothub/methods/res/200/?$rid=a+b")),
        ("slash in a bag", publish(&format!("{own}$.ct=application/json&$.ce=utf-8"))),
        ("two slashes behind a bag", publish(&format!("{own}a=1//"))),
        ("property without a name", publish(&format!("{own}a=1&=x"))),
        ("nothing between two &", publish(&format!("{own}a=1&&b=2"))),
        ("second = in a property", publish(&format!("{own}a=b=c"))),
        ("twin parameter without a name", publish("$iothub/twin/GET/?$rid=1&=x")),
    ]
}

#[test]
fn packets_in_single_bytes_and_cut_short_do_no_harm() {
    let arena = arena();
    let device = Device::create(&arena.hub, "pump-7");
    let login = Login::device(&arena.hub, &device);
    let connect = login.connect_packet();
    let mut slow = MqttDevice::open(&arena.hub).expect("the hub listens");
    for byte in &connect {
        slow.write(&[*byte]).expect("the hub listens");
        slow.flush().expect("the hub listens");
    }
    assert_eq!(slow.read_connack().expect("a verdict"), 0);
    for length in (1..connect.len()).step_by(17) {
        let mut cut = MqttDevice::open(&arena.hub).expect("the hub listens");
        cut.write(&connect[..length]).expect("the hub listens");
        cut.flush().expect("the hub listens");
        cut.end().expect("the socket is open");
        assert_eq!(cut.read_to_end().expect("the hub closes too"), b"", "{length}");
    }
    slow.ping().expect("half a CONNECT evicts nobody");
    arena.finish("hostile MQTT, cut short", GROWTH_KIB_MAX);
}

#[test]
fn garbage_and_silence_instead_of_tls_hold_up_nobody() {
    const HALF_OPEN: usize = 300;
    let arena = arena();
    let address = (arena.hub.address.ip, MQTT_PORT);
    let dial = || TcpStream::connect(address).expect("the hub listens");
    let hello = client_hello();
    let garbage: [&[u8]; 6] = [
        b"GET / HTTP/1.0\r\n\r\n",
        b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00",
        &[0; 600],
        &[0xff; 600],
        // A handshake record that announces more than TLS permits.
        b"\x16\x03\x01\xff\xff\x01\x00\xff\xfb",
        // Application data before any handshake.
        b"\x17\x03\x03\x00\x05hello",
    ];
    for bytes in garbage {
        let mut socket = dial();
        socket.write_all(bytes).expect("the hub listens");
        // Shorter than the time that a handshake has: that must not be what ends it.
        let timeout = socket.set_read_timeout(Some(Duration::from_secs(9)));
        timeout.expect("nine seconds are a time");
        let mut answer = Vec::new();
        match socket.read_to_end(&mut answer) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => {
                panic!("{bytes:02x?}: {error}")
            }
            _ => assert!(answer.len() < 64, "an alert at most, not {answer:02x?}"),
        }
    }
    let silent: Vec<TcpStream> = (0..HALF_OPEN).map(|_| dial()).collect();
    let half: Vec<TcpStream> = (0..HALF_OPEN)
        .map(|n| {
            let mut socket = dial();
            socket.write_all(&hello[..1 + n % hello.len()]).expect("the hub listens");
            socket
        })
        .collect();
    // Through TLS, then nothing: the connect deadline is theirs.
    let mute: Vec<MqttDevice> =
        (0..20).map(|_| MqttDevice::open(&arena.hub).expect("the hub serves on")).collect();
    let device = Device::create(&arena.hub, "pump-7");
    let mut connection = MqttDevice::connect(&arena.hub, &device).expect("the hub serves on");
    connection.ping().expect("the hub serves on");
    println!("hostile MQTT: {} half-open, {} mute", silent.len() + half.len(), mute.len());
    arena.finish("hostile MQTT, handshakes", 2 * GROWTH_KIB_MAX);
}

/// The first bytes that a TLS client sends.
fn client_hello() -> Vec<u8> {
    use rustls::pki_types::ServerName;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = rustls::ClientConnection::new(config.into(), name).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("memory takes everything");
    hello
}
