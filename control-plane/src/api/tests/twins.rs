//! Twins over REST, and as devices use them beside it.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::ETAG;
use ringhub_core::id::{ConnectionId, DeviceId, HubId, Identity, ModuleId, SeatId, ShardId};
use ringhub_core::time::UnixMillis;
use ringhub_core::twin::DesiredChange;
use serde_json::{Value, json};

use super::{Client, body, call, refused, verdict};
use crate::directory::{AuthScope, Grant, Proof};
use crate::tests::{TempDir, config, open};
use crate::twin::TwinReply;
use crate::{ControlPlane, Shards};

const HUB: HubId = HubId(0);

impl Client<'_> {
    fn patch(&self, path: &str, if_match: Option<&str>, body: &Value) -> super::Response {
        self.send("PATCH", path, if_match, body)
    }
}

fn identity(device: &str, module: Option<&str>) -> Identity {
    Identity {
        device: DeviceId::parse(device).expect("valid"),
        module: module.map(|id| ModuleId::parse(id).expect("valid")),
    }
}

/// What a device that has connected holds.
fn grant(client: &Client<'_>, device: &str, module: Option<&str>) -> Grant {
    let path = match module {
        None => format!("/devices/{device}"),
        Some(module) => format!("/devices/{device}/modules/{module}"),
    };
    let generation = body(&client.get(&path))["generationId"].as_str().map(str::parse::<u64>);
    let generation = generation.expect("registered").expect("a number");
    Grant {
        hub: HUB,
        identity: identity(device, module),
        generation: crate::directory::GenerationId(generation),
        expires: UnixMillis::from_millis(i64::MAX),
        scope: AuthScope::Device,
        proof: Proof::Token,
        edition: 0,
    }
}

fn read(control: &ControlPlane, grant: &Grant) -> TwinReply {
    let (sender, receiver) = flume::bounded(1);
    control.read_twin(grant, Box::new(move |reply| drop(sender.send(reply))));
    receiver.recv().expect("every request is answered")
}

fn report(control: &ControlPlane, grant: &Grant, patch: &str, version: Option<u64>) -> TwinReply {
    let (sender, receiver) = flume::bounded(1);
    let patch = Bytes::copy_from_slice(patch.as_bytes());
    control.report_twin(grant, version, patch, Box::new(move |reply| drop(sender.send(reply))));
    receiver.recv().expect("every request is answered")
}

/// Status and body as the device gets them.
fn told(reply: &TwinReply) -> (u16, Value) {
    let json = |body: &[u8]| serde_json::from_slice(body).expect("the body is JSON");
    match reply {
        TwinReply::Twin(twin) => (200, json(twin)),
        TwinReply::Reported(version) => (204, json!(version)),
        TwinReply::Refused(refusal) => {
            let (status, body) = refusal.device_error();
            (status, json(&body))
        }
    }
}

fn status_of(reply: &TwinReply) -> u16 {
    told(reply).0
}

fn json_of(reply: &TwinReply) -> Value {
    told(reply).1
}

#[test]
fn a_new_identity_has_the_twin_of_the_beginning() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    client.put("/devices/t1", None, &json!({"statusReason": "new"}));
    client.put("/devices/t1/modules/m1", None, &json!({}));

    let found = client.get("/twins/t1");
    assert_eq!(verdict(&found), refused(200, ""));
    assert_eq!(found.headers[ETAG], "\"AAAAAAAAAAE=\"");
    let device = body(&client.get("/devices/t1"));
    let mut twin = body(&found);
    let created = twin["properties"]["desired"]["$metadata"]["$lastUpdated"].take();
    assert!(created.as_str().is_some_and(|time| time.starts_with("20") && time.ends_with('Z')));
    assert_eq!(twin["properties"]["reported"]["$metadata"]["$lastUpdated"].take(), created);
    let section = json!({"$metadata": {"$lastUpdated": null}, "$version": 1});
    let never = "0001-01-01T00:00:00Z";
    assert_eq!(
        twin,
        json!({
            "deviceId": "t1", "etag": "AAAAAAAAAAE=", "deviceEtag": device["etag"],
            "status": "enabled", "statusReason": "new", "statusUpdateTime": never,
            "connectionState": "Disconnected", "lastActivityTime": never,
            "cloudToDeviceMessageCount": 0, "authenticationType": "sas",
            "x509Thumbprint": {"primaryThumbprint": null, "secondaryThumbprint": null},
            "modelId": "", "version": 2, "capabilities": {"iotEdge": false},
            "properties": {"desired": section, "reported": section},
        })
    );
    let module = body(&client.get("/TWINS/t1/Modules/m1/"));
    assert_eq!((&module["deviceId"], &module["moduleId"]), (&json!("t1"), &json!("m1")));
    assert!(module.get("statusReason").is_none() && module.get("tags").is_none());
}

