//! A device without an SDK (paho-mqtt): QoS 0, wills, persistent sessions and the older user names.
//!
//! Each test runs a hub of its own. Script: `tests/interop/python/plain_mqtt.py`.

mod support;

use support::event::Event;
use support::hub::Hub;
use support::python::Python;
use support::rest::Device;
use support::script::Script;

const ID: &str = "pump-7";
const TELEMETRY: &str = "devices/pump-7/messages/events/";

#[test]
fn qos_0_and_qos_1_both_arrive_and_qos_2_closes_the_connection() {
    let Some(python) = Python::provisioned() else { return };
    let (hub, device) = hub_with_device();
    for qos in ["0", "1"] {
        let sender = connect(&python, &hub, &device, USER_NAMES[0]);
        let topic = format!("{TELEMETRY}qos={qos}");
        let lines = sender.args(["--topic", &topic, "--qos", qos, "--count", "2"]).run();
        assert_eq!(lines.all("published").len(), 2, "QoS {qos}");
    }
    let events = read(&python, &hub, 4);
    let qos: Vec<&str> = events.iter().map(|event| event.property_text("qos")).collect();
    assert_eq!(qos, ["0", "0", "1", "1"]);

    let sender = connect(&python, &hub, &device, USER_NAMES[0]);
    let lines = sender.args(["--topic", TELEMETRY, "--qos", "2"]).run();
    assert!(lines.all("published").is_empty());
    assert_eq!(lines.texts("state"), ["disconnected"]);
}

