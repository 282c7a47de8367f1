//! Back ends read what devices sent, over AMQP without any SDK: what SDKs do not do or do not show.

mod support;

use ringhub_core::codec::amqp::primitive::Value;
use ringhub_core::codec::amqp::section::Message;
use ringhub_core::session::amqp::{ClientSasl, LinkId};
use support::amqp::{AmqpClient, Fact};
use support::hub::Hub;
use support::mqtt::MqttDevice;
use support::rest::Device;
use support::sas;

/// As clients of the hub itself log in.
fn connect(hub: &Hub, policy: &str, window: u32) -> AmqpClient {
    let host = hub.address.host();
    let token = sas::token(&host, &hub.policy_key(policy), Some(policy));
    let user = format!("{policy}@sas.root.{host}");
    let sasl = ClientSasl::Plain { user: &user, password: &token };
    AmqpClient::connect(hub, sasl, window).expect("the login is good")
}

fn send(hub: &Hub, count: u16) {
    let device = Device::create(hub, "pump-7");
    let mut device = MqttDevice::connect(hub, &device).expect("the device is known");
    for id in 1..=count {
        device.publish(id, format!("{id:0>200}").as_bytes(), false).expect("the hub listens");
    }
    device.flush().expect("the hub listens");
    for id in 1..=count {
        assert_eq!(device.read_puback().expect("everything is acknowledged"), id);
    }
}

fn partition(number: u16) -> String {
    format!("ringhub/ConsumerGroups/$Default/Partitions/{number}")
}

fn attach(client: &mut AmqpClient, address: &str) -> LinkId {
    let link = client.receive_from(address, None);
    assert_eq!(client.next().expect("an answer"), Fact::Attached(link), "{address}");
    link
}

#[test]
fn every_event_comes_once_and_in_order_through_small_windows() {
    const COUNT: u16 = 1500;
    let hub = Hub::start();
    send(&hub, COUNT);
    let mut client = connect(&hub, "service", 16);
    let links: Vec<LinkId> = (0..4).map(|n| attach(&mut client, &partition(n))).collect();
    for link in &links {
        client.machine().grant_credit(*link, 7);
    }
    for expected in 0..COUNT {
        let Fact::Message(message) = client.next().expect("an event") else { panic!("an event") };
        let message = Message::decode(&message).expect("a message");
        let stamps = message.message_annotations.expect("stamps");
        let number = stamps.value("x-opt-sequence-number");
        assert_eq!(number, Some(Value::Long(expected.into())));
        if expected % 7 == 6 {
            // Only one partition has events; the others keep their credit.
            for link in &links {
                client.machine().grant_credit(*link, 7);
            }
        }
    }
}

#[test]
fn a_drain_is_answered_without_events_and_after_them() {
    let hub = Hub::start();
    let mut client = connect(&hub, "service", 100);
    let links: Vec<LinkId> = (0..4).map(|n| attach(&mut client, &partition(n))).collect();
    for link in &links {
        client.machine().grant_credit(*link, 10);
        client.machine().drain(*link);
        assert_eq!(client.next().expect("an answer"), Fact::Drained);
    }
    send(&hub, 3);
    for link in &links {
        client.machine().grant_credit(*link, 10);
        client.machine().drain(*link);
    }
    let facts: Vec<Fact> = (0..7).map(|_| client.next().expect("an answer")).collect();
    let drained = facts.iter().filter(|fact| **fact == Fact::Drained).count();
    assert_eq!(drained, 4, "{facts:?}");
}

