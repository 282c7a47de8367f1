//! File upload with unmodified SDKs: devices upload through azure-iot-device of Python and Node and
//! their storage clients, back ends read notifications and files.

mod support;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use support::azurite_account::AzuriteAccount;
use support::hub::{Hub, HubOptions, SMALL_SEGMENTS};
use support::node::Node;
use support::python::Python;
use support::rest::{self, Device};
use support::script::Lines;

/// Bytes of a file: more than the storage clients send at once.
const LENGTH: usize = 5 << 20;

/// Sum of the bytes of the two files.
const SUM: u64 = {
    let python = (LENGTH / 256) as u64 * (255 * 256 / 2);
    // "0123456789abcdef", again and again.
    let node = (LENGTH / 16) as u64 * (525 + 597);
    python + node
};

struct World<'a> {
    python: &'a Python,
    node: &'a Node,
    hub: &'a Hub,
    /// Authorities of the hub and of the storage account.
    ca: PathBuf,
    storage: String,
}

impl World<'_> {
    fn upload(&self) {
        let device = Device::create(self.hub, "pump-7");
        let string = self.hub.device_connection_string(&device.id, &device.key);
        let length = LENGTH.to_string();
        let python = self.python.script("upload.py");
        let lines = python.arg(&string).arg(&self.ca).args(["logs/py.bin", &length]).run();
        assert_eq!(lines.one("read"), true, "{lines:?}");
        assert_eq!(lines.one("size").as_u64(), Some(LENGTH as u64));
        assert_eq!(lines.one("metadata")["kind"], "log");
        let node = self.node.script(self.hub, "upload.js");
        let node = node.env("NODE_EXTRA_CA_CERTS", &self.ca);
        let lines = node.arg(&string).args(["js.bin", &length]).run();
        assert_eq!(lines.all("done").len(), 1, "{lines:?}");
    }

    /// Both notifications, one by each back end, then all that the storage SDK of Node does.
    fn read(&self) {
        let host = self.hub.address.host();
        let key = self.hub.policy_key("service");
        let python = self.python.script("file_notifications.py");
        let python = python.env("REQUESTS_CA_BUNDLE", self.hub.ca_file());
        let first = python.args([&host, "service", &key, "1"]).run();
        check_file(&first, "pump-7/logs/py.bin");
        let node = self.node.script(self.hub, "storage.js").env("NODE_EXTRA_CA_CERTS", &self.ca);
        let lines = node
            .arg(self.hub.registry_connection_string(&host))
            .args([self.storage.as_str(), "uploads", "1"])
            .run();
        check_file(&lines, "pump-7/js.bin");
        let blobs: Vec<&str> =
            lines.all("blob").iter().filter_map(|blob| blob["name"].as_str()).collect();
        assert_eq!(blobs, ["pump-7/js.bin", "pump-7/logs/py.bin"], "{lines:?}");
        assert_eq!(lines.texts("prefix"), ["pump-7/"]);
        assert_eq!(lines.one("sum").as_u64(), Some(SUM));
        assert_eq!(lines.one("committed"), "defabc");
        assert_eq!(lines.one("kind"), "text/plain");
        assert_eq!(lines.one("refused"), "BlobAlreadyExists");
        assert_eq!(lines.one("left"), 0);
    }
}

fn check_file(lines: &Lines, name: &str) {
    let file = lines.one("file");
    assert_eq!(file["blobName"], name, "{file}");
    assert_eq!(file["deviceId"], "pump-7");
    assert_eq!(file["blobSizeInBytes"].as_u64(), Some(LENGTH as u64));
    assert!(file["blobUri"].as_str().is_some_and(|uri| uri.ends_with(name)), "{file}");
}

#[test]
fn sdks_upload_to_the_hubs_own_account_and_read_what_is_there() {
    let (Some(python), Some(node)) = (Python::provisioned(), Node::provisioned()) else { return };
    let hub = Hub::start();
    if !hub.address.has_port_443() {
        return;
    }
    let (status, keys) = rest::exchange(&hub, "POST", "/storage/listkeys", "").expect("answered");
    assert_eq!(status, 200, "{keys}");
    let keys: Value = serde_json::from_str(&keys).expect("JSON");
    let storage = keys["connectionString"].as_str().expect("a text").to_owned();
    let world = World { python: &python, node: &node, hub: &hub, ca: hub.ca_file(), storage };
    world.upload();
    world.read();
}

#[test]
fn sdks_upload_to_azurite() {
    let (Some(python), Some(node)) = (Python::provisioned(), Node::provisioned()) else { return };
    let Some(azurite) = AzuriteAccount::start_loose() else { return };
    let (storage, authority) = (azurite.account.connection_string(), &azurite.account.ca);
    let string = azurite.home.join("connection-string");
    fs::write(&string, &storage).expect("the home is writable");
    let config = format!(
        "{SMALL_SEGMENTS}\n[file_upload]\nstorage = \"account\"\naccount_file = {string:?}\n\
         account_ca_file = {authority:?}\n"
    );
    let hub = Hub::start_with(HubOptions { config, ..HubOptions::default() });
    if !hub.address.has_port_443() {
        return;
    }
    let ca = hub.scratch("authorities.pem");
    let both = [&hub.ca_file(), authority].map(|file| fs::read(file).expect("it is there"));
    fs::write(&ca, both.concat()).expect("the home is writable");
    let world = World { python: &python, node: &node, hub: &hub, ca, storage };
    world.upload();
    world.read();
}
