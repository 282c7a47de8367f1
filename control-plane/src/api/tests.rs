//! Requests through the whole control plane, as a shard submits them.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;

use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HOST, IF_MATCH};
use http::{HeaderMap, HeaderValue, Method};
use ringhub_core::auth::sas_token::sign;
use ringhub_core::id::HubId;
use ringhub_core::limits::REST_QUEUE_MAX;
use serde_json::{Value, json};

use super::{Request, Response};
use crate::ControlPlane;
use crate::tests::{HOST_NAME, TempDir, open};

const FAR_FUTURE: u64 = 4_000_000_000;

/// A service client that signs with one policy.
pub(crate) struct Client<'c> {
    control: &'c ControlPlane,
    authorization: String,
}

impl<'c> Client<'c> {
    pub(crate) fn new(control: &'c ControlPlane, policy: &str) -> Self {
        Self { control, authorization: token(control, policy, HOST_NAME, FAR_FUTURE) }
    }

    /// The token that it sends.
    pub(crate) fn authorization(&self) -> &str {
        &self.authorization
    }

    pub(crate) fn request(
        &self,
        verb: &str,
        path: &str,
        if_match: Option<&str>,
        body: &Value,
    ) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static(HOST_NAME));
        let authorization = HeaderValue::try_from(&self.authorization).expect("a header value");
        headers.insert(AUTHORIZATION, authorization);
        if let Some(value) = if_match {
            headers.insert(IF_MATCH, HeaderValue::try_from(value).expect("a header value"));
        }
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        Request {
            method: Method::from_bytes(verb.as_bytes()).expect("a method"),
            path_and_query: format!("{path}?api-version=2021-04-12"),
            headers,
            properties: Vec::new(),
            body: body.into(),
        }
    }

    pub(crate) fn send(
        &self,
        verb: &str,
        path: &str,
        if_match: Option<&str>,
        body: &Value,
    ) -> Response {
        call(self.control, self.request(verb, path, if_match, body))
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.send("GET", path, None, &Value::Null)
    }

    pub(crate) fn put(&self, path: &str, if_match: Option<&str>, body: &Value) -> Response {
        self.send("PUT", path, if_match, body)
    }
}

fn token(control: &ControlPlane, policy: &str, resource: &str, expiry: u64) -> String {
    let policies = control.policies(HubId(0));
    let found = policies.iter().find(|p| p.name == policy).expect("a default policy");
    sign(resource, found.keys.primary(), expiry, Some(policy))
}

pub(crate) fn call(control: &ControlPlane, request: Request) -> Response {
    let (sender, receiver) = flume::bounded(1);
    control.submit(request, Box::new(move |response| drop(sender.send(response))));
    receiver.recv().expect("every request is answered")
}

pub(crate) fn body(response: &Response) -> Value {
    serde_json::from_slice(&response.body).expect("the body is JSON")
}

/// Status, and the name of the error if there is one. Checks what every answer must have.
pub(crate) fn verdict(response: &Response) -> (u16, String) {
    let status = response.status.as_u16();
    let header = |name: &str| response.headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(header("x-ms-request-id").map(str::len), Some(36), "{response:?}");
    assert_eq!(response.headers.contains_key(CONTENT_TYPE), !response.body.is_empty());
    let name = header("iothub-errorcode").unwrap_or_default();
    if !name.is_empty() {
        let body = body(response);
        let message = body["Message"].as_str().expect("errors have a message");
        let (code, text) = message.split_once(';').expect("code and text");
        assert_eq!(code, format!("ErrorCode:{name}"));
        assert!(!text.is_empty());
        assert!(body["ExceptionMessage"].as_str().is_some_and(|t| t.starts_with("Tracking ID:")));
    }
    (status, name.to_owned())
}

fn etag(response: &Response) -> String {
    let header = response.headers.get(ETAG).and_then(|value| value.to_str().ok());
    let quoted = header.expect("identities have an etag").to_owned();
    assert_eq!(body(response)["etag"], json!(quoted.trim_matches('"')));
    quoted
}

fn refused(status: u16, name: &str) -> (u16, String) {
    (status, name.to_owned())
}

