//! Back ends read what devices sent, over AMQP without any SDK: what SDKs do not do or do not show.

mod support;

use ringhub_core::codec::amqp::primitive::Value;
use ringhub_core::codec::amqp::section::Message;
use ringhub_core::session::amqp::{ClientSasl, LinkId};
use support::amqp::{AmqpClient, Fact};
use support::amqp_raw::{
    AMQP_HEADER, CLOSE, DETACH, DISPOSITION, END, NULL, OPEN, RawAmqp, TRUE, attach_receiver,
    attach_sender, contains, described, frame, open_frame, str, text, transfer, uint,
};
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
    let Fact::Detached { condition, text, info, .. } = client.next().expect("an answer") else {
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
        ("device", "messages/serviceBound/filenotifications", None, "amqp:unauthorized-access"),
        ("service", "/messages/modules", None, "amqp:not-implemented"),
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
fn a_reader_without_owner_level_beside_one_with_it_is_told_that_its_link_is_stolen() {
    let hub = Hub::start();
    let mut owner = connect(&hub, "service", 100);
    let held = owner.receive_as_owner(&partition(0), 3);
    assert_eq!(owner.next().expect("an answer"), Fact::Attached(held));
    let mut client = connect(&hub, "service", 100);
    client.receive_from(&partition(0), None);
    let fact = client.next().expect("an answer");
    let Fact::Detached { condition, text: Some(text), .. } = fact else { panic!("{fact:?}") };
    assert_eq!(condition, "amqp:link:stolen");
    let words = "At least one receiver for the endpoint is created with epoch of '3', and so \
                 non-epoch receiver is not allowed.";
    assert!(text.starts_with(words), "{text}");
}

#[test]
fn a_client_that_detaches_after_it_has_ended_alarms_nobody() {
    let hub = Hub::start();
    let mut connection = RawAmqp::begun(&hub).expect("the hub listens");
    let detach = |handle: u32| frame(0, &described(DETACH, &[&uint(handle), TRUE]));
    let closing = [
        attach_sender("requests", 0, "$cbs"),
        attach_receiver("answers", 1, "$cbs"),
        frame(0, &described(END, &[NULL])),
        detach(0),
        detach(1),
        transfer(0, 0, b"late"),
        frame(0, &described(DISPOSITION, &[TRUE, &uint(0), &uint(0), TRUE])),
        frame(0, &described(END, &[NULL])),
        frame(0, &described(CLOSE, &[NULL])),
    ];
    connection.send(&closing.concat()).expect("the hub listens");
    let answer = connection.read_to_end().expect("the hub closes too");
    assert!(contains(&answer, &[0, 0x53, CLOSE]), "{}", text(&answer));
    assert!(!contains(&answer, b"amqp:"), "{}", text(&answer));
    let alarming = |line: &&str| line.contains("against the rules") || line.contains("WARN");
    assert_eq!(hub.log().lines().find(alarming), None);
}

#[test]
fn the_hub_opens_under_the_name_that_was_dialled() {
    let hub = Hub::start();
    let host = hub.address.host();
    for (dialled, told) in [(host.as_str(), host.as_str()), ("gateway.example", "gateway.example")]
    {
        let mut connection = RawAmqp::open(&hub).expect("the hub listens");
        let open = frame(0, &described(OPEN, &[&str("client"), &str(dialled)]));
        connection.send(&[&AMQP_HEADER[..], &open].concat()).expect("the hub listens");
        connection.read_until(told.as_bytes()).expect("its name");
    }
    let mut connection = RawAmqp::open(&hub).expect("the hub listens");
    connection.send(&[&AMQP_HEADER[..], &open_frame()].concat()).expect("the hub listens");
    connection.read_until(host.as_bytes()).expect("its own name where the client says none");
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
