//! Devices over AMQP: what they may do, what they are told, and what is kept of what they send.

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use ringhub_core::codec::amqp::section::BATCH_FORMAT;
use ringhub_core::limits::DEVICE_LINK_CREDIT;
use ringhub_core::session::amqp::{ClientSasl, Outgoing};
use support::amqp::{AmqpClient, Fact};
use support::amqp_device::{AmqpDevice, telemetry};
use support::amqp_raw::{
    AMQP_HEADER, DISPOSITION, FLOW, RawAmqp, SASL_HEADER, aborted_transfer, attach_sender,
    begin_frame, open_frame, sasl_init, transfer,
};
use support::history::{StoredEvent, read_all};
use support::hub::{Hub, HubOptions};
use support::kill::kill_after;
use support::mqtt::MqttDevice;
use support::patience::eventually;
use support::rest::{self, Device, Module};
use support::sas;

const UNAUTHORIZED: &str = "amqp:unauthorized-access";
const NOT_FOUND: &str = "amqp:not-found";
const STOLEN: &str = "amqp:link:stolen";
const TOO_LARGE: &str = "amqp:link:message-size-exceeded";
const ARGUMENT: &str = "com.microsoft:argument-error";

fn events(id: &str) -> String {
    format!("/devices/{id}/messages/events")
}

fn bodies(events: &[StoredEvent], id: &str) -> Vec<String> {
    let of_device = events.iter().filter(|event| event.identity() == id);
    of_device.map(|event| event.body.clone()).collect()
}

fn connection_state(hub: &Hub, id: &str) -> String {
    let (status, body) = rest::exchange(hub, "GET", &format!("/devices/{id}"), "").expect("REST");
    assert_eq!(status, 200, "{body}");
    let device: serde_json::Value = serde_json::from_str(&body).expect("a device is JSON");
    device["connectionState"].as_str().expect("a state").to_owned()
}

#[test]
fn tokens_are_judged_when_they_are_put_and_links_by_what_was_put() {
    let mut hub = Hub::start();
    let pump = Device::create(&hub, "pump");
    let fan = Device::create(&hub, "fan");
    let host = hub.address.host();
    let mut device = AmqpDevice::open(&hub).expect("the hub listens");

    let before = device.sender(&events("pump")).expect("an answer");
    assert_eq!(before, Err(UNAUTHORIZED.to_owned()), "no token was put");
    let audience = format!("{host}/devices/pump");
    let forged = sas::token(&audience, &fan.key, None);
    let (status, text) = device.put_token(&audience, &forged).expect("an answer");
    assert_eq!(status, 401, "{text}");
    let unknown = sas::token(&format!("{host}/devices/none"), &pump.key, None);
    let (status, text) = device.put_token(&audience, &unknown).expect("an answer");
    assert_eq!(status, 404, "{text}");
    let old = sas::token_until(&audience, &pump.key, None, SystemTime::now() - hours(1));
    let (status, text) = device.put_token(&audience, &old).expect("an answer");
    assert_eq!((status, text.starts_with("ExpiredToken")), (401, true), "{text}");

    device.authenticate(&hub, &pump).expect("its own token is good");
    let foreign = device.sender(&events("fan")).expect("an answer");
    assert_eq!(foreign, Err(UNAUTHORIZED.to_owned()), "the token is for another device");
    let module = device.sender("/devices/pump/modules/part/messages/events").expect("an answer");
    assert_eq!(module, Err(UNAUTHORIZED.to_owned()), "a device is not its modules");
    let link = device.telemetry("pump").expect("the device may send");
    device.send(link, "1").expect("the message is accepted");
    assert_eq!(connection_state(&hub, "pump"), "Connected");
    drop(device);
    eventually("the device is gone", || connection_state(&hub, "pump") == "Disconnected");
    assert_eq!(bodies(&read_all(&hub), "pump"), ["1"]);
    hub.assert_sound();
}

fn hours(count: u64) -> Duration {
    Duration::from_secs(3600 * count)
}