#[test]
fn the_smoke_sequence_of_the_reference_passes() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    let t1 = json!({"deviceId": "t1"});

    let created = client.put("/devices/t1", None, &t1);
    assert_eq!(verdict(&created), refused(200, ""));
    let e1 = etag(&created);
    let keys = &body(&created)["authentication"]["symmetricKey"];
    assert_eq!(keys["primaryKey"].as_str().map(str::len), Some(44));
    assert_ne!(keys["primaryKey"], keys["secondaryKey"]);

    let again = client.put("/devices/t1", None, &t1);
    assert_eq!(verdict(&again), refused(409, "DeviceAlreadyExists"));
    let disabled = json!({"deviceId": "t1", "status": "disabled"});
    let updated = client.put("/devices/t1", Some("\"*\""), &disabled);
    assert_eq!(verdict(&updated).0, 200);
    assert_ne!(etag(&updated), e1);
    assert_ne!(body(&updated)["statusUpdatedTime"], json!("0001-01-01T00:00:00"));
    assert_eq!(&body(&updated)["authentication"]["symmetricKey"], keys, "keys are kept");
    let stale = client.put("/devices/t1", Some(&e1), &t1);
    assert_eq!(verdict(&stale), refused(412, "PreconditionFailed"));

    let module = json!({"moduleId": "m1", "deviceId": "t1"});
    assert_eq!(verdict(&client.put("/devices/t1/modules/m1", None, &module)).0, 200);
    let twice = client.put("/devices/t1/modules/m1", None, &module);
    assert_eq!(verdict(&twice), refused(409, "ModuleAlreadyExistsOnDevice"));

    let bulk =
        client.send("POST", "/devices", None, &json!([{"id": "t1", "importMode": "create"}]));
    assert_eq!(bulk.status, 400);
    assert_eq!(body(&bulk)["isSuccessful"], json!(false));
    assert_eq!(body(&bulk)["errors"][0]["errorCode"], json!("DeviceAlreadyExists"));

    let nothing = Value::Null;
    let delete = |path, tag| verdict(&client.send("DELETE", path, tag, &nothing));
    assert_eq!(delete("/devices/t1/modules/m1", None).0, 204);
    assert_eq!(delete("/devices/t1", Some("*")).0, 204);
    assert_eq!(verdict(&client.get("/devices/t1")), refused(404, "DeviceNotFound"));
    assert_eq!(
        body(&client.get("/statistics/devices")),
        json!({"totalDeviceCount": 0, "enabledDeviceCount": 0, "disabledDeviceCount": 0})
    );
    control.shutdown();
}

#[test]
fn a_device_has_exactly_the_members_of_the_reference() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "registryReadWrite");
    let mut device = body(&client.put("/devices/pump-7", None, &json!({"DeviceID": "pump-7"})));
    for (member, digits) in [("generationId", 18), ("etag", 4)] {
        let text = device[member].take();
        assert!(text.as_str().is_some_and(|text| text.len() >= digits), "{member}: {text}");
    }
    for key in ["primaryKey", "secondaryKey"] {
        assert!(device["authentication"]["symmetricKey"][key].take().is_string());
    }
    let expected = json!({
        "deviceId": "pump-7", "generationId": null, "etag": null,
        "connectionState": "Disconnected", "status": "enabled", "statusReason": null,
        "connectionStateUpdatedTime": "0001-01-01T00:00:00",
        "statusUpdatedTime": "0001-01-01T00:00:00",
        "lastActivityTime": "0001-01-01T00:00:00", "cloudToDeviceMessageCount": 0,
        "authentication": {
            "symmetricKey": {"primaryKey": null, "secondaryKey": null},
            "x509Thumbprint": {"primaryThumbprint": null, "secondaryThumbprint": null},
            "type": "sas",
        },
        "capabilities": {"iotEdge": false}, "deviceScope": null, "parentScopes": [],
    });
    assert_eq!(device, expected);
}

#[test]
fn if_match_decides_as_the_table_says() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    let device = json!({"deviceId": "d"});
    for (present, if_match, put, delete) in [
        (false, None, 200, 404),
        (false, Some("*"), 404, 404),
        (false, Some("\"*\""), 404, 404),
        (false, Some("\"MQ==\""), 404, 404),
        (false, Some("MQ=="), 200, 404),
        (true, None, 409, 204),
        (true, Some("*"), 200, 204),
        (true, Some("\"*\""), 200, 204),
        (true, Some("\"stale\""), 412, 412),
        (true, Some("current"), 200, 204),
        (true, Some("stale"), 409, 204),
    ] {
        for (verb, expected) in [("PUT", put), ("DELETE", delete)] {
            client.send("DELETE", "/devices/d", None, &Value::Null);
            let mut tag = if_match.map(ToOwned::to_owned);
            if present {
                let current = etag(&client.put("/devices/d", None, &device));
                tag = tag.map(|tag| if tag == "current" { current } else { tag });
            }
            let response = client.send(verb, "/devices/d", tag.as_deref(), &device);
            assert_eq!(response.status, expected, "{verb} {if_match:?}, present: {present}");
        }
    }
}

