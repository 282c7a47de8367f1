//! Field gateways on the AMQP libraries that they are built with: rhea and python-qpid-proton.
//!
//! A hundred devices share one connection. One has a forged token, one connects over MQTT in the
//! middle, one closes its links; the others send and receive as if nothing had been.

mod support;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use support::bulk::create_devices;
use support::c2d::{C2d, C2dSender};
use support::history::read_all;
use support::hub::Hub;
use support::mqtt::MqttDevice;
use support::node::Node;
use support::proton;
use support::rest::Device;
use support::script::Script;

const DEVICES: usize = 100;
/// Messages of a device before the others misbehave, and as many behind.
const HALF: usize = 10;
/// Messages that wait for each device.
const MESSAGES: usize = 2;
// The three that are not like the others.
const FORGER: usize = 7;
const ROAMER: usize = 42;
const QUITTER: usize = 77;

#[test]
fn a_gateway_on_rhea_carries_a_hundred_devices() {
    let Some(node) = Node::provisioned() else { return };
    check(|hub| node.script(hub, "gateway.js"));
}

#[test]
fn a_gateway_on_proton_carries_a_hundred_devices() {
    let Some(script) = proton::script("gateway.py") else { return };
    check(|hub| script.env("REQUESTS_CA_BUNDLE", hub.ca_file()));
}

fn check(script: impl FnOnce(&Hub) -> Script) {
    let mut hub = Hub::start();
    let devices = create_devices(&hub, "sensor", DEVICES);
    let mut cloud = C2dSender::connect(&hub).expect("the hub listens");
    for device in &devices {
        let to = format!("/devices/{}/messages/devicebound", device.id);
        for number in 0..MESSAGES {
            let message = C2d { to: &to, id: &format!("m{number}"), ..C2d::default() };
            let outcome = cloud.send(&message, &number.to_string()).expect("the hub answers");
            assert!(outcome.is_empty(), "{outcome:?}");
        }
    }
    let mut gateway = script(&hub)
        .arg(hub.address.host())
        .args([HALF.to_string(), MESSAGES.to_string()])
        .arg(&devices[QUITTER].id)
        .told()
        .spawn();
    gateway.tell(&tokens(&hub, &devices));
    assert_eq!(gateway.wait_for("half"), DEVICES - 1);
    let _taken = MqttDevice::connect(&hub, &devices[ROAMER]).expect("the device may connect");
    for _link in 0..2 {
        gateway.wait_for("detached");
    }
    gateway.tell(&json!("go"));
    let lines = gateway.finish();

    assert_eq!(lines.all("refused"), [&json!(devices[FORGER].id)]);
    let stolen = json!([devices[ROAMER].id, "amqp:link:stolen"]);
    assert_eq!(lines.all("detached"), [&stolen, &stolen]);
    let expected = |of: fn(usize) -> usize| -> BTreeMap<String, usize> {
        devices.iter().enumerate().map(|(n, device)| (device.id.clone(), of(n))).collect()
    };
    let accepted: BTreeMap<String, usize> = lines.all("accepted").into_iter().map(pair).collect();
    assert_eq!(accepted, expected(sent));
    let mut received = expected(|_| 0);
    for line in lines.all("received") {
        let (id, number): (String, usize) = pair(line);
        let next = received.get_mut(&id).expect("a device of the gateway");
        assert_eq!(number, *next, "{id}: the order of its queue");
        *next += 1;
    }
    assert_eq!(received, expected(|number| if number == FORGER { 0 } else { MESSAGES }));
    let mut stored = expected(|_| 0);
    for event in read_all(&hub) {
        let next = stored.get_mut(&event.identity()).expect("a device of the gateway");
        assert_eq!(event.body, next.to_string(), "{}: order", event.identity());
        *next += 1;
    }
    assert_eq!(stored, expected(sent));
    hub.assert_sound();
}

/// Messages that a device has sent at the end.
fn sent(number: usize) -> usize {
    match number {
        FORGER => 0,
        ROAMER | QUITTER => HALF,
        _ => 2 * HALF,
    }
}

/// Each device with a token of its own; that of one is signed with a key that it does not have.
fn tokens(hub: &Hub, devices: &[Device]) -> Value {
    let token = |(number, device): (usize, &Device)| {
        let mut signer = device.clone();
        if number == FORGER {
            signer.key = "Zm9yZ2VkIGtleSBvZiBub2JvZHkgaW4gcGFydGljdWxhcg==".to_owned();
        }
        json!([device.id, signer.token(hub)])
    };
    devices.iter().enumerate().map(token).collect()
}

/// A device and a number, which may be a text.
fn pair(line: &Value) -> (String, usize) {
    let id = line[0].as_str().expect("a device").to_owned();
    let number = line[1].as_u64().map(|number| number as usize);
    (id, number.unwrap_or_else(|| line[1].as_str().expect("a text").parse().expect("a number")))
}
