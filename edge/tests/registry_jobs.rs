//! Import and export jobs of real hubs, against a storage account.
//!
//! Goal: whatever one hub exports, another one makes the same of, in bounded memory, however many
//! identities there are. Method: a hub is filled, exports, an empty hub imports that, exports
//! again, and both files are compared line by line. `RINGHUB_REGISTRY_JOB_DEVICES` sets how many
//! devices (1000000 on a quiet machine); times and the most memory that was seen are printed.
//!
//! The storage account is Azurite, with TLS, or the one that the first hub has of its own.

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::azurite_account::AzuriteAccount;
use support::hub::Hub;
use support::node::Node;
use support::python::Python;
use support::registry_job::{
    comparable, complete, create, ended, export_to, hub_with, import_from, lines,
};
use support::rest;
use support::seed::number_from;
use support::storage_account::StorageAccount;

const DEVICES: u64 = 2000;
/// Memory that a hub may take for each identity that it has: entry in the directory, and what is
/// fragmented of it. Beside that, a job may take no more than [`JOB_BYTES`].
const IDENTITY_BYTES: u64 = 1024;
/// Parts of a blob, pages, turns, the caches of SQLite, and a wide margin.
const JOB_BYTES: u64 = 192 * 1024 * 1024;

/// A line of a file that fills a hub: one in ten has a twin, one in a hundred a module.
fn filling(n: u64) -> String {
    let id = format!("device-{n:07}");
    let mut text = match n % 10 {
        0 => json!({ "id": id, "tags": { "site": n % 7 },
            "properties": { "desired": { "fw": "2.1" }, "reported": { "seen": n } } }),
        _ => json!({ "id": id }),
    }
    .to_string();
    if n.is_multiple_of(100) {
        text += &format!("\n{}", json!({ "id": id, "moduleId": "m" }));
    }
    text + "\n"
}

/// Follows a job; how long it took, and the most memory that the hub had in KiB.
fn measured(hub: &Hub, request: &Value) -> (Duration, u64) {
    let begun = Instant::now();
    let mut peak_kib = 0;
    let job = ended(hub, &create(hub, request), |_| peak_kib = peak_kib.max(hub.resident_kib()));
    assert_eq!(job["status"], "completed", "{job}");
    (begun.elapsed(), peak_kib)
}

fn assert_bounded(what: &str, before_kib: u64, peak_kib: u64, identities: u64) {
    let grown = peak_kib.saturating_sub(before_kib) * 1024;
    let most = JOB_BYTES + identities * IDENTITY_BYTES;
    assert!(grown <= most, "{what} took {grown} bytes of memory, {most} at most");
}

fn round_trip(hub: &Hub, account: &StorageAccount) {
    let count = number_from("RINGHUB_REGISTRY_JOB_DEVICES").unwrap_or(DEVICES);
    let [filled, first, second] = ["filled", "first", "second"].map(|name| account.container(name));
    let content: String = (0..count).map(filling).collect();
    account.put(&filled, "devices.txt", content.as_bytes());
    drop(content);
    let before = hub.resident_kib();
    let (filling_time, peak) = measured(hub, &import_from(&filled));
    assert_eq!(account.get(&filled, "importErrors.log").as_deref(), Some(&b""[..]));
    let before_export = hub.resident_kib();
    let (export_time, export_peak) = measured(hub, &export_to(&first));
    println!(
        "{count} devices: imported in {filling_time:.1?} ({} MiB at most, {} before), exported in \
         {export_time:.1?} ({} MiB at most, {} before)",
        peak / 1024,
        before / 1024,
        export_peak / 1024,
        before_export / 1024
    );
    assert_bounded("the import", before, peak, count);
    assert_bounded("the export", before_export, export_peak, 0);

    let copy = hub_with(account, "1min");
    let (copy_time, copy_peak) = measured(&copy, &import_from(&first));
    assert_eq!(account.get(&first, "importErrors.log").as_deref(), Some(&b""[..]));
    complete(&copy, &export_to(&second));
    let [one, other] = [&first, &second]
        .map(|container| account.get(container, "devices.txt").expect("the export is there"));
    let (mut differences, mut compared) = (0, 0);
    for (one, other) in one.split(|b| *b == b'\n').zip(other.split(|b| *b == b'\n')) {
        let read = |line: &[u8]| serde_json::from_slice::<Value>(line).ok();
        let same = read(one).as_ref().map(comparable) == read(other).as_ref().map(comparable);
        differences += u64::from(!same);
        compared += u64::from(!one.is_empty());
    }
    println!(
        "{compared} identities: the copy was imported in {copy_time:.1?} ({} MiB at most); \
         differences {differences}",
        copy_peak / 1024
    );
    let ends = [&one, &other].map(|file| file.iter().filter(|b| **b == b'\n').count() as u64);
    assert_eq!((differences, ends), (0, [count + count.div_ceil(100); 2]));
}

