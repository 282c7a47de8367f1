//! Device and module twins as the unmodified SDKs of both sides use them, over MQTT and AMQP, each
//! over TLS and WebSocket, on a hub with several shards.
//!
//! Scripts: `twin_device` and `twin_service` in `tests/interop`.

mod support;

use serde_json::{Value, json};
use support::hub::{Hub, HubOptions};
use support::node::Node;
use support::python::Python;
use support::rest::{Device, Module};
use support::script::{Lines, Script};

/// Changes of desired properties that a device hears one after the other.
const CHANGES: u64 = 20;

/// A hub whose connections land on different shards.
fn hub() -> Hub {
    Hub::start_with(HubOptions { shards: 3, executors: 1, ..HubOptions::default() })
}

/// An identity and how to reach it.
struct Twin<'h> {
    hub: &'h Hub,
    device_id: String,
    module_id: Option<String>,
    connection_string: String,
}

impl<'h> Twin<'h> {
    fn of_device(hub: &'h Hub, id: &str) -> Self {
        let device = Device::create(hub, id);
        let connection_string = hub.device_connection_string(id, &device.key);
        Self { hub, device_id: id.to_owned(), module_id: None, connection_string }
    }

    fn of_module(hub: &'h Hub, device_id: &str, id: &str) -> Self {
        let module = Module::create(hub, device_id, id);
        let device = hub.device_connection_string(device_id, &module.key);
        let connection_string =
            device.replace(";SharedAccessKey=", &format!(";ModuleId={id};SharedAccessKey="));
        let module_id = Some(id.to_owned());
        Self { hub, device_id: device_id.to_owned(), module_id, connection_string }
    }

    fn names(&self) -> [&str; 2] {
        [&self.device_id, self.module_id.as_deref().unwrap_or("-")]
    }
}

/// One SDK on both sides.
trait Sdk {
    /// `mqtt`, `websocket`, and for Node `amqp` and `amqp-websocket`.
    fn twin_device(&self, twin: &Twin<'_>, transport: &str) -> Script;
    fn twin_service(&self, twin: &Twin<'_>, arguments: &[&str]) -> Lines;
    /// The changes that a device has heard, in their order.
    fn changes<'l>(&self, lines: &'l Lines) -> Vec<&'l Value>;
}

impl Sdk for Python {
    fn twin_device(&self, twin: &Twin<'_>, transport: &str) -> Script {
        let script = self.script("twin_device.py").arg(&twin.connection_string);
        let script = script.arg("--ca").arg(twin.hub.ca_file()).arg("--bad");
        if transport == "websocket" { script.arg("--websockets") } else { script }
    }

    fn twin_service(&self, twin: &Twin<'_>, arguments: &[&str]) -> Lines {
        self.script("twin_service.py")
            .arg(twin.hub.registry_connection_string(&twin.hub.address.https_host()))
            .args(twin.names())
            .args(arguments)
            .env("REQUESTS_CA_BUNDLE", twin.hub.ca_file())
            .run()
    }

    /// The SDK calls back from several threads, so that only Node shows the order in which they
    /// came.
    fn changes<'l>(&self, lines: &'l Lines) -> Vec<&'l Value> {
        let mut changes = lines.all("desired");
        changes.sort_by_key(|change| change["$version"].as_u64());
        changes
    }
}

impl Sdk for Node {
    fn twin_device(&self, twin: &Twin<'_>, transport: &str) -> Script {
        let script = self.script(twin.hub, "twin_device.js").arg(&twin.connection_string);
        script.args([transport, "bad"])
    }

    fn twin_service(&self, twin: &Twin<'_>, arguments: &[&str]) -> Lines {
        self.script(twin.hub, "twin_service.js")
            .arg(twin.hub.registry_connection_string(&twin.hub.address.host()))
            .arg(twin.hub.address.https_port.to_string())
            .args(twin.names())
            .args(arguments)
            .run()
    }

    fn changes<'l>(&self, lines: &'l Lines) -> Vec<&'l Value> {
        lines.all("desired")
    }
}

