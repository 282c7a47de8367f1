//! The bounds of messages to devices and of feedback as they are configured, with real clocks, and
//! what a disabled device means for its queue.

mod support;

use std::time::{Duration, Instant};

use ringhub_core::codec::amqp::performative::DeliveryState;
use support::amqp_raw::{self as raw, RawAmqp};
use support::c2d::{C2d, C2dSender, FeedbackReader};
use support::http::HttpConnection;
use support::hub::{Hub, HubOptions, SMALL_SEGMENTS};
use support::mqtt::{Login, MqttDevice};
use support::patience::eventually;
use support::rest::{self, Device};
use support::sas;

const FILTER: &str = "devices/pump/messages/devicebound/#";
/// CONNACK 5, "not authorized".
const NOT_AUTHORIZED: u8 = 5;

fn start(config: &str) -> Hub {
    let config = format!("{SMALL_SEGMENTS}\n[cloud_to_device]\n{config}\n");
    Hub::start_with(HubOptions { config, ..HubOptions::default() })
}

fn send(sender: &mut C2dSender, id: &str) -> Vec<String> {
    let to = "/devices/pump/messages/devicebound";
    sender.send(&C2d { to, id, ack: "full", ..C2d::default() }, id).expect("the hub answers")
}

fn purge(hub: &Hub) {
    let (status, _) = rest::exchange(hub, "DELETE", "/devices/pump/commands", "").expect("ok");
    assert_eq!(status, 200);
}

#[test]
fn a_full_queue_refuses_until_the_default_life_of_its_messages_is_over() {
    let mut hub = start("queue_depth = 2\ndefault_ttl = \"1m\"");
    let device = Device::create(&hub, "pump");
    let mut sender = C2dSender::connect(&hub).expect("the hub accepts senders");
    let sent = Instant::now();
    assert!(send(&mut sender, "a").is_empty() && send(&mut sender, "b").is_empty());
    assert_eq!(send(&mut sender, "c")[0], "amqp:resource-limit-exceeded");
    let mut reader = FeedbackReader::connect(&hub, 10).expect("the hub accepts readers");
    reader.client.set_patience(Duration::from_secs(120)).expect("a socket");
    let records = reader.take(2).expect("feedback is due");
    assert!(sent.elapsed() >= Duration::from_secs(60), "after {:?}", sent.elapsed());
    assert!(records.iter().all(|record| record["statusCode"] == "Expired"), "{records:?}");
    assert!(send(&mut sender, "d").is_empty(), "there is room again");
    let mut device = MqttDevice::connect(&hub, &device).expect("the device may connect");
    device.subscribe(FILTER).expect("the hub answers");
    assert_eq!(device.read_message().expect("a message is due").text(), "d");
    hub.assert_sound();
}

#[test]
fn a_batch_of_feedback_is_given_up_after_the_configured_deliveries() {
    let mut hub = start("feedback_max_delivery_count = 2");
    Device::create(&hub, "pump");
    let mut sender = C2dSender::connect(&hub).expect("the hub accepts senders");
    assert!(send(&mut sender, "first").is_empty());
    purge(&hub);
    let mut reader = FeedbackReader::connect(&hub, 10).expect("the hub accepts readers");
    for _ in 0..2 {
        let (batch, records) = reader.next().expect("a batch is due");
        assert_eq!(records[0]["originalMessageId"], "first");
        reader.settle(batch, DeliveryState::Released).expect("the hub listens");
    }
    assert!(send(&mut sender, "second").is_empty());
    purge(&hub);
    let (_, records) = reader.next().expect("a batch is due");
    assert_eq!(records[0]["originalMessageId"], "second", "the first is given up");
    hub.assert_sound();
}