#[test]
fn another_hub_makes_the_same_of_an_export() {
    let Some(azurite) = AzuriteAccount::start() else { return };
    round_trip(&hub_with(&azurite.account, "1min"), &azurite.account);
}

#[test]
fn another_hub_makes_the_same_of_an_export_to_the_first_hubs_own_account() {
    let hub = Hub::start();
    round_trip(&hub, &StorageAccount::of(&hub));
}

/// What both SDKs do: export, import with a mistake, look, list, cancel, and ask for too much.
fn check(account: &StorageAccount, container: &str, calls: &[&Value]) {
    let [exported, waited, imported, done, list, late, unknown, plain] = calls else {
        panic!("eight calls: {calls:?}")
    };
    assert_eq!(
        (&exported["type"], &exported["outputBlobContainerUri"]),
        (&json!("export"), &json!(container))
    );
    assert_eq!(waited["status"], "completed", "{waited}");
    let ids: Vec<_> = lines(&account.get(container, "devices.txt").expect("exported"))
        .iter()
        .map(|line| line["id"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(imported["type"], "import");
    assert_eq!((&done["status"], &done["progress"]), (&json!("completed"), &json!(100)), "{done}");
    assert_eq!(account.get(container, "importErrors.log").as_deref(), Some(&b""[..]));
    assert_eq!(list.as_array().map(Vec::len), Some(2), "{list}");
    assert!(!list.to_string().contains("sig="), "{list}");
    assert!(late.is_null() || late.as_str() == Some(""), "no body comes with 204: {late}");
    assert_eq!(unknown["status"], 404, "{unknown}");
    assert_eq!(plain["status"], 400, "{plain}");
}

fn two_devices(hub: &Hub) {
    ["a", "b"].into_iter().for_each(|id| drop(rest::Device::create(hub, id)));
}

fn python_exports_and_imports(python: &Python, hub: &Hub, account: &StorageAccount) {
    two_devices(hub);
    let container = account.container("python");
    let export = json!({ "type": "export", "output_blob_container_uri": container,
        "exclude_keys_in_export": false, "storage_authentication_type": "keyBased" });
    let import = json!({ "type": "import", "input_blob_container_uri": container,
        "output_blob_container_uri": container });
    let plain = json!({ "type": "export", "output_blob_container_uri": "http://a.example/c" });
    let calls = json!([
        ["create", export],
        ["wait", 0],
        ["create", import],
        ["wait", 1],
        ["list"],
        ["cancel", 0],
        ["get", "none"],
        ["create", plain],
    ]);
    let output = python
        .script("import_export_calls.py")
        .arg(hub.registry_connection_string(&hub.address.https_host()))
        .arg(calls.to_string())
        .env("REQUESTS_CA_BUNDLE", hub.ca_file())
        .run();
    let calls = output.all("call");
    assert_eq!(calls[7]["code"], "BlobContainerValidationError");
    check(account, &container, &calls);
}

fn node_exports_and_imports(node: &Node, hub: &Hub, account: &StorageAccount) {
    two_devices(hub);
    let container = account.container("node");
    let job = |n: usize| json!({ "of": n, "member": "jobId" });
    let exported = node.registry_calls(hub, &json!([["exportDevicesToBlob", container, false],]));
    let exported = &exported.one("call")["result"];
    let id = exported["jobId"].as_str().expect("a job has an id");
    let waited = ended(hub, id, |_| {});
    let imported = node.registry_calls(
        hub,
        &json!([["importDevicesFromBlob", container, container], ["getJob", job(0)],]),
    );
    let imported = &imported.all("call")[0]["result"];
    let done = ended(hub, imported["jobId"].as_str().expect("a job has an id"), |_| {});
    let rest = node.registry_calls(
        hub,
        &json!([
            ["listJobs"],
            ["cancelJob", id],
            ["getJob", "none"],
            ["exportDevicesToBlob", "http://a.example/c", true],
        ]),
    );
    let rest = rest.all("call");
    let result = |n: usize| rest[n]["result"].clone();
    let calls = [exported, &waited, imported, &done, &result(0), &result(1), rest[2], rest[3]];
    check(account, &container, &calls);
}

#[test]
fn python_uses_azurite_and_the_hubs_own_account() {
    let (Some(python), Some(azurite)) = (Python::provisioned(), AzuriteAccount::start()) else {
        return;
    };
    let account = &azurite.account;
    python_exports_and_imports(&python, &hub_with(account, "1min"), account);
    let hub = Hub::start();
    python_exports_and_imports(&python, &hub, &StorageAccount::of(&hub));
}

#[test]
fn node_uses_azurite_and_the_hubs_own_account() {
    let (Some(node), Some(azurite)) = (Node::provisioned(), AzuriteAccount::start()) else {
        return;
    };
    let account = &azurite.account;
    node_exports_and_imports(&node, &hub_with(account, "1min"), account);
    let hub = Hub::start();
    node_exports_and_imports(&node, &hub, &StorageAccount::of(&hub));
}
