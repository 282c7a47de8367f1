//! What an export holds, and what another hub makes of it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::world::{Memory, World, container, file};
use crate::tests::TempDir;

/// A line without what each hub has of its own: tags, versions and times.
fn comparable(line: &Value) -> Value {
    let mut line = line.clone();
    for name in ["eTag", "twinETag", "deviceScope", "parentScopes"] {
        line[name].take();
    }
    for section in ["desired", "reported"] {
        if let Some(section) = line.pointer_mut(&format!("/properties/{section}")) {
            section["$metadata"].take();
            section["$version"].take();
        }
    }
    line
}

fn fill(world: &World) {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let keys = json!({ "primaryKey": key, "secondaryKey": key });
    let thumbprint = json!({ "primaryThumbprint": "a".repeat(40), "secondaryThumbprint": null });
    let mut lines = vec![
        json!({ "id": "a-leaf" }),
        json!({ "id": "keys", "authentication": { "type": "sas", "symmetricKey": keys } }),
        json!({ "id": "thumb", "authentication": { "type": "selfSigned", "x509Thumbprint": thumbprint } }),
        json!({ "id": "ca", "authentication": { "type": "certificateAuthority" } }),
        json!({ "id": "off", "status": "disabled", "statusReason": "stolen: ü" }),
        json!({ "id": "zz-edge", "capabilities": { "iotEdge": true } }),
        json!({ "id": "keys", "moduleId": "m", "managedBy": "us", "tags": { "of": "m" } }),
        json!({ "id": "twin", "tags": { "site": "north", "deep": { "a": [1, 2.5, true, "x"] } },
                "properties": { "desired": { "fw": "2.1", "n": 9007199254740991u64 >> 1 },
                                "reported": { "seen": { "at": 5 } } } }),
    ];
    lines.extend((0..600).map(|n| json!({ "id": format!("many-{n:03}") })));
    assert_eq!(world.import(&file(&lines)), Vec::<Value>::new());
    let scope = |id: &str| world.device(id)["deviceScope"].clone();
    let under = |id: &str, scope: Value, is_edge: bool| {
        let line = json!({ "id": id, "deviceScope": scope, "parentScopes": [scope],
                           "capabilities": { "iotEdge": is_edge } });
        assert_eq!(world.import(&file(&[line])), Vec::<Value>::new());
    };
    under("middle-edge", scope("zz-edge"), true);
    under("a-leaf", scope("middle-edge"), false);
}

/// Goal: nothing is lost on the way from one hub to another, parents come first although their ids
/// come last, and a second export of the copy says the same.
#[test]
fn another_hub_makes_the_same_of_it() {
    let (dir, other) = (TempDir::new(), TempDir::new());
    let storage = Arc::<Memory>::default();
    let world = World::open(&dir, &storage);
    fill(&world);
    let first = world.export();
    let place = |id: &str| first.iter().position(|line| line["id"] == id).expect("exported");
    assert!(place("zz-edge") < place("middle-edge") && place("middle-edge") < place("a-leaf"));
    assert_eq!(first.len(), 8 + 600 + 1 + 4, "with the modules of the edge runtime");
    let twin = &first[place("twin")];
    assert_eq!(twin["properties"]["desired"]["$metadata"]["fw"]["$lastUpdatedVersion"], 2);
    assert_eq!(twin["properties"]["reported"]["seen"]["at"], 5, "new devices keep what they said");
    assert_eq!(first[place("keys")].get("twinETag"), None, "a twin that nobody has written");
    world.control.shutdown();

    let copy = World::open(&other, &storage);
    copy.completed(&super::world::import_request());
    assert_eq!(storage.get("importErrors.log").as_deref(), Some(""));
    let second = copy.export();
    let compared = |lines: &[Value]| lines.iter().map(comparable).collect::<Vec<_>>();
    assert_eq!(compared(&first), compared(&second), "differences must be 0");
    let parent = copy.device("middle-edge")["deviceScope"].clone();
    assert_eq!(copy.device("a-leaf")["deviceScope"], parent, "scopes are those of the new hub");
    assert_ne!(parent, first[place("middle-edge")]["deviceScope"]);
}

#[test]
fn keys_are_left_out_on_request() {
    let dir = TempDir::new();
    let world = World::open(&dir, &Arc::<Memory>::default());
    fill(&world);
    world.completed(&json!({
        "type": "export", "outputBlobContainerUri": container(), "outputBlobName": "x/y.txt",
        "excludeKeysInExport": true,
    }));
    let lines = world.storage.lines("x/y.txt");
    assert!(!lines.is_empty());
    for line in lines {
        let keys = &line["authentication"]["symmetricKey"];
        assert_eq!(*keys, json!({ "primaryKey": null, "secondaryKey": null }), "{line}");
    }
}

#[test]
fn devices_with_more_modules_than_a_page_holds_come_whole() {
    let dir = TempDir::new();
    let world = World::open(&dir, &Arc::<Memory>::default());
    let large = "x".repeat(3000);
    let mut lines = Vec::new();
    for device in 0..12 {
        let id = format!("d{device:02}");
        lines.push(json!({ "id": id }));
        let tags: serde_json::Map<_, _> =
            (0..2).map(|n| (format!("t{n}"), Value::from(&*large))).collect();
        lines.extend(
            (0..20).map(|m| json!({ "id": id, "moduleId": format!("m{m:02}"), "tags": tags })),
        );
    }
    assert_eq!(world.import(&file(&lines)), Vec::<Value>::new());
    let names = |lines: &[Value]| {
        let name = |line: &Value| (line["id"].to_string(), line["moduleId"].to_string());
        lines.iter().map(name).collect::<Vec<_>>()
    };
    let exported = world.export();
    assert_eq!(names(&exported), names(&lines));
}

#[test]
fn a_hub_without_devices_writes_an_empty_blob() {
    let dir = TempDir::new();
    let world = World::open(&dir, &Arc::<Memory>::default());
    assert_eq!(world.export(), Vec::<Value>::new());
    assert_eq!(world.storage.get("devices.txt").as_deref(), Some(""));
}
