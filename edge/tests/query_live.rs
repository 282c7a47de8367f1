//! Queries about what changes without a write: who is connected, when it was active last, and how
//! many messages wait for it. Devices are connected over MQTT, and answers must be true at once.

mod support;

use serde_json::{Value, json};
use support::c2d::{C2d, C2dSender};
use support::hub::{Hub, HubOptions};
use support::mqtt::MqttDevice;
use support::patience::eventually;
use support::rest::{self, Device};

const DEVICES: usize = 5;
const NEVER: &str = "0001-01-01T00:00:00Z";

fn ask(hub: &Hub, method: &str, path: &str, body: &str) -> Value {
    let (status, answer) = rest::exchange(hub, method, path, body).expect("the hub answers");
    assert_eq!(status, 200, "{method} {path} {body}: {answer}");
    serde_json::from_str(&answer).expect("answers are JSON")
}

fn query(hub: &Hub, query: &str) -> Value {
    ask(hub, "POST", "/devices/query", &json!({ "query": query }).to_string())
}

/// The ids of the devices that a condition takes.
fn taken(hub: &Hub, condition: &str) -> Vec<String> {
    let rows = query(hub, &format!("SELECT deviceId FROM devices WHERE {condition}"));
    let rows = rows.as_array().expect("an array").iter();
    rows.map(|row| row["deviceId"].as_str().expect("a text").to_owned()).collect()
}

/// How many devices are connected and not, by GROUP BY.
fn by_state(hub: &Hub) -> Value {
    let groups = query(
        hub,
        "SELECT connectionState AS state, COUNT() AS n FROM devices GROUP BY connectionState",
    );
    let groups = groups.as_array().expect("an array").iter();
    groups
        .map(|group| (group["state"].as_str().expect("a text").to_owned(), group["n"].clone()))
        .collect()
}

fn last_activity(hub: &Hub, id: &str) -> String {
    let twin = ask(hub, "GET", &format!("/twins/{id}"), "");
    twin["lastActivityTime"].as_str().expect("a text").to_owned()
}

#[test]
fn queries_know_who_is_connected_now() {
    let mut hub = Hub::start_with(HubOptions { shards: 2, ..HubOptions::default() });
    let devices: Vec<_> = (0..DEVICES).map(|n| Device::create(&hub, &format!("d{n}"))).collect();
    let connected = "connectionState = 'Connected'";
    assert_eq!(taken(&hub, connected), [""; 0]);
    assert_eq!(by_state(&hub), json!({ "Disconnected": DEVICES }));
    let mut first = MqttDevice::connect(&hub, &devices[1]).expect("the device may connect");
    let second = MqttDevice::connect(&hub, &devices[3]).expect("the device may connect");
    assert_eq!(taken(&hub, connected), ["d1", "d3"]);
    assert_eq!(taken(&hub, &format!("{connected} AND deviceId > 'd1'")), ["d3"]);
    assert_eq!(taken(&hub, &format!("NOT ({connected})")), ["d0", "d2", "d4"]);
    assert_eq!(by_state(&hub), json!({ "Connected": 2, "Disconnected": 3 }));
    let whole = query(&hub, &format!("SELECT * FROM devices WHERE {connected}"));
    assert_eq!(whole[0]["connectionState"], "Connected", "{whole}");

    assert_eq!(taken(&hub, &format!("lastActivityTime != '{NEVER}'")), ["d1", "d3"]);
    let before = last_activity(&hub, "d1");
    first.publish(1, b"{}", false).expect("the hub reads");
    first.flush().expect("the hub reads");
    assert_eq!(first.read_puback().expect("the hub answers"), 1);
    let moved = format!("deviceId = 'd1' AND lastActivityTime != '{before}'");
    eventually("a message is activity", || taken(&hub, &moved) == ["d1"]);
    let shown = last_activity(&hub, "d1");
    assert_eq!(taken(&hub, &format!("lastActivityTime = '{shown}'")), ["d1"]);

    drop(second);
    eventually("one has gone", || taken(&hub, connected) == ["d1"]);
    assert_eq!(by_state(&hub), json!({ "Connected": 1, "Disconnected": 4 }));
    hub.kill();
    hub.reap();
    hub.launch();
    assert_eq!(taken(&hub, connected), [""; 0], "nobody is connected after a crash");
    drop(first);
    hub.assert_sound();
}

#[test]
fn queries_know_how_many_messages_wait() {
    let mut hub = Hub::start();
    for n in 0..DEVICES {
        Device::create(&hub, &format!("d{n}"));
    }
    let mut sender = C2dSender::connect(&hub).expect("the policy may");
    for (n, id) in [(2, "a"), (4, "b"), (4, "c")] {
        let to = format!("/devices/d{n}/messages/devicebound");
        let outcome = sender.send(&C2d { to: &to, id, ..C2d::default() }, "{}");
        assert!(outcome.expect("it answers").is_empty());
    }
    for restart in [false, true] {
        if restart {
            hub.kill();
            hub.reap();
            hub.launch();
        }
        assert_eq!(taken(&hub, "cloudToDeviceMessageCount > 0"), ["d2", "d4"]);
        assert_eq!(taken(&hub, "cloudToDeviceMessageCount = 2"), ["d4"]);
        let sums = "SELECT SUM(cloudToDeviceMessageCount) AS n, \
            MAX(cloudToDeviceMessageCount) AS most FROM devices";
        assert_eq!(query(&hub, sums), json!([{ "n": 3, "most": 2 }]));
    }
    hub.assert_sound();
}
