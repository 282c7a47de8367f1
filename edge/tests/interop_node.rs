//! The Node SDKs against the hub, unmodified: registry, device and Event Hubs reader.
//!
//! Each test runs a hub of its own. Scripts: `tests/interop/node`.

mod support;

use serde_json::json;
use support::event::Event;
use support::hub::Hub;
use support::node::Node;
use support::rest::Device;
use support::sas;

#[test]
fn registry_creates_gets_updates_lists_and_deletes_a_device() {
    let Some(node) = Node::provisioned() else { return };
    let hub = Hub::start();
    let created = node.registry(&hub, &["create", "pump-7"]).one("device").clone();
    assert_eq!(created["deviceId"], "pump-7");
    assert_eq!(created["status"], "enabled");
    assert_eq!(node.registry(&hub, &["get", "pump-7"]).one("device"), &created);
    assert_eq!(node.registry(&hub, &["create", "pump-7"]).one("status"), 409);

    let disabled = node.registry(&hub, &["disable", "pump-7"]).one("device").clone();
    assert_eq!(disabled["status"], "disabled");
    assert_eq!(disabled["authentication"], created["authentication"]);

    let listed = node.registry(&hub, &["list"]).one("devices").clone();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert_eq!(node.registry(&hub, &["delete", "pump-7"]).one("deleted"), "pump-7");
    let missing = node.registry(&hub, &["get", "pump-7"]);
    assert_eq!(missing.one("error"), "DeviceNotFoundError");
    assert_eq!(missing.one("status"), 404);
}

#[test]
fn telemetry_arrives_with_its_properties_and_the_stamps_of_the_hub() {
    let Some(node) = Node::provisioned() else { return };
    let hub = Hub::start();
    let device = node.create_device(&hub, "pump-7");
    send(&node, &hub, &device, "a", 5);
    let events = node.reader(&hub, &json!({"expect": 5})).run().events();
    assert_telemetry(&events, "a", 5);
}

#[test]
fn reads_over_a_websocket() {
    let Some(node) = Node::provisioned() else { return };
    let hub = Hub::start();
    let device = node.create_device(&hub, "pump-7");
    send(&node, &hub, &device, "w", 3);
    let endpoint = format!("sb://{}:{}", hub.address.ip, hub.address.https_port);
    let options = json!({"expect": 3, "webSocketEndpoint": endpoint});
    assert_telemetry(&node.reader(&hub, &options).run().events(), "w", 3);
}

#[test]
fn resumes_from_a_stored_offset_sequence_number_or_time() {
    let Some(node) = Node::provisioned() else { return };
    let hub = Hub::start();
    let device = node.create_device(&hub, "pump-7");
    send(&node, &hub, &device, "r", 10);
    let all = node.reader(&hub, &json!({"expect": 10})).run().events();
    let stored = &all[4];
    let starts = [
        (json!({"offset": stored.offset}), 5),
        (json!({"offset": stored.offset, "isInclusive": true}), 4),
        (json!({"sequenceNumber": stored.sequence_number}), 5),
        (json!({"sequenceNumber": stored.sequence_number, "isInclusive": true}), 4),
    ];
    for (start, first) in starts {
        let options = json!({"partition": stored.partition, "start": start, "expect": 10 - first});
        let events = node.reader(&hub, &options).run().events();
        assert_eq!(positions(&events), positions(&all[first..]), "{start}");
    }
    let start = json!({"enqueuedOn": stored.enqueued_time_ms});
    let newer = |event: &&Event| event.enqueued_time_ms > stored.enqueued_time_ms;
    let later: Vec<Event> = all.iter().filter(newer).cloned().collect();
    let mut options = json!({"partition": stored.partition, "start": start});
    // That nothing comes is seen within some seconds.
    match later.len() {
        0 => options["seconds"] = json!(5),
        count => options["expect"] = json!(count),
    }
    let events = node.reader(&hub, &options).run().events();
    assert_eq!(positions(&events), positions(&later), "{start}");
}

#[test]
fn a_reader_with_an_owner_level_displaces_readers_with_the_same_or_a_lower_one() {
    let Some(node) = Node::provisioned() else { return };
    let hub = Hub::start();
    let device = node.create_device(&hub, "pump-7");
    send(&node, &hub, &device, "e", 1);
    let event = node.reader(&hub, &json!({"expect": 1})).run().events()[0].clone();
    let owner = |level: i64| {
        node.reader(&hub, &json!({"partition": event.partition, "ownerLevel": level})).spawn()
    };
    // The SDK takes level 0 for none and sends no epoch for it.
    let mut first = owner(1);
    first.wait_for("event");
    let mut second = owner(1);
    second.wait_for("event");
    assert_eq!(first.wait_for("error"), "ReceiverDisconnectedError");
    let mut third = owner(2);
    third.wait_for("event");
    assert_eq!(second.wait_for("error"), "ReceiverDisconnectedError");
}

