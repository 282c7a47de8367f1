//! What lists of items do besides registering identities: twins and keys.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Client, body, open, refused, verdict};
use crate::tests::TempDir;

fn bulk(client: &Client<'_>, items: &Value) -> (u16, Value) {
    let answer = client.send("POST", "/devices", None, items);
    (answer.status.as_u16(), body(&answer))
}

#[test]
fn twins_come_with_their_identities() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    let twin = |path: &str| body(&client.get(&format!("/twins/{path}")));
    let desired = |value| json!({"desired": {"a": value, "$version": 9}, "reported": {"b": 1}});
    let items = json!([
        {"id": "d", "tags": {"floor": 3}, "properties": desired(1)},
        {"id": "d", "moduleId": "m", "tags": {"x": "y"}},
        {"id": "plain"},
    ]);
    assert_eq!(
        bulk(&client, &items),
        (200, json!({"isSuccessful": true, "errors": [], "warnings": []}))
    );
    assert_eq!(twin("d")["tags"], json!({"floor": 3}));
    assert_eq!(twin("d")["properties"]["desired"]["a"], 1);
    assert_eq!(twin("d")["properties"]["reported"]["b"], Value::Null, "the device's own");
    assert_eq!(twin("d/modules/m")["tags"], json!({"x": "y"}));
    assert_eq!(twin("plain")["etag"], "AAAAAAAAAAE=");

    let etag = twin("d")["etag"].clone();
    let item = |mode: &str, etag: &Value| {
        json!([{"id": "d", "importMode": mode, "twinETag": etag, "tags": {"room": 5, "floor": null},
                "properties": desired(2)}])
    };
    assert_eq!(bulk(&client, &item("updateTwinIfMatchETag", &json!("AAAAAAAAAAE="))).0, 400);
    assert_eq!(bulk(&client, &item("updateTwinIfMatchETag", &etag)).0, 200);
    assert_eq!(twin("d")["tags"], json!({"room": 5}));
    let before = twin("d")["deviceEtag"].clone();
    assert_eq!(
        bulk(&client, &json!([{"id": "d", "importMode": "createOrUpdate", "tags": {"new": 1}}])).0,
        200
    );
    assert_eq!(twin("d")["tags"], json!({"new": 1}), "the sections given take their place");
    assert_eq!(twin("d")["properties"]["desired"]["a"], 2, "the others stay");
    assert_ne!(twin("d")["deviceEtag"], before);
}

#[test]
fn a_twin_that_is_refused_leaves_its_identity_with_a_warning() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    let large = "x".repeat(4000);
    let items = json!([
        {"id": "d", "tags": {"a": large, "b": large, "c": large}},
        {"id": "e", "tags": 5},
    ]);
    let (status, answer) = bulk(&client, &items);
    assert_eq!(status, 400);
    assert_eq!(answer["errors"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["errors"][0]["deviceId"], "e");
    assert_eq!(answer["errors"][0]["errorCode"], "ArgumentInvalid");
    assert_eq!(answer["warnings"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["warnings"][0]["warningCode"], "DeviceRegisteredWithoutTwin");
    assert_eq!(client.get("/devices/d").status, 200);
    assert_eq!(client.get("/devices/e").status, 404);
    let twinless = json!([{"id": "d", "importMode": "updateTwin"}]);
    assert_eq!(bulk(&client, &twinless).1["errors"][0]["errorCode"], "ArgumentInvalid");
}

#[test]
fn keys_are_made_anew_one_by_one_or_both() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "registryReadWrite");
    client.put("/devices/d", None, &json!({}));
    client.put("/devices/d/modules/m", None, &json!({}));
    client.put("/devices/ca", None, &json!({"authentication": {"type": "certificateAuthority"}}));
    let keys = |path: &str| {
        let found = body(&client.get(path))["authentication"]["symmetricKey"].clone();
        ["primaryKey", "secondaryKey"].map(|name| found[name].as_str().map(ToOwned::to_owned))
    };
    let rotate = |key: &str, devices: Value| {
        let request = json!({"policyKey": key, "devices": devices});
        let answer = client.send("POST", "/devices/keys/regenerate", None, &request);
        (answer.status.as_u16(), body(&answer))
    };
    let mut all: BTreeSet<_> = keys("/devices/d").into_iter().collect();
    for (key, changed) in
        [("primaryKey", [true, false]), ("SecondaryKey", [false, true]), ("both", [true, true])]
    {
        let old = keys("/devices/d");
        let (status, answer) = rotate(key, json!([{"id": "d", "moduleId": null}]));
        let new = keys("/devices/d");
        assert_eq!((status, &answer["policyKey"]), (200, &json!(key)));
        assert_eq!(answer["rotatedKeys"][0]["primaryKey"], json!(new[0]));
        assert_eq!([old[0] != new[0], old[1] != new[1]], changed, "{key}");
        all.extend(new);
    }
    assert_eq!(all.len(), 6, "no key comes twice");
    let module = keys("/devices/d/modules/m");
    let some = json!([{"id": "d", "moduleId": "m"}, {"id": "ca"}, {"id": "none"}]);
    let (status, answer) = rotate("both", some);
    assert_eq!((status, answer["rotatedKeys"].as_array().map(Vec::len)), (207, Some(1)));
    assert_ne!(keys("/devices/d/modules/m"), module);
    let codes = [&answer["errors"][0]["errorCode"], &answer["errors"][1]["errorCode"]];
    assert_eq!(codes, ["ArgumentInvalid", "DeviceNotFound"]);
    assert_eq!(rotate("both", json!([{"id": "none"}])).0, 400);

    let refusal =
        |request: Value| verdict(&client.send("POST", "/devices/keys/regenerate", None, &request));
    let one = json!([{"id": "d"}]);
    assert_eq!(
        refusal(json!({"policyKey": "third", "devices": one})),
        refused(400, "InvalidPolicyKey")
    );
    assert_eq!(refusal(json!({"devices": one})), refused(400, "InvalidPolicyKey"));
    assert_eq!(refusal(json!({"policyKey": "both", "devices": []})), refused(400, "ArgumentNull"));
    assert_eq!(refusal(json!({"policyKey": "both"})), refused(400, "ArgumentInvalid"));
    let twice = json!({"policyKey": "both", "devices": [{"id": "d"}, {"id": "d"}]});
    assert_eq!(refusal(twice), refused(400, "DeviceDefinedMultipleTimes"));
    let reader = Client::new(&control, "registryRead");
    let answer = reader.send("POST", "/devices/keys/regenerate", None, &json!({}));
    assert_eq!(verdict(&answer), refused(401, "IotHubUnauthorizedAccess"));
}
