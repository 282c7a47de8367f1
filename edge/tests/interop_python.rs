//! The Python SDKs against the hub, unmodified: registry, device and Event Hubs reader.
//!
//! Each test runs a hub of its own. Scripts: `tests/interop/python`.

mod support;

use serde_json::Value;
use support::event::Event;
use support::hub::{Hub, HubOptions};
use support::python::Python;
use support::rest::Device;

#[test]
fn registry_creates_gets_updates_lists_and_deletes_a_device() {
    let Some(python) = Python::provisioned() else { return };
    let hub = Hub::start();
    let created = python.registry(&hub, &["create", "pump-7"]).one("device").clone();
    assert_eq!(created["device_id"], "pump-7");
    assert_eq!(created["status"], "enabled");
    assert_eq!(created["connection_state"], "Disconnected");
    assert_eq!(python.registry(&hub, &["get", "pump-7"]).one("device"), &created);

    let again = python.registry(&hub, &["create", "pump-7"]);
    assert_eq!(again.one("status"), 409, "a device is created once");

    let disabled = python.registry(&hub, &["disable", "pump-7"]).one("device").clone();
    assert_eq!(disabled["status"], "disabled");
    assert_ne!(disabled["etag"], created["etag"], "every change has its own etag");
    assert_eq!(disabled["authentication"], created["authentication"]);

    python.registry(&hub, &["create", "pump-8"]);
    let listed = python.registry(&hub, &["list"]).one("devices").clone();
    let listed = listed.as_array().expect("a list of devices");
    let mut ids: Vec<_> = listed.iter().filter_map(|device| device["device_id"].as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["pump-7", "pump-8"]);

    assert_eq!(python.registry(&hub, &["delete", "pump-7"]).one("deleted"), "pump-7");
    assert_eq!(python.registry(&hub, &["get", "pump-7"]).one("status"), 404);
}

#[test]
fn telemetry_arrives_with_its_properties_and_the_stamps_of_the_hub() {
    let Some(python) = Python::provisioned() else { return };
    let hub = Hub::start();
    let device = python.create_device(&hub, "pump-7");
    python.send(&hub, &device, "a", 3);
    let events = python.reader(&hub).args(["--expect", "3"]).run().events();
    assert_telemetry(&events, "a", 3);
    let generation = python.registry(&hub, &["get", "pump-7"]).one("device").clone();
    for event in &events {
        assert_eq!(
            event.system_text("iothub-connection-auth-generation-id"),
            generation["generation_id"].as_str().expect("a device has a generation"),
        );
    }
}

#[test]
fn uamqp_reads_the_same_events_as_pyamqp() {
    let Some(python) = Python::provisioned() else { return };
    let hub = Hub::start();
    let device = python.create_device(&hub, "pump-7");
    python.send(&hub, &device, "u", 5);
    let pyamqp = python.reader(&hub).args(["--expect", "5"]).run().events();
    let uamqp = python.reader(&hub).args(["--uamqp", "--expect", "5"]).run().events();
    assert_telemetry(&uamqp, "u", 5);
    assert_eq!(positions(&uamqp), positions(&pyamqp));
}

#[test]
fn reads_over_a_websocket_with_both_amqp_stacks() {
    let Some(python) = Python::provisioned() else { return };
    let hub = Hub::start();
    let device = python.create_device(&hub, "pump-7");
    python.send(&hub, &device, "w", 3);
    let endpoint = format!("sb://{}:{}", hub.address.ip, hub.address.https_port);
    for stack in [&[][..], &["--uamqp"]] {
        let reader = python.reader(&hub).args(["--websocket", "--expect", "3"]).args(stack);
        let reader = if hub.address.has_port_443() {
            reader
        } else {
            reader.args(["--endpoint", &endpoint])
        };
        assert_telemetry(&reader.run().events(), "w", 3);
    }
}