#[test]
fn requests_are_refused_with_the_codes_of_the_reference() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    let good = json!({"deviceId": "d"});
    let one_key = json!({"authentication": {"symmetricKey": {"primaryKey": "AAAA"}}});
    let long = json!({"statusReason": "x".repeat(129)});
    for (verb, path, body, expected) in [
        ("GET", "/nothing", &Value::Null, refused(404, "GenericNotFound")),
        ("PATCH", "/devices/d", &good, refused(405, "GenericMethodNotAllowed")),
        ("POST", "/statistics/devices", &good, refused(405, "GenericMethodNotAllowed")),
        ("PUT", "/devices/d", &Value::Null, refused(400, "ArgumentNull")),
        ("PUT", "/devices/d", &json!([]), refused(400, "ArgumentInvalid")),
        ("PUT", "/devices/other", &good, refused(400, "ArgumentInvalid")),
        ("PUT", "/devices/a%20b", &json!({}), refused(400, "ArgumentInvalid")),
        ("PUT", "/devices/d", &json!({"status": "odd"}), refused(400, "ArgumentInvalid")),
        ("PUT", "/devices/d", &long, refused(400, "ArgumentInvalid")),
        ("PUT", "/devices/d", &one_key, refused(400, "ArgumentInvalid")),
        ("PUT", "/devices/d", &json!({"deviceScope": "x"}), refused(400, "InvalidDeviceScope")),
        ("GET", "/devices/d/modules", &Value::Null, refused(404, "DeviceNotFound")),
        ("PUT", "/devices/d/modules/m", &json!({}), refused(404, "DeviceNotFound")),
        ("POST", "/devices", &json!([]), refused(400, "ArgumentNull")),
        (
            "POST",
            "/devices",
            &json!([{"id": "a"}, {"id": "a"}]),
            refused(400, "DeviceDefinedMultipleTimes"),
        ),
        ("POST", "/devices", &json!(vec![good.clone(); 101]), refused(413, "TooManyDevices")),
    ] {
        let response = client.send(verb, path, None, body);
        assert_eq!(verdict(&response), expected, "{verb} {path} {body}");
    }
    for query in ["", "?api-version=", "?api-version=latest", "?x=2021-04-12"] {
        let mut request = client.request("GET", "/devices/d", None, &Value::Null);
        request.path_and_query = format!("/devices/d{query}");
        let response = call(&control, request);
        assert_eq!(verdict(&response), refused(400, "InvalidProtocolVersion"), "{query}");
    }
}

/// Makes a good request a bad one.
type ChangeHeaders = Box<dyn Fn(&mut HeaderMap)>;

#[test]
fn authorization_failures_have_the_texts_seen_in_the_field() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "service");
    let keep = |_: &mut HeaderMap| {};
    let without = |headers: &mut HeaderMap| drop(headers.remove(AUTHORIZATION));
    let expired = token(&control, "iothubowner", HOST_NAME, 1_000_000_000);
    let elsewhere = token(&control, "iothubowner", "elsewhere.example", FAR_FUTURE);
    let narrow = token(&control, "iothubowner", &format!("{HOST_NAME}%2Fdevices%2Fx"), FAR_FUTURE);
    let replace = |token: String| {
        move |headers: &mut HeaderMap| {
            headers.insert(AUTHORIZATION, HeaderValue::try_from(&token).expect("a header value"));
        }
    };
    let rule = "Authorization rule 'service' does not allow access for '/devices/d'";
    let cases: [(ChangeHeaders, &str); 6] = [
        (Box::new(keep), rule),
        (Box::new(without), "Authorization header missing"),
        (Box::new(replace(expired)), "Unauthorized"),
        (Box::new(replace("Bearer x".to_owned())), "Unauthorized"),
        (Box::new(replace(elsewhere)), "Invalid token signature"),
        (Box::new(replace(narrow)), "Invalid token signature"),
    ];
    for (change, text) in cases {
        let mut request = client.request("GET", "/devices/d", None, &Value::Null);
        change(&mut request.headers);
        let response = call(&control, request);
        assert_eq!(verdict(&response), refused(401, "IotHubUnauthorizedAccess"));
        let expected = format!("ErrorCode:IotHubUnauthorizedAccess;{text}");
        assert_eq!(body(&response)["Message"], json!(expected));
    }
    let mut request = client.request("GET", "/devices/d", None, &Value::Null);
    request.headers.insert(HOST, HeaderValue::from_static("unknown.example"));
    assert_eq!(verdict(&call(&control, request)), refused(401, "IotHubNotFound"));
    assert_eq!(client.get("/statistics/service").status, 200, "any reader may see statistics");
}

