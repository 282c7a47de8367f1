//! Hubs that the resource provider makes, each with a storage account for the files of its devices:
//! one of the user's own, or the one that every hub has.
//!
//! The SDKs of devices and back ends are unmodified; names below `localhost` are found at the address
//! of the process.

mod support;

use serde_json::{Value, json};
use support::azurite::Azurite;
use support::command::at;
use support::hub::Hub;
use support::node::Node;
use support::provider::{Administrator, COMMANDS};
use support::provision::scripts_dir;
use support::python::Python;
use support::script::Lines;

const LENGTH: u64 = 1 << 20;

struct World<'a> {
    python: &'a Python,
    node: &'a Node,
    hub: &'a Hub,
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
        let (address, ca, length) =
            (self.hub.address.host(), self.hub.ca_file(), LENGTH.to_string());
        at(self.hub, &["device-identity", "create", "-d", "pump-7", "-n", name]).good();
        let string = self.connection_string(name, Some("pump-7"));
        let python = self.python.script("upload.py").arg(&string).arg(&ca);
        let lines = python
            .args(["py.bin", &length])
            .env("PYTHONPATH", scripts_dir("python").join("resolver"))
            .env("RINGHUB_ADDRESS", &address)
            .run();
        assert_eq!(lines.one("read"), true, "{lines:?}");
        let node = self.node.script(self.hub, "upload.js").args([&string, "js.bin", &length]);
        let lines =
            node.env("NODE_OPTIONS", self.resolver()).env("RINGHUB_ADDRESS", &address).run();
        assert_eq!(lines.all("done").len(), 1, "{lines:?}");
    }

    /// The service SDK reads one notification, and the storage SDK what is in the account.
    fn read(&self, name: &str, storage: &str, container: &str) -> Lines {
        let node = self.node.script(self.hub, "storage.js");
        node.args([&self.connection_string(name, None), storage, container, "1"])
            .env("NODE_OPTIONS", self.resolver())
            .env("RINGHUB_ADDRESS", self.hub.address.host())
            .run()
    }

    fn resolver(&self) -> String {
        format!("--require {}", scripts_dir("node").join("resolver.js").display())
    }
}

fn check(lines: &Lines, uri: &str) {
    let file = lines.one("file");
    assert_eq!(file["blobSizeInBytes"], LENGTH, "{file}");
    let told = file["blobUri"].as_str().expect("an address");
    assert!(
        [format!("{uri}/pump-7/py.bin"), format!("{uri}/pump-7/js.bin")].contains(&told.to_owned()),
        "{file}"
    );
    let blobs: Vec<&str> =
        lines.all("blob").iter().filter_map(|blob| blob["name"].as_str()).collect();
    assert_eq!(blobs, ["pump-7/js.bin", "pump-7/py.bin"], "{lines:?}");
}

#[test]
fn files_go_to_the_account_of_each_hub() {
    let (Some(python), Some(node)) = (Python::provisioned(), Node::provisioned()) else { return };
    let hub = Hub::start();
    if !hub.address.has_port_443() {
        return;
    }
    let Some(azurite) = Azurite::start(&hub) else { return };
    let world = World { python: &python, node: &node, hub: &hub };
    let mut administrator = Administrator::connect(&hub).expect("the hub listens");
    let bare = json!({ "location": "here", "sku": { "name": "S1", "capacity": 1 } });
    let mut with_account = bare.clone();
    with_account["properties"] = json!({
        "storageEndpoints": { "$default": {
            "connectionString": azurite.connection_string(), "containerName": "files",
        } },
        "messagingEndpoints": { "fileNotifications": { "ttlAsIso8601": "PT30M" } },
        "enableFileUploadNotifications": true,
    });
    let made = administrator.good("PUT", &format!("{COMMANDS}/plant-2"), &with_account);
    assert!(!made.to_string().contains("cmluZ2h1YiB0ZXN0cyBhcmUgbm8gc2VjcmV0"), "{made}");
    administrator.good("PUT", &format!("{COMMANDS}/plant-3"), &bare);

    let account = azurite.connection_string();
    world.upload("plant-2");
    let (_, endpoint) = account.split_once("BlobEndpoint=").expect("it has one");
    let uri = format!("{}/files", endpoint.trim_end_matches(';'));
    check(&world.read("plant-2", &account, "files"), &uri);

    world.upload("plant-3");
    let own = at(&hub, &["storage", "show-connection-string", "-n", "plant-3"]).good();
    let lines = world.read("plant-3", own.trim(), "uploads");
    check(&lines, "https://plant-3.localhost/ringhubstorage/uploads");

    // The account is taken away while the hub is there.
    let changed = administrator.good("PUT", &format!("{COMMANDS}/plant-2"), &bare);
    let shown = &changed["properties"]["storageEndpoints"]["$default"];
    assert_eq!(shown["connectionString"], Value::from(""));
    world.upload("plant-2");
    let own = at(&hub, &["storage", "show-connection-string", "-n", "plant-2"]).good();
    world.read("plant-2", own.trim(), "uploads");
}