#[test]
fn policies_and_modules_are_admitted_as_over_mqtt() {
    let hub = Hub::start();
    Device::create(&hub, "pump");
    let part = Module::create(&hub, "pump", "part");
    let host = hub.address.host();
    let mut gateway = AmqpDevice::open(&hub).expect("the hub listens");
    let scope = format!("{host}/devices");
    let token = sas::token(&scope, &hub.policy_key("device"), Some("device"));
    let (status, text) = gateway.put_token(&scope, &token).expect("an answer");
    assert_eq!(status, 200, "{text}");
    let link = gateway.telemetry("pump").expect("the policy connects devices");
    gateway.send(link, "by policy").expect("the message is accepted");
    let none = gateway.sender(&events("none")).expect("an answer");
    assert_eq!(none, Err(NOT_FOUND.to_owned()));

    let audience = format!("{host}/devices/pump/modules/part");
    let (status, text) = gateway.put_token(&audience, &part.token(&hub)).expect("an answer");
    assert_eq!(status, 200, "{text}");
    let link = gateway.telemetry("pump/modules/part").expect("the module may send");
    gateway.send(link, "by module").expect("the message is accepted");

    let mut reader = AmqpDevice::open(&hub).expect("the hub listens");
    let token = sas::token(&host, &hub.policy_key("service"), Some("service"));
    let (status, text) = reader.put_token(&host, &token).expect("an answer");
    assert_eq!(status, 200, "{text}");
    let refused = reader.sender(&events("pump")).expect("an answer");
    assert_eq!(refused, Err(UNAUTHORIZED.to_owned()), "back ends are no devices");
    let all = read_all(&hub);
    assert_eq!(bodies(&all, "pump"), ["by policy"]);
    assert_eq!(bodies(&all, "pump/part"), ["by module"]);
}

#[test]
fn a_device_logs_in_with_plain_and_is_that_device_only() {
    let hub = Hub::start();
    let (pump, fan) = (Device::create(&hub, "pump"), Device::create(&hub, "fan"));
    let log_in = |user: &str, password: &str| {
        AmqpClient::connect(&hub, ClientSasl::Plain { user, password }, 5000)
    };
    let user = format!("pump@sas.{}", hub.address.ip);
    let client = log_in(&user, &pump.token(&hub)).expect("the token is good");
    let mut device = AmqpDevice::without_tokens(client);
    let link = device.telemetry("pump").expect("the device may send");
    device.send(link, "1").expect("the message is accepted");
    let foreign = device.sender(&events("fan")).expect("an answer");
    assert_eq!(foreign, Err(UNAUTHORIZED.to_owned()));
    for (user, password) in [
        (&*user, fan.token(&hub)),
        (&user, pump.key.clone()),
        (&format!("pump@{}", hub.address.ip), pump.key.clone()),
        (&format!("none@sas.{}", hub.address.ip), pump.token(&hub)),
        ("pump@sas.elsewhere", pump.token(&hub)),
    ] {
        assert!(log_in(user, &password).is_err(), "{user}");
    }
    assert_eq!(bodies(&read_all(&hub), "pump"), ["1"]);
}

#[test]
fn a_batch_is_taken_as_a_whole_or_not_at_all() {
    let mut hub = Hub::start();
    let pump = Device::create(&hub, "pump");
    let mut device = AmqpDevice::connect(&hub, &pump).expect("the device may connect");
    let link = device.telemetry("pump").expect("the device may send");
    let good = [telemetry("1"), telemetry("2")];
    let sent = device.post_batch(link, &good).expect("the hub listens");
    assert_eq!(device.outcome().expect("an outcome"), (sent, Vec::new()));

    let mut bad = [telemetry("3"), telemetry("4"), telemetry("5")];
    bad[1].truncate(4);
    let sent = device.post_batch(link, &bad).expect("the hub listens");
    let (settled, outcome) = device.outcome().expect("an outcome");
    assert_eq!((settled, &*outcome[0]), (sent, ARGUMENT), "{outcome:?}");
    let sent = device.transfer(link, BATCH_FORMAT, &[]).expect("the hub listens");
    let (settled, outcome) = device.outcome().expect("an outcome");
    assert_eq!((settled, &*outcome[0]), (sent, ARGUMENT), "{outcome:?}");

    let large = "x".repeat(300 * 1024);
    let sent = device.post_batch(link, &[telemetry("6"), telemetry(&large)]).expect("listens");
    let (settled, outcome) = device.outcome().expect("an outcome");
    assert_eq!((settled, &*outcome[0]), (sent, TOO_LARGE), "{outcome:?}");
    device.send(link, "7").expect("the link goes on");
    assert_eq!(bodies(&read_all(&hub), "pump"), ["1", "2", "7"]);
    hub.assert_sound();
}

