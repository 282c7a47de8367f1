//! The Node device SDK over AMQP and AMQP over WebSocket, unmodified: what goes beyond the
//! scenarios that all transports share (`scenarios.rs`).
//!
//! Scripts: `tests/interop/node`.

mod support;

use serde_json::{Value, json};
use support::history::read_all;
use support::hub::{Hub, HubOptions};
use support::methods::{device_error, invoke};
use support::mqtt::MqttDevice;
use support::node::Node;
use support::rest::Device;
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
