//! What people's tools send over REST, request by request, over TLS.
//!
//! The Azure CLI, IoT Explorer and scripts send numbers as text, empty fields, whole twins, and
//! paths that are encoded as a whole; small devices answer with NUL bytes. Each test sends exactly
//! that. Source: control-plane reference.

mod support;

use std::thread;

use serde_json::{Value, json};
use support::http::{HttpConnection, Response};
use support::hub::{Hub, HubOptions};
use support::methods::{MethodDevice, invoke};
use support::mqtt::{Login, MqttDevice};
use support::patience::eventually;
use support::rest::{self, Device, Module};
use support::sas;
use support::twin_client::TwinClient;

const VERSION: &str = "?api-version=2020-09-30";

fn start() -> Hub {
    Hub::start_with(HubOptions { shards: 2, ..HubOptions::default() })
}

/// One request as the owner: status and JSON of the answer.
#[track_caller]
fn ask(hub: &Hub, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = rest::exchange(hub, method, path, &body).expect("the hub answers");
    (status, serde_json::from_str(&answer).unwrap_or_default())
}

/// One request with header lines and a body of any bytes, as the holder of `token`.
#[track_caller]
fn send(hub: &Hub, line: &str, headers: &str, body: &[u8], token: &str) -> Response {
    let mut connection = HttpConnection::open(hub).expect("the hub listens");
    let host = hub.address.host();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\nContent-Length: {}\r\n\
         {headers}\r\n",
        body.len()
    );
    connection.send(&[head.as_bytes(), body].concat()).expect("the hub listens");
    connection.read_response().expect("an answer")
}