#[test]
fn a_message_that_is_too_large_is_rejected_and_a_transfer_ends_its_link() {
    let mut hub = Hub::start();
    let (pump, fan) = (Device::create(&hub, "pump"), Device::create(&hub, "fan"));
    let mut gateway = AmqpDevice::connect(&hub, &pump).expect("the device may connect");
    gateway.authenticate(&hub, &fan).expect("its token is good");
    let link = gateway.telemetry("pump").expect("the device may send");
    let other = gateway.telemetry("fan").expect("the device may send");
    let sent = gateway.post(link, &"x".repeat(1000 * 1024)).expect("the hub listens");
    let (settled, outcome) = gateway.outcome().expect("an outcome");
    assert_eq!((settled, &*outcome[0]), (sent, TOO_LARGE), "{outcome:?}");
    gateway.send(link, "small").expect("the link goes on");
    // The client's machine knows the bound of the link and sends no more than that.
    let refused = gateway.post(link, &"x".repeat(1024 * 1024));
    assert!(refused.is_err(), "the hub tells how much it takes");
    gateway.send(other, "other").expect("the others go on");
    let all = read_all(&hub);
    assert_eq!(
        (bodies(&all, "pump"), bodies(&all, "fan")),
        (vec!["small".into()], vec!["other".into()])
    );
    hub.assert_sound();
}

#[test]
fn devices_of_a_gateway_come_and_go_alone() {
    const DEVICES: usize = 60;
    let mut hub = Hub::start_with(HubOptions { shards: 2, ..HubOptions::default() });
    let devices: Vec<Device> =
        (0..DEVICES).map(|n| Device::create(&hub, &format!("pump-{n}"))).collect();
    let mut gateway = AmqpDevice::open(&hub).expect("the hub listens");
    let mut links = Vec::new();
    for device in &devices {
        gateway.authenticate(&hub, device).expect("its token is good");
        links.push(gateway.telemetry(&device.id).expect("the device may send"));
    }
    // One is disabled, one moves to a connection of its own, one to MQTT; the others stay.
    rest::set_status(&hub, &devices[0].id, "disabled");
    assert_eq!(gateway.detached().expect("a detach"), UNAUTHORIZED);
    let mut alone = AmqpDevice::connect(&hub, &devices[1]).expect("the device may connect");
    let own = alone.telemetry("pump-1").expect("the newest wins");
    assert_eq!(gateway.detached().expect("a detach"), STOLEN);
    let mut mqtt = MqttDevice::connect(&hub, &devices[2]).expect("the newest wins");
    assert_eq!(gateway.detached().expect("a detach"), STOLEN);
    for (device, link) in devices.iter().zip(&links).skip(3) {
        gateway.send(*link, &device.id).expect("the others go on");
    }
    alone.send(own, "alone").expect("the message is accepted");
    mqtt.ping().expect("the device is served");
    // Back again, which takes it away from there.
    let back = gateway.telemetry("pump-1").expect("the token is still there");
    assert_eq!(alone.detached().expect("a detach"), STOLEN);
    gateway.send(back, "back").expect("the message is accepted");
    let refused = gateway.sender(&events("pump-0")).expect("an answer");
    assert_eq!(refused, Err(UNAUTHORIZED.to_owned()), "the token of a disabled device is gone");
    let all = read_all(&hub);
    assert_eq!(bodies(&all, "pump-1"), ["alone", "back"]);
    for device in &devices[3..] {
        assert_eq!(bodies(&all, &device.id), [device.id.as_str()]);
    }
    hub.assert_sound();
}

#[test]
fn a_second_link_takes_the_place_of_the_first() {
    let hub = Hub::start();
    let pump = Device::create(&hub, "pump");
    let mut device = AmqpDevice::connect(&hub, &pump).expect("the device may connect");
    let first = device.telemetry("pump").expect("the device may send");
    device.send(first, "1").expect("the message is accepted");
    // The machine would steal a link of the same name by itself.
    let second = device.client.send_to("devices/pump/messages/events");
    assert_eq!(device.detached().expect("a detach"), STOLEN);
    while device.client.next().expect("an answer") != Fact::Credit(second) {}
    device.send(second, "2").expect("the message is accepted");
    assert_eq!(bodies(&read_all(&hub), "pump"), ["1", "2"]);
}

