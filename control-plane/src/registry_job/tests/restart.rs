//! Jobs over the end of the process.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::world::{Memory, World, export_request, file, import_request};
use crate::api::tests::body;
use crate::tests::TempDir;

const DEVICES: usize = 1000;

/// An import of lines that can succeed but once, cut short after half of the blob.
fn half_imported(dir: &TempDir, storage: &Arc<Memory>) -> String {
    let world = World::open(dir, storage);
    let line = |n| json!({ "id": format!("d{n:04}"), "importMode": "create" });
    let mut lines: Vec<_> = (0..DEVICES).map(line).collect();
    lines.insert(10, line(3));
    let content = file(&lines);
    storage.put("devices.txt", &content);
    storage.cut_parts(content.len() as u64 / 2);
    storage.hold_after(Some(3));
    let id = world.create(&import_request());
    let until = Instant::now() + Duration::from_secs(60);
    while world.job(&id)["progress"].as_u64() < Some(30) {
        assert!(Instant::now() < until, "not in time");
        thread::sleep(Duration::from_millis(2));
    }
    world.control.shutdown();
    id
}

#[test]
fn an_import_goes_on_where_it_was() {
    let dir = TempDir::new();
    let storage = Arc::<Memory>::default();
    let id = half_imported(&dir, &storage);
    let world = World::open(&dir, &storage);
    storage.hold_after(None);
    let job = world.ended(&id);
    assert_eq!(job["status"], "completed", "{job}");
    let errors = storage.lines("importErrors.log");
    assert_eq!(errors.len(), 1, "no line was applied twice: {errors:?}");
    assert_eq!(
        (&errors[0]["deviceId"], &errors[0]["errorCode"]),
        (&json!("d0003"), &json!(409_001))
    );
    let count = body(&world.client().get("/statistics/devices"))["totalDeviceCount"].clone();
    assert_eq!(count, json!(DEVICES));
}

#[test]
fn an_import_of_another_blob_does_not_go_on() {
    let dir = TempDir::new();
    let storage = Arc::<Memory>::default();
    let id = half_imported(&dir, &storage);
    storage.put("devices.txt", &file(&[json!({ "id": "other" })]));
    let world = World::open(&dir, &storage);
    storage.hold_after(None);
    let job = world.ended(&id);
    assert_eq!(job["status"], "failed", "{job}");
    let reason = job["failureReason"].as_str().unwrap_or_default();
    assert!(reason.contains("has changed since the import began"), "{reason}");
}

#[test]
fn an_export_begins_anew() {
    let dir = TempDir::new();
    let storage = Arc::<Memory>::default();
    let world = World::open(&dir, &storage);
    let lines: Vec<_> = (0..DEVICES).map(|n| json!({ "id": format!("d{n:04}") })).collect();
    assert_eq!(world.import(&file(&lines)), Vec::<Value>::new());
    storage.hold_after(Some(0));
    let id = world.create(&export_request());
    let until = Instant::now() + Duration::from_secs(60);
    while world.job(&id)["progress"].as_u64() < Some(90) {
        assert!(Instant::now() < until, "not in time");
        thread::sleep(Duration::from_millis(2));
    }
    world.control.shutdown();
    let world = World::open(&dir, &storage);
    storage.hold_after(None);
    assert_eq!(world.ended(&id)["status"], "completed");
    assert_eq!(storage.lines("devices.txt").len(), DEVICES);
    world.control.shutdown();
    let world = World::open(&dir, &storage);
    let list = body(&world.client().get("/jobs"));
    assert_eq!(list.as_array().map(Vec::len), Some(2), "what has ended is kept");
}

/// Goal: jobs and errors do not stay for ever. Method: a job is made to look old.
#[test]
fn what_ended_long_ago_is_forgotten_with_its_errors() {
    let dir = TempDir::new();
    let storage = Arc::<Memory>::default();
    let world = World::open(&dir, &storage);
    assert_eq!(world.import(b"no JSON\n").len(), 1);
    let old = world.completed(&export_request());
    world.control.shutdown();
    let registry = rusqlite::Connection::open(dir.path().join(crate::REGISTRY_FILE));
    let registry = registry.expect("nobody else has it open");
    let made_old = registry
        .execute("UPDATE registry_job SET ended_ms = 1 WHERE job_id = ?1", [old["jobId"].as_str()]);
    assert_eq!(made_old.expect("it can be written"), 1);
    drop(registry);
    let world = World::open(&dir, &storage);
    let until = Instant::now() + Duration::from_secs(60);
    let path = format!("/jobs/{}", old["jobId"].as_str().unwrap_or_default());
    while world.client().get(&path).status != 404 {
        assert!(Instant::now() < until, "not in time");
        thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(body(&world.client().get("/jobs")).as_array().map(Vec::len), Some(1));
    world.control.shutdown();
    let registry = rusqlite::Connection::open(dir.path().join(crate::REGISTRY_FILE));
    let registry = registry.expect("nobody else has it open");
    let errors =
        registry.query_row("SELECT count(*) FROM registry_job_error", [], |row| row.get(0));
    assert_eq!(errors.ok(), Some(0));
}
