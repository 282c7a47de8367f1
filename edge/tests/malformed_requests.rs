//! Requests to the REST API that are well-formed HTTP and wrong in every other way.
//!
//! Goal: each is answered with the status, the header and the body that clients take errors from.
//! Method: one table per part of the API, over TLS. Source: control-plane reference, "Error body"
//! and "Full error-code table".

mod support;

use serde_json::{Value, json};
use support::http::{HttpConnection, Response};
use support::hub::{Hub, HubOptions};
use support::rest::{Device, Module};
use support::{sas, tls};

const VERSION: &str = "?api-version=2021-04-12";

const INVALID: (u32, &str) = (400_004, "ArgumentInvalid");
const NULL: (u32, &str) = (400_005, "ArgumentNull");
const UNAUTHORIZED: (u32, &str) = (401_002, "IotHubUnauthorizedAccess");
const SYSTEM_MODULE: (u32, &str) = (401_100, "SystemModuleModifyUnauthorizedAccess");
const NOT_FOUND: (u32, &str) = (404_000, "GenericNotFound");
const NO_DEVICE: (u32, &str) = (404_001, "DeviceNotFound");
const NO_MODULE: (u32, &str) = (404_010, "ModuleNotFound");
const WRONG_VERB: (u32, &str) = (405_000, "GenericMethodNotAllowed");
const MODULE_EXISTS: (u32, &str) = (409_301, "ModuleAlreadyExistsOnDevice");
const CHANGED: (u32, &str) = (412_001, "PreconditionFailed");

/// Method, path, header lines, body, and number and name of the answer.
type Case<'a> = (&'a str, &'a str, &'a str, &'a str, (u32, &'a str));

/// How the body of an error is made.
#[derive(Clone, Copy)]
enum Shape {
    /// Of the registry and nearly all else.
    A,
    /// Of calls that reach a device.
    B,
}

/// A hub with device `d` and its module `m`, the edge device `edge`, and `off`, which is disabled.
fn hub() -> Hub {
    let hub = Hub::start_with(HubOptions { shards: 2, ..HubOptions::default() });
    Device::create(&hub, "d");
    Module::create(&hub, "d", "m");
    for (id, body) in [
        ("edge", json!({"deviceId": "edge", "capabilities": {"iotEdge": true}})),
        ("off", json!({"deviceId": "off", "status": "disabled"})),
    ] {
        let mut connection = HttpConnection::open(&hub).expect("the hub listens");
        let answer = connection.exchange("PUT", &format!("/devices/{id}"), "", &body.to_string());
        assert_eq!(answer.expect("an answer").status, 200);
    }
    hub
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[track_caller]
fn assert_refused(response: &Response, (number, name): (u32, &str), shape: Shape, case: &str) {
    let told = (u32::from(response.status), header(response, "iothub-errorcode"));
    assert_eq!(told, (number / 1000, Some(name)), "{case}: {}", response.body);
    let kind = header(response, "content-type").unwrap_or_default();
    assert_eq!(kind, "application/json; charset=utf-8", "{case}");
    let body: Value = serde_json::from_str(&response.body).expect("an error is JSON");
    let members: Vec<_> = body.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["ExceptionMessage", "Message"], "{case}");
    let message = body["Message"].as_str().expect("text");
    match shape {
        Shape::A => {
            let text = message.strip_prefix(&format!("ErrorCode:{name};"));
            assert!(text.is_some_and(|text| !text.is_empty()), "{case}: {message}");
        }
        Shape::B => {
            let inner: Value = serde_json::from_str(message).expect("JSON in the message");
            assert_eq!(inner["errorCode"], number, "{case}: {message}");
            assert!(inner["message"].as_str().is_some_and(|text| !text.is_empty()), "{message}");
            assert!(inner["trackingId"].is_string(), "{case}: {message}");
        }
    }
}