#[test]
fn the_property_bag_of_the_topic_becomes_properties() {
    let Some(python) = Python::provisioned() else { return };
    let (hub, device) = hub_with_device();
    let bag = "%24.mid=m-1&%24.ct=application%2Fjson&%24.ce=utf-8&level=hot%20spot&plus=a%2Bb/";
    let sender = connect(&python, &hub, &device, USER_NAMES[0]);
    sender.args(["--topic", &format!("{TELEMETRY}{bag}"), "--payload", r#"{"t":81}"#]).run();
    let event = read(&python, &hub, 1).remove(0);
    assert_eq!(event.body, r#"{"t":81}"#);
    assert_eq!(event.message_id(), "m-1");
    assert_eq!(event.system_text("content-type"), "application/json");
    assert_eq!(event.system_text("content-encoding"), "utf-8");
    assert_eq!(event.property_text("level"), "hot spot");
    assert_eq!(event.property_text("plus"), "a+b");
}

#[test]
fn an_event_without_system_properties_has_no_properties_section() {
    let Some(python) = Python::provisioned() else { return };
    let (hub, device) = hub_with_device();
    for bag in ["level=100%&odd=%zz%ff", "$.mid=m-1"] {
        let sender = connect(&python, &hub, &device, USER_NAMES[0]);
        sender.args(["--topic", &format!("{TELEMETRY}{bag}")]).run();
    }
    let events = read(&python, &hub, 2);
    let of_sender = |event: &Event| {
        let names = ["message-id", "user-id", "to", "correlation-id", "content-type"];
        names.into_iter().filter(|name| event.system.contains_key(*name)).collect::<Vec<_>>()
    };
    assert_eq!(of_sender(&events[0]), Vec::<&str>::new());
    assert_eq!(of_sender(&events[1]), ["message-id"]);
    assert_eq!(events[0].property_text("level"), "100%", "what is no escape stays");
    assert_eq!(events[0].property_text("odd"), "%zz%ff");
}

#[test]
fn a_retained_message_is_marked_and_not_retained() {
    let Some(python) = Python::provisioned() else { return };
    let (hub, device) = hub_with_device();
    let sender = connect(&python, &hub, &device, USER_NAMES[0]);
    sender.args(["--topic", TELEMETRY, "--retain"]).run();
    assert_eq!(read(&python, &hub, 1)[0].property_text("mqtt-retain"), "true");
}

#[test]
fn the_will_is_an_event_when_the_device_vanishes_and_not_when_it_leaves() {
    let Some(python) = Python::provisioned() else { return };
    let (hub, device) = hub_with_device();
    let with_will = |payload: &str| {
        let sender = connect(&python, &hub, &device, USER_NAMES[0]);
        sender.args(["--will-topic", TELEMETRY, "--will-payload", payload])
    };
    with_will("left").run();
    with_will("vanished").arg("--abort").run();
    assert_eq!(read(&python, &hub, 1)[0].body, "vanished");
}

#[test]
fn a_persistent_session_is_present_again_and_a_clean_one_is_not() {
    let Some(python) = Python::provisioned() else { return };
    let (hub, device) = hub_with_device();
    let devicebound = format!("devices/{ID}/messages/devicebound/#");
    let first = connect(&python, &hub, &device, USER_NAMES[0]);
    let first = first.args(["--subscribe", &devicebound]).run();
    assert_eq!(first.one("session_present"), false);
    assert_eq!(first.one("suback"), &serde_json::json!([1]));
    let second = connect(&python, &hub, &device, USER_NAMES[0]).run();
    assert_eq!(second.one("session_present"), true);
    let clean = connect(&python, &hub, &device, USER_NAMES[0]).arg("--clean").run();
    assert_eq!(clean.one("session_present"), false);
    let after = connect(&python, &hub, &device, USER_NAMES[0]).run();
    assert_eq!(after.one("session_present"), false);
}

/// Source: device-endpoints reference, "CONNECT": current form, form without `?`, bare, trailing
/// slash.
const USER_NAMES: [&str; 4] = [
    "/pump-7/?api-version=2021-04-12",
    "/pump-7/api-version=2016-11-14&DeviceClientType=old%2F1.0",
    "/pump-7",
    "/pump-7/",
];

#[test]
fn accepts_the_user_names_of_all_client_generations() {
    let Some(python) = Python::provisioned() else { return };
    let (hub, device) = hub_with_device();
    for user_name in USER_NAMES {
        let sender = connect(&python, &hub, &device, user_name);
        let lines = sender.args(["--topic", TELEMETRY]).run();
        assert_eq!(lines.one("connack"), 0, "{user_name}");
        assert_eq!(lines.all("published").len(), 1, "{user_name}");
    }
    assert_eq!(read(&python, &hub, USER_NAMES.len()).len(), USER_NAMES.len());
}

#[test]
fn refuses_a_user_name_of_another_device() {
    let Some(python) = Python::provisioned() else { return };
    let (hub, device) = hub_with_device();
    Device::create(&hub, "pump-8");
    let lines = connect(&python, &hub, &device, "/pump-8/?api-version=2021-04-12").run();
    assert_ne!(lines.one("connack"), 0);
}

#[test]
fn a_publish_to_another_devices_topic_closes_the_connection() {
    let Some(python) = Python::provisioned() else { return };
    let (hub, device) = hub_with_device();
    let sender = connect(&python, &hub, &device, USER_NAMES[0]);
    let lines = sender.args(["--topic", "devices/pump-8/messages/events/"]).run();
    assert!(lines.all("published").is_empty());
    assert_eq!(lines.texts("state"), ["disconnected"]);
}

fn hub_with_device() -> (Hub, Device) {
    let hub = Hub::start();
    let device = Device::create(&hub, ID);
    (hub, device)
}

/// The device, before it is started; `user_name` is what follows the host name.
fn connect(python: &Python, hub: &Hub, device: &Device, user_name: &str) -> Script {
    python
        .script("plain_mqtt.py")
        .arg(hub.address.host())
        .arg("--ca")
        .arg(hub.ca_file())
        .args(["--client-id", ID, "--user", &format!("{}{user_name}", hub.address.ip)])
        .args(["--password", &device.token(hub)])
}

fn read(python: &Python, hub: &Hub, count: usize) -> Vec<Event> {
    let events = python.reader(hub).args(["--expect", &count.to_string()]).run().events();
    assert_eq!(events.len(), count);
    events
}