#[test]
fn a_drain_brings_all_that_is_there_and_skips_nothing() {
    const COUNT: u16 = 6000;
    let hub = Hub::start();
    send(&hub, COUNT);
    for credit in [1000, u32::from(COUNT) + 1] {
        let mut client = connect(&hub, "service", 5000);
        let links: Vec<LinkId> = (0..4).map(|n| attach(&mut client, &partition(n))).collect();
        let mut next = 0;
        while next < i64::from(COUNT) {
            let before = next;
            for link in &links {
                client.machine().grant_credit(*link, credit);
                client.machine().drain(*link);
            }
            let mut drained = 0;
            while drained < links.len() {
                match client.next().expect("an answer") {
                    Fact::Message(message) => {
                        let message = Message::decode(&message).expect("a message");
                        let stamps = message.message_annotations.expect("stamps");
                        let number = stamps.value("x-opt-sequence-number");
                        assert_eq!(number, Some(Value::Long(next)), "credit {credit}");
                        next += 1;
                    }
                    Fact::Drained => drained += 1,
                    other => panic!("{other:?}"),
                }
            }
            let expected = (before + i64::from(credit)).min(COUNT.into());
            assert_eq!(next, expected, "drained before all was sent, credit {credit}");
        }
    }
}

#[test]
fn the_event_address_of_the_hub_redirects_to_the_entity() {
    let hub = Hub::start();
    let host = hub.address.host();
    let mut client = connect(&hub, "service", 100);
    client.receive_from(&format!("amqps://{host}/messages/events/$management"), None);
    let Fact::Detached { condition, text, info } = client.next().expect("an answer") else {
        panic!("a refusal")
    };
    assert_eq!((condition.as_str(), text), ("amqp:link:redirect", None));
    let address = format!("amqps://{host}:5671/ringhub/$management");
    let expected = [("hostname", &host), ("network-host", &host), ("address", &address)];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.clone()));
    assert_eq!(info, expected);
}

#[test]
fn what_is_not_there_or_not_allowed_is_refused_by_name() {
    let hub = Hub::start();
    let group = "ringhub/ConsumerGroups/other/Partitions/0";
    let offset = "amqp.annotation.x-opt-offset > '7000'";
    let address = partition(0);
    for (policy, address, selector, condition) in [
        ("device", &*address, None, "amqp:unauthorized-access"),
        ("device", "messages/events", None, "amqp:unauthorized-access"),
        ("service", group, None, "amqp:not-found"),
        ("service", "other/ConsumerGroups/$Default/Partitions/0", None, "amqp:not-found"),
        ("service", &*partition(4), None, "com.microsoft:argument-out-of-range"),
        ("service", &*address, Some("offset = 1"), "com.microsoft:argument-error"),
        ("service", &*address, Some(offset), "com.microsoft:argument-error"),
        ("service", "messages/serviceBound/filenotifications", None, "amqp:not-implemented"),
        ("service", "nothing", None, "amqp:not-found"),
    ] {
        let mut client = connect(&hub, policy, 100);
        client.receive_from(address, selector);
        let fact = client.next().expect("an answer");
        let Fact::Detached { condition: found, .. } = fact else { panic!("{address}: {fact:?}") };
        assert_eq!(found, condition, "{policy} {address} {selector:?}");
    }
}

#[test]
fn namespace_keys_log_in_and_wrong_ones_do_not() {
    let hub = Hub::start();
    let key = hub.policy_key("service");
    let login = |password: &str| {
        let sasl = ClientSasl::Plain { user: "service", password };
        AmqpClient::connect(&hub, sasl, 100)
    };
    let mut client = login(&key).expect("the key is right");
    attach(&mut client, &partition(0));
    assert!(login(&hub.policy_key("device")).is_err(), "the key of another policy");
}

#[test]
fn a_reader_is_told_when_the_hub_stops() {
    let mut hub = Hub::start();
    let mut client = connect(&hub, "service", 100);
    let link = attach(&mut client, &partition(0));
    client.machine().grant_credit(link, 1);
    client.machine().drain(link);
    assert_eq!(client.next().expect("an answer"), Fact::Drained);
    hub.terminate();
    let told = Fact::Closed(Some("amqp:connection:forced".to_owned()));
    assert_eq!(client.next().expect("a farewell"), told);
    hub.reap();
}
