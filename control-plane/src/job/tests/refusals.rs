//! What is refused, with the codes of the reference, and what lists show.

use serde_json::{Value, json};

use super::world::{World, counts, method_job, twin_job};
use crate::api::tests::{Client, body, call, verdict};
use crate::tests::TempDir;

fn refused(number: u16, name: &str) -> (u16, String) {
    (number, name.to_owned())
}

/// A job with one member changed.
fn with(mut job: Value, member: &str, value: Value) -> Value {
    job[member] = value;
    job
}

#[test]
fn bodies_that_make_no_job_are_refused() {
    let dir = TempDir::new();
    let world = World::open(&dir);
    let job = || twin_job("*");
    let bad = "ArgumentInvalid";
    let generic = "GenericBadRequest";
    let deep = (0..12).fold(json!(1), |inner, _| json!({ "a": inner }));
    let deep = json!({ "etag": "*", "tags": deep });
    for (body, number, name) in [
        (Value::Null, 400, "ArgumentNull"),
        (json!([]), 400, generic),
        (json!({}), 400, generic),
        (with(job(), "type", json!("scheduleTwinUpdate")), 400, generic),
        (with(job(), "type", json!("export")), 400, generic),
        (with(job(), "jobId", json!("other")), 400, bad),
        (with(job(), "queryCondition", Value::Null), 400, bad),
        (with(job(), "queryCondition", json!(" ")), 400, bad),
        (with(job(), "queryCondition", json!(7)), 400, bad),
        (with(job(), "queryCondition", json!("x".repeat(8193))), 412, "PreconditionFailed"),
        (with(job(), "updateTwin", Value::Null), 400, bad),
        (with(job(), "updateTwin", json!(7)), 400, bad),
        (with(job(), "updateTwin", json!({ "tags": { "a": 1 } })), 400, bad),
        (with(job(), "updateTwin", json!({ "etag": "AAAAAAAAAAE=" })), 400, bad),
        (with(job(), "updateTwin", deep), 400, bad),
        (
            with(job(), "updateTwin", json!({ "etag": "*", "deviceId": "x".repeat(262_144) })),
            413,
            "GenericRequestEntityTooLarge",
        ),
        (with(job(), "startTime", json!("tomorrow")), 400, bad),
        (with(job(), "startTime", json!("2999-01-01T00:00:00Z")), 400, bad),
        (with(job(), "startTime", json!(7)), 400, bad),
        (with(job(), "maxExecutionTimeInSeconds", json!(0)), 400, bad),
        (with(job(), "maxExecutionTimeInSeconds", json!(-5)), 400, bad),
        (with(job(), "maxExecutionTimeInSeconds", json!(2_592_001)), 400, bad),
        (with(method_job("*", 5), "cloudToDeviceMethod", Value::Null), 400, bad),
        (with(method_job("*", 5), "cloudToDeviceMethod", json!({})), 400, "ArgumentNull"),
        (with(method_job("*", 5), "cloudToDeviceMethod", json!({ "methodName": "a b" })), 400, bad),
        (
            with(
                method_job("*", 5),
                "cloudToDeviceMethod",
                json!({ "methodName": "a", "payload": "x".repeat(128 * 1024) }),
            ),
            413,
            "MessageTooLarge",
        ),
    ] {
        let response = world.client().put("/jobs/v2/j", None, &body);
        assert_eq!(verdict(&response), refused(number, name), "{body:.200}");
    }
    let none = world.client().get("/jobs/v2/j");
    assert_eq!(verdict(&none), refused(404, "JobNotFound"), "nothing was made");
    world.control.shutdown();
}

#[test]
fn names_rights_and_verbs_are_checked() {
    let dir = TempDir::new();
    let world = World::open(&dir);
    let ask = |policy, verb, path| {
        verdict(&Client::new(&world.control, policy).send(verb, path, None, &twin_job("*")))
    };
    assert_eq!(ask("service", "POST", "/jobs/v2/no/cancel"), refused(404, "JobNotFound"));
    assert_eq!(ask("service", "PUT", "/jobs/v2/a%20b"), refused(400, "ArgumentInvalid"));
    assert_eq!(ask("service", "PUT", "/jobs/v2/query"), refused(405, "GenericMethodNotAllowed"));
    assert_eq!(ask("service", "DELETE", "/jobs/v2/j"), refused(405, "GenericMethodNotAllowed"));
    for policy in ["registryRead", "device"] {
        for (verb, path) in
            [("PUT", "/jobs/v2/j"), ("GET", "/jobs/v2/j"), ("GET", "/jobs/v2/query")]
        {
            let no = refused(401, "IotHubUnauthorizedAccess");
            assert_eq!(ask(policy, verb, path), no, "{policy} {verb} {path}");
        }
    }
    assert_eq!(ask("registryReadWrite", "PUT", "/jobs/v2/j"), refused(200, ""));
    assert_eq!(ask("service", "PUT", "/jobs/v2/j"), refused(409, "JobAlreadyExists"));
    world.control.shutdown();
}

