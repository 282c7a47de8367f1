//! The device SDKs of Python and Node with certificates, unmodified: self-signed ones, and such as
//! have an authority of the hub behind one in between; over MQTT, MQTT over WebSocket and HTTPS.
//!
//! Scripts: `tests/interop/python` and `tests/interop/node`.

mod support;

use std::path::PathBuf;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::{Value, json};
use support::c2d::{C2d, C2dSender};
use support::factory::{Made, Wish};
use support::history::{StoredEvent, read_all};
use support::hub::Hub;
use support::methods::invoke;
use support::node::Node;
use support::python::Python;
use support::rest::{Device, add_authority, create_certified, exchange};
use support::script::{Lines, Script};

/// Devices with certificates of both kinds: ids, with the files of chain and key.
struct Fleet {
    hub: Hub,
    self_signed: (String, [PathBuf; 2]),
    issued: (String, [PathBuf; 2]),
    stranger: [PathBuf; 2],
}

impl Fleet {
    fn start() -> Self {
        let hub = Hub::start();
        let home = hub.scratch("devices");
        let root = Made::authority("Factory");
        add_authority(&hub, "factory", root.pem());
        create_certified(&hub, "issued");
        let line = root.issue(&Wish::authority("Line 7"));
        let issued = line.device("issued").write(&home, "issued");
        let own = Made::root(&Wish::leaf("self-signed"));
        let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, &own.certificate.chain[0]);
        let thumbprint: String = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        let body = json!({"authentication": {
            "type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": thumbprint},
        }});
        let put = exchange(&hub, "PUT", "/devices/self-signed", &body.to_string());
        assert_eq!(put.expect("the hub answers").0, 200);
        let own = own.write(&home, "self-signed");
        let stranger = Made::authority("Factory").device("issued").write(&home, "stranger");
        Self {
            hub,
            self_signed: ("self-signed".to_owned(), own),
            issued: ("issued".to_owned(), issued),
            stranger,
        }
    }

    fn python(&self, python: &Python, id: &str, files: &[PathBuf; 2], arguments: &[&str]) -> Lines {
        let script = python
            .script("certified_device.py")
            .args([&self.hub.address.host(), id])
            .arg("--cert")
            .arg(&files[0])
            .arg("--key")
            .arg(&files[1])
            .arg("--ca")
            .arg(self.hub.ca_file())
            .args(arguments);
        self.converse(script, id)
    }

    fn node(&self, node: &Node, id: &str, files: &[PathBuf; 2], transport: &str) -> Lines {
        let script = node
            .script(&self.hub, "certified_device.js")
            .args([&self.hub.address.host(), id])
            .args(files)
            .arg(transport);
        self.converse(script, id)
    }

    /// Plays the back end for a device until that has had all, or was refused.
    fn converse(&self, script: Script, id: &str) -> Lines {
        let mut running = script.spawn();
        if running.wait_for_any(&["listening", "error"]).get("error").is_some() {
            return running.finish();
        }
        let mut sender = C2dSender::connect(&self.hub).expect("the login is good");
        let to = format!("/devices/{id}/messages/devicebound");
        let message = C2d { to: &to, id: "c-1", ack: "none", expiry_ms: None };
        assert_eq!(sender.send(&message, "to it").expect("accepted"), [""; 0]);
        let call =
            json!({"methodName": "echo", "payload": {"n": 7}, "connectTimeoutInSeconds": 60});
        let (status, answer) = invoke(&self.hub, id, &call);
        assert_eq!((status, &answer["payload"]), (200, &json!({"n": 7})), "{answer}");
        let patch = json!({"properties": {"desired": {"certified": 1}}}).to_string();
        let (status, reply) =
            exchange(&self.hub, "PATCH", &format!("/twins/{id}"), &patch).expect("the hub answers");
        assert_eq!(status, 200, "{reply}");
        let lines = running.finish();
        assert_eq!(lines.texts("message"), ["to it"]);
        assert_eq!(lines.texts("method"), ["echo"]);
        assert_eq!(lines.one("desired")["certified"], 1);
        assert_eq!(lines.one("reported"), true);
        lines
    }

    /// The telemetry of a device, all of it by certificate.
    fn telemetry(&self, id: &str) -> Vec<String> {
        let events = read_all(&self.hub);
        let own = events.iter().filter(|event| event.identity() == id);
        own.map(by_certificate).collect()
    }
}

