//! Many identities at once: lists page by page, and files that carry a registry from hub to hub.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use support::command::at;
use support::hub::Hub;
use support::rest::exchange;

const SHA1: &str = "0123456789abcdefABCDEF0123456789abcdefAB";
const SCHEME: &str = "ms-azure-iot-edge://";

fn text(path: &Path) -> &str {
    path.to_str().expect("the target directory is UTF-8")
}

/// Registers devices that the hub makes the keys of.
fn import_plain(hub: &Hub, count: u32) {
    let file = hub.scratch("plain.jsonl");
    let lines: Vec<_> = (0..count).map(|n| format!("{{\"id\":\"d-{n:05}\"}}\n")).collect();
    fs::write(&file, lines.concat()).expect("the home is writable");
    at(hub, &["device-identity", "import", "--file", text(&file)]).good();
}

#[test]
fn a_list_goes_beyond_a_page() {
    let hub = Hub::start();
    let list = |arguments: &[&str]| at(&hub, &[&["device-identity", "list"], arguments].concat());
    assert_eq!(list(&["--all", "-o", "json"]).json(), json!([]));
    import_plain(&hub, 2501);

    let listed = list(&["--all", "-o", "json"]).json();
    let listed = listed.as_array().expect("a list");
    let ids: Vec<_> = listed.iter().filter_map(|device| device["deviceId"].as_str()).collect();
    let expected: Vec<_> = (0..2501).map(|n| format!("d-{n:05}")).collect();
    assert_eq!(ids, expected);
    let table = list(&["--all"]).good();
    assert_eq!(table.lines().count(), 2502, "a header and a line for each");
    assert_eq!(table.lines().filter(|line| line.starts_with("DEVICE ID")).count(), 1);

    let usual = list(&[]);
    assert!(usual.errors.contains("more than 1000 devices: --all"), "{}", usual.errors);
    assert_eq!(usual.good().lines().count(), 1001);
    let all = list(&["--top", "2501"]);
    assert!(!all.errors.contains("more than"), "{}", all.errors);
    assert_eq!(all.good().lines().count(), 2502);
    assert_eq!(list(&["--top", "1", "-o", "json"]).json()[0]["deviceId"], "d-00000");
}

/// Identities of all kinds, in an order in which they cannot be registered one by one.
fn every_kind(hub: &Hub) -> Vec<Value> {
    let keys = |first: &str| {
        json!({ "type": "sas", "symmetricKey": {
            "primaryKey": format!("{first}2l4dGVlbiBieXRlcyBvciBtb3Jl"),
            "secondaryKey": "c2l4dGVlbiBieXRlcyBvciBtb3Jl" } })
    };
    let below = |id: &str| {
        let (status, parent) =
            exchange(hub, "GET", &format!("/devices/{id}"), "").expect("the hub answers");
        assert_eq!(status, 200, "{parent}");
        let parent: Value = serde_json::from_str(&parent).expect("a device");
        parent["deviceScope"].clone()
    };
    let edge = |id: &str, parents: Value| json!({ "id": id, "capabilities": { "iotEdge": true }, "parentScopes": parents });
    // The parents first, since their scopes are needed; ids sort against that.
    let register = |item: &Value| {
        let (status, reply) =
            exchange(hub, "POST", "/devices", &json!([item]).to_string()).expect("the hub answers");
        assert_eq!(status, 200, "{reply}");
    };
    register(&edge("z-top", json!([])));
    register(&edge("y-middle", json!([below("z-top")])));
    register(&edge("x-bottom", json!([below("y-middle")])));
    vec![
        json!({ "id": "a-leaf", "deviceScope": below("x-bottom"), "authentication": keys("a") }),
        json!({ "id": "a-leaf", "moduleId": "m", "managedBy": "me", "authentication": keys("b") }),
        json!({ "id": "b", "status": "disabled", "statusReason": "stolen: \"ü\"" }),
        json!({ "id": "c", "authentication": { "type": "selfSigned",
            "x509Thumbprint": { "primaryThumbprint": SHA1, "secondaryThumbprint": SHA1 } } }),
        json!({ "id": "d", "authentication": { "type": "certificateAuthority" } }),
        json!({ "id": "d", "moduleId": "$system", "authentication": { "type": "none" } }),
        json!({ "id": "odd-.+%_#*?!(),:=@$'" }),
        json!({ "id": "z-top", "moduleId": "$edgeHub", "authentication": keys("c"),
            "importMode": "createOrUpdate" }),
    ]
}