#[test]
fn edge_devices_get_a_scope_and_their_modules_and_become_parents() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    let edge = body(&client.put("/devices/e", None, &json!({"capabilities": {"iotEdge": true}})));
    let generation = edge["generationId"].as_str().expect("text");
    let scope = json!(format!("ms-azure-iot-edge://e-{generation}"));
    assert_eq!(edge["deviceScope"], scope);
    let leaf = body(&client.put("/devices/leaf", None, &json!({"deviceScope": scope})));
    assert_eq!(leaf["parentScopes"], json!([scope]));
    let modules = body(&client.get("/devices/e/modules"));
    let mut ids: Vec<_> =
        modules.as_array().expect("a list").iter().map(|m| &m["moduleId"]).collect();
    ids.sort_by_key(ToString::to_string);
    assert_eq!(ids, [&json!("$edgeAgent"), &json!("$edgeHub")]);
    let response = client.send("DELETE", "/devices/e/modules/%24edgeHub", None, &Value::Null);
    assert_eq!(verdict(&response), refused(401, "SystemModuleModifyUnauthorizedAccess"));
}

#[test]
fn a_device_is_full_after_fifty_modules() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    client.put("/devices/d", None, &json!({}));
    for number in 0..50 {
        assert_eq!(
            client.put(&format!("/devices/d/modules/m{number}"), None, &json!({})).status,
            200
        );
    }
    let response = client.put("/devices/d/modules/m50", None, &json!({}));
    assert_eq!(verdict(&response), refused(413, "TooManyModulesOnDevice"));
}

#[test]
fn bulk_items_follow_their_import_mode() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    for (mode, etag, on_missing, on_existing) in [
        ("create", "", None, Some("DeviceAlreadyExists")),
        ("Update", "", Some("DeviceNotFound"), None),
        ("updateIfMatchETag", "stale", Some("DeviceNotFound"), Some("PreconditionFailed")),
        ("updateIfMatchETag", "*", Some("DeviceNotFound"), None),
        ("createOrUpdate", "", None, None),
        ("createOrUpdateIfMatchETag", "stale", None, Some("PreconditionFailed")),
        ("delete", "", Some("DeviceNotFound"), None),
        ("deleteIfMatchEtag", "*", Some("DeviceNotFound"), None),
        ("deleteIfMatchEtag", "stale", Some("DeviceNotFound"), Some("PreconditionFailed")),
        ("updateTwin", "", Some("DeviceNotFound"), None),
        ("updateTwinIfMatchETag", "stale", Some("DeviceNotFound"), Some("PreconditionFailed")),
        ("updateTwinIfMatchETag", "*", Some("DeviceNotFound"), None),
        ("other", "", Some("ArgumentInvalid"), Some("ArgumentInvalid")),
    ] {
        for (present, expected) in [(false, on_missing), (true, on_existing)] {
            client.send("DELETE", "/devices/d", None, &Value::Null);
            if present {
                client.put("/devices/d", None, &json!({}));
            }
            let mut item = json!({"id": "d", "importMode": mode, "tags": {"a": 1}});
            if !etag.is_empty() {
                item["etag"] = json!(etag);
                item["twinETag"] = json!(etag);
            }
            let response = client.send("POST", "/devices", None, &json!([item, {"id": "other"}]));
            let body = body(&response);
            let errors = body["errors"].as_array().expect("a list");
            let error = errors.iter().find(|row| row["deviceId"] == "d");
            let code = error.and_then(|row| row["errorCode"].as_str());
            assert_eq!(code, expected, "{mode} {etag}, present: {present}");
            assert_eq!(response.status == 200, errors.is_empty());
            assert_eq!(client.get("/devices/other").status, 200, "the other item is applied");
            client.send("DELETE", "/devices/other", None, &Value::Null);
        }
    }
}

#[test]
fn a_list_answers_at_most_what_is_asked_for() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "registryReadWrite");
    for number in 0..3 {
        client.put(&format!("/devices/d{number}"), None, &json!({}));
    }
    for (top, expected) in [("", 3), ("&top=2", 2), ("&top=0", 3), ("&TOP=1", 1), ("&top=x", 3)] {
        let mut request = client.request("GET", "/devices/", None, &Value::Null);
        request.path_and_query += top;
        let list = body(&call(&control, request));
        assert_eq!(list.as_array().map(Vec::len), Some(expected), "{top}");
    }
}