fn by_certificate(event: &StoredEvent) -> String {
    let method = event.stamp("iothub-connection-auth-method");
    let method: Value = serde_json::from_str(method).expect("the stamp is JSON");
    assert_eq!((&method["scope"], &method["type"]), (&"device".into(), &"x509".into()));
    event.body.clone()
}

#[test]
fn the_python_sdk_works_with_certificates_over_mqtt_and_websocket() {
    let Some(python) = Python::provisioned() else { return };
    let fleet = Fleet::start();
    for (id, files) in [&fleet.self_signed, &fleet.issued] {
        fleet.python(&python, id, files, &[]);
        let mut sent = 1;
        if fleet.hub.address.has_port_443() {
            fleet.python(&python, id, files, &["--websockets"]);
            sent += 1;
        }
        assert_eq!(fleet.telemetry(id), vec!["certified"; sent], "{id}");
    }
    let refused = fleet.python(&python, "issued", &fleet.stranger, &[]);
    assert_eq!(refused.one("error"), "CredentialError");
}

#[test]
fn the_node_sdk_works_with_certificates_over_mqtt_and_websocket() {
    let Some(node) = Node::provisioned() else { return };
    let fleet = Fleet::start();
    for (id, files) in [&fleet.self_signed, &fleet.issued] {
        fleet.node(&node, id, files, "mqtt");
        let mut sent = 1;
        if fleet.hub.address.has_port_443() {
            fleet.node(&node, id, files, "ws");
            sent += 1;
        }
        assert_eq!(fleet.telemetry(id), vec!["certified"; sent], "{id}");
    }
    let refused = fleet.node(&node, "issued", &fleet.stranger, "mqtt");
    assert_eq!(refused.one("error"), "UnauthorizedError");
}

/// Lets a device that has sent nothing yet send, and settle one queued message by each verdict.
fn over_https(fleet: &Fleet, node: &Node, id: &str, connection_string: &str, files: &[PathBuf]) {
    let mut sender = C2dSender::connect(&fleet.hub).expect("the login is good");
    let to = format!("/devices/{id}/messages/devicebound");
    let verdicts = ["complete", "reject", "abandon"];
    for verdict in verdicts {
        let message = C2d { to: &to, id: verdict, ack: "none", expiry_ms: None };
        assert_eq!(sender.send(&message, verdict).expect("accepted"), [""; 0]);
    }
    let lines = node
        .script(&fleet.hub, "http_device.js")
        .arg(connection_string)
        .arg(fleet.hub.address.https_port.to_string())
        .arg(verdicts.len().to_string())
        .args(files)
        .run();
    assert_eq!(lines.texts("sent"), ["single", "batch"], "{lines:?}");
    let mut settled = lines.texts("settled");
    settled.sort_unstable();
    assert_eq!(settled, ["abandon", "complete", "complete", "reject"], "{lines:?}");
    let twin = exchange(&fleet.hub, "GET", &format!("/devices/{id}"), "").expect("it answers");
    let document: Value = serde_json::from_str(&twin.1).expect("an identity is JSON");
    assert_eq!(document["cloudToDeviceMessageCount"], 0, "nothing is left");
    let events = read_all(&fleet.hub);
    let own: Vec<_> = events.iter().filter(|event| event.identity() == id).collect();
    let bodies: Vec<_> = own.iter().map(|event| &*event.body).collect();
    assert_eq!(bodies, ["single", "b-0", "b-1", "b-2"]);
}

#[test]
fn the_node_sdk_sends_and_receives_over_https_with_keys_and_certificates() {
    let Some(node) = Node::provisioned() else { return };
    let fleet = Fleet::start();
    let Device { id, key } = Device::create(&fleet.hub, "keyed");
    let string = fleet.hub.device_connection_string(&id, &key);
    over_https(&fleet, &node, &id, &string, &[]);
    let certified = |id: &str| format!("HostName={};DeviceId={id};x509=true", fleet.hub.address.ip);
    for (id, files) in [&fleet.self_signed, &fleet.issued] {
        over_https(&fleet, &node, id, &certified(id), files);
        assert_eq!(fleet.telemetry(id).len(), 4, "all by certificate");
    }
    let refused = node
        .script(&fleet.hub, "http_device.js")
        .arg(certified("issued"))
        .arg(fleet.hub.address.https_port.to_string())
        .arg("0")
        .args(&fleet.stranger)
        .run();
    assert_eq!(refused.one("error"), "UnauthorizedError");
}
