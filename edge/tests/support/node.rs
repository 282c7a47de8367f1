//! The Node SDKs: azure-iot-device, azure-iothub and @azure/event-hubs.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::hub::Hub;
use super::provision::{Provision, npm_packages, scripts_dir};
use super::rest::Device;
use super::script::{Lines, Script};

const PROVISION: Provision = Provision {
    name: "node",
    pins: &["package.json", "package-lock.json"],
    tools: &[("node", "nodejs"), ("npm", "npm")],
    install: npm_packages,
};

/// A Node with the pinned SDKs.
#[derive(Debug)]
pub(crate) struct Node {
    folder: PathBuf,
}

impl Node {
    /// Installs the SDKs if need be; `None` when the SDK tests are to be skipped.
    pub(crate) fn provisioned() -> Option<Self> {
        PROVISION.ensure().map(|folder| Self { folder })
    }

    /// Where the packages were installed, as if by `npm install` there.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A script of `edge/tests/interop/node` that trusts the hub's CA.
    pub(crate) fn script(&self, hub: &Hub, name: &str) -> Script {
        Script::new("node", scripts_dir("node").join(name))
            .env("NODE_PATH", self.folder.join("node_modules"))
            .env("NODE_EXTRA_CA_CERTS", hub.ca_file())
    }

    /// A registry operation as the owner of the hub.
    pub(crate) fn registry(&self, hub: &Hub, arguments: &[&str]) -> Lines {
        self.script(hub, "registry.js")
            .arg(hub.registry_connection_string(&hub.address.host()))
            .arg(hub.address.https_port.to_string())
            .args(arguments)
            .run()
    }

    /// Calls of the registry SDK as the owner of the hub, a list of `[method, argument, …]`.
    pub(crate) fn registry_calls(&self, hub: &Hub, calls: &Value) -> Lines {
        self.script(hub, "registry_calls.js")
            .arg(hub.registry_connection_string(&hub.address.host()))
            .arg(hub.address.https_port.to_string())
            .arg(calls.to_string())
            .run()
    }

    /// Registers a device through the registry SDK.
    pub(crate) fn create_device(&self, hub: &Hub, id: &str) -> Device {
        let lines = self.registry(hub, &["create", id]);
        let key = &lines.one("device")["authentication"]["symmetricKey"]["primaryKey"];
        Device { id: id.to_owned(), key: key.as_str().expect("the hub made a key").to_owned() }
    }

    /// A device that sends `count` messages, before it is started.
    pub(crate) fn device(&self, hub: &Hub, device: &Device, prefix: &str, count: usize) -> Script {
        self.script(hub, "device.js")
            .arg(hub.device_connection_string(&device.id, &device.key))
            .arg(prefix)
            .arg(count.to_string())
    }

    /// A reader of all partitions from the beginning; `options` overrides its settings.
    pub(crate) fn reader(&self, hub: &Hub, options: &Value) -> Script {
        let mut settings = json!({
            "connectionString": hub.event_hub_connection_string(),
            "seconds": 60,
        });
        let overrides = options.as_object().expect("reader options are an object");
        for (name, value) in overrides {
            settings[name] = value.clone();
        }
        self.script(hub, "reader.js").arg(settings.to_string())
    }
}
