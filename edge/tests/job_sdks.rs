//! Scheduled jobs through the service SDKs of Python and Node, unmodified.

mod support;

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringhub_core::time::UnixMillis;
use serde_json::{Value, json};
use support::hub::Hub;
use support::methods::MethodDevice;
use support::node::Node;
use support::python::Python;
use support::rest::{self, Device};
use support::script::Lines;

const DEVICES: usize = 40;
/// Devices that are connected and answer.
const CONNECTED: usize = 3;

/// Devices with their numbers as tags; the first ones are connected and echo one call each.
fn fleet() -> (Hub, Vec<thread::JoinHandle<()>>) {
    let hub = Hub::start();
    let mut answering = Vec::new();
    for n in 0..DEVICES {
        let device = Device::create(&hub, &format!("d{n:02}"));
        let tags = json!({ "tags": { "n": n } }).to_string();
        let path = format!("/twins/{}", device.id);
        let answer = rest::exchange(&hub, "PATCH", &path, &tags).expect("the hub answers");
        assert_eq!(answer.0, 200, "{}", answer.1);
        if n < CONNECTED {
            let mut device = MethodDevice::connect(&hub, &device).expect("it may connect");
            answering.push(thread::spawn(move || device.echo(1).expect("one call comes")));
        }
    }
    (hub, answering)
}

fn in_an_hour() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
    let then = since + Duration::from_secs(3600);
    let millis = i64::try_from(then.as_millis()).expect("not so far");
    UnixMillis::from_millis(millis).to_iso8601().expect("it has four digits")
}

/// Device, failed, succeeded, running and pending count, however they are spelled.
fn counts(job: &Value) -> [u64; 5] {
    let statistics = &job["deviceJobStatistics"];
    ["deviceCount", "failedCount", "succeededCount", "runningCount", "pendingCount"]
        .map(|name| statistics[name].as_u64().unwrap_or_else(|| panic!("{name}: {job}")))
}

