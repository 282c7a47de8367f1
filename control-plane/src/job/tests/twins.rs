//! Jobs that change twins.

use serde_json::{Value, json};

use super::world::{World, counts, name, twin_job};
use crate::tests::TempDir;

/// More than one turn, and more than one page of targets would be slow to register.
const DEVICES: usize = 80;

#[test]
fn every_target_is_changed_once_and_nothing_else() {
    let dir = TempDir::new();
    let world = World::open(&dir);
    world.register(DEVICES);
    let made = world.create("fw-1", &twin_job("tags.n >= 20"));
    assert_eq!(made["updateTwin"]["deviceId"], Value::Null, "the patch comes back as it was");
    assert_eq!(made["maxExecutionTimeInSeconds"], 3600);
    let job = world.ended("fw-1");
    assert_eq!((&job["status"], counts(&job)), (&json!("completed"), [60, 0, 60, 0, 0]), "{job}");
    assert_eq!(job["type"], "scheduleUpdateTwin");
    for n in 0..DEVICES {
        let desired = &world.twin(n)["properties"]["desired"];
        let expected = if n >= 20 { (json!("2.1"), 2) } else { (Value::Null, 1) };
        assert_eq!(
            (desired["fw"].clone(), desired["$version"].as_u64()),
            (expected.0, Some(expected.1))
        );
    }
    world.control.shutdown();
    let world = World::open(&dir);
    assert_eq!(world.job("fw-1"), job, "an ended job stays as it is");
    world.control.shutdown();
}

#[test]
fn targets_are_fixed_when_the_job_starts() {
    let dir = TempDir::new();
    let world = World::open(&dir);
    world.register(40);
    // Each change would make the device a target no longer, and another one a target.
    let mut job = twin_job("NOT IS_DEFINED(tags.done)");
    job["updateTwin"] = json!({ "etag": "*", "tags": { "done": true, "n": null } });
    world.create("once", &job);
    assert_eq!(counts(&world.ended("once")), [40, 0, 40, 0, 0]);
    world.create("twice", &job);
    assert_eq!(counts(&world.ended("twice")), [0, 0, 0, 0, 0], "an empty target is a job too");
    assert_eq!(world.job("twice")["status"], "completed");
    world.control.shutdown();
}

#[test]
fn a_device_that_refuses_the_patch_fails_alone() {
    let dir = TempDir::new();
    let world = World::open(&dir);
    world.register(3);
    let large = |fill: &str| {
        json!({ "properties": { "desired": {
        "a": fill.repeat(4000), "b": fill.repeat(4000), "c": fill.repeat(4000),
        "d": fill.repeat(4000), "e": fill.repeat(4000) } } })
    };
    let path = format!("/twins/{}", name(1));
    assert_eq!(world.client().send("PATCH", &path, None, &large("x")).status, 200);
    let mut job = twin_job("*");
    job["updateTwin"] = json!({ "etag": "*", "properties": { "desired": {
        "f": "y".repeat(4000), "g": "y".repeat(4000), "h": "y".repeat(4000),
        "i": "y".repeat(4000) } } });
    world.create("large", &job);
    let job = world.ended("large");
    assert_eq!((&job["status"], counts(&job)), (&json!("completed"), [3, 1, 2, 0, 0]), "{job}");
    assert_eq!(world.twin(1)["properties"]["desired"]["f"], Value::Null);
    world.control.shutdown();
}

#[test]
fn modules_are_targets_of_their_own() {
    let dir = TempDir::new();
    let world = World::open(&dir);
    world.register(2);
    let owner = crate::api::tests::Client::new(&world.control, "iothubowner");
    for path in ["/devices/d000/modules/fan", "/devices/d001/modules/fan"] {
        assert_eq!(owner.put(path, None, &json!({})).status, 200);
    }
    world.create("fans", &twin_job("from devices.modules where deviceId = 'd001'"));
    assert_eq!(counts(&world.ended("fans")), [1, 0, 1, 0, 0]);
    let fan = crate::api::tests::body(&world.client().get("/twins/d001/modules/fan"));
    assert_eq!(fan["properties"]["desired"]["fw"], "2.1");
    assert_eq!(world.twin(1)["properties"]["desired"]["fw"], Value::Null);
    world.control.shutdown();
}

#[test]
fn a_scheduled_job_waits_and_can_be_cancelled() {
    let dir = TempDir::new();
    let world = World::open(&dir);
    world.register(1);
    let mut job = twin_job("*");
    let soon = crate::clock::now() + std::time::Duration::from_secs(3600);
    job["startTime"] = json!(soon.to_iso8601());
    let made = world.create("later", &job);
    assert_eq!(made["status"], "scheduled");
    assert_eq!(made["startTime"], json!(soon.to_iso8601()));
    assert_eq!(made["deviceJobStatistics"], Value::Null);
    world.control.shutdown();
    let world = World::open(&dir);
    assert_eq!(world.job("later"), made, "it waits over restarts");
    let cancel = || world.client().send("POST", "/jobs/v2/later/cancel", None, &Value::Null);
    let cancelled = crate::api::tests::body(&cancel());
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(world.ended("later"), cancelled);
    let again = crate::api::tests::verdict(&cancel());
    assert_eq!(again, (400, "InvalidOperation".to_owned()));
    world.create("other", &twin_job("*"));
    assert_eq!(counts(&world.ended("other")), [1, 0, 1, 0, 0]);
    assert_eq!(world.twin(0)["properties"]["desired"]["$version"], 2, "only one of them has run");
    world.control.shutdown();
}
