//! Hubs that the resource provider makes, each with a storage account for the files of its devices:
//! one of the user's own, or the one that every hub has.
//!
//! The SDKs of devices and back ends are unmodified; names below `localhost` are found at the
//! address of the process.

mod support;

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use support::azurite_account::AzuriteAccount;
use support::command::at;
use support::hub::Hub;
use support::node::Node;
use support::provider::{Administrator, COMMANDS};
use support::provision::scripts_dir;
use support::python::Python;
use support::registry_job::hub_with;
use support::script::Lines;

const LENGTH: u64 = 1 << 20;

struct World<'a> {
    python: &'a Python,
    node: &'a Node,
    hub: &'a Hub,
    /// Authorities of the hub and of the storage account.
    ca: PathBuf,
}

impl World<'_> {
    /// What clients of the hub `name` start from.
    fn connection_string(&self, name: &str, device: Option<&str>) -> String {
        let of_device: Vec<&str> = device.into_iter().flat_map(|id| ["-d", id]).collect();
        let arguments = [&["connection-string", "show", "-n", name], &of_device[..]].concat();
        at(self.hub, &arguments).good().trim().to_owned()
    }

    /// Both device SDKs upload a file to the hub `name`.
    fn upload(&self, name: &str) {
        let (address, ca, length) = (self.hub.address.host(), &self.ca, LENGTH.to_string());
        at(self.hub, &["device-identity", "create", "-d", "pump-7", "-n", name]).good();
        let string = self.connection_string(name, Some("pump-7"));
        let python = self.python.script("upload.py").arg(&string).arg(ca);
        let lines = python
            .args(["py.bin", &length])
            .env("PYTHONPATH", scripts_dir("python").join("resolver"))
            .env("RINGHUB_ADDRESS", &address)
            .run();
        assert_eq!(lines.one("read"), true, "{lines:?}");
        let node = self.node.script(self.hub, "upload.js").args([&string, "js.bin", &length]);
        let lines = node
            .env("NODE_OPTIONS", self.resolver())
            .env("NODE_EXTRA_CA_CERTS", ca)
            .env("RINGHUB_ADDRESS", &address)
            .run();
        assert_eq!(lines.all("done").len(), 1, "{lines:?}");
    }

    /// The service SDK reads both notifications, and the storage SDK what is in the account.
    fn read(&self, name: &str, storage: &str, container: &str) -> Lines {
        let node = self.node.script(self.hub, "storage.js");
        node.args([&self.connection_string(name, None), storage, container, "2"])
            .env("NODE_OPTIONS", self.resolver())
            .env("NODE_EXTRA_CA_CERTS", &self.ca)
            .env("RINGHUB_ADDRESS", self.hub.address.host())
            .run()
    }

    fn resolver(&self) -> String {
        format!("--require {}", scripts_dir("node").join("resolver.js").display())
    }
}

fn check(lines: &Lines, uri: &str) {
    let files = lines.all("file");
    assert!(files.iter().all(|file| file["blobSizeInBytes"] == LENGTH), "{lines:?}");
    let told: Vec<_> = files.iter().filter_map(|file| file["blobUri"].as_str()).collect();
    assert_eq!(told, [format!("{uri}/pump-7/py.bin"), format!("{uri}/pump-7/js.bin")]);
    let blobs: Vec<&str> =
        lines.all("blob").iter().filter_map(|blob| blob["name"].as_str()).collect();
    assert_eq!(blobs, ["pump-7/js.bin", "pump-7/py.bin"], "{lines:?}");
}

#[test]
fn files_go_to_the_account_of_each_hub() {
    let (Some(python), Some(node)) = (Python::provisioned(), Node::provisioned()) else { return };
    let Some(azurite) = AzuriteAccount::start_loose() else { return };
    let account = &azurite.account;
    let hub = hub_with(account, "1min");
    if !hub.address.has_port_443() {
        return;
    }
    let ca = hub.scratch("authorities.pem");
    let both = [&hub.ca_file(), &account.ca].map(|file| fs::read(file).expect("it is there"));
    fs::write(&ca, both.concat()).expect("the home is writable");
    let world = World { python: &python, node: &node, hub: &hub, ca };
    let mut administrator = Administrator::connect(&hub).expect("the hub listens");
    let bare = json!({ "location": "here", "sku": { "name": "S1", "capacity": 1 } });
    let mut with_account = bare.clone();
    with_account["properties"] = json!({
        "storageEndpoints": { "$default": {
            "connectionString": account.connection_string(), "containerName": "files",
        } },
        "messagingEndpoints": { "fileNotifications": { "ttlAsIso8601": "PT30M" } },
        "enableFileUploadNotifications": true,
    });
    let made = administrator.good("PUT", &format!("{COMMANDS}/plant-2"), &with_account);
    assert!(!made.to_string().contains(&account.key), "{made}");
    administrator.good("PUT", &format!("{COMMANDS}/plant-3"), &bare);

    world.upload("plant-2");
    let lines = world.read("plant-2", &account.connection_string(), "files");
    check(&lines, &format!("{}/files", account.endpoint));

    world.upload("plant-3");
    let own = at(&hub, &["storage", "show-connection-string", "-n", "plant-3"]).good();
    let lines = world.read("plant-3", own.trim(), "uploads");
    check(&lines, "https://plant-3.localhost/ringhubstorage/uploads");
}