#[test]
fn an_expired_token_ends_the_device_and_not_the_connection() {
    /// What is left of the five minutes of grace.
    const LEFT: Duration = Duration::from_secs(8);
    let hub = Hub::start();
    let (pump, fan) = (Device::create(&hub, "pump"), Device::create(&hub, "fan"));
    let renewed = Device::create(&hub, "renewed");
    let mut gateway = AmqpDevice::connect(&hub, &fan).expect("the device may connect");
    let end = SystemTime::now() + LEFT - Duration::from_secs(300);
    for device in [&pump, &renewed] {
        let audience = format!("{}/devices/{}", hub.address.ip, device.id);
        let token = sas::token_until(&audience, &device.key, None, end);
        let (status, text) = gateway.put_token(&audience, &token).expect("an answer");
        assert_eq!(status, 200, "{text}");
    }
    let link = gateway.telemetry("pump").expect("within grace");
    let others = ["fan", "renewed"].map(|id| gateway.telemetry(id).expect("within grace"));
    gateway.authenticate(&hub, &renewed).expect("a renewal replaces silently");
    gateway.send(link, "1").expect("within grace");
    gateway.client.set_patience(5 * LEFT).expect("a socket");
    assert_eq!(gateway.detached().expect("a detach"), UNAUTHORIZED);
    for link in others {
        gateway.send(link, "2").expect("the others go on");
    }
    let again = gateway.sender(&events("pump")).expect("an answer");
    assert_eq!(again, Err(UNAUTHORIZED.to_owned()));
}

#[test]
fn telemetry_keeps_its_order_when_a_device_changes_protocol() {
    const ROUNDS: usize = 30;
    const BURST: usize = 40;
    let mut hub = Hub::start_with(HubOptions { shards: 3, executors: 2, ..HubOptions::default() });
    let pump = Device::create(&hub, "pump");
    let mut next = 0;
    let mut body = || {
        next += 1;
        next.to_string()
    };
    let mut mqtt = MqttDevice::connect(&hub, &pump).expect("the device may connect");
    let mut accepted = BTreeSet::new();
    for _ in 0..ROUNDS {
        for _ in 0..BURST {
            mqtt.publish_qos0(body().as_bytes()).expect("the hub listens");
        }
        mqtt.flush().expect("the hub listens");
        let mut amqp = AmqpDevice::connect(&hub, &pump).expect("the device may connect");
        let link = amqp.telemetry("pump").expect("the newest wins");
        let sent: Vec<_> = (0..BURST)
            .map(|_| {
                let body = body();
                (amqp.post(link, &body).expect("the hub listens"), body)
            })
            .collect();
        // The first half is accepted, in order; the rest is under way when MQTT takes over.
        for (delivery, body) in &sent[..BURST / 2] {
            assert_eq!(amqp.outcome().expect("an outcome"), (*delivery, Vec::new()));
            accepted.insert(body.clone());
        }
        mqtt = MqttDevice::connect(&hub, &pump).expect("the newest wins");
    }
    mqtt.ping().expect("the last connection is the live one");
    let stored = bodies(&read_all(&hub), "pump");
    let numbers: Vec<u64> = stored.iter().map(|body| body.parse().expect("a number")).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    let stored: BTreeSet<String> = stored.into_iter().collect();
    assert!(accepted.is_subset(&stored), "missing: {:?}", accepted.difference(&stored));
    hub.assert_sound();
}

#[test]
fn what_wants_no_answer_is_kept_though_the_device_goes_at_once() {
    const ROUNDS: usize = 60;
    const BURST: usize = 20;
    let mut hub = Hub::start_with(HubOptions { shards: 2, ..HubOptions::default() });
    let pump = Device::create(&hub, "pump");
    let mut before = AmqpDevice::connect(&hub, &pump).expect("the device may connect");
    for round in 0..ROUNDS {
        let mut next = AmqpDevice::connect(&hub, &pump).expect("the device may connect");
        let link = before.telemetry("pump").expect("the newest wins");
        for _ in 0..BURST {
            before.post(link, "burst").expect("the hub listens");
        }
        // The burst is on its way to the disk while the next seat sends and goes.
        let link = next.telemetry("pump").expect("the newest wins");
        let message = telemetry(&round.to_string());
        let machine = next.client.machine();
        machine.send(link, &[&message], Outgoing::SETTLED).expect("there is credit");
        machine.close(None);
        while !matches!(next.client.next().expect("an answer"), Fact::Closed(_)) {}
        before = AmqpDevice::connect(&hub, &pump).expect("the device may connect");
    }
    // What comes after them is on disk, and so are they.
    let link = before.telemetry("pump").expect("the device may send");
    before.send(link, "end").expect("the message is accepted");
    let stored = bodies(&read_all(&hub), "pump");
    let missing: Vec<_> =
        (0..ROUNDS).filter(|round| !stored.contains(&round.to_string())).collect();
    assert!(missing.is_empty(), "{missing:?}");
    hub.assert_sound();
}