#[test]
fn a_condition_that_cannot_be_read_fails_the_job() {
    let dir = TempDir::new();
    let world = World::open(&dir);
    world.register(1);
    for (id, condition, place) in [
        ("a", "SELECT * FROM devices", "Line 1:29"),
        ("b", "tags.n = 1 GROUP BY tags.n", "Line 1:"),
        ("c", "FROM devices.jobs", "Line 1:15"),
        ("d", "FROM devices GROUP BY tags.n", "Line 1:"),
        ("e", "tags.n = 1; DROP TABLE device", "Line 1:39"),
        ("f", "fröm x", "Line 1:34"),
    ] {
        world.create(id, &twin_job(condition));
        let job = world.ended(id);
        assert_eq!(job["status"], "failed", "{condition}: {job}");
        let reason = job["failureReason"].as_str().unwrap_or_default();
        let start = "SQL query parse failed due to following errors: \n\t";
        let rest = reason.strip_prefix(start).unwrap_or_else(|| panic!("{condition}: {job}"));
        assert!(rest.starts_with(place), "{condition}: {rest}");
        assert_eq!(counts(&job), [0; 5]);
    }
    world.control.shutdown();
}

#[test]
fn a_hub_has_a_bounded_number_of_jobs() {
    let dir = TempDir::new();
    let world = World::open(&dir);
    world.register(1);
    // The device is not there, so these go on.
    for n in 0..10 {
        world.create(&format!("now-{n}"), &method_job("*", 3600));
    }
    let too_many = refused(429, "ThrottlingMaxActiveJobCountExceeded");
    let one_more = world.client().put("/jobs/v2/more", None, &twin_job("*"));
    assert_eq!(verdict(&one_more), too_many);
    let later = crate::clock::now() + std::time::Duration::from_secs(3600);
    let later = with(twin_job("*"), "startTime", json!(later.to_iso8601()));
    for n in 0..90 {
        world.create(&format!("later-{n}"), &later);
    }
    assert_eq!(verdict(&world.client().put("/jobs/v2/more", None, &later)), too_many);
    let nothing = Value::Null;
    for id in ["now-3", "later-7"] {
        let path = format!("/jobs/v2/{id}/cancel");
        assert_eq!(world.client().send("POST", &path, None, &nothing).status, 200);
    }
    world.create("more", &twin_job("*"));
    assert_eq!(counts(&world.ended("more")), [1, 0, 1, 0, 0]);
    world.control.shutdown();
}

#[test]
fn lists_have_pages_and_filters_in_any_case() {
    let dir = TempDir::new();
    let world = World::open(&dir);
    world.register(1);
    for n in 0..5 {
        world.create(&format!("twin-{n}"), &twin_job("*"));
        world.ended(&format!("twin-{n}"));
    }
    world.create("method", &method_job("*", 3600));
    world.wait("method", |job| job["status"] == "running");
    let page = |query: &str, token: Option<&str>| {
        let client = world.client();
        let mut request = client.request("GET", "/jobs/v2/query", None, &Value::Null);
        request.path_and_query.push_str(query);
        request.headers.insert("x-ms-max-item-count", "2".parse().expect("a value"));
        if let Some(token) = token {
            request.headers.insert("x-ms-continuation", token.parse().expect("a value"));
        }
        let response = call(&world.control, request);
        assert_eq!(response.status, 200, "{query}: {response:?}");
        assert_eq!(response.headers["x-ms-item-type"], "JobResponse");
        let token = response.headers.get("x-ms-continuation");
        let token = token.map(|token| token.to_str().expect("text").to_owned());
        let jobs = body(&response);
        let ids = jobs.as_array().expect("a bare array").iter();
        (ids.map(|job| job["jobId"].as_str().expect("text").to_owned()).collect::<Vec<_>>(), token)
    };
    let all = |query: &str| {
        let (mut ids, mut token) = page(query, None);
        while let Some(place) = token {
            let (more, next) = page(query, Some(&place));
            assert!(!more.is_empty() && more.len() <= 2);
            ids.extend(more);
            token = next;
        }
        ids
    };
    let twins = ["twin-0", "twin-1", "twin-2", "twin-3", "twin-4"];
    assert_eq!(all(""), [&twins[..], &["method"]].concat());
    assert_eq!(all("&jobType=ScheduleUpdateTwin&jobStatus=Completed"), twins);
    assert_eq!(all("&jobStatus=running"), ["method"]);
    assert_eq!(all("&jobType=scheduleDeviceMethod&jobStatus=queued"), [""; 0]);
    let (_, token) = page("&jobStatus=completed", None);
    for (query, token) in [
        ("&jobStatus=done", None),
        ("&jobType=export", None),
        ("&jobStatus=running", token.as_deref()),
        ("", Some("nonsense")),
    ] {
        let client = world.client();
        let mut request = client.request("GET", "/jobs/v2/query", None, &Value::Null);
        request.path_and_query.push_str(query);
        if let Some(token) = token {
            request.headers.insert("x-ms-continuation", token.parse().expect("a value"));
        }
        let response = call(&world.control, request);
        assert_eq!(verdict(&response), refused(400, "ArgumentInvalid"), "{query}");
    }
    world.control.shutdown();
}