/// Lines of a file by identity, without what a hub makes itself.
fn comparable(file: &Path) -> BTreeMap<(String, Option<String>), Value> {
    let text = fs::read_to_string(file).expect("the file was written");
    let lines = text.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).expect("each line is JSON");
        assert!(line["eTag"].take().is_string(), "{line}");
        let own = |scope: &Value| {
            let scope = scope.as_str()?.strip_prefix(SCHEME)?;
            Some(Value::from(scope.rsplit_once('-')?.0))
        };
        if let Some(scope) = own(&line["deviceScope"]) {
            line["deviceScope"] = scope;
        }
        if let Some(scope) = own(&line["parentScopes"][0]) {
            line["parentScopes"] = json!([scope]);
        }
        let name = |member: &str| line[member].as_str().map(ToOwned::to_owned);
        ((name("id").expect("an id"), name("moduleId")), line)
    });
    lines.collect()
}

#[test]
fn what_is_exported_and_imported_elsewhere_is_the_same() {
    let first = Hub::start();
    let items = every_kind(&first);
    let bulk = exchange(&first, "POST", "/devices", &Value::from(items).to_string());
    let (status, reply) = bulk.expect("the hub answers");
    assert_eq!(status, 200, "{reply}");
    import_plain(&first, 1500);
    let export = |hub: &Hub, file: &Path, more: &[&str]| {
        at(hub, &[&["device-identity", "export", "--file", text(file)], more].concat())
    };
    let file = first.scratch("exported.jsonl");
    let said = export(&first, &file, &[]);
    assert!(said.errors.contains("1516 identities written"), "{}", said.errors);
    said.good();
    let mode = fs::metadata(&file).expect("it was written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds keys");

    let second = Hub::start();
    at(&second, &["device-identity", "import", "--file", text(&file)]).good();
    let again = second.scratch("exported.jsonl");
    export(&second, &again, &[]).good();
    let (before, after) = (comparable(&file), comparable(&again));
    assert_eq!(before.len(), 1516);
    assert_eq!(before, after);
    assert_eq!(after[&("a-leaf".to_owned(), None)]["deviceScope"], "x-bottom");

    // Into the hub that it came from: nothing changes but etags.
    at(&first, &["device-identity", "import", "--file", text(&file)]).good();
    export(&first, &again, &[]).good();
    assert_eq!(before, comparable(&again));
    let printed = at(&first, &["device-identity", "export", "--file", "-"]).good();
    assert_eq!(printed, fs::read_to_string(&again).expect("it was written"));

    export(&first, &file, &["--exclude-keys"]).good();
    let without = fs::read_to_string(&file).expect("it was written");
    assert!(!without.contains("c2l4dGVlbiBieXRlcyBvciBtb3Jl") && without.contains(SHA1));
    at(&second, &["device-identity", "import", "--file", text(&file)]).good();
}

#[test]
fn an_export_that_fails_leaves_the_file_as_it_was() {
    let mut hub = Hub::start();
    let file = hub.scratch("exported.jsonl");
    fs::write(&file, "before").expect("the home is writable");
    let export = |hub: &Hub, file: &str| at(hub, &["device-identity", "export", "--file", file]);
    export(&hub, "/nonexistent/file").refused(2, &["cannot write /nonexistent/file"]);
    hub.terminate();
    hub.reap();
    export(&hub, text(&file)).refused(4, &["no hub answers"]);
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "before");
    let left = fs::read_dir(file.parent().expect("the home")).expect("the home can be read");
    let left = left.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    assert_eq!(left.filter(|name| name.starts_with("exported")).count(), 1, "nothing beside it");
}