#[test]
fn messages_that_are_taken_back_cost_no_credit() {
    const TRANSFERS: u32 = 3 * DEVICE_LINK_CREDIT;
    let mut hub = Hub::start();
    let pump = Device::create(&hub, "pump");
    let mut raw = RawAmqp::open(&hub).expect("the hub listens");
    let login = format!("\0pump@sas.{}\0{}", hub.address.ip, pump.token(&hub));
    let init = sasl_init("PLAIN", login.as_bytes());
    raw.send(&[&SASL_HEADER[..], &init].concat()).expect("the hub listens");
    raw.read_until(SASL_HEADER).expect("the hub answers");
    let attach = attach_sender("telemetry", 0, &events("pump"));
    let open = [&AMQP_HEADER[..], &open_frame(), &begin_frame(0), &attach].concat();
    raw.send(&open).expect("the hub listens");
    raw.read_until(&[0, 0x53, FLOW]).expect("credit");
    // One of a hundred is not taken back.
    for number in 0..TRANSFERS {
        if number % 100 < 99 {
            raw.send(&aborted_transfer(0, number)).expect("the hub listens");
        } else {
            raw.send(&transfer(0, number, &telemetry("kept"))).expect("the hub listens");
            raw.read_until(&[0, 0x53, DISPOSITION]).expect("an outcome");
        }
    }
    let stored = bodies(&read_all(&hub), "pump");
    assert_eq!(stored.len() as u32, TRANSFERS / 100);
    hub.assert_sound();
}

#[test]
fn nothing_accepted_is_lost_when_the_hub_is_killed() {
    const ROUNDS: usize = 6;
    const DEVICES: usize = 20;
    let mut hub = Hub::start_with(HubOptions { executors: 2, ..HubOptions::default() });
    let devices: Vec<Device> =
        (0..DEVICES).map(|n| Device::create(&hub, &format!("pump-{n}"))).collect();
    let mut accepted: BTreeSet<(String, String)> = BTreeSet::new();
    for round in 0..ROUNDS {
        let (killed, count) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            let (hub, devices, accepted, killed, count) =
                (&hub, &devices, &mut accepted, &killed, &count);
            scope.spawn(move || {
                let sent = send_until_cut(hub, devices, round, count, accepted);
                let error = sent.expect_err("the hub is killed");
                assert!(killed.load(Ordering::SeqCst), "before the kill: {error}");
            });
            let is_enough = || count.load(Ordering::SeqCst) > 100;
            kill_after(hub, killed, is_enough, Duration::from_millis(20 * round as u64));
        });
        hub.reap();
        hub.launch();
    }
    let events = read_all(&hub);
    let stored: BTreeSet<(String, String)> =
        events.iter().map(|event| (event.identity(), event.body.clone())).collect();
    println!("killed {ROUNDS} times, {} accepted, {} stored", accepted.len(), stored.len());
    let missing: Vec<_> = accepted.difference(&stored).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for device in &devices {
        let numbers: Vec<u64> = bodies(&events, &device.id)
            .iter()
            .map(|body| body.parse().expect("a number"))
            .collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{}: {numbers:?}", device.id);
    }
}

/// Sends from all devices on one connection, and notes what is accepted.
fn send_until_cut(
    hub: &Hub,
    devices: &[Device],
    round: usize,
    count: &AtomicUsize,
    accepted: &mut BTreeSet<(String, String)>,
) -> std::io::Result<()> {
    let mut gateway = AmqpDevice::open(hub)?;
    let mut links = Vec::new();
    for device in devices {
        gateway.authenticate(hub, device)?;
        links.push(gateway.telemetry(&device.id)?);
    }
    for number in 0.. {
        let body = (round * 1_000_000 + number).to_string();
        let mut sent = std::collections::HashMap::new();
        for (device, link) in devices.iter().zip(&links) {
            sent.insert(gateway.post(*link, &body)?, device.id.clone());
        }
        while !sent.is_empty() {
            let (delivery, outcome) = gateway.outcome()?;
            assert!(outcome.is_empty(), "{outcome:?}");
            let id = sent.remove(&delivery).expect("every delivery has one outcome");
            accepted.insert((id, body.clone()));
            count.fetch_add(1, Ordering::SeqCst);
        }
    }
    Ok(())
}
