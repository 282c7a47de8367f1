//! Messages to devices and their feedback, between the unmodified SDKs of both sides.
//!
//! Scripts: `tests/interop/python/c2d_*.py`, `tests/interop/node/c2d_*.js`.

mod support;

use serde_json::{Value, json};
use support::hub::{Hub, HubOptions};
use support::node::Node;
use support::python::Python;
use support::rest::Device;
use support::script::{Lines, Script};

/// Service and device connections land on different shards as often as not.
fn start_hub() -> Hub {
    Hub::start_with(HubOptions { shards: 3, ..HubOptions::default() })
}

fn node_service(node: &Node, hub: &Hub, settings: &Value) -> Lines {
    node.script(hub, "c2d_service.js")
        .arg(hub.registry_connection_string(&hub.address.host()))
        .arg(settings.to_string())
        .run()
}

fn node_device(node: &Node, hub: &Hub, device: &Device, expect: usize) -> Script {
    node.script(hub, "c2d_device.js")
        .arg(hub.device_connection_string(&device.id, &device.key))
        .arg(expect.to_string())
}

fn python_service(python: &Python, hub: &Hub, device: &str, messages: &Value) -> Script {
    python
        .script("c2d_service.py")
        .env("REQUESTS_CA_BUNDLE", hub.ca_file())
        .arg(hub.registry_connection_string(&hub.address.host()))
        .arg(device)
        .arg(messages.to_string())
}

fn python_device(python: &Python, hub: &Hub, device: &Device, expect: usize) -> Script {
    python
        .script("c2d_device.py")
        .arg(hub.device_connection_string(&device.id, &device.key))
        .arg("--ca")
        .arg(hub.ca_file())
        .args(["--expect", &expect.to_string()])
}

/// The message that [`assert_full`] expects, as the Node service SDK sends it.
fn full_message() -> Value {
    json!({
        "id": "c-9", "body": "{\"n\":1}", "ack": "full", "correlation_id": "k1",
        "content_type": "application/json", "expiry_ms": 600_000,
        "properties": {"mode": "night shift", "sign & sum": "a=b/c+ü"},
    })
}

fn assert_full(message: &Value) {
    assert_eq!(message["body"], "{\"n\":1}");
    assert_eq!(message["message_id"], "c-9");
    assert_eq!(message["correlation_id"], "k1");
    assert_eq!(message["content_type"], "application/json");
    assert_eq!(message["content_encoding"], "utf-8");
    assert!(message["expiry"].as_str().is_some_and(|time| time.ends_with('Z')), "{message}");
    let expected = json!({"mode": "night shift", "sign & sum": "a=b/c+ü"});
    assert_eq!(application_properties(message), expected);
}

/// One SDK shows the level of acknowledgement among the properties, the other not at all.
fn application_properties(message: &Value) -> Value {
    let mut properties = message["properties"].clone();
    properties.as_object_mut().expect("properties are an object").remove("iothub-ack");
    properties
}

fn assert_success(lines: &Lines, device: &str, id: &str) {
    let record = lines.one("feedback");
    assert_eq!(record["originalMessageId"], id);
    assert_eq!(record["deviceId"], device);
    assert_eq!(record["statusCode"], "Success");
    assert_eq!(record["description"], "Success");
    assert!(record["deviceGenerationId"].as_str().is_some_and(|text| text.len() > 10));
}

#[test]
fn node_sends_to_a_python_device_and_hears_that_it_was_completed() {
    let (Some(python), Some(node)) = (Python::provisioned(), Node::provisioned()) else { return };
    let hub = start_hub();
    let device = Device::create(&hub, "pump-7");
    let mut running = python_device(&python, &hub, &device, 1).spawn();
    running.wait_for("state");
    let settings = json!({"device": "pump-7", "messages": [full_message()], "feedback": 1});
    let sent = node_service(&node, &hub, &settings);
    assert_eq!(sent.texts("sent"), ["c-9"]);
    assert_full(running.finish().one("message"));
    assert_success(&sent, "pump-7", "c-9");
}

#[test]
fn node_sends_to_a_node_device_over_websockets_on_both_sides() {
    let Some(node) = Node::provisioned() else { return };
    let hub = start_hub();
    if !hub.address.has_port_443() {
        eprintln!("skipped: the SDKs dial port 443 only, which this user may not bind");
        return;
    }
    let device = Device::create(&hub, "pump-7");
    let mut running = node_device(&node, &hub, &device, 1).arg("websocket").spawn();
    running.wait_for("state");
    let settings = json!({
        "device": "pump-7", "messages": [full_message()], "feedback": 1, "websocket": true,
    });
    let sent = node_service(&node, &hub, &settings);
    assert_full(running.finish().one("message"));
    assert_success(&sent, "pump-7", "c-9");
}