#[test]
fn describes_the_event_hub_and_its_partitions() {
    let Some(node) = Node::provisioned() else { return };
    let hub = Hub::start();
    let device = node.create_device(&hub, "pump-7");
    send(&node, &hub, &device, "p", 3);
    let event = node.reader(&hub, &json!({"expect": 3})).run().events()[2].clone();
    let lines = node.reader(&hub, &json!({"metadata": true})).run();
    assert_eq!(lines.one("hub")["partitionIds"], json!(["0", "1", "2", "3"]));
    let partitions = lines.all("partition");
    let own = partitions.iter().find(|one| one["partitionId"] == event.partition.as_str());
    let own = own.expect("the partition of the device is described");
    assert_eq!(own["isEmpty"], false);
    assert_eq!(own["lastEnqueuedSequenceNumber"], 2);
    assert_eq!(own["lastEnqueuedOffset"], event.offset.as_str());
    assert_eq!(partitions.iter().filter(|one| one["isEmpty"] == true).count(), 3);
}

#[test]
fn a_program_that_awaits_its_receiver_before_it_listens_gets_the_redirect() {
    const ROUNDS: usize = 20;
    let Some(node) = Node::provisioned() else { return };
    let hub = Hub::start();
    let host = hub.address.host();
    let lines = node
        .script(&hub, "redirect.js")
        .args([&host, &format!("service@sas.root.{host}")])
        .arg(sas::token(&host, &hub.policy_key("service"), Some("service")))
        .arg(ROUNDS.to_string())
        .run();
    let address = format!("amqps://{host}:5671/ringhub/$management");
    assert_eq!(lines.texts("redirect"), vec![address; ROUNDS]);
}

#[test]
fn refuses_a_device_and_a_reader_with_a_wrong_key() {
    let Some(node) = Node::provisioned() else { return };
    let hub = Hub::start();
    let device = node.create_device(&hub, "pump-7");
    let other = node.create_device(&hub, "pump-8");
    let forged = Device { key: other.key.clone(), ..device };
    let lines = node.device(&hub, &forged, "x", 1).run();
    assert_eq!(lines.one("error"), "UnauthorizedError");
    assert!(lines.all("acknowledged").is_empty());

    let options = json!({
        "connectionString": hub.event_hub_connection_string_with(&other.key),
        "partition": "0",
    });
    assert_eq!(node.reader(&hub, &options).spawn().wait_for("error"), "UnauthorizedError");
}

#[test]
fn cuts_off_a_device_that_is_disabled() {
    let Some(node) = Node::provisioned() else { return };
    let hub = Hub::start();
    let device = node.create_device(&hub, "pump-7");
    let mut running = node.device(&hub, &device, "d", 1).arg("30").spawn();
    running.wait_for("acknowledged");
    node.registry(&hub, &["disable", "pump-7"]);
    assert_eq!(running.finish().texts("state"), ["connected", "disconnected"]);
    let refused = node.device(&hub, &device, "d", 1).run();
    assert_eq!(refused.one("error"), "UnauthorizedError");
}

/// Sends `count` messages and checks that each was acknowledged, in order.
fn send(node: &Node, hub: &Hub, device: &Device, prefix: &str, count: usize) {
    let lines = node.device(hub, device, prefix, count).run();
    let expected: Vec<String> = (0..count).map(|number| format!("{prefix}-{number}")).collect();
    assert_eq!(lines.texts("acknowledged"), expected);
}

/// Checks `count` messages of `device.js` field by field; there is one device and no other traffic.
fn assert_telemetry(events: &[Event], prefix: &str, count: usize) {
    assert_eq!(events.len(), count);
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event.body, format!(r#"{{"n":{number}}}"#));
        assert_eq!(event.message_id(), format!("{prefix}-{number}"));
        assert_eq!(event.system_text("correlation-id"), format!("{prefix}-correlation"));
        assert_eq!(event.system_text("content-type"), "application/json");
        assert_eq!(event.system_text("content-encoding"), "utf-8");
        assert_eq!(event.property_text("level"), "hot spot");
        assert_eq!(event.property_text("sign & sum"), "a=b/c+ü");
        assert_eq!(event.device_id(), "pump-7");
        assert_eq!(event.system_text("iothub-message-source"), "Telemetry");
        assert_eq!(event.sequence_number, number as u64);
    }
}

fn positions(events: &[Event]) -> Vec<(u64, String)> {
    events.iter().map(|event| (event.sequence_number, event.offset.clone())).collect()
}