/// What both scripts ask, one after the other: a twin job, the same again, a method job, a job with
/// a bad condition, and one that is scheduled, cancelled and cancelled again.
fn check(hub: &Hub, lines: &Lines) {
    let calls = lines.all("call");
    let [made, again, twins, methods, called, bad, failed, scheduled, cancelled, late, unknown] =
        calls[..11]
    else {
        unreachable!("eleven were asked for")
    };
    assert_eq!((&made["jobId"], &made["type"]), (&json!("fw"), &json!("scheduleUpdateTwin")));
    assert_eq!(*again, json!({ "code": "JobAlreadyExists", "status": 409 }));
    assert_eq!((&twins["status"], counts(twins)), (&json!("completed"), [30, 0, 30, 0, 0]));
    assert!(["enqueued", "running"].contains(&methods["status"].as_str().unwrap_or_default()));
    assert_eq!(methods["cloudToDeviceMethod"]["methodName"], "reboot");
    assert_eq!((&called["status"], counts(called)), (&json!("completed"), [4, 1, 3, 0, 0]));
    assert_eq!(bad["jobId"], "bad");
    assert_eq!(failed["status"], "failed", "{failed}");
    let reason = failed["failureReason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("SQL query parse failed due to following errors:"), "{reason}");
    assert_eq!(scheduled["status"], "scheduled");
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(*late, json!({ "code": "InvalidOperation", "status": 400 }));
    assert_eq!(*unknown, json!({ "code": "JobNotFound", "status": 404 }));
    for n in 0..DEVICES {
        let (_, twin) =
            rest::exchange(hub, "GET", &format!("/twins/d{n:02}"), "").expect("answered");
        let twin: Value = serde_json::from_str(&twin).expect("a twin is JSON");
        let desired = &twin["properties"]["desired"];
        let expected = if n >= 10 { (json!("2.1"), 2) } else { (Value::Null, 1) };
        assert_eq!((&desired["fw"], desired["$version"].as_i64()), (&expected.0, Some(expected.1)));
    }
    let rows = rows(hub, "jobId = 'boot'");
    assert_eq!(rows.len(), 4);
    for row in &rows[..CONNECTED] {
        let response = &row["outcome"]["deviceMethodResponse"];
        assert_eq!(*response, json!({ "status": 200, "payload": { "delay": 3 } }), "{row}");
    }
    assert_eq!(rows[3]["error"]["code"], "JobRunPreconditionFailed");
    check_rows(hub);
}

/// The rows of jobs that a condition takes.
fn rows(hub: &Hub, condition: &str) -> Vec<Value> {
    let query = format!("SELECT * FROM devices.jobs WHERE {condition}");
    let query = json!({ "query": query }).to_string();
    let (status, rows) = rest::exchange(hub, "POST", "/devices/query", &query).expect("answered");
    assert_eq!(status, 200, "{condition}: {rows}");
    let rows: Value = serde_json::from_str(&rows).expect("rows are JSON");
    rows.as_array().expect("an array").clone()
}

/// Rows are found by device, type and status, with or without the prefix of their collection.
fn check_rows(hub: &Hub) {
    for (condition, jobs) in [
        ("deviceId = 'd01'", vec!["boot"]),
        ("devices.jobs.deviceId = 'd12'", vec!["fw"]),
        ("deviceId IN ['d12', 'd02', 'd04', 'nobody']", vec!["fw", "boot"]),
        ("deviceId = 'd12' AND jobType = 'scheduleDeviceMethod'", vec![]),
        (
            "startswith(deviceId, 'd0') AND devices.jobs.jobType = 'scheduleDeviceMethod'",
            vec!["boot", "boot", "boot", "boot"],
        ),
        ("jobType = 'scheduleDeviceMethod' AND status = 'failed'", vec!["boot"]),
        ("devices.jobs.status = 'completed' AND deviceId >= 'd38'", vec!["fw", "fw"]),
        ("status = 'canceled'", vec![]),
        (
            "jobType = 'scheduleUpdateTwin' AND status = 'completed' AND deviceId < 'd11'",
            vec!["fw"],
        ),
    ] {
        let rows = rows(hub, condition);
        let found: Vec<_> = rows.iter().map(|row| row["jobId"].as_str().expect("text")).collect();
        assert_eq!(found, jobs, "{condition}");
    }
}

#[test]
fn python_schedules_follows_and_cancels() {
    let Some(python) = Python::provisioned() else { return };
    let (hub, answering) = fleet();
    let patch = json!({ "desired": { "fw": "2.1" } });
    let twin = json!({
        "type": "scheduleUpdateTwin", "query_condition": "tags.n >= 10", "patch": patch,
        "max_execution_time_in_seconds": 600,
    });
    let method = json!({
        "type": "scheduleDeviceMethod", "query_condition": "tags.n < 4",
        "method": { "method_name": "reboot", "payload": { "delay": 3 },
            "response_timeout_in_seconds": 60 },
        "max_execution_time_in_seconds": 5,
    });
    let with = |member: &str, value: &str| {
        let mut job = twin.clone();
        job[member] = json!(value);
        job
    };
    let later = in_an_hour();
    let calls = json!([
        ["create", "fw", twin],
        ["create", "fw", twin],
        ["wait", "fw"],
        ["create", "boot", method],
        ["wait", "boot"],
        ["create", "bad", with("query_condition", "SELECT * FROM devices")],
        ["wait", "bad"],
        ["create", "later", with("start_time", &later)],
        ["cancel", "later"],
        ["cancel", "later"],
        ["get", "nobody"],
    ]);
    let lines = python
        .script("job_calls.py")
        .arg(hub.registry_connection_string(&hub.address.https_host()))
        .arg(calls.to_string())
        .env("REQUESTS_CA_BUNDLE", hub.ca_file())
        .run();
    check(&hub, &lines);
    answering.into_iter().for_each(|device| device.join().expect("each was called once"));
}

#[test]
fn node_schedules_follows_lists_and_cancels() {
    let Some(node) = Node::provisioned() else { return };
    let (hub, answering) = fleet();
    let patch = json!({ "etag": "*", "properties": { "desired": { "fw": "2.1" } } });
    let method = json!({
        "methodName": "reboot", "payload": { "delay": 3 }, "responseTimeoutInSeconds": 60,
    });
    let full = "SELECT * FROM devices";
    let calls = json!([
        ["twin", "fw", "tags.n >= 10", patch, null, 600],
        ["twin", "fw", "tags.n >= 10", patch, null, 600],
        ["wait", "fw"],
        ["method", "boot", "tags.n < 4", method, null, 5],
        ["wait", "boot"],
        ["twin", "bad", full, patch, null, 600],
        ["wait", "bad"],
        ["twin", "later", "*", patch, in_an_hour(), 600],
        ["cancel", "later"],
        ["cancel", "later"],
        ["get", "nobody"],
        ["list", null, null, 2],
        ["list", "scheduleDeviceMethod", "completed", 2],
        ["list", "scheduleUpdateTwin", "queued", 2],
    ]);
    let lines = node
        .script(&hub, "job_calls.js")
        .arg(hub.registry_connection_string(&hub.address.host()))
        .arg(hub.address.https_port.to_string())
        .arg(calls.to_string())
        .run();
    check(&hub, &lines);
    let ids = |list: &Value| {
        assert_eq!(list["type"], "JobResponse", "{list}");
        let rows = list["rows"].as_array().expect("rows").iter();
        rows.map(|job| job["jobId"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    let calls = lines.all("call");
    let [all, called, none] = calls[11..] else { panic!("three lists were asked for") };
    assert_eq!(
        (ids(all), all["pages"].as_u64()),
        (vec!["fw".into(), "boot".into(), "bad".into(), "later".into()], Some(2))
    );
    assert_eq!(ids(called), ["boot"]);
    assert_eq!(ids(none), [""; 0]);
    answering.into_iter().for_each(|device| device.join().expect("each was called once"));
}
