//! Scheduled jobs on a disk that is full.
//!
//! The fault of the disk is the kernel's own: the size of the hub's files is limited while it runs
//! (`RLIMIT_FSIZE`), which takes no mount and no root.

mod support;

use serde_json::{Value, json};
use support::hub::Hub;
use support::patience::eventually;
use support::rest::exchange;

const DEVICES: usize = 2000;
/// Devices of one registration.
const BULK: usize = 100;
/// Bytes that each device gets: together more than there is room for.
const PATCH_BYTES: usize = 2000;
/// Room that the files get when the disk becomes full.
const ROOM_BYTES: u64 = 1024 * 1024;

fn ask(hub: &Hub, method: &str, path: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = exchange(hub, method, path, &body).expect("the hub answers");
    assert_eq!(status, 200, "{method} {path}: {answer}");
    serde_json::from_str(&answer).expect("the answer is JSON")
}

fn job(hub: &Hub) -> Value {
    ask(hub, "GET", "/jobs/v2/full", &Value::Null)
}

/// Device, failed, succeeded, running and pending count; checks that they add up.
fn counts(job: &Value) -> [u64; 5] {
    let statistics = &job["deviceJobStatistics"];
    let counts = ["deviceCount", "failedCount", "succeededCount", "runningCount", "pendingCount"]
        .map(|name| statistics[name].as_u64().unwrap_or_default());
    assert_eq!(counts[0], counts[1..].iter().sum::<u64>(), "counts do not add up: {job}");
    counts
}

/// Goal: a job on a full disk waits and goes on, and does nothing twice. Method: a job writes more
/// than the disk has room for; later there is room again.
#[test]
fn a_job_waits_for_room_on_the_disk() {
    let mut hub = Hub::start();
    let all: Vec<_> = (0..DEVICES).map(|n| json!({ "id": format!("d{n:04}") })).collect();
    for part in all.chunks(BULK) {
        ask(&hub, "POST", "/devices", &json!(part));
    }
    let lengths = ["registry.db", "registry.db-wal"].map(|name| {
        let file = hub.data_dir().join("registry").join(name);
        std::fs::metadata(file).map_or(0, |metadata| metadata.len())
    });
    // Not below the segments of the log: telemetry has its room already.
    let limit = lengths.into_iter().max().unwrap_or_default().max(2 << 20) + ROOM_BYTES;
    hub.limit_files(Some(limit));
    let text = "x".repeat(PATCH_BYTES);
    let patch = json!({ "etag": "*", "properties": { "desired": { "fill": text } } });
    let body = json!({
        "type": "scheduleUpdateTwin", "queryCondition": "*", "updateTwin": patch,
    });
    ask(&hub, "PUT", "/jobs/v2/full", &body);
    eventually("the disk is full", || {
        let _ = counts(&job(&hub));
        hub.log().contains("the disk is full")
    });
    let waiting = job(&hub);
    let [devices, .., pending] = counts(&waiting);
    assert_eq!(waiting["status"], "running", "{waiting}");
    assert!(devices < DEVICES as u64 || pending > 0, "{waiting}");
    hub.limit_files(None);
    eventually("the job has ended", || {
        let _ = counts(&job(&hub));
        job(&hub)["status"] == "completed"
    });
    let devices = DEVICES as u64;
    assert_eq!(counts(&job(&hub)), [devices, 0, devices, 0, 0]);
    let query = "SELECT COUNT() AS n FROM devices WHERE properties.desired.$version = 2";
    let once = ask(&hub, "POST", "/devices/query", &json!({ "query": query }));
    assert_eq!(once[0]["n"], DEVICES, "each was changed once");
    hub.assert_sound();
}
