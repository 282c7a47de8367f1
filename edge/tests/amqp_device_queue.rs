//! Messages to devices over AMQP: credit, verdicts in both settle modes, lost locks, and what
//! becomes of messages whose link or connection is gone.

mod support;

use ringhub_core::codec::amqp::performative::DeliveryState;
use ringhub_core::codec::amqp::section::Message;
use ringhub_core::session::amqp::{DeliveryId, LinkId};
use support::amqp::Fact;
use support::amqp_device::AmqpDevice;
use support::amqp_raw::{
    AMQP_HEADER, ATTACH, DISPOSITION, FALSE, FLOW, NULL, RawAmqp, SASL_HEADER, SOURCE, TARGET,
    TRANSFER, TRUE, begin_frame, contains, described, frame, open_frame, sasl_init, str as string,
    text, uint,
};
use support::c2d::{C2d, C2dSender};
use support::http::HttpConnection;
use support::hub::Hub;
use support::mqtt::MqttDevice;
use support::patience::eventually;
use support::rest::{self, Device};

const QUEUE: &str = "/devices/pump/messages/devicebound";

fn send(sender: &mut C2dSender, body: &str) {
    let outcome = sender.send(&C2d { to: QUEUE, id: body, ..C2d::default() }, body);
    assert_eq!(outcome.expect("the hub answers"), Vec::<String>::new());
}

fn queued(hub: &Hub) -> u64 {
    let (status, body) = rest::exchange(hub, "GET", "/devices/pump", "").expect("the hub answers");
    assert_eq!(status, 200, "{body}");
    let device: serde_json::Value = serde_json::from_str(&body).expect("a device is JSON");
    device["cloudToDeviceMessageCount"].as_u64().expect("a count")
}

/// The next message: its body, and how often it was abandoned before.
fn next(device: &mut AmqpDevice) -> (DeliveryId, String, i64) {
    match device.client.next().expect("a message is due") {
        Fact::Delivered(delivery, bytes) => {
            let message = Message::decode(&bytes).expect("a message");
            let body: Vec<u8> = message.body.pieces().flatten().copied().collect();
            let annotations = message.message_annotations.expect("stamps");
            let count = annotations.value("iothub-deliverycount").and_then(|v| v.as_integer());
            let body = String::from_utf8(body).expect("these tests send texts");
            (delivery, body, count.expect("a number"))
        }
        other => panic!("{other:?}"),
    }
}

fn attach(device: &mut AmqpDevice, credit: u32) -> LinkId {
    let link = device.receiver(QUEUE).expect("an answer").expect("the device may receive");
    device.client.machine().grant_credit(link, credit);
    device.client.flush().expect("the hub listens");
    link
}

fn settle(device: &mut AmqpDevice, delivery: DeliveryId, state: DeliveryState<'_>) {
    device.client.machine().settle(delivery, state);
    device.client.flush().expect("the hub listens");
}

#[test]
fn credit_is_kept_to_and_what_is_not_settled_comes_again() {
    let mut hub = Hub::start();
    let pump = Device::create(&hub, "pump");
    let mut sender = C2dSender::connect(&hub).expect("the hub accepts senders");
    for number in 1..=5 {
        send(&mut sender, &number.to_string());
    }
    let mut device = AmqpDevice::connect(&hub, &pump).expect("the device may connect");
    let link = attach(&mut device, 2);
    let (first, body, _) = next(&mut device);
    assert_eq!(body, "1");
    let (second, body, _) = next(&mut device);
    assert_eq!(body, "2");
    settle(&mut device, first, DeliveryState::Accepted);
    eventually("the first is complete", || queued(&hub) == 4);
    // An abandoned message keeps its place, and counts.
    settle(&mut device, second, DeliveryState::Released);
    device.client.machine().grant_credit(link, 2);
    device.client.flush().expect("the hub listens");
    let mut bodies = [next(&mut device), next(&mut device)].map(|(_, body, count)| (body, count));
    bodies.sort();
    let expected = [[("2", 1), ("3", 0)], [("3", 0), ("4", 0)]];
    let found = bodies.each_ref().map(|(body, count)| (body.as_str(), *count));
    assert!(expected.contains(&found), "{found:?}");
    // The connection is lost, and the device comes back over the other protocol.
    drop(device);
    let mut mqtt = MqttDevice::connect(&hub, &pump).expect("the device may connect");
    mqtt.subscribe("devices/pump/messages/devicebound/#").expect("the hub answers");
    for expected in ["2", "3", "4", "5"] {
        let message = mqtt.read_message().expect("a message is due");
        assert_eq!(message.text(), expected);
        mqtt.acknowledge(message.id).expect("the hub listens");
    }
    eventually("all are complete", || queued(&hub) == 0);
    hub.assert_sound();
}

