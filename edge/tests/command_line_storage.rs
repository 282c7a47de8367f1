//! The commands about the hub's own storage account, and imports and exports that the hub does with
//! it: the real binary against a hub of its own.

mod support;

use std::fs;

use serde_json::{Value, json};
use support::command::at;
use support::hub::Hub;
use support::registry_job::lines;
use support::rest::Device;
use support::storage_account::StorageAccount;

fn printed(hub: &Hub, arguments: &[&str]) -> String {
    at(hub, arguments).good().trim().to_owned()
}

#[test]
fn the_hub_exports_and_imports_by_itself() {
    let hub = Hub::start();
    Device::create(&hub, "pump-1");
    Device::create(&hub, "pump-2");
    let uri = printed(&hub, &["storage", "container-uri", "-c", "fleet"]);
    assert!(uri.starts_with("https://") && uri.contains("/ringhubstorage/fleet?"), "{uri}");
    assert!(uri.contains("sp=rcwl&"), "{uri}");
    let account = StorageAccount::of(&hub);
    let export = ["device-identity", "export", "--blob-container-uri"];

    // As in the Azure CLI, keys come along only when that is said.
    let job = at(&hub, &[&export[..], &[&uri]].concat()).json();
    assert_eq!((&job["type"], &job["status"]), (&json!("export"), &json!("completed")), "{job}");
    assert!(!job.to_string().contains("sig="), "{job}");
    let file = account.get(&uri, "devices.txt").expect("it is exported");
    assert_eq!(lines(&file).len(), 2);
    assert!(!String::from_utf8_lossy(&file).contains("primaryKey\":\""), "keys are left out");
    let named = hub.scratch("uri");
    fs::write(&named, format!("{uri}\n")).expect("the home is writable");
    let named = named.to_str().expect("the target directory is UTF-8");
    at(&hub, &[&export[..], &[named, "--include-keys"]].concat()).good();
    let exported = lines(&account.get(&uri, "devices.txt").expect("it is exported"));
    let key = exported[0]["authentication"]["symmetricKey"]["primaryKey"].as_str();
    assert_eq!(key, Some(Device::known(&hub, "pump-1").key.as_str()));

    let import = ["device-identity", "import", "--input-blob-container-uri", named];
    let mut content = json!({ "id": "pump-3" }).to_string() + "\n";
    account.put(&uri, "devices.txt", content.as_bytes());
    assert_eq!(at(&hub, &import).json()["status"], "completed");
    at(&hub, &["device-identity", "show", "-d", "pump-3"]).good();
    content += "no JSON\n";
    account.put(&uri, "devices.txt", content.as_bytes());
    let failed = at(&hub, &import);
    failed.refused(1, &["1 lines were not applied", "importErrors.log"]);
    assert_eq!(account.get(&uri, "importErrors.log").map(|errors| lines(&errors).len()), Some(1));

    // Jobs of this kind are found with the others.
    let all = at(&hub, &["job", "list", "-o", "json"]).json();
    assert_eq!(all.as_array().map(Vec::len), Some(4), "{all}");
    let imports = at(&hub, &["job", "list", "--job-type", "import", "-o", "json"]).json();
    let Value::Array(imports) = imports else { panic!("a list: {imports}") };
    assert_eq!(imports.len(), 2);
    let id = imports[0]["jobId"].as_str().expect("a text");
    let shown = at(&hub, &["job", "show", "--job-id", id]).json();
    assert_eq!((&shown["jobId"], &shown["type"]), (&json!(id), &json!("import")));
    let cancelled = at(&hub, &["job", "cancel", "--job-id", id]).json();
    assert_eq!(cancelled["status"], "completed", "what has ended stays as it is");
    at(&hub, &["job", "show", "--job-id", "none"]).refused(3, &["404"]);
}

#[test]
fn what_cannot_be_is_refused_with_the_remedy() {
    let hub = Hub::start();
    let refused = |arguments: &[&str], code, parts: &[&str]| {
        at(&hub, arguments).refused(code, parts);
    };
    refused(&["storage", "container-uri", "-c", "Fleet"], 2, &["3 to 63 lower-case letters"]);
    let letters = ["storage", "container-uri", "-c", "fleet", "--permissions", "rx"];
    refused(&letters, 2, &["letters rcwdl"]);
    let export = ["device-identity", "export"];
    refused(&export, 2, &["--file"]);
    let absent = [&export[..], &["--blob-container-uri", "nowhere"]].concat();
    refused(&absent, 2, &["--blob-container-uri", "https://ACCOUNT/CONTAINER?SAS", "nowhere"]);
    let both = [&absent[..], &["--file", "x"]].concat();
    refused(&both, 2, &["--file"]);
    let read_only = printed(
        &hub,
        &["storage", "container-uri", "-c", "fleet", "--permissions", "lr", "--duration", "60"],
    );
    assert!(read_only.contains("sp=rl&"), "{read_only}");
    let into = [&export[..], &["--blob-container-uri", &read_only]].concat();
    refused(&into, 1, &["failed", "403", "create and write"]);
}