#[test]
fn patches_merge_and_replacements_replace() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "service");
    Client::new(&control, "registryReadWrite").put("/devices/t1", None, &json!({}));
    let patch = json!({"tags": {"site": "A1"}, "properties": {"desired": {"r": 5, "s": {"x": 1}}}});
    let patched = client.patch("/twins/t1", None, &patch);
    assert_eq!(verdict(&patched), refused(200, ""));
    let twin = body(&patched);
    assert_eq!(twin["version"], 3);
    assert_eq!(twin["properties"]["desired"]["$version"], 2);
    assert_eq!(twin["properties"]["desired"]["$metadata"]["s"]["x"]["$lastUpdatedVersion"], 2);
    assert_eq!(patched.headers[ETAG], "\"AAAAAAAAAAI=\"");
    assert_eq!(body(&client.get("/twins/t1")), twin, "a read sees what was answered");

    // Tools send back the whole twin with what they have changed.
    let mut whole = twin.clone();
    whole["properties"]["desired"]["r"] = Value::Null;
    let twin = body(&client.patch("/twins/t1", Some("\"AAAAAAAAAAI=\""), &whole));
    assert_eq!(twin["properties"]["desired"]["$version"], 3);
    assert_eq!(twin["properties"]["desired"]["s"], json!({"x": 1}));
    assert!(twin["properties"]["desired"].get("r").is_none());

    let new = json!({"properties": {"desired": {"only": [1, 2]}}});
    let twin = body(&client.put("/twins/t1", None, &new));
    assert_eq!(twin["tags"], json!({"site": "A1"}), "an absent section stays");
    assert_eq!(twin["properties"]["desired"]["$version"], 4);
    assert!(twin["properties"]["desired"].get("s").is_none());
    let twin = body(&client.put("/twins/t1", Some("*"), &json!({"tags": null})));
    assert_eq!((twin.get("tags"), &twin["version"]), (None, &json!(6)));
    assert_eq!(twin["properties"]["desired"]["only"], json!([1, 2]));
}

#[test]
fn only_the_version_that_was_named_is_changed() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    client.put("/devices/t1", None, &json!({}));
    let patch = |n: u32| json!({"properties": {"desired": {"n": n}}});
    for (n, if_match, expected) in [
        (1, Some("\"AAAAAAAAAAI=\""), refused(412, "PreconditionFailed")),
        (2, Some("\"AAAAAAAAAAE=\""), refused(200, "")),
        (3, Some("\"AAAAAAAAAAE=\""), refused(412, "PreconditionFailed")),
        (4, Some("W/\"AAAAAAAAAAI=\""), refused(200, "")),
        (5, Some("\"*\""), refused(200, "")),
        (6, Some("*"), refused(200, "")),
        (7, None, refused(200, "")),
        (8, Some("AAAAAAAAAAE="), refused(200, "")),
    ] {
        let response = client.patch("/twins/t1", if_match, &patch(n));
        assert_eq!(verdict(&response), expected, "{n} {if_match:?}");
    }
    let twin = body(&client.get("/twins/t1"));
    assert_eq!((&twin["properties"]["desired"]["n"], &twin["version"]), (&json!(8), &json!(8)));
}