fn token(hub: &Hub, policy: &str) -> String {
    sas::token(&hub.address.host(), &hub.policy_key(policy), Some(policy))
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn message(body: &Value) -> &str {
    body["Message"].as_str().expect("an error has a message")
}

#[test]
fn numbers_and_truth_come_as_text() {
    let hub = start();
    let device = Device::create(&hub, "d");
    let mut connection = MethodDevice::connect(&hub, &device).expect("the device may connect");
    let call = |seconds: Value| {
        json!({
            "methodName": "x",
            "responseTimeoutInSeconds": seconds,
            "connectTimeoutInSeconds": seconds,
            "payload": {},
        })
    };
    for seconds in [json!("30"), json!(30.0), json!("30.0")] {
        thread::scope(|scope| {
            let running = scope.spawn(|| invoke(&hub, "d", &call(seconds)));
            connection.echo(1).expect("the call comes");
            let answer = running.join().expect("the call ends");
            assert_eq!(answer, (200, json!({"status": 200, "payload": {}})));
        });
    }
    let (status, refused) = invoke(&hub, "d", &call(json!("soon")));
    assert_eq!(status, 400);
    assert!(message(&refused).contains("responseTimeoutInSeconds"), "{refused}");
    let edge = json!({"deviceId": "edge", "capabilities": {"iotEdge": "true"}});
    let (status, edge) = ask(&hub, "PUT", "/devices/edge", &edge);
    assert_eq!((status, &edge["capabilities"]["iotEdge"]), (200, &json!(true)));
    let odd = json!({"deviceId": "odd", "capabilities": {"iotEdge": "yes"}});
    let (status, refused) = ask(&hub, "PUT", "/devices/odd", &odd);
    assert_eq!(status, 400);
    assert!(message(&refused).contains("iotEdge"), "{refused}");
}

#[test]
fn empty_fields_are_absent() {
    let hub = start();
    let (status, device) = ask(&hub, "PUT", "/devices/d", &json!({"deviceId": "d", "status": ""}));
    assert_eq!((status, &device["status"]), (200, &json!("enabled")));
    let empty = json!({
        "deviceId": "", "status": "", "deviceScope": "", "parentScopes": [""],
        "authentication": {"type": "", "symmetricKey": {"primaryKey": "", "secondaryKey": ""}},
        "capabilities": {"iotEdge": ""},
    });
    let (status, device) = ask(&hub, "PUT", "/devices/e", &empty);
    assert_eq!((status, &device["authentication"]["type"]), (200, &json!("sas")));
    let empty = json!([{"id": "f", "moduleId": "", "importMode": "", "eTag": "", "status": ""}]);
    let (status, answer) = ask(&hub, "POST", "/devices", &empty);
    assert_eq!((status, &answer["isSuccessful"]), (200, &json!(true)), "{answer}");
    let delete = json!([{"id": "f", "importMode": "deleteIfMatchEtag", "eTag": ""}]);
    let (status, answer) = ask(&hub, "POST", "/devices", &delete);
    assert_eq!((status, &answer["isSuccessful"]), (200, &json!(true)), "{answer}");
}

#[test]
fn an_empty_scope_takes_a_leaf_from_its_parent() {
    let hub = start();
    let edge = json!({"deviceId": "edge", "capabilities": {"iotEdge": true}});
    let (_, edge) = ask(&hub, "PUT", "/devices/edge", &edge);
    let leaf = json!({"deviceId": "leaf", "deviceScope": edge["deviceScope"]});
    let (status, mut leaf) = ask(&hub, "PUT", "/devices/leaf", &leaf);
    assert_eq!((status, &leaf["parentScopes"]), (200, &json!([edge["deviceScope"]])));
    leaf["deviceScope"] = json!("");
    let mut connection = HttpConnection::open(&hub).expect("the hub listens");
    let headers = "If-Match: \"*\"\r\n";
    let answer = connection.exchange("PUT", "/devices/leaf", headers, &leaf.to_string());
    let answer = answer.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let (_, leaf) = ask(&hub, "GET", "/devices/leaf", &Value::Null);
    let parents = (&leaf["deviceScope"], &leaf["parentScopes"]);
    assert_eq!(parents, (&Value::Null, &json!([])));
}

#[test]
fn paths_may_be_encoded_as_a_whole() {
    let hub = start();
    Device::create(&hub, "dev1");
    Module::create(&hub, "dev1", "m");
    let owner = token(&hub, "iothubowner");
    let status = |method: &str, path: &str, body: &str| {
        let line = format!("{method} {path}{VERSION}");
        send(&hub, &line, "", body.as_bytes(), &owner).status
    };
    for path in [
        "/devices%2Fdev1",
        "/%2Fdevices%2Fdev1",
        "/devices%2fdev1",
        "/devices%252Fdev1",
        "/devices%2Fdev1%2Fmodules%2Fm",
        "/devices/dev1%2Fmodules",
        "/twins%2Fdev1",
        "/twins%2Fdev1%2Fmodules%2Fm",
        "/statistics%2Fdevices",
    ] {
        assert_eq!(status("GET", path, ""), 200, "{path}");
    }
    assert_eq!(status("PATCH", "/twins%2Fdev1", "{\"tags\":{\"a\":1}}"), 200);
    assert_eq!(status("POST", "/twins%2Fdev1%2Fmethods", "{\"methodName\":\"x\"}"), 404);
    assert_eq!(status("DELETE", "/devices%2Fdev1%2Fcommands", ""), 200);
    // An id that is encoded in the path and with the path.
    assert_eq!(status("PUT", "/devices%2Fa%252Bb", r#"{"deviceId":"a+b"}"#), 200);
    for path in ["/devices/a%2Bb", "/devices%2Fa%2Bb", "/devices%2Fa%252Bb", "/twins/a%252Bb"] {
        assert_eq!(status("GET", path, ""), 200, "{path}");
    }
    // A device that is called so wins.
    assert_eq!(status("PUT", "/devices/a%252Bb", r#"{"deviceId":"a%2Bb"}"#), 200);
    let found = send(&hub, &format!("GET /devices/a%252Bb{VERSION}"), "", b"", &owner);
    assert!(found.body.contains(r#""deviceId":"a%2Bb""#), "{}", found.body);
    // What a token allows is judged by what the path names.
    let registry = token(&hub, "registryRead");
    let service = token(&hub, "service");
    let narrow = format!("{}/devices/dev1", hub.address.ip);
    let narrow = sas::token(&narrow, &hub.policy_key("iothubowner"), Some("iothubowner"));
    for (line, token, expected) in [
        ("GET /twins%2Fdev1", &registry, 401),
        ("GET /devices%2Fdev1", &service, 401),
        ("GET /devices%2Fdev1", &narrow, 200),
        ("GET /devices%2Fa%252Bb", &narrow, 401),
        ("GET /devices%2Fdev1%2F..%2Fa+b", &narrow, 404),
        ("GET /devices%252Fdev1%252F..", &narrow, 404),
        ("GET /devices/..%2Fdevices%2Fa+b", &narrow, 400),
    ] {
        let answer = send(&hub, &format!("{line}{VERSION}"), "", b"", token);
        assert_eq!(answer.status, expected, "{line}: {}", answer.body);
    }
}

#[test]
fn what_is_not_built_says_so() {
    let hub = start();
    Device::create(&hub, "d");
    for (method, path, name) in [
        ("GET", "/digitaltwins/d", "digital twins"),
        ("POST", "/digitaltwins/d/components/c/commands/x", "digital twins"),
        ("POST", "/twins/d/streams/s", "device streams"),
        ("PUT", "/twins/d/tags", "replacement of one section of a twin"),
    ] {
        let mut connection = HttpConnection::open(&hub).expect("the hub listens");
        let answer = connection.exchange(method, path, "", "{}").expect("an answer");
        assert_eq!(answer.status, 501, "{method} {path}: {}", answer.body);
        let line = format!("{method} {path}{VERSION}");
        for token in ["", "SharedAccessSignature sr=x&sig=eA%3D%3D&se=4000000000&skn=service"] {
            let stranger = send(&hub, &line, "", b"{}", token);
            assert_eq!(stranger.status, 401, "{method} {path}: {}", stranger.body);
            assert!(!stranger.body.contains(name), "{}", stranger.body);
        }
        assert_eq!(header(&answer, "iothub-errorcode"), Some("GenericNotImplemented"));
        let body: Value = serde_json::from_str(&answer.body).expect("an error is JSON");
        let expected = format!("ErrorCode:GenericNotImplemented;This hub does not have {name} yet");
        assert_eq!(message(&body), expected, "{method} {path}");
    }
    let (status, unknown) = ask(&hub, "GET", "/jobsandmore", &Value::Null);
    assert_eq!(status, 404, "{unknown}");
}

/// Routes of devices are there in every reading of their paths; of others nothing is said.
#[test]
fn encoded_paths_of_devices_are_routes_of_devices() {
    let hub = start();
    let device = Device::create(&hub, "d");
    let token = device.token(&hub);
    for (line, expected) in [
        ("POST /devices%2Fd%2Fmessages%2Fevents", 204),
        ("POST /devices%252Fd%252Fmessages%252Fevents", 204),
        ("GET /devices/d/messages%2FdeviceBound", 204),
        ("DELETE /devices%2Fd%2Fmessages%2FdeviceBound%2Fnone", 412),
        ("PUT /devices%2Fd%2Fmessages%2Fevents", 405),
        ("GET /devices/d/messages/deviceBound/x/y", 404),
        ("GET /devices/d/messages", 404),
    ] {
        let answer = send(&hub, &format!("{line}{VERSION}"), "", b"", &token);
        assert_eq!(answer.status, expected, "{line}: {}", answer.body);
    }
}

#[test]
fn a_message_is_sent_and_its_feedback_read() {
    let mut hub = start();
    let device = Device::create(&hub, "pump");
    let service = token(&hub, "service");
    let post = |hub: &Hub, headers: &str, body: &[u8]| {
        let line = format!("POST /devices/pump/messages/deviceBound{VERSION}");
        send(hub, &line, headers, body, &service)
    };
    let headers = "IoTHub-MessageId: m-1\r\niothub-correlationid: c-1\r\niothub-userid: ops\r\n\
                   iothub-ack: full\r\nContent-Type: application/json\r\n\
                   Content-Encoding: utf-8\r\n\
                   iothub-app-Color: blue & gr\u{fc}n\r\n\
                   IOTHUB-APP-level: hot\r\n";
    let accepted = post(&hub, headers, b"{\"on\":true}");
    assert_eq!((accepted.status, &*accepted.body), (204, ""), "{}", accepted.head);
    assert_eq!(header(&accepted, "content-type"), None);
    // Accepted is on disk.
    hub.kill();
    hub.reap();
    hub.launch();
    let mut connection = MqttDevice::connect(&hub, &device).expect("the device may connect");
    connection.subscribe("devices/pump/messages/devicebound/#").expect("the hub answers");
    let received = connection.read_message().expect("a message is due");
    assert_eq!(received.text(), "{\"on\":true}");
    let topic = "devices/pump/messages/devicebound/%24.mid=m-1\
                 &%24.to=%2Fdevices%2Fpump%2Fmessages%2FdeviceBound&%24.cid=c-1&%24.uid=ops\
                 &%24.ct=application%2Fjson&%24.ce=utf-8&iothub-ack=full\
                 &Color=blue%20%26%20gr%C3%BCn&level=hot";
    assert_eq!(received.topic, topic);
    connection.acknowledge(received.id).expect("the hub listens");

    let path = "/messages/serviceBound/feedback";
    let get = || send(&hub, &format!("GET {path}{VERSION}"), "", b"", &service);
    let mut batch = None;
    eventually("there is feedback", || {
        let answer = get();
        assert!(matches!(answer.status, 200 | 204), "{}", answer.body);
        batch = (answer.status == 200).then_some(answer);
        batch.is_some()
    });
    let batch = batch.expect("there was one");
    let kind = header(&batch, "content-type");
    assert_eq!(kind, Some("application/vnd.microsoft.iothub.feedback.json"));
    let records: Value = serde_json::from_str(&batch.body).expect("JSON");
    let record = (&records[0]["originalMessageId"], &records[0]["statusCode"]);
    assert_eq!(
        (record, &records[0]["deviceId"]),
        ((&json!("m-1"), &json!("Success")), &json!("pump"))
    );
    assert_eq!(get().status, 204, "the batch is locked");
    let lock = header(&batch, "etag").expect("the lock token").trim_matches('"').to_owned();
    let settle = |line: &str| send(&hub, &format!("{line}{VERSION}"), "", b"", &service);
    assert_eq!(settle(&format!("POST {path}/{lock}/abandon")).status, 204);
    let again = get();
    assert_eq!((again.status, &again.body), (200, &batch.body));
    let stale = settle(&format!("DELETE {path}/{lock}"));
    assert_eq!(stale.status, 412, "{}", stale.body);
    assert_eq!(header(&stale, "iothub-errorcode"), Some("DeviceMessageLockLost"));
    let lock = header(&again, "etag").expect("the lock token").trim_matches('"').to_owned();
    assert_eq!(settle(&format!("DELETE {path}/{lock}")).status, 204);
    assert_eq!(get().status, 204, "there is no more");
    assert_eq!(settle(&format!("DELETE {path}/no-token")).status, 412);
}

#[test]
fn messages_that_cannot_be_sent_are_told_by_name() {
    let hub = start();
    Device::create(&hub, "pump");
    Module::create(&hub, "pump", "m");
    let service = token(&hub, "service");
    let post = |path: &str, headers: &str, body: &[u8]| {
        send(&hub, &format!("POST {path}{VERSION}"), headers, body, &service)
    };
    let own = "/devices/pump/messages/deviceBound";
    let module = "/devices/pump/modules/m/messages/devicebound/";
    assert_eq!(post(module, "", b"for the module").status, 204);
    for (path, headers, body, status, name) in [
        ("/devices/gone/messages/deviceBound", "", &b"x"[..], 404, "DeviceNotFound"),
        ("/devices/pump/modules/n/messages/deviceBound", "", b"x", 404, "ModuleNotFound"),
        (own, "", b"", 400, "NullMessage"),
        (own, "iothub-ack: perhaps\r\n", b"x", 400, "ArgumentInvalid"),
        (own, "iothub-expiry: tomorrow\r\n", b"x", 400, "ArgumentInvalid"),
        (own, "iothub-expiry: 2001-01-01T00:00:00Z\r\n", b"x", 403, "InvalidMessageExpiryTime"),
        (own, "iothub-expiry: 2001-01-01T00:00:00\r\n", b"x", 403, "InvalidMessageExpiryTime"),
        (own, "", &[b'x'; 65_537], 413, "MessageTooLarge"),
    ] {
        let refused = post(path, headers, body);
        let told = (refused.status, header(&refused, "iothub-errorcode"));
        assert_eq!(told, (status, Some(name)), "{path} {headers}: {}", refused.body);
    }
    for _ in 0..50 {
        assert_eq!(post(own, "", b"x").status, 204);
    }
    let full = post(own, "", b"x");
    assert_eq!(header(&full, "iothub-errorcode"), Some("DeviceMaximumQueueDepthExceeded"));
    for policy in ["device", "registryReadWrite"] {
        let line = format!("POST {own}{VERSION}");
        assert_eq!(send(&hub, &line, "", b"x", &token(&hub, policy)).status, 401, "{policy}");
    }
}

#[test]
fn a_device_manages_its_own_modules_and_no_others() {
    let hub = start();
    let [device, other] = ["d", "other"].map(|id| Device::create(&hub, id));
    let module = Module::create(&hub, "d", "valve");
    let own = device.token(&hub);
    let ask = |line: &str, headers: &str, body: &str, token: &str| {
        send(&hub, &format!("{line}{VERSION}"), headers, body.as_bytes(), token)
    };
    let body = r#"{"deviceId":"d","moduleId":"m"}"#;
    for (line, headers, body, expected) in [
        ("PUT /devices/d/modules/m", "", body, 200),
        ("PUT /devices/d/modules/m", "", body, 409),
        ("PUT /devices/d/modules/m", "If-Match: *\r\n", body, 200),
        ("GET /devices/d/modules/m", "", "", 200),
        ("GET /devices/d/modules", "", "", 200),
        ("DELETE /devices/d/modules/m", "", "", 204),
        ("GET /devices/d/modules/m", "", "", 404),
        ("GET /devices/other/modules", "", "", 401),
        ("PUT /devices/other/modules/m", "", "{}", 401),
        ("GET /devices/d", "", "", 401),
        ("DELETE /devices/d", "", "", 401),
        ("GET /twins/d/modules/valve", "", "", 401),
        ("GET /devices", "", "", 401),
    ] {
        let answer = ask(line, headers, body, &own);
        assert_eq!(answer.status, expected, "{line}: {}", answer.body);
    }
    let scope = format!("{}/devices/d", hub.address.ip);
    let by_policy = sas::token(&scope, &hub.policy_key("device"), Some("device"));
    let of_module = module.token(&hub);
    for token in [&other.token(&hub), &of_module, &by_policy] {
        assert_eq!(ask("GET /devices/d/modules", "", "", token).status, 401);
        assert_eq!(ask("GET /devices/d/modules/valve", "", "", token).status, 401);
    }
}

#[test]
fn calls_without_payload_bring_no_bytes_and_answers_may_end_with_nul() {
    let hub = start();
    let device = Device::create(&hub, "d");
    let mut connection = MethodDevice::connect(&hub, &device).expect("the device may connect");
    for call in [json!({"methodName": "x"}), json!({"methodName": "x", "payload": null})] {
        thread::scope(|scope| {
            let running = scope.spawn(|| invoke(&hub, "d", &call));
            let received = connection.next_call().expect("the call comes");
            assert_eq!(received.payload, "", "{call}");
            let answer = "\u{feff}{\"ok\":1}\0\0";
            connection.answer("200", &received.rid, answer).expect("it is acknowledged");
            let answer = running.join().expect("the call ends");
            assert_eq!(answer, (200, json!({"status": 200, "payload": {"ok": 1}})), "{call}");
        });
    }
    let component_command = ["c".repeat(64), "d".repeat(64)].join("*");
    thread::scope(|scope| {
        let running = scope.spawn(|| invoke(&hub, "d", &json!({"methodName": component_command})));
        let received = connection.next_call().expect("the call comes");
        assert_eq!(received.name, component_command);
        connection.answer("200", &received.rid, "").expect("it is acknowledged");
        assert_eq!(running.join().expect("the call ends").0, 200);
    });
    let (status, _) = invoke(&hub, "d", &json!({"methodName": "n".repeat(130)}));
    assert_eq!(status, 400);
}

#[test]
fn marks_and_nuls_around_json_are_passed_over() {
    let hub = start();
    let device = Device::create(&hub, "d");
    let owner = token(&hub, "iothubowner");
    for (line, body) in [
        ("PUT /devices/new", &b"\xef\xbb\xbf{\"deviceId\":\"new\"}\0"[..]),
        ("PATCH /twins/d", b"\xef\xbb\xbf{\"tags\":{\"a\":1}}"),
        ("PUT /twins/d", b"{\"tags\":{\"a\":1}}\r\n\0\0"),
    ] {
        let answer = send(&hub, &format!("{line}{VERSION}"), "", body, &owner);
        assert_eq!(answer.status, 200, "{line}: {}", answer.body);
    }
    let login = Login::device(&hub, &device);
    let mut client = TwinClient::connect(&hub, &login, false).expect("the device may connect");
    let answer = client.report(b"\xef\xbb\xbf{\"n\":1}\0", None).expect("an answer");
    assert_eq!((answer.status, answer.version), (204, Some(2)));
}

#[test]
fn numbers_of_twins_are_bounded_by_how_they_are_written() {
    let hub = start();
    let device = Device::create(&hub, "d");
    let login = Login::device(&hub, &device);
    let mut client = TwinClient::connect(&hub, &login, false).expect("the device may connect");
    let exchange = |body: &str| rest::exchange(&hub, "PATCH", "/twins/d", body).expect("answered");
    for number in ["6.02214076e23", "1e308", "10000000000000000.0", "4503599627370495"] {
        let patch = format!(r#"{{"n":{number}}}"#);
        let answer = client.report(patch.as_bytes(), None).expect("an answer");
        assert_eq!(answer.status, 204, "{number}: {}", answer.body);
        let body = format!(r#"{{"tags":{patch},"properties":{{"desired":{patch}}}}}"#);
        let (status, twin) = exchange(&body);
        assert_eq!(status, 200, "{number}: {twin}");
        let twin: Value = serde_json::from_str(&twin).expect("JSON");
        let expected: f64 = number.parse().expect("a number");
        for section in
            [&twin["tags"], &twin["properties"]["desired"], &twin["properties"]["reported"]]
        {
            assert_eq!(section["n"].as_f64(), Some(expected), "{number}");
        }
    }
    for number in ["4503599627370496", "10000000000000000", "123456789012345678901234567890"] {
        let patch = format!(r#"{{"n":{number}}}"#);
        assert_eq!(client.report(patch.as_bytes(), None).expect("an answer").status, 400);
        let (status, refused) = exchange(&format!(r#"{{"tags":{patch}}}"#));
        assert!(status == 400 && refused.contains("tags.n: a whole number"), "{refused}");
        let bulk = format!(r#"[{{"id":"d","importMode":"updateTwin","tags":{patch}}}]"#);
        let (status, refused) = rest::exchange(&hub, "POST", "/devices", &bulk).expect("answered");
        assert!(status == 400 && refused.contains("tags.n: a whole number"), "{refused}");
    }
}

#[test]
fn a_put_of_a_twin_refuses_nulls_by_name() {
    let hub = start();
    Device::create(&hub, "d");
    for (body, name) in [
        (json!({"tags": {"my-tag": null}}), "my-tag"),
        (json!({"tags": {"a": {"inner": null}}}), "inner"),
        (json!({"properties": {"desired": {"x": {"y": null}}}}), "y"),
    ] {
        let (status, refused) = ask(&hub, "PUT", "/twins/d", &body);
        let expected = format!(
            "ErrorCode:ArgumentInvalid;Value of Property or Tag cannot be null. \
             Error in Property/Tag {name}"
        );
        assert_eq!((status, message(&refused)), (400, &*expected), "{body}");
        assert_eq!(ask(&hub, "PATCH", "/twins/d", &body).0, 200, "in a patch, null removes");
    }
    let (_, before) = ask(&hub, "PATCH", "/twins/d", &json!({"tags": {"a": 1}}));
    assert_eq!(before["tags"], json!({"a": 1}));
    let (status, after) = ask(&hub, "PUT", "/twins/d", &json!({"tags": null}));
    assert_eq!((status, after.get("tags")), (200, None), "a section that is null becomes empty");
    // An identity stays as it was made when its twin is refused.
    let item = json!([{"id": "e", "importMode": "create", "tags": {"a": null}}]);
    let (status, answer) = ask(&hub, "POST", "/devices", &item);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["warnings"][0]["warningCode"], "DeviceRegisteredWithoutTwin");
}

/// What holds, as the reference says: every change that names desired properties is a new version
/// of them, and is told to the device, also when all values stay the same.
#[test]
fn a_whole_twin_sent_back_is_a_new_version_of_desired_properties() {
    let hub = start();
    let device = Device::create(&hub, "d");
    let login = Login::device(&hub, &device);
    let mut client = TwinClient::connect(&hub, &login, true).expect("the device may connect");
    let desired = json!({"properties": {"desired": {"a": {"b": 1}}}});
    let (_, mut twin) = ask(&hub, "PATCH", "/twins/d", &desired);
    assert_eq!(client.desired().expect("a change").version, 2);
    for (method, version) in [("PATCH", 3), ("PUT", 4)] {
        // As IoT Explorer edits a tag: the document that was read, `$version` and all.
        twin["tags"] = json!({"by": method});
        let (status, changed) = ask(&hub, method, "/twins/d", &twin);
        assert_eq!((status, &changed["tags"]), (200, &json!({"by": method})));
        assert_eq!(changed["properties"]["desired"]["$version"], version, "{method}");
        let heard = client.desired().expect("a change");
        assert_eq!((heard.version, &heard.patch["a"]), (version, &json!({"b": 1})), "{method}");
        twin = changed;
    }
    let (_, tagged) = ask(&hub, "PATCH", "/twins/d", &json!({"tags": {"by": "tags alone"}}));
    assert_eq!(tagged["properties"]["desired"]["$version"], 4);
}

/// What holds, as the reference shows: times are UTC with `Z` and no more digits than they need;
/// "never" is the year one, without zone in identities and with `Z` in twins.
#[test]
fn times_have_the_form_of_the_reference() {
    let hub = start();
    Device::create(&hub, "d");
    let (_, fresh) = ask(&hub, "GET", "/devices/d", &Value::Null);
    for member in ["connectionStateUpdatedTime", "statusUpdatedTime", "lastActivityTime"] {
        assert_eq!(fresh[member], "0001-01-01T00:00:00", "{member}");
    }
    let (_, twin) = ask(&hub, "GET", "/twins/d", &Value::Null);
    for member in ["statusUpdateTime", "lastActivityTime"] {
        assert_eq!(twin[member], "0001-01-01T00:00:00Z", "{member}");
    }
    let mut connection = HttpConnection::open(&hub).expect("the hub listens");
    let disabled = json!({"deviceId": "d", "status": "disabled"}).to_string();
    let answer = connection.exchange("PUT", "/devices/d", "If-Match: *\r\n", &disabled);
    let answer: Value = serde_json::from_str(&answer.expect("an answer").body).expect("JSON");
    let time = answer["statusUpdatedTime"].as_str().expect("text");
    let (seconds, fraction) = time.split_at("2030-03-17T17:46:40".len());
    assert!(seconds.as_bytes()[10] == b'T' && fraction.ends_with('Z'), "{time}");
    let digits = fraction.trim_end_matches('Z').trim_start_matches('.');
    assert!(digits.len() <= 7 && !digits.ends_with('0'), "{time}");
}

/// What holds, as the reference says: without `If-Match` a DELETE happens.
#[test]
fn a_delete_without_if_match_happens() {
    let hub = start();
    Device::create(&hub, "d");
    Module::create(&hub, "d", "m");
    assert_eq!(ask(&hub, "DELETE", "/devices/d/modules/m", &Value::Null).0, 204);
    let mut connection = HttpConnection::open(&hub).expect("the hub listens");
    let stale = connection.exchange("DELETE", "/devices/d", "If-Match: \"b2xk\"\r\n", "");
    assert_eq!(stale.expect("an answer").status, 412);
    assert_eq!(ask(&hub, "DELETE", "/devices/d", &Value::Null).0, 204);
    assert_eq!(ask(&hub, "DELETE", "/devices/d", &Value::Null).0, 404);
}
