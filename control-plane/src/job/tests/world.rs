//! A control plane with devices, and seats that only remember what they are told.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ringhub_core::id::{ConnectionId, HubId, SeatId, ShardId};
use ringhub_core::method::MethodCall;
use ringhub_core::time::UnixMillis;
use serde_json::{Value, json};

use crate::api::tests::{Client, body, verdict};
use crate::directory::IdentityRef;
use crate::tests::{TempDir, config};
use crate::{ControlPlane, Shards};

const HUB: HubId = HubId(0);

#[derive(Default)]
pub(super) struct Told(Mutex<Vec<(SeatId, MethodCall)>>);

impl Shards for Told {
    fn invoke_method(&self, seat: SeatId, call: MethodCall) {
        self.0.lock().expect("no test panics here").push((seat, call));
    }
}

pub(super) struct World {
    pub(super) control: ControlPlane,
    told: Arc<Told>,
}

impl World {
    /// Opens what is in the directory.
    pub(super) fn open(dir: &TempDir) -> Self {
        let told = Arc::<Told>::default();
        let control = ControlPlane::open(&config(dir.path()), told.clone());
        Self { control: control.expect("the directory opens"), told }
    }

    pub(super) fn client(&self) -> Client<'_> {
        Client::new(&self.control, "service")
    }

    /// Registers devices `d000`, `d001`, …; their numbers are tags.
    pub(super) fn register(&self, count: usize) {
        let owner = Client::new(&self.control, "iothubowner");
        for n in 0..count {
            let made = owner.put(&format!("/devices/{}", name(n)), None, &json!({}));
            assert_eq!(made.status, 200);
            let tags = json!({ "tags": { "n": n } });
            let tagged = owner.send("PATCH", &format!("/twins/{}", name(n)), None, &tags);
            assert_eq!(tagged.status, 200);
        }
    }

    pub(super) fn delete(&self, n: usize) {
        let owner = Client::new(&self.control, "iothubowner");
        let path = format!("/devices/{}", name(n));
        assert_eq!(owner.send("DELETE", &path, None, &Value::Null).status, 204);
    }

    pub(super) fn create(&self, id: &str, job: &Value) -> Value {
        let response = self.client().put(&format!("/jobs/v2/{id}"), None, job);
        assert_eq!(verdict(&response), (200, String::new()), "{response:?}");
        body(&response)
    }

    pub(super) fn job(&self, id: &str) -> Value {
        body(&self.client().get(&format!("/jobs/v2/{id}")))
    }

    pub(super) fn twin(&self, n: usize) -> Value {
        body(&self.client().get(&format!("/twins/{}", name(n))))
    }

    /// Waits until the job is as `is_so` says.
    #[track_caller]
    pub(super) fn wait(&self, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let job = self.job(id);
            if is_so(&job) {
                return job;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "not in time: {job}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for the end of a job.
    #[track_caller]
    pub(super) fn ended(&self, id: &str) -> Value {
        let job = self.wait(id, |job| {
            matches!(job["status"].as_str(), Some("completed" | "failed" | "cancelled"))
        });
        assert!(job["endTime"].is_string(), "{job}");
        job
    }

    /// Takes a seat for a device.
    pub(super) fn connect(&self, n: usize) -> SeatId {
        let name = name(n);
        let slot = u32::try_from(n).expect("few devices");
        let seat = SeatId::only(ConnectionId { shard: ShardId(0), slot, generation: 0 });
        let client = Client::new(&self.control, "device");
        let (directory, now) = (self.control.directory(), UnixMillis::EPOCH);
        let identity = IdentityRef { device: &name, module: None };
        let grant = directory.authenticate(HUB, identity, client.authorization(), now);
        directory.reserve(&grant.expect("the policy may"), seat, now).expect("it may connect");
        seat
    }

    /// Waits until so many calls were sent in all, and gives them.
    #[track_caller]
    pub(super) fn calls(&self, count: usize) -> Vec<(SeatId, MethodCall)> {
        let begun = Instant::now();
        loop {
            let told = self.told.0.lock().expect("no test panics here");
            if told.len() >= count {
                return told.clone();
            }
            drop(told);
            assert!(begun.elapsed() < Duration::from_secs(60), "no {count} calls came");
            thread::sleep(Duration::from_millis(2));
        }
    }

    pub(super) fn answer(&self, seat: SeatId, call: &MethodCall, status: i32, payload: &str) {
        let methods = self.control.methods();
        methods.handle_answer(seat, &call.id.to_string(), status, payload.as_bytes());
    }
}

pub(super) fn name(n: usize) -> String {
    format!("d{n:03}")
}

/// A job that sets a desired property.
pub(super) fn twin_job(condition: &str) -> Value {
    json!({
        "type": "scheduleUpdateTwin",
        "queryCondition": condition,
        "updateTwin": {
            "deviceId": null, "etag": "*", "properties": { "desired": { "fw": "2.1" } },
        },
    })
}

/// A job that calls `reboot`, with so many seconds for its devices.
pub(super) fn method_job(condition: &str, seconds: u64) -> Value {
    json!({
        "type": "scheduleDeviceMethod",
        "queryCondition": condition,
        "cloudToDeviceMethod": {
            "methodName": "reboot", "payload": { "delay": 3 }, "responseTimeoutInSeconds": 300,
        },
        "maxExecutionTimeInSeconds": seconds,
    })
}

/// Device, failed, succeeded, running and pending count.
pub(super) fn counts(job: &Value) -> [u64; 5] {
    let statistics = &job["deviceJobStatistics"];
    ["deviceCount", "failedCount", "succeededCount", "runningCount", "pendingCount"]
        .map(|count| statistics[count].as_u64().unwrap_or_else(|| panic!("{count}: {job}")))
}
