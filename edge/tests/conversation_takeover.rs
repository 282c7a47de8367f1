//! A device that connects anew in the middle of a conversation: messages wait for it, and a method
//! runs on the old connection.

mod support;

use std::collections::BTreeSet;
use std::thread;

use serde_json::{Value, json};
use support::c2d::{C2d, C2dSender};
use support::hub::{Hub, HubOptions};
use support::methods::{MethodDevice, device_error, invoke};
use support::mqtt::MqttDevice;
use support::patience::eventually;
use support::rest::{self, Device};

const SHARDS: u16 = 3;
/// Enough for connections on every shard, whatever the kernel's choice.
const TAKEOVERS: usize = 40;

fn device(hub: &Hub) -> Value {
    let (status, body) = rest::exchange(hub, "GET", "/devices/pump", "").expect("the hub answers");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("answers are JSON")
}

fn queued(hub: &Hub) -> usize {
    let count = device(hub)["cloudToDeviceMessageCount"].as_u64();
    usize::try_from(count.expect("a count")).expect("few messages")
}

fn send(sender: &mut C2dSender, number: usize) {
    let (to, id) = ("/devices/pump/messages/devicebound", number.to_string());
    let outcome = sender.send(&C2d { to, id: &id, ..C2d::default() }, &id);
    assert_eq!(outcome.expect("the hub answers"), Vec::<String>::new());
}

/// Reads messages that start with number `first`, of which `seen` were delivered before.
fn read(connection: &mut MqttDevice, first: usize, count: usize, seen: usize) -> Vec<u16> {
    let read = |place: usize| {
        let message = connection.read_message().expect("a message is due");
        assert_eq!((message.text(), message.dup), ((first + place).to_string(), place < seen));
        message.id
    };
    (0..count).map(read).collect()
}

#[test]
fn a_takeover_ends_the_call_keeps_the_messages_and_is_no_change_of_presence() {
    let log = "info,ringhub_edge=debug";
    let mut hub = Hub::start_with(HubOptions { shards: SHARDS, log, ..HubOptions::default() });
    let pump = Device::create(&hub, "pump");
    let mut sender = C2dSender::connect(&hub).expect("the hub accepts senders");
    let mut live = MethodDevice::connect(&hub, &pump).expect("the device may connect");
    live.mqtt.subscribe("devices/pump/messages/devicebound/#").expect("the hub answers");
    let connected = device(&hub)["connectionStateUpdatedTime"].clone();
    // Two messages wait at each takeover: one that the old connection has and one that it has not
    // acknowledged either, of which the first is completed afterwards.
    send(&mut sender, 0);
    read(&mut live.mqtt, 0, 1, 0);
    for round in 0..TAKEOVERS {
        send(&mut sender, round + 1);
        read(&mut live.mqtt, round + 1, 1, 0);
        thread::scope(|scope| {
            let (hub, running) = (&hub, json!({"methodName": "run"}));
            let running = scope.spawn(move || invoke(hub, "pump", &running));
            let call = live.next_call().expect("the call comes");
            assert_eq!(call.name, "run");
            let mut new = MqttDevice::connect(hub, &pump).expect("the newest wins");
            let (status, body) = running.join().expect("the call ends");
            assert_eq!((status, &device_error(&body)["errorCode"]), (404, &json!(404_104)));
            live.mqtt.read_to_end().expect("the old connection is closed");
            let ids = read(&mut new, round, 2, 2);
            new.acknowledge(ids[0]).expect("the hub listens");
            eventually("the first is complete", || queued(hub) == 1);
            live = MethodDevice { mqtt: new };
        });
        let found = device(&hub);
        assert_eq!(found["connectionState"], "Connected");
        assert_eq!(found["connectionStateUpdatedTime"], connected, "a takeover is no change");
    }
    // The session has kept its subscriptions, so that the last connection answers as the first did.
    thread::scope(|scope| {
        let running = scope.spawn(|| invoke(&hub, "pump", &json!({"methodName": "last"})));
        let call = live.next_call().expect("the call comes");
        live.answer("200", &call.rid, "{}").expect("it is acknowledged");
        assert_eq!(running.join().expect("the call ends").0, 200);
    });
    let shards: BTreeSet<u16> = hub.shards_of("pump").into_iter().collect();
    assert_eq!(shards.len(), usize::from(SHARDS), "connections were on {shards:?} only");
    hub.assert_sound();
}