#[test]
fn sends_over_an_mqtt_websocket() {
    let Some(python) = Python::provisioned() else { return };
    let hub = Hub::start();
    if !hub.address.has_port_443() {
        eprintln!("skipped: the SDK dials port 443 only, which this user may not bind");
        return;
    }
    let device = python.create_device(&hub, "pump-7");
    let sent = python.device(&hub, &device).args(["--websockets", "--count", "2"]).run();
    assert_eq!(sent.texts("acknowledged"), ["m-0", "m-1"]);
    let events = python.reader(&hub).args(["--expect", "2"]).run().events();
    assert_telemetry(&events, "m", 2);
}

#[test]
fn events_of_a_device_stay_in_order_in_one_partition() {
    let Some(python) = Python::provisioned() else { return };
    let hub = Hub::start_with(HubOptions { shards: 2, executors: 2, ..HubOptions::default() });
    let devices: Vec<Device> = (0..6).map(|n| Device::create(&hub, &format!("pump-{n}"))).collect();
    let senders: Vec<_> = devices
        .iter()
        .map(|device| {
            let sender = python.device(&hub, device);
            sender.args(["--prefix", &device.id, "--count", "40"]).spawn()
        })
        .collect();
    for sender in senders {
        assert_eq!(sender.finish().all("acknowledged").len(), 40);
    }
    let events = python.reader(&hub).args(["--expect", "240"]).run().events();
    for device in &devices {
        let own: Vec<&Event> = events.iter().filter(|e| e.device_id() == device.id).collect();
        let ids: Vec<&str> = own.iter().map(|event| event.message_id()).collect();
        let sent: Vec<String> = (0..40).map(|n| format!("{}-{n}", device.id)).collect();
        assert_eq!(ids, sent, "order of {}", device.id);
        assert!(own.iter().all(|event| event.partition == own[0].partition));
    }
    assert_no_gaps(&events);
}

#[test]
fn resumes_from_a_stored_offset_sequence_number_or_time() {
    let Some(python) = Python::provisioned() else { return };
    let hub = Hub::start();
    let device = python.create_device(&hub, "pump-7");
    python.send(&hub, &device, "r", 10);
    let all = python.reader(&hub).args(["--expect", "10"]).run().events();
    let stored = &all[4];
    let starts =
        [format!("offset:{}", stored.offset), format!("sequence:{}", stored.sequence_number)];
    for start in &starts {
        for (flags, first) in [(&[][..], 5), (&["--inclusive"], 4)] {
            let expect = (10 - first).to_string();
            let reader = python.reader(&hub).args(["--partition", &stored.partition]).args(flags);
            let events = reader.args(["--from", start, "--expect", &expect]).run().events();
            assert_eq!(positions(&events), positions(&all[first..]), "{start} {flags:?}");
        }
    }
    let since = format!("time:{}", stored.enqueued_time_ms);
    let later: Vec<Event> = newer_than(&all, stored.enqueued_time_ms);
    let reader = python.reader(&hub).args(["--partition", &stored.partition, "--from", &since]);
    // That nothing comes is seen within some seconds.
    let end = match later.len() {
        0 => ["--seconds".to_owned(), "5".to_owned()],
        count => ["--expect".to_owned(), count.to_string()],
    };
    let events = reader.args(end).run().events();
    assert_eq!(positions(&events), positions(&later), "{since}");
}

#[test]
fn a_processor_with_a_checkpoint_store_goes_on_where_it_stopped() {
    let Some(python) = Python::provisioned() else { return };
    let hub = Hub::start();
    let device = python.create_device(&hub, "pump-7");
    let run = |expect: &str| {
        let script = python.script("processor.py").arg(hub.event_hub_connection_string());
        let lines = script.arg(hub.ca_file()).arg(hub.scratch("checkpoints.json")).arg(expect);
        let lines = lines.run();
        let ids = lines.all("event").into_iter().map(|event| event["message_id"].clone());
        ids.collect::<Vec<Value>>()
    };
    python.send(&hub, &device, "before", 4);
    assert_eq!(run("4"), ["before-0", "before-1", "before-2", "before-3"]);
    python.send(&hub, &device, "after", 2);
    assert_eq!(run("2"), ["after-0", "after-1"]);
}

