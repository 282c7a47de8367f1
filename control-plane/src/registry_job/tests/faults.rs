//! Storage that fails, for a while or for good.

use std::sync::Arc;

use ringhub_core::limits::STORAGE_TRIES_MAX;
use serde_json::json;

use super::world::{Memory, SECRET, World, export_request, file, import_request};
use crate::tests::TempDir;

#[test]
fn what_passes_is_tried_again() {
    let dir = TempDir::new();
    let world = World::open(&dir, &Arc::<Memory>::default());
    world.storage.put("devices.txt", &file(&[json!({ "id": "a" })]));
    world.storage.fail(3, "busy", true);
    world.completed(&import_request());
    world.storage.fail(3, "busy", true);
    world.completed(&export_request());
    assert_eq!(world.storage.lines("devices.txt").len(), 1);
}

#[test]
fn what_does_not_pass_fails_the_job_and_says_where() {
    let dir = TempDir::new();
    let world = World::open(&dir, &Arc::<Memory>::default());
    let before = world.storage.requests();
    world.storage.fail(100, "the account is full", true);
    let job = world.ended(&world.create(&export_request()));
    let place = "https://account.example/container/devices.txt";
    assert_eq!(job["status"], "failed");
    assert_eq!(
        job["failureReason"],
        json!(format!("cannot write {place}: the account is full (tried 6 times)"))
    );
    assert_eq!(world.storage.requests() - before, STORAGE_TRIES_MAX as usize);
    world.storage.fail(1, "403", false);
    let job = world.ended(&world.create(&import_request()));
    assert_eq!(job["failureReason"], json!(format!("cannot read {place}: 403")));
    assert!(!job.to_string().contains(SECRET), "{job}");
}