/// Both sides talk about one twin; each sees what the other did.
fn converse(sdk: &impl Sdk, twin: &Twin<'_>, transport: &str) {
    let before =
        sdk.twin_service(twin, &["patch", r#"{"tags":{"site":"A1"},"desired":{"fan":{"min":1}}}"#]);
    let before = before.one("twin").clone();
    assert_eq!(before["tags"], json!({"site": "A1"}));
    let etag = before["etag"].as_str().expect("a twin has an etag");

    let mut device = sdk.twin_device(twin, transport).spawn();
    let found = device.wait_for("twin");
    assert_eq!(found["desired"]["fan"], json!({"min": 1}));
    assert_eq!(found["desired"]["$version"], 2);
    assert_eq!(found["reported"]["$version"], 1);
    device.wait_for("refused");
    device.wait_for("listening");

    let seen = sdk.twin_service(twin, &["get"]).one("twin").clone();
    let reported = &seen["properties"]["reported"];
    assert_eq!(reported["fan"], json!({"speed": 3}), "{reported}");
    assert!(reported.get("old").is_none(), "{reported}");
    assert!(reported["$metadata"]["fan"]["speed"]["$lastUpdated"].is_string(), "{reported}");
    assert_eq!(seen["etag"], etag, "a report leaves the etag");

    let last = sdk.twin_service(twin, &["count", &CHANGES.to_string()]).one("twin").clone();
    assert_eq!(last["properties"]["desired"]["$version"], 2 + CHANGES);
    let stale = sdk.twin_service(twin, &["patch", r#"{"desired":{"lost":1}}"#, etag]);
    assert_eq!(stale.one("status"), 412);
    let etag = last["etag"].as_str().expect("a twin has an etag");
    sdk.twin_service(twin, &["patch", r#"{"desired":{"fan":null,"end":true}}"#, etag]).one("twin");

    let lines = device.finish();
    let heard = sdk.changes(&lines);
    let versions: Vec<u64> = heard.iter().filter_map(|patch| patch["$version"].as_u64()).collect();
    assert!(versions.is_sorted(), "{versions:?}");
    let counted: Vec<u64> = heard.iter().filter_map(|patch| patch["n"].as_u64()).collect();
    assert_eq!(counted, (1..=CHANGES).collect::<Vec<_>>());
    assert_eq!(heard.last().map(|patch| &patch["fan"]), Some(&Value::Null));
    let last = lines.one("final");
    assert_eq!(last["desired"]["n"], CHANGES);
    assert_eq!(last["desired"]["end"], true);
    assert_eq!(last["desired"]["$version"], 3 + CHANGES);
    assert!(last["desired"].get("lost").is_none());
}

/// Devices and modules over a transport with TLS and one with WebSockets; the connections of both
/// sides are on any shards.
fn converse_over_all(sdk: &impl Sdk, [tls, websocket]: [&str; 2]) {
    let hub = hub();
    converse(sdk, &Twin::of_device(&hub, "pump-7"), tls);
    converse(sdk, &Twin::of_module(&hub, "pump-7", "valve"), tls);
    if hub.address.has_port_443() {
        converse(sdk, &Twin::of_device(&hub, "pump-8"), websocket);
        converse(sdk, &Twin::of_module(&hub, "pump-8", "valve"), websocket);
    } else {
        eprintln!("skipped: the SDKs dial port 443 only, which this user may not bind");
    }
}

#[test]
fn python_devices_and_back_ends_share_twins() {
    let Some(python) = Python::provisioned() else { return };
    converse_over_all(&python, ["mqtt", "websocket"]);
}

#[test]
fn node_devices_and_back_ends_share_twins() {
    let Some(node) = Node::provisioned() else { return };
    converse_over_all(&node, ["mqtt", "websocket"]);
}

#[test]
fn node_devices_and_back_ends_share_twins_over_amqp() {
    let Some(node) = Node::provisioned() else { return };
    converse_over_all(&node, ["amqp", "amqp-websocket"]);
}

#[test]
fn python_replaces_a_twin_and_the_device_hears_the_new_content() {
    let Some(python) = Python::provisioned() else { return };
    let hub = hub();
    let twin = Twin::of_device(&hub, "pump-7");
    python.twin_service(&twin, &["patch", r#"{"tags":{"site":"A1"},"desired":{"a":1,"b":2}}"#]);
    let mut device = python.twin_device(&twin, "mqtt").spawn();
    device.wait_for("listening");
    let replaced = python.twin_service(&twin, &["replace", r#"{"desired":{"b":3,"end":true}}"#]);
    let desired = &replaced.one("twin")["properties"]["desired"];
    assert_eq!((&desired["b"], desired.get("a")), (&json!(3), None));
    let lines = device.finish();
    assert_eq!(lines.all("desired"), [&json!({"b": 3, "end": true, "$version": 3})]);
    assert!(lines.one("final")["desired"].get("a").is_none());
    let missing = Twin { device_id: "nobody".to_owned(), ..twin };
    assert_eq!(python.twin_service(&missing, &["get"]).one("status"), 404);
}
