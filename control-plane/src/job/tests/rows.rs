//! Rows of jobs, by queries.

use serde_json::{Value, json};

use super::world::{World, method_job, name, twin_job};
use crate::api::tests::{body, call, verdict};
use crate::tests::TempDir;

impl World {
    /// The rows that a query finds, page by page of `size`.
    fn rows(&self, condition: &str, size: usize) -> Vec<Value> {
        let text = format!("SELECT * FROM devices.jobs {condition}");
        let (mut rows, mut token) = (Vec::new(), None);
        loop {
            let query = json!({ "query": text });
            let mut request = self.client().request("POST", "/devices/query", None, &query);
            let size = size.to_string().parse().expect("a value");
            request.headers.insert("x-ms-max-item-count", size);
            if let Some(token) = token.take() {
                request.headers.insert("x-ms-continuation", token);
            }
            let response = call(&self.control, request);
            assert_eq!(verdict(&response), (200, String::new()), "{text}");
            assert_eq!(response.headers["x-ms-item-type"], "DeviceJob");
            let page = body(&response);
            rows.extend(page.as_array().expect("an array").iter().cloned());
            token = response.headers.get("x-ms-continuation").cloned();
            if token.is_none() {
                return rows;
            }
        }
    }

    fn devices(&self, condition: &str) -> Vec<String> {
        let rows = self.rows(condition, 7);
        rows.iter().map(|row| row["deviceId"].as_str().expect("text").to_owned()).collect()
    }
}

#[test]
fn rows_say_what_became_of_each_device() {
    let dir = TempDir::new();
    let world = World::open(&dir);
    world.register(20);
    let all: Vec<_> = (0..20).map(name).collect();
    world.create("twins", &twin_job("*"));
    let job = world.ended("twins");
    let rows = world.rows("WHERE devices.jobs.jobId = 'twins'", 100);
    assert_eq!(rows.len(), 20);
    let row = &rows[3];
    for (member, value) in [
        ("deviceId", json!("d003")),
        ("jobId", json!("twins")),
        ("jobType", json!("scheduleUpdateTwin")),
        ("status", json!("completed")),
        ("startTimeUtc", job["startTime"].clone()),
        ("outcome", json!({})),
        ("error", Value::Null),
        ("moduleId", Value::Null),
    ] {
        assert_eq!(row[member], value, "{member}: {row}");
    }
    for time in ["endTimeUtc", "createdDateTimeUtc", "lastUpdatedDateTimeUtc"] {
        assert!(row[time].as_str().is_some_and(|text| text.ends_with('Z')), "{time}: {row}");
    }
    let seat = world.connect(7);
    world.create("call", &method_job("deviceId IN ['d007', 'd008']", 2));
    let (_, sent) = world.calls(1).pop().expect("one call");
    let running = world.rows("where jobId = 'call' and status = 'running'", 100);
    assert_eq!(running.len(), 1, "{running:?}");
    world.answer(seat, &sent, 201, r#"{"done": 1e3}"#);
    world.ended("call");
    let done = world.rows("WHERE jobId = 'call' AND outcome.deviceMethodResponse.status = 201", 9);
    let response = json!({ "status": 201, "payload": { "done": 1000.0 } });
    assert_eq!(done[0]["outcome"], json!({ "deviceMethodResponse": response }));
    let failed = world.rows("WHERE devices.jobs.status = 'failed'", 100);
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0]["error"]["code"], "JobRunPreconditionFailed");
    assert_eq!(world.devices("WHERE error.code = 'JobRunPreconditionFailed'"), ["d008"]);
    assert_eq!(world.devices("where jobid IN ['twins']"), all, "pages join");
    assert_eq!(world.devices("").len(), 22);
    assert_eq!(world.devices("WHERE deviceId = 'd007'"), ["d007", "d007"]);
    assert_eq!(
        world.devices("WHERE jobId = 'twins' OR jobType = 'scheduleDeviceMethod'").len(),
        22
    );
    assert_eq!(world.devices("WHERE jobId = 'nobody' AND status = 'completed'"), [""; 0]);
    assert_eq!(world.devices("WHERE createdTimeUtc > '2999'"), [""; 0]);
    let top = json!({ "query": "SELECT TOP 3 * FROM devices.jobs" });
    let top = world.client().send("POST", "/devices/query", None, &top);
    assert_eq!(body(&top).as_array().map(Vec::len), Some(3));
    world.control.shutdown();
}

/// A condition, words of how it is answered, and the rows that it takes.
type Case<'c> = (&'static str, &'static str, &'c dyn Fn(&Value) -> bool);

#[test]
fn rows_of_some_devices_and_types_are_looked_up() {
    let dir = TempDir::new();
    let world = World::open(&dir);
    world.register(20);
    for (id, job) in [
        ("all", twin_job("*")),
        ("some", twin_job("STARTSWITH(deviceId, 'd01')")),
        ("calls", method_job("deviceId IN ['d003', 'd017']", 1)),
    ] {
        world.create(id, &job);
        world.ended(id);
    }
    let all = world.rows("", 100);
    assert_eq!(all.len(), 20 + 10 + 2);
    let is_of = |row: &Value, ids: &[&str]| ids.iter().any(|id| row["deviceId"] == *id);
    let is_type = |row: &Value, kind: &str| row["jobType"] == kind;
    let conditions: [Case<'_>; 8] = [
        ("deviceId = 'd017'", "those of every job, of 1 device ids, by index", &|row| {
            is_of(row, &["d017"])
        }),
        ("deviceId IN ['d017', 'no', 'd003', 7]", "of 3 device ids", &|row| {
            is_of(row, &["d003", "d017"])
        }),
        ("deviceId > 'd012' AND deviceId <= 'd017'", "from \"d012\" to \"d017\"", &|row| {
            row["deviceId"].as_str().is_some_and(|id| id > "d012" && id <= "d017")
        }),
        ("jobId = 'some' AND deviceId = 'd011'", "1 job ids, by index, of 1 device ids", &|row| {
            row["jobId"] == "some" && is_of(row, &["d011"])
        }),
        ("jobType = 'scheduleUpdateTwin' AND deviceId = 'd003'", "of 1 types, of 1", &|row| {
            is_type(row, "scheduleUpdateTwin") && is_of(row, &["d003"])
        }),
        ("jobType IN ['scheduleDeviceMethod', null]", "of 1 types", &|row| {
            is_type(row, "scheduleDeviceMethod")
        }),
        ("jobType = 'ScheduleDeviceMethod'", "of 1 types", &|_| false),
        ("deviceId = 'd003' OR status = 'failed'", "those of every job", &|row| {
            is_of(row, &["d003"]) || row["status"] == "failed"
        }),
    ];
    for (condition, way, takes) in conditions {
        let expected: Vec<_> = all.iter().filter(|row| takes(row)).cloned().collect();
        let condition = format!("WHERE {condition}");
        for size in [1, 3, 100] {
            assert_eq!(world.rows(&condition, size), expected, "{condition} by {size}");
        }
        let query = format!("SELECT * FROM devices.jobs {condition}");
        let asked = json!({ "query": query, "explain": true });
        let plan = body(&world.client().send("POST", "/devices/query", None, &asked));
        assert!(plan[0]["rows"].as_str().is_some_and(|rows| rows.contains(way)), "{plan}");
    }
    world.control.shutdown();
}