#[test]
fn a_device_that_drains_is_told_also_when_messages_used_its_credit_up() {
    let mut hub = Hub::start();
    let pump = Device::create(&hub, "pump");
    let mut sender = C2dSender::connect(&hub).expect("the hub accepts senders");
    for number in 1..=3 {
        send(&mut sender, &number.to_string());
    }
    let mut device = AmqpDevice::connect(&hub, &pump).expect("the device may connect");
    let link = device.receiver(QUEUE).expect("an answer").expect("the device may receive");
    for expected in [&["1", "2"][..], &["3"]] {
        let machine = device.client.machine();
        machine.grant_credit(link, 2);
        machine.drain(link);
        for body in expected {
            assert_eq!(next(&mut device).1, *body);
        }
        assert_eq!(device.client.next().expect("an answer"), Fact::Drained);
    }
    hub.assert_sound();
}

#[test]
fn messages_of_a_link_that_is_gone_come_again_on_the_next() {
    let hub = Hub::start();
    let pump = Device::create(&hub, "pump");
    let mut sender = C2dSender::connect(&hub).expect("the hub accepts senders");
    send(&mut sender, "1");
    let mut device = AmqpDevice::connect(&hub, &pump).expect("the device may connect");
    // The seat stays with the link for telemetry.
    device.telemetry("pump").expect("the device may send");
    let link = attach(&mut device, 5);
    assert_eq!(next(&mut device).1, "1");
    device.client.machine().detach(link, None);
    device.client.flush().expect("the hub listens");
    let link = attach(&mut device, 5);
    let (delivery, body, count) = next(&mut device);
    assert_eq!((&*body, count), ("1", 0), "a lost link does not count");
    settle(&mut device, delivery, DeliveryState::Rejected(None));
    eventually("it is dead", || queued(&hub) == 0);
    send(&mut sender, "2");
    assert_eq!(next(&mut device).1, "2", "a message that comes later is delivered at once");
    device.client.machine().detach(link, None);
    device.client.flush().expect("the hub listens");
}

/// Completes a message over HTTPS, whoever holds it.
fn complete_over_http(hub: &Hub, device: &Device, token: &str) {
    let mut connection = HttpConnection::open(hub).expect("the hub listens");
    let request = format!(
        "DELETE {QUEUE}/{token}?api-version=2020-03-13 HTTP/1.1\r\nHost: {}\r\n\
         Authorization: {}\r\nContent-Length: 0\r\n\r\n",
        hub.address.host(),
        device.token(hub)
    );
    connection.send(request.as_bytes()).expect("the hub listens");
    assert_eq!(connection.read_response().expect("the hub answers").status, 204);
}

/// The outcome of a delivery of the hub, which the device has not settled.
fn accepted(delivery: u32) -> Vec<u8> {
    let state = [0, 0x53, 0x24, 0x45];
    let number = uint(delivery);
    frame(0, &described(DISPOSITION, &[TRUE, &number, &number, FALSE, &state]))
}

#[test]
fn a_device_that_settles_second_hears_that_its_verdict_is_stored_or_its_lock_lost() {
    let mut hub = Hub::start();
    let pump = Device::create(&hub, "pump");
    let mut sender = C2dSender::connect(&hub).expect("the hub accepts senders");
    send(&mut sender, "one");
    let mut raw = RawAmqp::open(&hub).expect("the hub listens");
    let login = format!("\0pump@sas.{}\0{}", hub.address.ip, pump.token(&hub));
    let init = sasl_init("PLAIN", login.as_bytes());
    raw.send(&[&SASL_HEADER[..], &init].concat()).expect("the hub listens");
    raw.read_until(SASL_HEADER).expect("the hub answers");
    let source = described(SOURCE, &[&string(QUEUE)]);
    let target = described(TARGET, &[&string("here")]);
    let second = [0x50, 1];
    let fields: [&[u8]; 7] = [&string("queue"), &uint(0), TRUE, NULL, &second, &source, &target];
    let attach = frame(0, &described(ATTACH, &fields));
    let window = uint(1000);
    let flow = [&uint(0)[..], &window, &uint(0), &window, &uint(0), &uint(0), &uint(10)];
    let flow = frame(0, &described(FLOW, &flow));
    let open = [&AMQP_HEADER[..], &open_frame(), &begin_frame(0), &attach, &flow].concat();
    raw.send(&open).expect("the hub listens");
    raw.read_until(b"one").expect("the first message");

    raw.send(&accepted(0)).expect("the hub listens");
    let answer = raw.read_until(&[0, 0x53, DISPOSITION]).expect("an answer");
    assert!(!contains(&answer, &[0, 0x53, TRANSFER]), "{}", text(&answer));
    eventually("the verdict is stored", || queued(&hub) == 0);

    send(&mut sender, "two");
    let delivered = raw.read_until(b"two").expect("the second message");
    let name = b"x-opt-lock-token";
    let at = delivered.windows(name.len()).position(|bytes| bytes == name).expect("a lock token");
    // Type and length of a short string stand between.
    let token = &delivered[at + name.len() + 2..][..36];
    complete_over_http(&hub, &pump, str::from_utf8(token).expect("a text"));
    raw.send(&accepted(1)).expect("the hub listens");
    raw.read_until(b"com.microsoft:message-lock-lost").expect("the lock is lost");
    hub.assert_sound();
}
