//! The Node device SDK over AMQP and AMQP over WebSocket, unmodified.
//!
//! Scripts: `tests/interop/node`.

mod support;

use serde_json::{Value, json};
use support::event::Event;
use support::history::read_all;
use support::hub::{Hub, HubOptions};
use support::methods::{device_error, invoke};
use support::mqtt::MqttDevice;
use support::node::Node;
use support::rest::{self, Device};
use support::script::{Running, Script};

const TRANSPORTS: [&str; 2] = ["amqp", "amqp-websocket"];

/// Calls `test` for each transport that can be dialled, with a hub of several shards.
fn with_each_transport(test: impl Fn(&Node, &Hub, &str)) {
    let Some(node) = Node::provisioned() else { return };
    for transport in TRANSPORTS {
        let mut hub = Hub::start_with(HubOptions { shards: 3, ..HubOptions::default() });
        if transport != "amqp" && !hub.address.has_port_443() {
            eprintln!("skipped: the SDKs dial port 443 only, which this user may not bind");
            return;
        }
        test(&node, &hub, transport);
        hub.assert_sound();
    }
}

fn steady(node: &Node, hub: &Hub, device: &Device, transport: &str) -> Script {
    node.script(hub, "steady_device.js")
        .arg(hub.device_connection_string(&device.id, &device.key))
        .args(["s", transport])
}

fn service(node: &Node, hub: &Hub, settings: &Value) -> Script {
    node.script(hub, "c2d_service.js")
        .arg(hub.registry_connection_string(&hub.address.host()))
        .arg(settings.to_string())
}

#[test]
fn telemetry_arrives_with_its_properties_and_the_stamps_of_the_hub() {
    with_each_transport(|node, hub, transport| {
        let device = Device::create(hub, "pump-7");
        let lines = node.device(hub, &device, "a", 5).args(["0", transport]).run();
        let expected: Vec<String> = (0..5).map(|number| format!("a-{number}")).collect();
        assert_eq!(lines.texts("acknowledged"), expected);
        let events = node.reader(hub, &json!({"expect": 5})).run().events();
        assert_eq!(events.len(), 5);
        for (number, event) in events.iter().enumerate() {
            assert_event(event, number);
        }
    });
}

