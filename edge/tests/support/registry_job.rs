//! Import and export jobs of a hub, as a back end makes and follows them.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::hub::{Hub, HubOptions, SMALL_SEGMENTS};
use super::rest;
use super::storage_account::StorageAccount;

/// Longer than any job of the tests takes, also with many devices on a busy machine.
const JOB_TIME_MAX: Duration = Duration::from_secs(1800);

/// A hub whose jobs trust this storage account, and wait so long for it.
pub(crate) fn hub_with(account: &StorageAccount, request_timeout: &str) -> Hub {
    let ca = &account.ca;
    let storage = format!("[storage]\nca_file = {ca:?}\nrequest_timeout = \"{request_timeout}\"\n");
    Hub::start_with(HubOptions {
        config: SMALL_SEGMENTS.to_owned() + &storage,
        ..HubOptions::default()
    })
}

/// What exports into a container.
pub(crate) fn export_to(container: &str) -> Value {
    json!({ "type": "export", "outputBlobContainerUri": container, "excludeKeysInExport": false })
}

/// What imports from a container.
pub(crate) fn import_from(container: &str) -> Value {
    json!({ "type": "import", "inputBlobContainerUri": container,
            "outputBlobContainerUri": container })
}

/// Makes a job; its id.
#[track_caller]
pub(crate) fn create(hub: &Hub, request: &Value) -> String {
    let answer = rest::exchange(hub, "POST", "/jobs/create", &request.to_string());
    let (status, answer) = answer.expect("the hub answers");
    assert_eq!(status, 200, "{answer}");
    let made: Value = serde_json::from_str(&answer).expect("a job is JSON");
    made["jobId"].as_str().expect("a job has an id").to_owned()
}

/// A job as it is now.
pub(crate) fn show(hub: &Hub, id: &str) -> Value {
    let (status, answer) =
        rest::exchange(hub, "GET", &format!("/jobs/{id}"), "").expect("the hub answers");
    assert_eq!(status, 200, "{answer}");
    serde_json::from_str(&answer).expect("a job is JSON")
}

/// Waits for the end of a job, and calls `watch` meanwhile.
#[track_caller]
pub(crate) fn ended(hub: &Hub, id: &str, mut watch: impl FnMut(&Value)) -> Value {
    let until = Instant::now() + JOB_TIME_MAX;
    loop {
        let job = show(hub, id);
        watch(&job);
        if matches!(job["status"].as_str(), Some("completed" | "failed" | "cancelled")) {
            return job;
        }
        assert!(Instant::now() < until, "not in time: {job}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Does a job that must succeed.
#[track_caller]
pub(crate) fn complete(hub: &Hub, request: &Value) -> Value {
    let job = ended(hub, &create(hub, request), |_| {});
    assert_eq!((&job["status"], &job["progress"]), (&json!("completed"), &json!(100)), "{job}");
    job
}

/// The lines of a blob, as JSON.
pub(crate) fn lines(content: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(content).expect("lines are text");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// A line without what each hub has of its own: tags, versions, times and scopes.
pub(crate) fn comparable(line: &Value) -> Value {
    let mut line = line.clone();
    for name in ["eTag", "twinETag", "deviceScope", "parentScopes"] {
        line[name].take();
    }
    for section in ["desired", "reported"] {
        if let Some(section) = line.pointer_mut(&format!("/properties/{section}")) {
            section["$metadata"].take();
            section["$version"].take();
        }
    }
    line
}
