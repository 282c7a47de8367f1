//! What the registry tells of a device's connection: in storms, over takeovers and after a crash.

mod support;

use std::thread;
use std::time::Duration;

use serde_json::Value;
use support::c2d::{C2d, C2dSender};
use support::hub::{Hub, HubOptions};
use support::mqtt::{Login, MqttDevice};
use support::patience::eventually;
use support::rest::{self, Device, Module};

const SHARDS: u16 = 3;
/// From a message to its time in the store: until the shard tells, until the store is told, and
/// some time on a busy machine.
const SAVED_TIME_MAX: Duration = Duration::from_secs(5 + 5 + 5);

fn start() -> Hub {
    Hub::start_with(HubOptions { shards: SHARDS, ..HubOptions::default() })
}

fn get(hub: &Hub, path: &str) -> Value {
    let (status, body) = rest::exchange(hub, "GET", path, "").expect("the hub answers");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("answers are JSON")
}

fn device(hub: &Hub, id: &str) -> Value {
    get(hub, &format!("/devices/{id}"))
}

fn connected_count(hub: &Hub) -> u64 {
    let statistics = get(hub, "/statistics/service");
    statistics["connectedDeviceCount"].as_u64().expect("a number")
}

#[test]
fn presence_is_right_after_a_storm_of_takeovers() {
    const DEVICES: usize = 8;
    let mut hub = start();
    let devices: Vec<Device> =
        (0..DEVICES).map(|n| Device::create(&hub, &format!("pump-{n}"))).collect();
    let module = Module::create(&hub, "pump-0", "valve");
    let last: Vec<MqttDevice> = thread::scope(|scope| {
        let hub = &hub;
        let storm = |device| {
            scope.spawn(move || {
                // Each takes the place of the one before, which is kept until the end.
                let mut all: Vec<_> = (0..20)
                    .map(|_| MqttDevice::connect(hub, device).expect("the newest wins"))
                    .collect();
                all.pop().expect("the last one stays")
            })
        };
        let threads: Vec<_> = devices.iter().map(storm).collect();
        threads.into_iter().map(|thread| thread.join().expect("no check failed")).collect()
    });
    let valve = MqttDevice::connect_as(&hub, &Login::module(&hub, &module)).expect("may connect");
    assert_eq!(connected_count(&hub), DEVICES as u64, "modules do not count");
    for Device { id, .. } in &devices {
        assert_eq!(device(&hub, id)["connectionState"], "Connected", "{id}");
    }
    let before = device(&hub, "pump-0");
    let taken_over = MqttDevice::connect(&hub, &devices[0]).expect("the newest wins");
    let after = device(&hub, "pump-0");
    assert_eq!(after["connectionState"], "Connected");
    let changed = "connectionStateUpdatedTime";
    assert_eq!(after[changed], before[changed], "a takeover is no change");
    drop((last, taken_over));
    eventually("all devices are gone", || connected_count(&hub) == 0);
    for Device { id, .. } in &devices {
        assert_eq!(device(&hub, id)["connectionState"], "Disconnected", "{id}");
    }
    let path = "/devices/pump-0/modules/valve";
    assert_eq!(get(&hub, path)["connectionState"], "Connected");
    drop(valve);
    eventually("the module is gone", || get(&hub, path)["connectionState"] == "Disconnected");
    hub.assert_sound();
}

/// A time of a device, as a text that sorts by time: fractions have no zeros at their end, and the
/// `Z` after them would come behind every digit.
fn time(device: &Value, name: &str) -> String {
    let text = device[name].as_str().expect("a text");
    text.strip_suffix('Z').expect("all times are in UTC").to_owned()
}

#[test]
fn after_a_crash_nobody_is_connected_and_the_last_activity_is_known() {
    let mut hub = start();
    let pump = Device::create(&hub, "pump");
    let mut connection = MqttDevice::connect(&hub, &pump).expect("the device may connect");
    let connected = device(&hub, "pump");
    let last = |device: &Value| time(device, "lastActivityTime");
    thread::sleep(Duration::from_millis(1100));
    connection.publish(1, b"{}", false).expect("the hub reads");
    connection.flush().expect("the hub reads");
    assert_eq!(connection.read_puback().expect("the hub answers"), 1);
    eventually("a message is activity", || last(&device(&hub, "pump")) > last(&connected));
    let active = device(&hub, "pump");
    assert_eq!(active["connectionState"], "Connected");
    thread::sleep(SAVED_TIME_MAX);
    hub.kill();
    hub.reap();
    hub.launch();
    let restarted = device(&hub, "pump");
    assert_eq!(restarted["connectionState"], "Disconnected");
    assert_eq!(last(&restarted), last(&active));
    let changed = time(&restarted, "connectionStateUpdatedTime");
    assert!(changed > last(&active), "the connection was lost after that");
    assert_eq!(connected_count(&hub), 0);
    hub.terminate();
    hub.reap();
    hub.launch();
    assert_eq!(device(&hub, "pump"), restarted, "a clean restart changes nothing");
    let connection = MqttDevice::connect(&hub, &pump).expect("the device may connect");
    let connected = device(&hub, "pump");
    assert!(last(&connected) > last(&restarted), "a connect is activity");
    hub.terminate();
    hub.reap();
    drop(connection);
    hub.launch();
    let restarted = device(&hub, "pump");
    assert_eq!(restarted["connectionState"], "Disconnected");
    assert!(last(&restarted) >= last(&connected), "the end saves what was not yet saved");
}

#[test]
fn a_twin_tells_the_model_and_what_waits() {
    let mut hub = start();
    let pump = Device::create(&hub, "pump");
    let connect = |parameters: &str| {
        let mut login = Login::device(&hub, &pump);
        login.user_name = format!("{}/pump/?{parameters}", hub.address.ip);
        MqttDevice::connect_as(&hub, &login).expect("the device may connect")
    };
    let twin = || get(&hub, "/twins/pump");
    assert_eq!(twin()["modelId"], "");
    let model = "model-id=dtmi%3Aexample%3APump%3B1";
    let connection = connect(&format!("api-version=2021-04-12&{model}"));
    eventually("the model is stored", || twin()["modelId"] == "dtmi:example:Pump;1");
    drop(connection);
    let connection = connect(&format!("api-version=2019-10-01&{model}"));
    eventually("old revisions announce no model", || twin()["modelId"] == "");
    drop(connection);
    let _connection = connect(&format!("api-version=2020-09-30&{model}"));
    eventually("the model is back", || twin()["modelId"] == "dtmi:example:Pump;1");
    let mut sender = C2dSender::connect(&hub).expect("the policy may");
    for (id, count) in [("a", 1), ("b", 2)] {
        assert_eq!(twin()["cloudToDeviceMessageCount"], count - 1);
        let to = "/devices/pump/messages/devicebound";
        let outcome = sender.send(&C2d { to, id, ..C2d::default() }, "{}").expect("it answers");
        assert!(outcome.is_empty(), "{outcome:?}");
        assert_eq!(twin()["cloudToDeviceMessageCount"], count);
        assert_eq!(device(&hub, "pump")["cloudToDeviceMessageCount"], count);
    }
    hub.kill();
    hub.reap();
    hub.launch();
    let twin = get(&hub, "/twins/pump");
    assert_eq!(twin["modelId"], "dtmi:example:Pump;1");
    assert_eq!(twin["cloudToDeviceMessageCount"], 2);
    hub.assert_sound();
}