fn assert_event(event: &Event, number: usize) {
    assert_eq!(event.body, format!(r#"{{"n":{number}}}"#));
    assert_eq!(event.message_id(), format!("a-{number}"));
    assert_eq!(event.system_text("correlation-id"), "a-correlation");
    assert_eq!(event.system_text("content-type"), "application/json");
    assert_eq!(event.system_text("content-encoding"), "utf-8");
    assert_eq!(event.property_text("level"), "hot spot");
    assert_eq!(event.property_text("sign & sum"), "a=b/c+ü");
    assert_eq!(event.device_id(), "pump-7");
    assert_eq!(event.system_text("iothub-message-source"), "Telemetry");
    assert_eq!(event.sequence_number, number as u64);
}

#[test]
fn a_wrong_key_is_told() {
    let Some(node) = Node::provisioned() else { return };
    let hub = Hub::start();
    let device = Device::create(&hub, "pump-7");
    let other = Device::create(&hub, "pump-8");
    let forged = Device { key: other.key, ..device };
    let lines = node.device(&hub, &forged, "x", 1).args(["0", "amqp"]).run();
    assert_eq!(lines.one("error"), "UnauthorizedError");
    assert!(lines.all("acknowledged").is_empty());
}

#[test]
fn messages_to_the_device_are_completed_rejected_and_abandoned() {
    with_each_transport(|node, hub, transport| {
        let device = Device::create(hub, "pump-7");
        let mut running = node
            .script(hub, "c2d_device.js")
            .arg(hub.device_connection_string(&device.id, &device.key))
            .args(["4", transport])
            .spawn();
        running.wait_for("state");
        let message = |id: &str, verdict: &str| {
            let properties = if verdict.is_empty() {
                json!({"mode": "night shift"})
            } else {
                json!({ "verdict": verdict })
            };
            json!({
                "id": id, "body": id, "ack": "full", "properties": properties,
                "correlation_id": "k", "content_type": "text/plain",
            })
        };
        let messages = [message("m-1", ""), message("m-2", "reject"), message("m-3", "abandon")];
        let settings = json!({"device": "pump-7", "messages": messages, "feedback": 3});
        let sent = service(node, hub, &settings).run();
        let received = running.finish();
        assert!(received.all("unsettled").is_empty(), "{:?}", received.all("unsettled"));
        let messages = received.all("message");
        let ids: Vec<&str> =
            messages.iter().filter_map(|message| message["message_id"].as_str()).collect();
        assert_eq!(ids, ["m-1", "m-2", "m-3", "m-3"]);
        let first = &messages[0];
        assert_eq!(first["body"], "m-1");
        assert_eq!(first["correlation_id"], "k");
        assert_eq!(first["content_type"], "text/plain");
        assert_eq!(first["properties"]["mode"], "night shift");
        let mut outcomes: Vec<(&str, &str)> = sent
            .all("feedback")
            .iter()
            .map(|record| {
                let text = |name: &str| record[name].as_str().expect("a text");
                (text("originalMessageId"), text("statusCode"))
            })
            .collect();
        outcomes.sort_unstable();
        assert_eq!(outcomes, [("m-1", "Success"), ("m-2", "Rejected"), ("m-3", "Success")]);
    });
}

#[test]
fn messages_wait_for_a_device_that_is_away() {
    let Some(node) = Node::provisioned() else { return };
    let hub = Hub::start();
    let device = Device::create(&hub, "pump-7");
    let messages: Vec<Value> = (0..20)
        .map(|number| json!({"id": format!("w-{number}"), "body": format!("{number}")}))
        .collect();
    let sent = service(&node, &hub, &json!({"device": "pump-7", "messages": messages})).run();
    assert_eq!(sent.texts("sent").len(), 20);
    let received = node
        .script(&hub, "c2d_device.js")
        .arg(hub.device_connection_string(&device.id, &device.key))
        .args(["20", "amqp"])
        .run();
    let bodies: Vec<&str> =
        received.all("message").iter().filter_map(|message| message["body"].as_str()).collect();
    let expected: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    assert_eq!(bodies, expected);
}

#[test]
fn methods_are_called_and_answered() {
    with_each_transport(|node, hub, transport| {
        let device = Device::create(hub, "pump-7");
        let mut running = node.method_device(hub, &device, transport).spawn();
        running.wait_for("state");
        let payload = json!({"deep": [1, {"a": "ü"}]});
        // The device says that it is connected before it attaches its links.
        let echo = json!({"methodName": "echo", "payload": payload, "connectTimeoutInSeconds": 30});
        let (code, answer) = invoke(hub, "pump-7", &echo);
        assert_eq!(code, 200, "{answer}");
        let expected = json!({"name": "echo", "payload": payload});
        assert_eq!((&answer["status"], &answer["payload"]), (&json!(200), &expected));
        for status in [207, -1, 0] {
            let call = json!({"methodName": "status", "payload": {"status": status}});
            let (code, answer) = invoke(hub, "pump-7", &call);
            assert_eq!((code, &answer["status"]), (200, &json!(status)), "{answer}");
        }
        let silent = json!({"methodName": "silent", "responseTimeoutInSeconds": 5});
        let (code, answer) = invoke(hub, "pump-7", &silent);
        assert_eq!((code, &device_error(&answer)["errorCode"]), (504, &json!(504_101)));
        let together: Vec<Value> = (0..20)
            .map(|number| json!({"device": "pump-7", "name": "echo", "payload": number}))
            .collect();
        let answers = node.methods(hub, &together).run();
        let numbers: Vec<&Value> =
            answers.all("called").iter().map(|called| &called["payload"]["payload"]).collect();
        assert_eq!(
            numbers,
            (0..20).map(Value::from).collect::<Vec<_>>().iter().collect::<Vec<_>>()
        );
    });
}

/// Waits until the device has had `count` more messages acknowledged.
fn wait_for_acknowledged(device: &mut Running, count: usize) -> Vec<String> {
    let next = |_| device.wait_for("acknowledged").as_str().expect("a text").to_owned();
    (0..count).map(next).collect()
}

#[test]
fn a_token_is_renewed_on_the_open_link() {
    let Some(node) = Node::provisioned() else { return };
    let hub =
        Hub::start_with(HubOptions { log: "info,ringhub_edge=debug", ..HubOptions::default() });
    let device = Device::create(&hub, "pump-7");
    let mut running = steady(&node, &hub, &device, "amqp").arg("1").spawn();
    for _ in 0..3 {
        running.wait_for("renewed");
        wait_for_acknowledged(&mut running, 2);
    }
    let log = hub.log();
    let count = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    assert!(count("token accepted") >= 4, "one to begin with, and three renewals");
    assert_eq!(count("device connected"), 1, "a renewal detaches nothing");
}

#[test]
fn the_newest_connection_wins_over_either_protocol() {
    with_each_transport(|node, hub, transport| {
        let device = Device::create(hub, "pump-7");
        let mut running = steady(node, hub, &device, transport).spawn();
        let mut acknowledged = wait_for_acknowledged(&mut running, 3);
        // The SDK attaches anew for its next message, and takes the device back.
        for _ in 0..5 {
            let mut mqtt = MqttDevice::connect(hub, &device).expect("the newest wins");
            mqtt.read_to_end().expect("and is taken over in its turn");
            acknowledged.extend(wait_for_acknowledged(&mut running, 2));
        }
        drop(running);
        let bodies: Vec<String> = read_all(hub).into_iter().map(|event| event.body).collect();
        let numbers: Vec<u64> =
            bodies.iter().filter_map(|body| body.strip_prefix("s-")?.parse().ok()).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{bodies:?}");
        assert!(
            acknowledged.iter().all(|body| bodies.contains(body)),
            "{acknowledged:?} {bodies:?}"
        );
    });
}

#[test]
fn a_disabled_device_is_cut_off_and_comes_back() {
    let Some(node) = Node::provisioned() else { return };
    let hub = Hub::start();
    let device = Device::create(&hub, "pump-7");
    let mut running = steady(&node, &hub, &device, "amqp").spawn();
    wait_for_acknowledged(&mut running, 2);
    let set_status = |status: &str| {
        let Device { id, key } = &device;
        let body = format!(
            r#"{{"deviceId":"{id}","status":"{status}","authentication":{{"type":"sas",
            "symmetricKey":{{"primaryKey":"{key}","secondaryKey":"{key}"}}}}}}"#
        );
        let (code, answer) = rest::replace(&hub, &format!("/devices/{id}"), &body);
        assert_eq!(code, 200, "{answer}");
    };
    set_status("disabled");
    assert_eq!(running.wait_for("error"), "UnauthorizedError");
    let refused = node.device(&hub, &device, "d", 1).args(["0", "amqp"]).run();
    assert_eq!(refused.one("error"), "UnauthorizedError");
    set_status("enabled");
    drop(running);
    let lines = node.device(&hub, &device, "d", 1).args(["0", "amqp"]).run();
    assert_eq!(lines.texts("acknowledged"), ["d-0"]);
}