#[test]
fn bad_requests_are_refused_and_change_nothing() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    client.put("/devices/t1", None, &json!({}));
    let before = client.get("/twins/t1").body;
    let argument = || refused(400, "ArgumentInvalid");
    let desired = |desired: Value| json!({"tags": {"good": 1}, "properties": {"desired": desired}});
    for (patch, place) in [
        (json!([]), "body"),
        (json!({"tags": 5}), "tags"),
        (desired(json!({"a": {"b.c": 1}})), "properties.desired.a.b.c"),
        (desired(json!({"a": [1, null]})), "properties.desired.a.1"),
        (desired(json!({"big": 4_503_599_627_370_496_i64})), "properties.desired.big"),
        (desired(json!({"text": "x".repeat(4097)})), "properties.desired.text"),
        (json!({"tags": {"a": "x".repeat(4096), "b": "x".repeat(4096)}}), "tags"),
    ] {
        let response = client.patch("/twins/t1", None, &patch);
        assert_eq!(verdict(&response), argument(), "{place}");
        let message = body(&response)["Message"].as_str().map(ToOwned::to_owned);
        let expected = format!("ErrorCode:ArgumentInvalid;{place}: ");
        assert!(message.as_ref().is_some_and(|m| m.starts_with(&expected)), "{message:?}");
    }
    let mut request = client.request("PATCH", "/twins/t1", None, &Value::Null);
    assert_eq!(verdict(&call(&control, request.clone())), refused(400, "ArgumentNull"));
    request.body = Bytes::from_static(b"{\"tags\":");
    assert_eq!(verdict(&call(&control, request)), argument());
    assert_eq!(client.get("/twins/t1").body, before);

    let patch = json!({"tags": {}});
    for (path, name) in [
        ("/twins/t2", "DeviceNotFound"),
        ("/twins/t2/modules/m", "DeviceNotFound"),
        ("/twins/t1/modules/m", "ModuleNotFound"),
    ] {
        assert_eq!(verdict(&client.get(path)), refused(404, name));
        assert_eq!(verdict(&client.patch(path, None, &patch)), refused(404, name));
        assert_eq!(verdict(&client.put(path, Some("\"x\""), &patch)), refused(404, name));
    }
    let delete = client.send("DELETE", "/twins/t1", None, &Value::Null);
    assert_eq!(verdict(&delete), refused(405, "GenericMethodNotAllowed"));
    for policy in ["registryRead", "registryReadWrite", "device"] {
        let client = Client::new(&control, policy);
        for response in [client.get("/twins/t1"), client.patch("/twins/t1", None, &patch)] {
            assert_eq!(verdict(&response), refused(401, "IotHubUnauthorizedAccess"), "{policy}");
        }
    }
}

