//! What makes a hub the same hub: its data directory, whatever it is called, and the partitions of
//! its devices.

mod support;

use support::command::at;
use support::history::read_all;
use support::hub::{Hub, HubOptions};
use support::mqtt::MqttDevice;
use support::rest::Device;

fn stop(hub: &mut Hub) {
    hub.terminate();
    hub.reap();
}

/// Goal: a hub keeps everything under another name. Method: people's commands, which take name,
/// keys and ports from the data directory, before and after the hub was renamed.
#[test]
fn a_renamed_hub_keeps_devices_keys_messages_and_telemetry() {
    let mut hub =
        Hub::start_with(HubOptions { host_name: Some("a.test"), ..HubOptions::default() });
    at(&hub, &["device-identity", "create", "-d", "pump"]).good();
    at(&hub, &["send-d2c-message", "-d", "pump", "--data", "before"]).good();
    at(&hub, &["c2d-message", "send", "-d", "pump", "--data", "waits"]).good();
    let before = at(&hub, &["connection-string", "show", "-d", "pump"]).good();
    assert!(before.starts_with("HostName=a.test;DeviceId=pump;"), "{before}");
    stop(&mut hub);
    hub.rename("b.test");
    hub.launch();
    let log = hub.log();
    for part in
        ["the hub has a new name", "from=\"a.test\"", "to=\"b.test\"", "`sr` of their tokens"]
    {
        assert!(log.contains(part), "{part} is missing in the log: {log}");
    }
    let after = at(&hub, &["connection-string", "show", "-d", "pump"]).good();
    assert_eq!(after, before.replace("a.test", "b.test"), "the key of the device is the same");
    at(&hub, &["send-d2c-message", "-d", "pump", "--data", "after"]).good();
    let events = at(&hub, &["monitor-events", "-e", "0", "--count", "2", "--timeout", "60"]).good();
    let bodies: Vec<_> = events.lines().filter_map(|line| line.split("pump  ").nth(1)).collect();
    assert_eq!(bodies, ["before", "after"], "{events}");
    let shown = at(&hub, &["device-identity", "show", "-d", "pump"]).json();
    assert_eq!(shown["cloudToDeviceMessageCount"], 1, "{shown}");
    stop(&mut hub);
    hub.launch();
    let renames = hub.log().matches("the hub has a new name").count();
    assert_eq!(renames, 1, "a name is new once");
}

/// Goal: devices are in the partitions where tools that know partition keys look for them. Source:
/// service-endpoints reference, "Partitions".
#[test]
fn devices_of_a_new_hub_are_in_the_partitions_of_their_ids_as_keys() {
    let hub = Hub::start();
    let expected = [("pump-1", 2), ("pump-7", 0), ("Device001", 0), ("a", 1), ("cooler-7", 3)];
    for (id, _) in expected {
        let device = Device::create(&hub, id);
        let mut device = MqttDevice::connect(&hub, &device).expect("the device may connect");
        device.publish(1, b"here", false).expect("the connection lives");
        device.flush().expect("the connection lives");
        assert_eq!(device.read_puback().expect("it is stored"), 1);
    }
    let mut found: Vec<_> =
        read_all(&hub).iter().map(|event| (event.identity(), event.partition)).collect();
    found.sort();
    let mut expected = expected.map(|(id, partition)| (id.to_owned(), partition));
    expected.sort();
    assert_eq!(found, expected);
}