/// Many threads at once: of the creates of one id exactly one wins, and no update by etag is lost.
#[test]
fn concurrent_writers_neither_create_twice_nor_lose_updates() {
    const WRITERS: usize = 8;
    const UPDATES: usize = 25;
    let dir = TempDir::new();
    let control = Arc::new(open(&dir));
    let in_threads = |work: fn(&Client<'_>, usize) -> u16| -> HashMap<u16, usize> {
        let threads: Vec<_> = (0..WRITERS)
            .map(|number| {
                let control = control.clone();
                thread::spawn(move || work(&Client::new(&control, "iothubowner"), number))
            })
            .collect();
        let mut counts = HashMap::new();
        for thread in threads {
            *counts.entry(thread.join().expect("no writer panics")).or_default() += 1;
        }
        counts
    };
    let created =
        in_threads(|client, _| client.put("/devices/d", None, &json!({})).status.as_u16());
    assert_eq!(created, HashMap::from([(200, 1), (409, WRITERS - 1)]));

    let counted = in_threads(|client, _| {
        for _ in 0..UPDATES {
            loop {
                let current = client.get("/devices/d");
                let count = body(&current)["statusReason"].as_str().map_or(0, str::len);
                let next = json!({"statusReason": "x".repeat((count + 1) % 128)});
                if client.put("/devices/d", Some(&etag(&current)), &next).status == 200 {
                    break;
                }
            }
        }
        200
    });
    assert_eq!(counted.get(&200), Some(&WRITERS));
    let control = Arc::into_inner(control).expect("all threads are joined");
    let last = body(&Client::new(&control, "iothubowner").get("/devices/d"));
    let expected = (WRITERS * UPDATES) % 128;
    assert_eq!(last["statusReason"].as_str().map(str::len), Some(expected));
    control.shutdown();
}

#[test]
fn a_recreated_device_has_another_generation_and_other_keys() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    let first = body(&client.put("/devices/d", None, &json!({})));
    client.send("DELETE", "/devices/d", None, &Value::Null);
    let second = body(&client.put("/devices/d", None, &json!({})));
    assert_ne!(first["generationId"], second["generationId"]);
    assert_ne!(first["authentication"], second["authentication"]);
}

#[test]
fn a_whole_identity_may_come_back_as_input() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    let thumbprint = "0123456789abcdefABCDEF0123456789abcdefAB";
    let authentication = json!({"x509Thumbprint": {"primaryThumbprint": thumbprint}});
    let created = client.put("/devices/d", None, &json!({"authentication": authentication}));
    assert_eq!(body(&created)["authentication"]["type"], json!("selfSigned"));
    let mut identity = body(&created);
    identity["status"] = json!("Disabled");
    identity["unknown"] = json!({"a": 1});
    let updated = client.put("/devices/d", Some(&etag(&created)), &identity);
    assert_eq!(verdict(&updated).0, 200);
    assert_eq!(body(&updated)["authentication"], identity["authentication"]);
    assert_eq!(
        body(&client.get("/statistics/devices")),
        json!({"totalDeviceCount": 1, "enabledDeviceCount": 0, "disabledDeviceCount": 1})
    );
}

/// Method: replies that block hold up all workers until the queue is full.
#[test]
fn a_full_queue_answers_503_at_once() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    let (gate, wait) = flume::bounded::<()>(0);
    let (sender, receiver) = flume::unbounded();
    for _ in 0..REST_QUEUE_MAX + 10 {
        let (wait, sender) = (wait.clone(), sender.clone());
        let reply = Box::new(move |response: Response| {
            let status = response.status.as_u16();
            if status != 503 {
                let _ = wait.recv();
            }
            sender.send((status, response)).expect("the test waits");
        });
        control.submit(client.request("GET", "/devices/d", None, &Value::Null), reply);
    }
    let (_, busy) = receiver.recv().expect("the queue is full by now");
    assert_eq!(verdict(&busy), refused(503, "ServerBusy"));
    drop(gate);
    let answers = receiver.iter().take(REST_QUEUE_MAX + 9);
    assert!(answers.filter(|(status, _)| *status == 404).count() >= REST_QUEUE_MAX);
}

mod bulk;
mod certificates;
mod lists;
mod twins;