#[test]
fn a_reader_with_an_owner_level_displaces_readers_with_the_same_or_a_lower_one() {
    let Some(python) = Python::provisioned() else { return };
    let hub = Hub::start();
    let device = python.create_device(&hub, "pump-7");
    python.send(&hub, &device, "e", 1);
    let partition = python.reader(&hub).args(["--expect", "1"]).run().events()[0].partition.clone();
    let owner = |level: &str| {
        python.reader(&hub).args(["--partition", &partition, "--owner-level", level]).spawn()
    };
    let mut first = owner("0");
    first.wait_for("event");
    let mut second = owner("0");
    second.wait_for("event");
    assert_eq!(first.wait_for("error"), "ConnectionLostError", "an equal level wins");
    // The SDK tries again after half a minute, and has another line then.
    let condition = first.stop().one("condition").to_string();
    assert!(condition.contains("stolen") || condition.contains("New receiver"), "{condition}");
    let mut third = owner("3");
    third.wait_for("event");
    assert_eq!(second.wait_for("error"), "ConnectionLostError", "a higher level wins");
    let mut fourth = owner("1");
    fourth.wait_for("error");
    python.send(&hub, &device, "f", 1);
    third.wait_for("event");
}

#[test]
fn a_reader_is_told_where_the_partition_ends() {
    let Some(python) = Python::provisioned() else { return };
    let hub = Hub::start();
    let device = python.create_device(&hub, "pump-7");
    python.send(&hub, &device, "t", 4);
    let events = python.reader(&hub).args(["--track", "--expect", "4"]).run().events();
    for event in &events {
        let last = event.last_enqueued.as_ref().expect("the reader asked for it");
        assert_eq!(last["sequence_number"], events[3].sequence_number);
        assert_eq!(last["offset"], events[3].offset.as_str());
        assert_eq!(last["enqueued_time"], events[3].enqueued_time_ms);
    }
}

#[test]
fn describes_the_event_hub_and_its_partitions() {
    let Some(python) = Python::provisioned() else { return };
    let hub = Hub::start();
    let device = python.create_device(&hub, "pump-7");
    python.send(&hub, &device, "p", 3);
    let event = python.reader(&hub).args(["--expect", "3"]).run().events()[2].clone();
    for stack in [&[][..], &["--uamqp"]] {
        let script = python.script("metadata.py").arg(hub.event_hub_connection_string());
        let lines = script.arg(hub.ca_file()).args(stack).run();
        assert_eq!(lines.one("hub")["partition_ids"], serde_json::json!(["0", "1", "2", "3"]));
        let partitions = lines.all("partition");
        let (own, others): (Vec<&Value>, Vec<&Value>) =
            partitions.iter().partition(|partition| partition["id"] == event.partition.as_str());
        assert_eq!(own[0]["is_empty"], false);
        assert_eq!(own[0]["beginning_sequence_number"], 0);
        assert_eq!(own[0]["last_enqueued_sequence_number"], 2);
        assert_eq!(own[0]["last_enqueued_offset"], event.offset.as_str());
        assert_eq!(others.len(), 3);
        assert!(others.iter().all(|partition| partition["is_empty"] == true));
        assert!(others.iter().all(|partition| partition["last_enqueued_sequence_number"] == -1));
    }
}

#[test]
fn refuses_a_device_and_a_reader_with_a_wrong_key() {
    let Some(python) = Python::provisioned() else { return };
    let hub = Hub::start();
    let device = python.create_device(&hub, "pump-7");
    let other = python.create_device(&hub, "pump-8");
    let forged = Device { key: other.key.clone(), ..device };
    let lines = python.device(&hub, &forged).args(["--count", "1"]).run();
    assert_eq!(lines.one("error"), "CredentialError");
    assert!(lines.all("acknowledged").is_empty());

    let connection_string = hub.event_hub_connection_string_with(&other.key);
    for stack in [&[][..], &["--uamqp"]] {
        let reader = python.reader_with(&hub, &connection_string);
        let mut reader = reader.args(["--partition", "0"]).args(stack).spawn();
        assert_eq!(reader.wait_for("error"), "AuthenticationError", "{stack:?}");
    }
}

