//! The Python SDKs: azure-iot-device, azure-iot-hub, azure-eventhub over both AMQP stacks, and
//! paho-mqtt.

use std::path::PathBuf;

use serde_json::Value;

use super::hub::Hub;
use super::provision::{Provision, interpreter, pip_packages, scripts_dir};
use super::rest::Device;
use super::script::{Lines, Script};

const PROVISION: Provision = Provision {
    name: "python",
    pins: &["requirements.txt"],
    tools: &[("python3", "python3 python3-venv")],
    install: pip_packages,
};

/// A Python with the pinned SDKs.
#[derive(Debug)]
pub(crate) struct Python {
    interpreter: PathBuf,
}

impl Python {
    /// Installs the SDKs if need be; `None` when the SDK tests are to be skipped.
    pub(crate) fn provisioned() -> Option<Self> {
        PROVISION.ensure().map(|target| Self { interpreter: interpreter(&target) })
    }

    /// A script of `edge/tests/interop/python`.
    pub(crate) fn script(&self, name: &str) -> Script {
        Script::new(&self.interpreter, scripts_dir("python").join(name))
            // The sources stay as they are in a checkout.
            .env("PYTHONDONTWRITEBYTECODE", "1")
    }

    /// A registry operation as the owner of the hub.
    pub(crate) fn registry(&self, hub: &Hub, arguments: &[&str]) -> Lines {
        self.script("registry.py")
            .arg(hub.registry_connection_string(&hub.address.https_host()))
            .args(arguments)
            .env("REQUESTS_CA_BUNDLE", hub.ca_file())
            .run()
    }

    /// Calls of the registry SDK as the owner of the hub, a list of `[method, argument, …]`.
    pub(crate) fn registry_calls(&self, hub: &Hub, calls: &Value) -> Lines {
        self.script("registry_calls.py")
            .arg(hub.registry_connection_string(&hub.address.https_host()))
            .arg(calls.to_string())
            .env("REQUESTS_CA_BUNDLE", hub.ca_file())
            .run()
    }

    /// Registers a device through the registry SDK.
    pub(crate) fn create_device(&self, hub: &Hub, id: &str) -> Device {
        let lines = self.registry(hub, &["create", id]);
        let key = &lines.one("device")["authentication"]["symmetric_key"]["primary_key"];
        Device { id: id.to_owned(), key: key.as_str().expect("the hub made a key").to_owned() }
    }

    /// A device, before it is started.
    pub(crate) fn device(&self, hub: &Hub, device: &Device) -> Script {
        self.script("device.py")
            .arg(hub.device_connection_string(&device.id, &device.key))
            .arg("--ca")
            .arg(hub.ca_file())
    }

    /// Sends `count` messages with ids `prefix-0`, `prefix-1`, … and checks that each was
    /// acknowledged.
    pub(crate) fn send(&self, hub: &Hub, device: &Device, prefix: &str, count: usize) {
        let count_text = count.to_string();
        let lines =
            self.device(hub, device).args(["--prefix", prefix, "--count", &count_text]).run();
        let expected: Vec<String> = (0..count).map(|number| format!("{prefix}-{number}")).collect();
        assert_eq!(lines.texts("acknowledged"), expected);
    }

    /// A reader of all partitions from the beginning, unless arguments say otherwise.
    pub(crate) fn reader(&self, hub: &Hub) -> Script {
        self.reader_with(hub, &hub.event_hub_connection_string())
    }

    /// As above with a connection string of the test's own.
    pub(crate) fn reader_with(&self, hub: &Hub, connection_string: &str) -> Script {
        self.script("reader.py").arg(connection_string).arg("--ca").arg(hub.ca_file())
    }
}