#[test]
fn python_sends_to_devices_of_both_sdks() {
    let (Some(python), Some(node)) = (Python::provisioned(), Node::provisioned()) else { return };
    let hub = start_hub();
    let properties = json!({
        "messageId": "p-1", "correlationId": "k2", "contentType": "text/plain",
        "contentEncoding": "utf-8", "iothub-ack": "positive", "zone": "a b&c",
    });
    let messages = json!([["from python", properties]]);
    let devices = [Device::create(&hub, "pump-1"), Device::create(&hub, "pump-2")];
    let runs =
        [python_device(&python, &hub, &devices[0], 1), node_device(&node, &hub, &devices[1], 1)];
    for (device, script) in devices.iter().zip(runs) {
        let mut running = script.spawn();
        running.wait_for("state");
        let sent = python_service(&python, &hub, &device.id, &messages).run();
        assert_eq!(sent.texts("sent"), ["from python"]);
        let lines = running.finish();
        let message = lines.one("message");
        assert_eq!(message["body"], "from python");
        assert_eq!(message["message_id"], "p-1");
        assert_eq!(message["correlation_id"], "k2");
        assert_eq!(message["content_type"], "text/plain");
        assert_eq!(application_properties(message), json!({"zone": "a b&c"}));
    }
    let settings = json!({"device": "pump-1", "feedback": 2});
    let feedback = node_service(&node, &hub, &settings);
    let mut ids: Vec<&str> =
        feedback.all("feedback").iter().filter_map(|record| record["deviceId"].as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["pump-1", "pump-2"]);
}

#[test]
fn python_sends_over_a_websocket_to_a_python_device_over_one() {
    let Some(python) = Python::provisioned() else { return };
    let hub = start_hub();
    if !hub.address.has_port_443() {
        eprintln!("skipped: the SDKs dial port 443 only, which this user may not bind");
        return;
    }
    let device = Device::create(&hub, "pump-7");
    let mut running = python_device(&python, &hub, &device, 1).arg("--websockets").spawn();
    running.wait_for("state");
    let messages = json!([["over a websocket", {}]]);
    let sent = python_service(&python, &hub, "pump-7", &messages).arg("websocket").run();
    assert_eq!(sent.texts("sent"), ["over a websocket"]);
    assert_eq!(running.finish().one("message")["body"], "over a websocket");
}

#[test]
fn messages_wait_for_a_device_that_is_offline_and_come_in_order() {
    let (Some(python), Some(node)) = (Python::provisioned(), Node::provisioned()) else { return };
    let hub = start_hub();
    let device = Device::create(&hub, "pump-7");
    let messages: Vec<Value> =
        (0..30).map(|n| json!({"id": format!("m-{n}"), "body": n.to_string()})).collect();
    let settings = json!({"device": "pump-7", "messages": messages});
    assert_eq!(node_service(&node, &hub, &settings).all("sent").len(), 30);
    let shown = python.registry(&hub, &["get", "pump-7"]);
    assert_eq!(shown.one("device")["cloud_to_device_message_count"], 30);
    // The Python SDK calls back from several threads, so that only Node shows the order.
    let lines = node_device(&node, &hub, &device, 30).run();
    let messages = lines.all("message");
    let bodies: Vec<&str> = messages.iter().filter_map(|m| m["body"].as_str()).collect();
    let expected: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    assert_eq!(bodies, expected);
}

#[test]
fn a_message_that_nobody_fetches_expires_and_its_sender_hears_so() {
    let Some(node) = Node::provisioned() else { return };
    let hub = start_hub();
    Device::create(&hub, "pump-7");
    let message = json!({"id": "late", "body": "x", "ack": "negative", "expiry_ms": 10_000});
    let settings = json!({"device": "pump-7", "messages": [message], "feedback": 1});
    let lines = node_service(&node, &hub, &settings);
    assert_eq!(lines.texts("sent"), ["late"]);
    let record = lines.one("feedback");
    assert_eq!(record["originalMessageId"], "late");
    assert_eq!(record["statusCode"], "Expired");
}

#[test]
fn a_full_queue_and_an_unknown_device_are_told_by_name() {
    let (Some(python), Some(node)) = (Python::provisioned(), Node::provisioned()) else { return };
    let hub = start_hub();
    Device::create(&hub, "pump-7");
    let message = |n: usize| json!({"id": n.to_string(), "body": "x"});
    let messages: Vec<Value> = (0..51).map(message).collect();
    let lines = node_service(&node, &hub, &json!({"device": "pump-7", "messages": messages}));
    assert_eq!(lines.all("sent").len(), 50);
    let refused = lines.one("refused");
    assert_eq!(refused["id"], "50");
    assert_eq!(refused["error"], "DeviceMaximumQueueDepthExceededError", "{refused}");

    let lines = node_service(&node, &hub, &json!({"device": "none", "messages": [message(0)]}));
    assert_eq!(lines.one("refused")["error"], "DeviceNotFoundError");
    let lines = python_service(&python, &hub, "none", &json!([["x", {}]])).run();
    assert_eq!(lines.all("refused").len(), 1);
}