#[test]
fn devices_read_and_report() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    client.put("/devices/t1", None, &json!({}));
    client.put("/devices/t1/modules/m1", None, &json!({}));
    for module in [None, Some("m1")] {
        let grant = grant(&client, "t1", module);
        let path = if module.is_some() { "/twins/t1/modules/m1" } else { "/twins/t1" };
        let found = read(&control, &grant);
        assert!(matches!(found, TwinReply::Twin(_)), "{found:?}");
        let fresh = json!({"desired": {"$version": 1}, "reported": {"$version": 1}});
        assert_eq!(json_of(&found), fresh);
        let reply = report(&control, &grant, r#"{"fan":3,"old":"x"}"#, None);
        assert_eq!(reply, TwinReply::Reported(2));
        let reply = report(&control, &grant, r#"{"old":null}"#, Some(2));
        assert_eq!(reply, TwinReply::Reported(3));
        client.patch(path, None, &json!({"properties": {"desired": {"fan": 5}}}));
        let expected =
            json!({"desired": {"fan": 5, "$version": 2}, "reported": {"fan": 3, "$version": 3}});
        assert_eq!(json_of(&read(&control, &grant)), expected);
        let twin = body(&client.get(path));
        assert_eq!(twin["version"], 5);
        assert_eq!(twin["etag"], "AAAAAAAAAAI=", "reports leave the etag");
        let metadata = &twin["properties"]["reported"]["$metadata"];
        assert!(metadata["fan"]["$lastUpdated"].is_string());
        assert!(metadata.get("$lastUpdatedVersion").is_none());

        let stale = report(&control, &grant, r#"{"fan":4}"#, Some(2));
        assert_eq!(
            (status_of(&stale), json_of(&stale)["errorCode"].as_u64()),
            (412, Some(412_001))
        );
        for patch in ["", "[]", "null", "{", r#"{"a.b":1}"#, r#"{"a":[null]}"#] {
            let reply = report(&control, &grant, patch, None);
            let error = json_of(&reply);
            assert_eq!(
                (status_of(&reply), error["errorCode"].as_u64()),
                (400, Some(400_004)),
                "{patch}"
            );
            assert!(error["trackingId"].as_str().is_some_and(|id| id.contains("-TimeStamp:")));
            assert!(error["timestampUtc"].as_str().is_some_and(|time| time.ends_with('Z')));
        }
        assert_eq!(json_of(&read(&control, &grant)), expected);
    }
}

#[test]
fn a_deleted_identity_leaves_no_twin_and_its_device_no_trace() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    let paths = ["/devices/t1", "/devices/t1/modules/m1"];
    let twins = ["/twins/t1", "/twins/t1/modules/m1"];
    let make = || paths.iter().for_each(|path| drop(client.put(path, None, &json!({}))));
    make();
    let grants = [grant(&client, "t1", None), grant(&client, "t1", Some("m1"))];
    for (path, grant) in twins.iter().zip(&grants) {
        client.patch(path, None, &json!({"tags": {"a": 1}, "properties": {"desired": {"b": 2}}}));
        assert_eq!(status_of(&report(&control, grant, r#"{"c":3}"#, None)), 204);
    }
    // A module that is deleted alone leaves the twin of its device.
    client.send("DELETE", paths[1], None, &Value::Null);
    assert_eq!(body(&client.get(twins[0]))["version"], 4);
    client.put(paths[1], None, &json!({}));
    assert_eq!(body(&client.get(twins[1]))["version"], 2);
    // A module that reports until its device is deleted.
    let last = grant(&client, "t1", Some("m1"));
    assert_eq!(status_of(&report(&control, &last, r#"{"c":3}"#, None)), 204);
    client.send("DELETE", paths[0], None, &Value::Null);
    make();
    assert_eq!(status_of(&report(&control, &last, r#"{"c":4}"#, None)), 404);
    for (path, grant) in twins.iter().zip(&grants) {
        // What the device of the former identity still sends finds nothing.
        assert_eq!(status_of(&report(&control, grant, r#"{"c":4}"#, None)), 404);
        assert_eq!(status_of(&read(&control, grant)), 404);
        let twin = body(&client.get(path));
        assert_eq!((&twin["version"], &twin["etag"]), (&json!(2), &json!("AAAAAAAAAAE=")));
        assert_eq!(twin.get("tags"), None);
        assert!(twin["properties"]["reported"].get("c").is_none());
    }
}

/// What a device hears, in order.
#[derive(Debug, PartialEq)]
enum Heard {
    Desired(u64, Value),
    Read(Value),
}

struct Ear(Arc<Mutex<Vec<Heard>>>);

impl Shards for Ear {
    fn desired_changed(&self, _: SeatId, _: &Identity, change: &DesiredChange) {
        let patch = serde_json::from_slice(&change.patch).expect("a patch is JSON");
        self.0.lock().expect("no panic").push(Heard::Desired(change.version, patch));
    }
}

#[test]
fn a_connected_device_hears_changes_and_reads_in_one_order() {
    let dir = TempDir::new();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let control = ControlPlane::open(&config(dir.path()), Arc::new(Ear(heard.clone())));
    let control = control.expect("a fresh directory opens");
    let client = Client::new(&control, "iothubowner");
    client.put("/devices/t1", None, &json!({}));
    let desired = |desired: Value| json!({"properties": {"desired": desired}});
    client.patch("/twins/t1", None, &desired(json!({"unheard": 1})));
    let grant = grant(&client, "t1", None);
    let seat = SeatId::only(ConnectionId { shard: ShardId(0), slot: 0, generation: 0 });
    control.directory().reserve(&grant, seat, UnixMillis::EPOCH).expect("enabled");
    client.patch("/twins/t1", None, &desired(json!({"a": {"x": null}, "$version": 9})));
    client.patch("/twins/t1", None, &json!({"tags": {"quiet": 1}}));
    client.put("/twins/t1", None, &desired(json!({"b": [1]})));
    let expected = [
        Heard::Desired(3, json!({"a": {"x": null}, "$version": 3})),
        Heard::Desired(4, json!({"b": [1], "$version": 4})),
    ];
    assert_eq!(*heard.lock().expect("no panic"), expected);
    heard.lock().expect("no panic").clear();

    // Many at once, so that they share transactions: no read may be older than what came before it.
    let (sender, answered) = flume::unbounded();
    for number in 0..200 {
        let (sender, heard) = (sender.clone(), heard.clone());
        if number % 2 == 0 {
            let patch = desired(json!({"n": number}));
            let request = client.request("PATCH", "/twins/t1", None, &patch);
            control.submit(
                request,
                Box::new(move |r| sender.send(r.status.as_u16()).expect("the test waits")),
            );
        } else {
            let done = Box::new(move |reply: TwinReply| {
                let twin = json_of(&reply)["desired"]["$version"].take();
                heard.lock().expect("no panic").push(Heard::Read(twin));
                sender.send(status_of(&reply)).expect("the test waits");
            });
            control.read_twin(&grant, done);
        }
    }
    assert!(answered.iter().take(200).all(|status| status == 200));
    let mut version = 4;
    for heard in heard.lock().expect("no panic").iter() {
        match heard {
            Heard::Desired(new, _) => {
                assert_eq!(*new, version + 1, "no version is left out");
                version = *new;
            }
            Heard::Read(found) => assert_eq!(*found, version, "a read is neither older nor newer"),
        }
    }
    assert_eq!(version, 104);
}

#[test]
fn two_writers_lose_no_update() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    client.put("/devices/t1", None, &json!({}));
    let device = grant(&client, "t1", None);
    std::thread::scope(|scope| {
        let count = || {
            let client = Client::new(&control, "iothubowner");
            for _ in 0..25 {
                // Reads, adds one and writes on the condition that nobody else did, until it works.
                loop {
                    let twin = client.get("/twins/t1");
                    let n = body(&twin)["tags"]["n"].as_u64().unwrap_or(0) + 1;
                    let etag = twin.headers[ETAG].to_str().expect("text");
                    let patch = json!({"tags": {"n": n}});
                    let response = client.patch("/twins/t1", Some(etag), &patch);
                    if response.status == 200 {
                        break;
                    }
                    assert_eq!(verdict(&response), refused(412, "PreconditionFailed"));
                }
            }
        };
        scope.spawn(count);
        scope.spawn(count);
        scope.spawn(|| {
            for n in 0..25 {
                let patch = format!(r#"{{"p{n}":{n}}}"#);
                assert_eq!(status_of(&report(&control, &device, &patch, Some(n + 1))), 204);
            }
        });
    });
    let twin = body(&client.get("/twins/t1"));
    assert_eq!(twin["tags"]["n"], 50);
    assert_eq!(twin["version"], 2 + 50 + 25);
    assert_eq!(twin["properties"]["reported"]["p24"], 24);
}

#[test]
fn a_twin_survives_a_restart_as_it_was() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    client.put("/devices/t1", None, &json!({}));
    let patch = json!({
        "tags": {"text": "ü\n\"", "number": 0.1},
        "properties": {"desired": {"list": [1.5, {"x": 2e-7}], "deep": {"a": {"b": false}}}},
    });
    client.patch("/twins/t1", None, &patch);
    report(&control, &grant(&client, "t1", None), r#"{"seen":true,"f":123.456789012345678}"#, None);
    let before = client.get("/twins/t1").body;
    control.shutdown();
    let control = open(&dir);
    assert_eq!(Client::new(&control, "iothubowner").get("/twins/t1").body, before);
}