#[test]
fn cuts_off_a_device_that_is_disabled() {
    let Some(python) = Python::provisioned() else { return };
    let hub = Hub::start();
    let device = python.create_device(&hub, "pump-7");
    let mut running = python.device(&hub, &device).args(["--count", "1", "--hold", "30"]).spawn();
    running.wait_for("acknowledged");
    python.registry(&hub, &["disable", "pump-7"]);
    let lines = running.finish();
    assert_eq!(lines.texts("state"), ["connected", "disconnected"]);
    assert_eq!(lines.one("error"), "CredentialError", "a disabled device cannot come back");
    python.registry(&hub, &["enable", "pump-7"]);
    python.send(&hub, &device, "back", 1);
}

/// Checks `count` messages of `device.py` field by field; there is one device and no other traffic.
fn assert_telemetry(events: &[Event], prefix: &str, count: usize) {
    assert_eq!(events.len(), count);
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event.body, format!(r#"{{"n":{number}}}"#));
        assert_eq!(event.message_id(), format!("{prefix}-{number}"));
        assert_eq!(event.system_text("correlation-id"), format!("{prefix}-correlation"));
        assert_eq!(event.system_text("content-type"), "application/json");
        assert_eq!(event.system_text("content-encoding"), "utf-8");
        assert!(!event.system.contains_key("to"), "the device set none");
        assert_eq!(event.property_text("level"), "hot spot");
        assert_eq!(event.property_text("sign & sum"), "a=b/c+ü");
        assert_eq!(event.properties.len(), 2, "{:?}", event.properties);
        assert_stamps(event);
    }
    assert_no_gaps(events);
}

/// Checks what the hub adds to every event of the device `pump-7`.
fn assert_stamps(event: &Event) {
    assert_eq!(event.device_id(), "pump-7");
    assert_eq!(event.system_text("iothub-message-source"), "Telemetry");
    assert!(!event.system.contains_key("iothub-connection-module-id"));
    let method: Value = serde_json::from_str(event.system_text("iothub-connection-auth-method"))
        .expect("the authentication method is JSON text");
    assert_eq!(method["scope"], "device");
    assert_eq!(method["type"], "sas");
    assert_eq!(method["issuer"], "iothub");
    let received = event.system["iothub-enqueuedtime"].as_i64().expect("a time in milliseconds");
    assert!(received <= event.enqueued_time_ms, "{received} > {}", event.enqueued_time_ms);
    assert_eq!(event.system_text("x-opt-offset"), event.offset);
}

/// Checks that the sequence numbers of every partition count from zero and that its offsets rise.
fn assert_no_gaps(events: &[Event]) {
    let mut ends = std::collections::BTreeMap::new();
    for event in events {
        let offset: u64 = event.offset.parse().expect("an offset is a decimal number");
        let (next, last) = ends.entry(&event.partition).or_insert((0, None));
        assert_eq!(event.sequence_number, *next, "partition {}", event.partition);
        assert!(last.is_none_or(|last| last < offset), "partition {}", event.partition);
        (*next, *last) = (*next + 1, Some(offset));
    }
}

fn positions(events: &[Event]) -> Vec<(String, u64, String)> {
    let position =
        |event: &Event| (event.partition.clone(), event.sequence_number, event.offset.clone());
    events.iter().map(position).collect()
}

fn newer_than(events: &[Event], enqueued_time_ms: i64) -> Vec<Event> {
    events.iter().filter(|event| event.enqueued_time_ms > enqueued_time_ms).cloned().collect()
}
