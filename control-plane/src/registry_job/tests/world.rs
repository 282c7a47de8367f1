//! A control plane, and storage that holds blobs in memory.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api::tests::{Client, body, verdict};
use crate::registry_job::{BlobProperties, BlobStorage, BlobUri, StorageError};
use crate::tests::{NoShards, TempDir, config};
use crate::{ControlPlane, OpenError};

/// What opens the containers of the tests; nobody may see it.
pub(super) const SECRET: &str = "c2VjcmV0";

/// The container that jobs are given.
pub(super) fn container() -> String {
    format!("https://account.example/container?sv=2021-12-02&sig={SECRET}&sp=rcwl")
}

/// Blobs by their place, and how the next requests fail.
#[derive(Debug, Default)]
pub(super) struct Memory {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    blobs: BTreeMap<String, (u64, Vec<u8>)>,
    blocks: BTreeMap<(String, String), Vec<u8>>,
    etag: u64,
    failures: Vec<StorageError>,
    /// Requests wait when so many were answered.
    held_after: Option<usize>,
    requests: usize,
    part_bytes_max: u64,
}

impl Memory {
    pub(super) fn put(&self, name: &str, content: &[u8]) {
        let mut state = self.state.lock().expect("no test panics here");
        state.etag += 1;
        let etag = state.etag;
        state.blobs.insert(place(name), (etag, content.to_vec()));
    }

    pub(super) fn remove(&self, name: &str) {
        self.state.lock().expect("no test panics here").blobs.remove(&place(name));
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        let state = self.state.lock().expect("no test panics here");
        let (_, content) = state.blobs.get(&place(name))?;
        Some(String::from_utf8(content.clone()).expect("blobs of jobs are text"))
    }

    /// The lines of a blob, as JSON.
    #[track_caller]
    pub(super) fn lines(&self, name: &str) -> Vec<Value> {
        let text = self.get(name).expect("the blob is there");
        text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }

    /// Lets the next requests fail.
    pub(super) fn fail(&self, count: usize, reason: &str, is_passing: bool) {
        let error = StorageError { reason: reason.to_owned(), is_passing };
        self.state.lock().expect("no test panics here").failures = vec![error; count];
    }

    /// Lets requests wait once so many more were answered; `None` lets all go on.
    pub(super) fn hold_after(&self, count: Option<usize>) {
        let mut state = self.state.lock().expect("no test panics here");
        state.held_after = count.map(|count| state.requests + count);
        self.changed.notify_all();
    }

    /// The largest part that is given at a time.
    pub(super) fn cut_parts(&self, bytes: u64) {
        self.state.lock().expect("no test panics here").part_bytes_max = bytes;
    }

    pub(super) fn requests(&self) -> usize {
        self.state.lock().expect("no test panics here").requests
    }

    fn answer<T>(
        &self,
        work: impl FnOnce(&mut State) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let state = self.state.lock().expect("no test panics here");
        let is_held = |state: &mut State| state.held_after.is_some_and(|n| state.requests >= n);
        let mut state = self.changed.wait_while(state, is_held).expect("no test panics here");
        state.requests += 1;
        match state.failures.pop() {
            Some(failure) => Err(failure),
            None => work(&mut state),
        }
    }
}

fn place(name: &str) -> String {
    format!("https://account.example/container/{name}")
}

fn missing() -> StorageError {
    StorageError { reason: "no such blob".to_owned(), is_passing: false }
}

fn check(blob: &BlobUri) {
    assert!(blob.as_str().contains(SECRET), "the signature must come along");
    assert!(!blob.to_string().contains(SECRET), "and must not be shown");
}

impl BlobStorage for Memory {
    fn properties(&self, blob: &BlobUri) -> Result<BlobProperties, StorageError> {
        check(blob);
        self.answer(|state| {
            let (etag, content) = state.blobs.get(&blob.to_string()).ok_or_else(missing)?;
            Ok(BlobProperties { len: content.len() as u64, etag: etag.to_string() })
        })
    }

    fn read(&self, blob: &BlobUri, part: Range<u64>, etag: &str) -> Result<Vec<u8>, StorageError> {
        self.answer(|state| {
            let (found, content) = state.blobs.get(&blob.to_string()).ok_or_else(missing)?;
            if found.to_string() != etag {
                return Err(StorageError { reason: "changed".to_owned(), is_passing: false });
            }
            let bytes = usize::try_from(match state.part_bytes_max {
                0 => part.end - part.start,
                most => most.min(part.end - part.start),
            });
            let start = usize::try_from(part.start).expect("blobs of tests are small");
            Ok(content[start..start + bytes.expect("blobs of tests are small")].to_vec())
        })
    }

