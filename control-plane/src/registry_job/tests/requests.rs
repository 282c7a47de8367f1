//! Requests that make, show, list and cancel jobs.

use std::sync::Arc;

use serde_json::{Value, json};

use super::world::{Memory, SECRET, World, container, export_request, file, import_request};
use crate::api::tests::{Client, body, verdict};
use crate::tests::TempDir;

fn refused(status: u16, name: &str) -> (u16, String) {
    (status, name.to_owned())
}

#[test]
fn what_cannot_be_is_refused_with_the_error_of_the_reference() {
    let dir = TempDir::new();
    let world = World::open(&dir, &Arc::<Memory>::default());
    let ask = |request: &Value| {
        let answer = world.client().send("POST", "/jobs/create", None, request);
        let (status, name) = verdict(&answer);
        assert!(!String::from_utf8_lossy(&answer.body).contains(SECRET));
        (status, name)
    };
    let with = |name: &str, value: Value| {
        let mut request = export_request();
        request[name] = value;
        request
    };
    let (bad, argument) = (refused(400, "GenericBadRequest"), refused(400, "ArgumentInvalid"));
    let container_error = refused(400, "BlobContainerValidationError");
    for (request, expected) in [
        (Value::Null, refused(400, "ArgumentNull")),
        (json!([]), argument.clone()),
        (json!({}), bad.clone()),
        (with("type", json!("move")), bad),
        (with("type", json!(5)), argument.clone()),
        (with("type", json!("import")), container_error.clone()),
        (with("outputBlobContainerUri", Value::Null), container_error.clone()),
        (
            with("outputBlobContainerUri", json!("http://a.example/c?sig=c2VjcmV0")),
            container_error.clone(),
        ),
        (with("outputBlobContainerUri", json!("file:///etc/passwd")), container_error),
        (with("outputBlobName", json!("../x")), argument.clone()),
        (with("outputBlobName", json!(7)), argument.clone()),
        (with("storageAuthenticationType", json!("identityBased")), argument.clone()),
        (with("excludeKeysInExport", json!("perhaps")), argument),
    ] {
        assert_eq!(ask(&request), expected, "{request}");
    }
    let text = world.client().send(
        "POST",
        "/jobs/create",
        None,
        &with("outputBlobContainerUri", json!("http://a.example/c")),
    );
    let message = body(&text)["Message"].as_str().unwrap_or_default().to_owned();
    assert!(
        message.ends_with("outputBlobContainerUri is not https: all endpoints use TLS"),
        "{message}"
    );
}

#[test]
fn rights_are_those_of_the_registry() {
    let dir = TempDir::new();
    let world = World::open(&dir, &Arc::<Memory>::default());
    let ask = |policy: &str, method: &str, path: &str| {
        let client = Client::new(&world.control, policy);
        let body = if method == "POST" { json!({}) } else { Value::Null };
        verdict(&client.send(method, path, None, &body)).0
    };
    for (policy, read, write) in [
        ("iothubowner", true, true),
        ("registryReadWrite", true, true),
        ("registryRead", true, false),
        ("service", false, false),
        ("device", false, false),
    ] {
        let [list, show] = ["/jobs", "/jobs/none"].map(|path| ask(policy, "GET", path));
        assert_eq!((list, show), if read { (200, 404) } else { (401, 401) }, "{policy}");
        assert_eq!(ask(policy, "POST", "/jobs/create"), if write { 400 } else { 401 }, "{policy}");
        assert_eq!(ask(policy, "DELETE", "/jobs/none"), if write { 404 } else { 401 }, "{policy}");
    }
    assert_eq!(ask("iothubowner", "POST", "/jobs"), 405);
    assert_eq!(ask("iothubowner", "GET", "/jobs/create"), 405);
    assert_eq!(ask("iothubowner", "GET", "/jobs/v2/query"), 200, "other jobs are elsewhere");
}

#[test]
fn one_job_at_a_time_is_shown_listed_and_cancelled() {
    let dir = TempDir::new();
    let world = World::open(&dir, &Arc::<Memory>::default());
    assert_eq!(world.import(&file(&[json!({ "id": "a" })])), Vec::<Value>::new());
    world.storage.remove("devices.txt");
    world.storage.hold_after(Some(0));
    let made = world.client().send("POST", "/jobs/create", None, &export_request());
    let made = body(&made);
    assert_eq!((&made["type"], &made["status"]), (&json!("export"), &json!("enqueued")));
    assert_eq!(made["outputBlobContainerUri"], json!(container()), "its maker knows it anyway");
    let id = made["jobId"].as_str().expect("text").to_owned();
    assert_eq!(id.len(), 36);
    for request in [export_request(), import_request()] {
        let second = world.client().send("POST", "/jobs/create", None, &request);
        assert_eq!(verdict(&second), refused(403, "JobQuotaExceeded"));
    }
    let shown = world.job(&id);
    assert!(matches!(shown["status"].as_str(), Some("enqueued" | "running")), "{shown}");
    assert!(!shown.to_string().contains(SECRET), "{shown}");
    let list = body(&world.client().get("/jobs"));
    assert_eq!((list.as_array().map(Vec::len), &list[1]["jobId"]), (Some(2), &json!(id)));
    let cancel = || {
        let path = format!("/jobs/{}", id.to_uppercase());
        verdict(&world.client().send("DELETE", &path, Some("\"whatever\""), &Value::Null))
    };
    assert_eq!(cancel(), (204, String::new()));
    assert_eq!(world.ended(&id)["status"], "cancelled");
    assert_eq!(cancel(), (204, String::new()), "it stays as it is");
    let none = world.client().send("DELETE", "/jobs/none", None, &Value::Null);
    assert_eq!(verdict(&none), refused(404, "JobNotFound"));

    // The thread of the first is still at its request; the next one runs beside it.
    let second = world.create(&json!({ "type": "export", "outputBlobContainerUri": container(),
                                       "outputBlobName": "second.txt" }));
    world.storage.hold_after(None);
    assert_eq!(world.ended(&second)["status"], "completed");
    assert_eq!(world.storage.get("devices.txt"), None, "what was cancelled does not appear");
    assert_eq!(body(&world.client().get("/jobs")).as_array().map(Vec::len), Some(3));
}

#[test]
fn a_cancel_keeps_what_an_import_has_done() {
    let dir = TempDir::new();
    let world = World::open(&dir, &Arc::<Memory>::default());
    let lines: Vec<_> = (0..1000).map(|n| json!({ "id": format!("d{n:04}") })).collect();
    let content = file(&lines);
    world.storage.put("devices.txt", &content);
    world.storage.cut_parts(content.len() as u64 / 2);
    // Properties, the empty errors, and the first half.
    world.storage.hold_after(Some(3));
    let id = world.create(&import_request());
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while world.job(&id)["progress"].as_u64() < Some(30) {
        assert!(std::time::Instant::now() < until, "not in time");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let path = format!("/jobs/{id}");
    world.client().send("DELETE", &path, None, &Value::Null);
    world.storage.hold_after(None);
    let ended = world.ended(&id);
    assert_eq!(ended["status"], "cancelled");
    let count = body(&world.client().get("/statistics/devices"))["totalDeviceCount"].as_u64();
    assert!(count.is_some_and(|count| (300..=600).contains(&count)), "{count:?}");
}