/// Method: a verdict that the client does not settle itself, so that the hub has to answer it.
#[test]
fn a_verdict_after_the_lock_is_answered_with_message_lock_lost() {
    let mut hub = start("feedback_lock_duration = \"10s\"");
    Device::create(&hub, "pump");
    let mut sender = C2dSender::connect(&hub).expect("the hub accepts senders");
    assert!(send(&mut sender, "x").is_empty());
    purge(&hub);
    let mut client = RawAmqp::open(&hub).expect("the hub listens");
    let key = hub.policy_key("service");
    let token = sas::token(&hub.address.host(), &key, Some("service"));
    let login = format!("\0service@sas.root.{}\0{token}", hub.address.ip);
    let header = &raw::SASL_HEADER[..];
    client.send(&[header, &raw::sasl_init("PLAIN", login.as_bytes())].concat()).expect("sent");
    // The outcome: its code, which is 0.
    client.read_until(&[0x53, 0x44]).expect("the policy may log in");
    let header = &raw::AMQP_HEADER[..];
    let address = "/messages/serviceBound/feedback";
    let attach = raw::attach_receiver("feedback", 0, address);
    let begin = [raw::open_frame(), raw::begin_frame(0), attach].concat();
    client.send(&[header, &begin].concat()).expect("sent");
    client.read_until(&[0, 0x53, raw::ATTACH]).expect("the link is there");
    client.send(&credit()).expect("sent");
    // The batch waits for others for some time.
    client.set_patience(Duration::from_secs(30)).expect("a socket");
    client.read_until(b"originalMessageId").expect("a batch is due");
    // Nothing comes until the lock is over and the batch is delivered again.
    client.read_until(b"originalMessageId").expect("the batch comes again");
    client.send(&unsettled_accept(0)).expect("sent");
    client.read_until(b"com.microsoft:message-lock-lost").expect("the hub answers");
    client.send(&unsettled_accept(1)).expect("sent");
    let answer = client.read_until(&[0, 0x53, raw::DISPOSITION]).expect("the hub answers");
    assert!(!raw::contains(&answer, b"lock-lost"), "{}", raw::text(&answer));
    hub.assert_sound();
}

/// Credit for ten deliveries on handle 0.
fn credit() -> Vec<u8> {
    let [zero, ten, window] = [0, 10, 1000].map(raw::uint);
    let fields: [&[u8]; 7] = [&zero, &window, &zero, &window, &zero, &zero, &ten];
    raw::frame(0, &raw::described(raw::FLOW, &fields))
}

/// A disposition of a receiver that waits for the sender to settle.
fn unsettled_accept(delivery: u32) -> Vec<u8> {
    // An empty list with the descriptor of "accepted".
    let accepted = [0, 0x53, 0x24, 0x45];
    let number = raw::uint(delivery);
    let fields: [&[u8]; 5] = [raw::TRUE, &number, &number, raw::FALSE, &accepted];
    raw::frame(0, &raw::described(raw::DISPOSITION, &fields))
}

#[test]
fn a_disabled_device_keeps_its_queue_and_takes_messages_that_wait() {
    let mut hub = start("");
    let device = Device::create(&hub, "pump");
    let set_status = |status: &str| {
        let body = format!(r#"{{"deviceId":"pump","status":"{status}"}}"#);
        let mut registry = HttpConnection::open(&hub).expect("the hub listens");
        let answer = registry.exchange("PUT", "/devices/pump", "If-Match: *\r\n", &body);
        let answer = answer.expect("the hub answers");
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    let mut sender = C2dSender::connect(&hub).expect("the hub accepts senders");
    let mut connection = MqttDevice::connect(&hub, &device).expect("the device may connect");
    connection.subscribe(FILTER).expect("the hub answers");
    assert!(send(&mut sender, "before").is_empty());
    assert_eq!(connection.read_message().expect("a message is due").text(), "before");
    set_status("disabled");
    connection.read_to_end().expect("the connection is cut");
    assert!(send(&mut sender, "meanwhile").is_empty(), "it is accepted and waits");
    let mut refused = MqttDevice::open(&hub).expect("the hub listens");
    refused.send_connect(&Login::device(&hub, &device)).expect("the hub listens");
    assert_eq!(refused.read_connack().expect("a verdict"), NOT_AUTHORIZED);
    set_status("enabled");
    let mut connection = MqttDevice::connect(&hub, &device).expect("the device may connect");
    for (text, dup) in [("before", true), ("meanwhile", false)] {
        let message = connection.read_message().expect("a message is due");
        assert_eq!((message.text().as_str(), message.dup), (text, dup));
        connection.acknowledge(message.id).expect("the hub listens");
    }
    eventually("both are complete", || {
        let (_, body) = rest::exchange(&hub, "GET", "/devices/pump", "").expect("answered");
        body.contains(r#""cloudToDeviceMessageCount":0"#)
    });
    hub.assert_sound();
}