/// Runs a table on one connection after the other; `path` gets the version.
fn refuse_all(hub: &Hub, shape: Shape, cases: &[Case<'_>]) {
    for (method, path, headers, body, expected) in cases {
        let mut connection = HttpConnection::open(hub).expect("the hub listens");
        let answer = connection.exchange(method, path, headers, body);
        let answer = answer.unwrap_or_else(|error| panic!("{method} {path} {body:.80}: {error}"));
        let case = format!("{method} {path} {headers} {body:.80}");
        assert_refused(&answer, *expected, shape, &case);
        assert!(header(&answer, "x-ms-request-id").is_some_and(|id| id.len() == 36), "{case}");
        // The connection is good for the next request.
        let next = connection.exchange("GET", "/devices/d", "", "").expect("an answer");
        assert_eq!(next.status, 200, "{case}: {}", next.body);
    }
}

/// Sends one request with any target and token.
fn ask(hub: &Hub, target: &str, host: &str, token: Option<&str>) -> Response {
    let mut connection = HttpConnection::open(hub).expect("the hub listens");
    let token = token.map(|token| format!("Authorization: {token}\r\n")).unwrap_or_default();
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{token}\r\n");
    connection.send(request.as_bytes()).expect("the hub listens");
    connection.read_response().expect("an answer")
}

#[test]
fn versions_hosts_and_tokens() {
    let hub = hub();
    let host = hub.address.host();
    let owner = sas::token(&host, &hub.policy_key("iothubowner"), Some("iothubowner"));
    let service = sas::token(&host, &hub.policy_key("service"), Some("service"));
    let forged = sas::token(&host, &hub.policy_key("service"), Some("iothubowner"));
    let elsewhere = sas::token("other.example", &hub.policy_key("service"), Some("service"));
    let version = (400_001, "InvalidProtocolVersion");
    for (target, token, expected) in [
        ("/devices/d", Some(&owner), version),
        ("/devices/d?api-version=", Some(&owner), version),
        ("/devices/d?api-version=latest", Some(&owner), version),
        ("/devices/d?api-version=2014-01-01", Some(&owner), version),
        ("/devices/d?api-version=2021-04-12-beta", Some(&owner), version),
        ("/devices/d?apiversion=2021-04-12", Some(&owner), version),
        (&format!("/devices/d{VERSION}"), None, UNAUTHORIZED),
        (&format!("/devices/d{VERSION}"), Some(&"Bearer abc".to_owned()), UNAUTHORIZED),
        (&format!("/devices/d{VERSION}"), Some(&"SharedAccessSignature".to_owned()), UNAUTHORIZED),
        (&format!("/devices/d{VERSION}"), Some(&service), UNAUTHORIZED),
        (&format!("/devices/d{VERSION}"), Some(&forged), UNAUTHORIZED),
        (&format!("/devices/d{VERSION}"), Some(&elsewhere), UNAUTHORIZED),
    ] {
        let answer = ask(&hub, target, &host, token.map(String::as_str));
        assert_refused(&answer, expected, Shape::A, target);
    }
    let target = format!("/devices/d{VERSION}");
    let answer = ask(&hub, &target, "other.example", Some(&owner));
    assert_refused(&answer, (401_001, "IotHubNotFound"), Shape::A, "another host");
    assert_eq!(ask(&hub, &target, &host, Some(&owner)).status, 200);
}

#[test]
fn paths_ids_and_verbs() {
    let hub = hub();
    let long = format!("/devices/{}", "x".repeat(129));
    let long_module = format!("/devices/d/modules/{}", "x".repeat(129));
    let long_group = format!("/eventHubEndpoints/events/ConsumerGroups/{}", "g".repeat(51));
    refuse_all(
        &hub,
        Shape::A,
        &[
            ("GET", "/nothing", "", "", NOT_FOUND),
            ("GET", "/devices/d/e/f", "", "", NOT_FOUND),
            ("GET", "/devices//modules", "", "", NOT_FOUND),
            ("GET", "/devices/a%20b", "", "", INVALID),
            ("GET", "/devices/a%2Fb", "", "", INVALID),
            ("GET", "/devices/%FF", "", "", INVALID),
            ("GET", &long, "", "", INVALID),
            ("PUT", &long, "", "{}", INVALID),
            ("GET", &long_module, "", "", INVALID),
            ("GET", "/twins/a%20b", "", "", INVALID),
            ("PATCH", "/devices/d", "", "{}", WRONG_VERB),
            ("POST", "/devices/d", "", "{}", WRONG_VERB),
            ("DELETE", "/devices", "", "", WRONG_VERB),
            ("POST", "/devices/d/modules", "", "{}", WRONG_VERB),
            ("GET", "/devices/d/commands", "", "", WRONG_VERB),
            ("DELETE", "/twins/d", "", "", WRONG_VERB),
            ("GET", "/twins/d/methods", "", "", WRONG_VERB),
            ("PUT", "/statistics/devices", "", "{}", WRONG_VERB),
            ("GET", "/listkeys", "", "", WRONG_VERB),
            ("DELETE", "/devices/gone/commands", "", "", NO_DEVICE),
            ("PUT", &long_group, "", "", INVALID),
            ("DELETE", "/eventHubEndpoints/events/ConsumerGroups/none", "", "", NOT_FOUND),
            ("POST", "/IotHubKeys/nobody/regenerate", "", r#"{"keyType":"primary"}"#, NOT_FOUND),
            ("POST", "/IotHubKeys/service/regenerate", "", r#"{"keyType":"odd"}"#, INVALID),
        ],
    );
}

#[test]
fn bodies_of_devices() {
    let hub = hub();
    let long_reason = json!({"statusReason": "x".repeat(129)}).to_string();
    let keys = |primary: &str, secondary: &str| {
        let pair = json!({"primaryKey": primary, "secondaryKey": secondary});
        json!({"authentication": {"type": "sas", "symmetricKey": pair}}).to_string()
    };
    let short = keys("AAAA", "AAAA");
    let no_base64 = keys(&"!".repeat(44), &"!".repeat(44));
    let one_key = keys(&"A".repeat(44), "");
    let thumbprint = |text: &str| {
        let pair = json!({"primaryThumbprint": text});
        json!({"authentication": {"type": "selfSigned", "x509Thumbprint": pair}}).to_string()
    };
    let bodies: Vec<(&str, (u32, &str))> = vec![
        ("", NULL),
        (r#"{"deviceId":"#, INVALID),
        ("[]", INVALID),
        ("null", INVALID),
        (r#""new""#, INVALID),
        (r#"{"deviceId":"other"}"#, INVALID),
        (r#"{"deviceId":5}"#, INVALID),
        (r#"{"status":true}"#, INVALID),
        (r#"{"status":"odd"}"#, INVALID),
        (&long_reason, INVALID),
        (r#"{"capabilities":[]}"#, INVALID),
        (r#"{"capabilities":{"iotEdge":"yes"}}"#, INVALID),
        (r#"{"authentication":"sas"}"#, INVALID),
        (r#"{"authentication":{"type":"odd"}}"#, INVALID),
        (r#"{"authentication":{"type":"selfSigned"}}"#, INVALID),
        (&short, INVALID),
        (&no_base64, INVALID),
        (&one_key, INVALID),
        (r#"{"parentScopes":["a","b"]}"#, INVALID),
        (r#"{"parentScopes":"a"}"#, INVALID),
        (r#"{"deviceScope":"ms-azure-iot-edge://d-1"}"#, (400_028, "InvalidDeviceScope")),
    ];
    let bad_thumbprint = thumbprint("0123");
    let cases = bodies.iter().copied().chain([(&*bad_thumbprint, INVALID)]);
    let cases: Vec<Case<'_>> =
        cases.map(|(body, expected)| ("PUT", "/devices/new", "", body, expected)).collect();
    refuse_all(&hub, Shape::A, &cases);
    let media = (415_000, "GenericUnsupportedMediaType");
    refuse_all(
        &hub,
        Shape::A,
        &[
            ("PUT", "/devices/new", "Content-Type: text/xml\r\n", "<device/>", media),
            ("PATCH", "/twins/d", "Content-Type: text/plain\r\n", "{}", media),
            ("GET", "/devices/new", "Content-Type: text/xml\r\n", "", NO_DEVICE),
            ("PUT", "/devices/gone", "If-Match: \"*\"\r\n", "{}", NO_DEVICE),
            ("PUT", "/devices/d", "If-Match: \"b2xk\"\r\n", "{}", CHANGED),
            ("PUT", "/devices/d", "", "{}", (409_001, "DeviceAlreadyExists")),
            ("PUT", "/devices/d", "If-Match: b2xk\r\n", "{}", (409_001, "DeviceAlreadyExists")),
            ("DELETE", "/devices/d", "If-Match: W/\"b2xk\"\r\n", "", CHANGED),
            ("DELETE", "/devices/gone", "If-Match: *\r\n", "", NO_DEVICE),
        ],
    );
    let mut connection = HttpConnection::open(&hub).expect("the hub listens");
    let kind = "Content-Type: Application/JSON\r\nContent-Encoding: utf-8\r\n";
    let made = connection.exchange("PUT", "/devices/new", kind, "{}").expect("an answer");
    assert_eq!(made.status, 200, "nothing was made before: {}", made.body);
}

#[test]
fn bodies_of_lists() {
    let hub = hub();
    let many = Value::from(vec![json!({"id": "a"}); 101]).to_string();
    let twice = (400_011, "DeviceDefinedMultipleTimes");
    refuse_all(
        &hub,
        Shape::A,
        &[
            ("POST", "/devices", "", "", NULL),
            ("POST", "/devices", "", "{}", INVALID),
            ("POST", "/devices", "", "[{]", INVALID),
            ("POST", "/devices", "", "[]", NULL),
            ("POST", "/devices", "", &many, (413_002, "TooManyDevices")),
            ("POST", "/devices", "", r#"[{"id":"a"},{"id":"a"}]"#, twice),
            ("POST", "/devices/keys/regenerate", "", "", NULL),
            ("POST", "/devices/keys/regenerate", "", "[]", INVALID),
            (
                "POST",
                "/devices/keys/regenerate",
                "",
                r#"{"policyKey":"odd","devices":[{"id":"d"}]}"#,
                (400_035, "InvalidPolicyKey"),
            ),
        ],
    );
}

#[test]
fn modules() {
    let hub = hub();
    refuse_all(
        &hub,
        Shape::A,
        &[
            ("GET", "/devices/gone/modules", "", "", NO_DEVICE),
            ("GET", "/devices/gone/modules/m", "", "", NO_DEVICE),
            ("GET", "/devices/d/modules/none", "", "", NO_MODULE),
            ("PUT", "/devices/gone/modules/m", "", "{}", NO_DEVICE),
            ("PUT", "/devices/d/modules/new", "", "", NULL),
            ("PUT", "/devices/d/modules/new", "", "[]", INVALID),
            ("PUT", "/devices/d/modules/new", "", r#"{"moduleId":"other"}"#, INVALID),
            ("PUT", "/devices/d/modules/new", "", r#"{"deviceId":"other"}"#, INVALID),
            ("PUT", "/devices/d/modules/new", "", r#"{"managedBy":5}"#, INVALID),
            ("PUT", "/devices/d/modules/m", "", "{}", MODULE_EXISTS),
            ("PUT", "/devices/d/modules/m", "If-Match: \"b2xk\"\r\n", "{}", CHANGED),
            ("PUT", "/devices/d/modules/none", "If-Match: *\r\n", "{}", NO_MODULE),
            ("DELETE", "/devices/d/modules/none", "", "", NO_MODULE),
            ("DELETE", "/devices/d/modules/m", "If-Match: \"b2xk\"\r\n", "", CHANGED),
            ("PUT", "/devices/edge/modules/$edgeAgent", "", "{}", SYSTEM_MODULE),
            ("PUT", "/devices/edge/modules/%24edgeHub", "If-Match: *\r\n", "{}", SYSTEM_MODULE),
            ("DELETE", "/devices/edge/modules/$edgeAgent", "", "", SYSTEM_MODULE),
            ("PUT", "/devices/gone/modules/$edgeHub", "", "{}", NO_DEVICE),
        ],
    );
}

#[test]
fn twins() {
    let hub = hub();
    let tags = |tags: Value| json!({"tags": tags}).to_string();
    let deep = (0..12).fold(json!(1), |inner, _| json!({"a": inner}));
    let wrong = [
        String::new(),
        "{".to_owned(),
        "[]".to_owned(),
        tags(json!(5)),
        tags(json!({"a.b": 1})),
        tags(json!({"$a": 1})),
        tags(json!({"a": 9_007_199_254_740_993_i64})),
        tags(json!({"a": "x".repeat(4097)})),
        tags(json!({"a": [null]})),
        tags(json!({"a": "x".repeat(4096), "b": "x".repeat(4096)})),
        tags(deep),
    ];
    let expected = |body: &str| if body.is_empty() { NULL } else { INVALID };
    let mut cases: Vec<Case<'_>> =
        wrong.iter().map(|body| ("PATCH", "/twins/d", "", &**body, expected(body))).collect();
    cases.extend([
        ("GET", "/twins/gone", "", "", NO_DEVICE),
        ("PATCH", "/twins/gone", "", "{}", NO_DEVICE),
        ("GET", "/twins/d/modules/none", "", "", NO_MODULE),
        ("PUT", "/twins/d/modules/none", "", "{}", NO_MODULE),
        ("GET", "/twins/gone/modules/m", "", "", NO_DEVICE),
        ("PATCH", "/twins/d", "If-Match: \"AAAAAAAAAAk=\"\r\n", "{}", CHANGED),
        ("PUT", "/twins/d", "If-Match: \"AAAAAAAAAAk=\"\r\n", "{}", CHANGED),
    ]);
    refuse_all(&hub, Shape::A, &cases);
    let mut connection = HttpConnection::open(&hub).expect("the hub listens");
    let twin = connection.exchange("GET", "/twins/d", "", "").expect("an answer");
    assert!(twin.body.contains(r#""etag":"AAAAAAAAAAE=""#), "nothing was changed: {}", twin.body);
}

#[test]
fn method_calls() {
    let hub = hub();
    let large = json!({"methodName": "r", "payload": "x".repeat(128 * 1024)}).to_string();
    let call = r#"{"methodName":"reboot"}"#;
    let path = "/twins/d/methods";
    refuse_all(
        &hub,
        Shape::B,
        &[
            ("POST", "/twins/gone/methods", "", call, NO_DEVICE),
            ("POST", "/twins/d/modules/none/methods", "", call, NO_MODULE),
            ("POST", "/twins/off/methods", "", call, (403_012, "DeviceDisabled")),
            ("POST", path, "", call, (404_103, "DeviceNotOnline")),
            ("POST", path, "", "", NULL),
            ("POST", path, "", "{", INVALID),
            ("POST", path, "", "[]", INVALID),
            ("POST", path, "", "{}", NULL),
            ("POST", path, "", r#"{"methodName":7}"#, INVALID),
            ("POST", path, "", r#"{"methodName":"a b"}"#, INVALID),
            ("POST", path, "", r#"{"methodName":"r","responseTimeoutInSeconds":4}"#, INVALID),
            ("POST", path, "", r#"{"methodName":"r","connectTimeoutInSeconds":301}"#, INVALID),
            ("POST", path, "", &large, (413_001, "MessageTooLarge")),
        ],
    );
}

/// The connection ends with this one: what follows an unread body cannot be found.
#[test]
fn a_body_that_is_too_large() {
    let hub = hub();
    let connection = HttpConnection::open(&hub).expect("the hub listens");
    let request = connection.request("PUT", "/devices/new", "", "");
    let request = request.replace("Content-Length: 0", "Content-Length: 1048577");
    let mut connection = HttpConnection::open(&hub).expect("the hub listens");
    connection.send(request.as_bytes()).expect("the hub listens");
    let answer = connection.read_response().expect("an answer");
    let expected = (413_000, "GenericRequestEntityTooLarge");
    assert_refused(&answer, expected, Shape::A, "1 MiB and a byte");
    assert_eq!(connection.read_to_end().expect("the end"), b"");
    drop(tls::connect(&hub, hub.address.https_port).expect("the hub serves on"));
}
