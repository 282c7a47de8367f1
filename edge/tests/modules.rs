//! Identities besides devices with their own keys: modules, and tokens of a hub policy.

mod support;

use serde_json::Value;
use support::history::{StoredEvent, read_all};
use support::hub::{Hub, HubOptions};
use support::mqtt::{Login, MqttDevice};
use support::rest::{Device, Module};

/// CONNACK 5, "not authorized".
const NOT_AUTHORIZED: u8 = 5;

fn start() -> Hub {
    Hub::start_with(HubOptions { shards: 2, ..HubOptions::default() })
}

fn send(connection: &mut MqttDevice, body: &str) {
    connection.publish(1, body.as_bytes(), false).expect("the hub listens");
    connection.flush().expect("the hub listens");
    assert_eq!(connection.read_puback().expect("an acknowledgement"), 1, "{body}");
}

/// The scope in the auth-method stamp, which is a JSON text.
fn scope(event: &StoredEvent) -> String {
    let method = event.stamp("iothub-connection-auth-method");
    let method: Value = serde_json::from_str(method).expect("the stamp is JSON");
    assert_eq!((&method["type"], &method["issuer"]), (&"sas".into(), &"iothub".into()));
    method["scope"].as_str().expect("a scope").to_owned()
}

fn event<'e>(events: &'e [StoredEvent], body: &str) -> &'e StoredEvent {
    let found: Vec<&StoredEvent> = events.iter().filter(|event| event.body == body).collect();
    assert_eq!(found.len(), 1, "{body}");
    found[0]
}

fn verdict(hub: &Hub, login: &Login) -> u8 {
    let mut connection = MqttDevice::open(hub).expect("the hub listens");
    connection.send_connect(login).expect("the hub listens");
    connection.read_connack().expect("a verdict")
}

#[test]
fn device_and_modules_are_connected_side_by_side_and_stamped_apart() {
    let mut hub = start();
    let device = Device::create(&hub, "pump-7");
    let motor = Module::create(&hub, "pump-7", "motor");
    let valve = Module::create(&hub, "pump-7", "valve");
    let mut connections =
        [Login::device(&hub, &device), Login::module(&hub, &motor), Login::module(&hub, &valve)]
            .map(|login| MqttDevice::connect_as(&hub, &login).expect("the identity may connect"));
    let bodies = ["from the device", "from the motor", "from the valve"];
    for (connection, body) in connections.iter_mut().zip(bodies) {
        send(connection, body);
    }
    for connection in &mut connections {
        connection.ping().expect("nobody was evicted");
    }

    let events = read_all(&hub);
    assert_eq!(events.len(), 3);
    let expected = [("pump-7", "device"), ("pump-7/motor", "module"), ("pump-7/valve", "module")];
    for (body, (identity, of_scope)) in bodies.into_iter().zip(expected) {
        let event = event(&events, body);
        assert_eq!((&*event.identity(), &*scope(event)), (identity, of_scope), "{body}");
    }
    assert!(!events[0].stamps.contains_key("iothub-connection-module-id"), "{:?}", events[0]);
    let generations: Vec<&str> =
        events.iter().map(|event| event.stamp("iothub-connection-auth-generation-id")).collect();
    assert!(generations.iter().all(|text| text.parse::<u64>().is_ok()), "{generations:?}");
    hub.assert_sound();
}

#[test]
fn a_module_evicts_its_own_old_connection_only() {
    let hub = start();
    let device = Device::create(&hub, "pump-7");
    let motor = Login::module(&hub, &Module::create(&hub, "pump-7", "motor"));
    let mut on_device = MqttDevice::connect(&hub, &device).expect("the device may connect");
    let mut old = MqttDevice::connect_as(&hub, &motor).expect("the module may connect");
    let mut new = MqttDevice::connect_as(&hub, &motor).expect("the module may connect again");
    old.read_to_end().expect("the old connection is closed");
    new.ping().expect("the new connection is served");
    on_device.ping().expect("the device has nothing to do with it");
}

#[test]
fn a_module_needs_its_own_key_and_topic() {
    let hub = start();
    let device = Device::create(&hub, "pump-7");
    let motor = Module::create(&hub, "pump-7", "motor");
    let valve = Module::create(&hub, "pump-7", "valve");
    let login = Login::module(&hub, &motor);
    let with_password = |password| Login { password, ..login.clone() };
    assert_eq!(verdict(&hub, &with_password(device.token(&hub))), NOT_AUTHORIZED);
    assert_eq!(verdict(&hub, &with_password(valve.token(&hub))), NOT_AUTHORIZED);
    let as_device = Login::device_with(&hub, "pump-7", motor.token(&hub));
    assert_eq!(verdict(&hub, &as_device), NOT_AUTHORIZED);

    for topic in [Login::device(&hub, &device).topic, Login::module(&hub, &valve).topic] {
        let mut connection = MqttDevice::connect_as(&hub, &login).expect("the module may connect");
        connection.set_topic(&topic);
        connection.publish(1, b"foreign", false).expect("the hub listens");
        connection.flush().expect("the hub listens");
        assert_eq!(connection.read_to_end().expect("the hub closes"), b"", "{topic}");
    }
    assert_eq!(read_all(&hub), []);
}

#[test]
fn the_device_policy_speaks_for_every_device() {
    let hub = start();
    Device::create(&hub, "pump-7");
    Device::create(&hub, "pump-8");
    for id in ["pump-7", "pump-8"] {
        let login = Login::device_by_policy(&hub, id);
        send(&mut MqttDevice::connect_as(&hub, &login).expect("the policy may connect"), id);
    }
    let events = read_all(&hub);
    for id in ["pump-7", "pump-8"] {
        let event = event(&events, id);
        assert_eq!((&*event.identity(), &*scope(event)), (id, "hub"));
    }
    let unknown = Login::device_by_policy(&hub, "pump-9");
    assert_eq!(verdict(&hub, &unknown), NOT_AUTHORIZED, "the device has to exist");
}