    fn put_block(&self, blob: &BlobUri, id: &str, content: &[u8]) -> Result<(), StorageError> {
        check(blob);
        self.answer(|state| {
            state.blocks.insert((blob.to_string(), id.to_owned()), content.to_vec());
            Ok(())
        })
    }

    fn put_block_list(&self, blob: &BlobUri, ids: &[String]) -> Result<(), StorageError> {
        self.answer(|state| {
            let block = |id: &String| {
                state.blocks.get(&(blob.to_string(), id.clone())).cloned().ok_or_else(missing)
            };
            let content: Vec<_> = ids.iter().map(block).collect::<Result<_, _>>()?;
            state.etag += 1;
            let etag = state.etag;
            state.blobs.insert(blob.to_string(), (etag, content.concat()));
            Ok(())
        })
    }
}

/// A control plane whose jobs use this storage.
pub(super) struct World {
    pub(super) control: ControlPlane,
    pub(super) storage: Arc<Memory>,
}

impl World {
    pub(super) fn open(dir: &TempDir, storage: &Arc<Memory>) -> Self {
        let mut config = config(dir.path());
        config.storage = storage.clone();
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            match ControlPlane::open(&config, Arc::new(NoShards)) {
                // A thread of a job may hold the database of the last one for a moment.
                Err(OpenError::InUse { .. }) if Instant::now() < until => {
                    thread::sleep(Duration::from_millis(1));
                }
                opened => {
                    let control = opened.expect("the directory opens");
                    return Self { control, storage: storage.clone() };
                }
            }
        }
    }

    pub(super) fn client(&self) -> Client<'_> {
        Client::new(&self.control, "iothubowner")
    }

    /// Makes a job; its id.
    #[track_caller]
    pub(super) fn create(&self, request: &Value) -> String {
        let made = self.client().send("POST", "/jobs/create", None, request);
        assert_eq!(verdict(&made), (200, String::new()), "{made:?}");
        body(&made)["jobId"].as_str().expect("a job has an id").to_owned()
    }

    pub(super) fn job(&self, id: &str) -> Value {
        let shown = self.client().get(&format!("/jobs/{id}"));
        assert_eq!(shown.status, 200, "{shown:?}");
        body(&shown)
    }

    /// Waits for the end of a job.
    #[track_caller]
    pub(super) fn ended(&self, id: &str) -> Value {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let job = self.job(id);
            if matches!(job["status"].as_str(), Some("completed" | "failed" | "cancelled")) {
                assert!(job["endTimeUtc"].is_string(), "{job}");
                assert!(!job.to_string().contains(SECRET), "{job}");
                return job;
            }
            assert!(Instant::now() < until, "not in time: {job}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    #[track_caller]
    pub(super) fn completed(&self, request: &Value) -> Value {
        let job = self.ended(&self.create(request));
        assert_eq!((&job["status"], &job["progress"]), (&json!("completed"), &json!(100)), "{job}");
        job
    }

    /// Imports these lines, and gives the errors.
    #[track_caller]
    pub(super) fn import(&self, content: &[u8]) -> Vec<Value> {
        self.storage.put("devices.txt", content);
        self.completed(&import_request());
        self.storage.lines("importErrors.log")
    }

    /// Exports, and gives the lines.
    #[track_caller]
    pub(super) fn export(&self) -> Vec<Value> {
        self.completed(&export_request());
        self.storage.lines("devices.txt")
    }

    pub(super) fn device(&self, id: &str) -> Value {
        body(&self.client().get(&format!("/devices/{id}")))
    }

    pub(super) fn twin(&self, id: &str) -> Value {
        body(&self.client().get(&format!("/twins/{id}")))
    }
}

pub(super) fn export_request() -> Value {
    json!({ "type": "export", "outputBlobContainerUri": container(),
            "excludeKeysInExport": false })
}

pub(super) fn import_request() -> Value {
    json!({ "type": "import", "inputBlobContainerUri": container(),
            "outputBlobContainerUri": container() })
}

/// Lines of a file.
pub(super) fn file(lines: &[Value]) -> Vec<u8> {
    lines.iter().map(|line| line.to_string() + "\n").collect::<String>().into_bytes()
}
