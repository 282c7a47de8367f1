//! A hub and what the tests do with it.

use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringhub_core::id::{DeviceId, HubId, Identity};
use ringhub_core::time::UnixMillis;
use serde_json::{Value, json};

use crate::ControlPlane;
use crate::api::tests::{Client, body, verdict};
use crate::directory::{AuthScope, GenerationId, Grant, Proof};
use crate::twin::TwinReply;

/// Far above what a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The owner of a hub.
pub(super) struct Owner<'c> {
    control: &'c ControlPlane,
    pub(super) client: Client<'c>,
}

impl<'c> Owner<'c> {
    pub(super) fn of(control: &'c ControlPlane) -> Self {
        Self { control, client: Client::new(control, "iothubowner") }
    }

    /// Status and name of an error.
    #[track_caller]
    pub(super) fn try_send(&self, verb: &str, path: &str, body: &Value) -> (u16, String) {
        verdict(&self.client.send(verb, path, None, body))
    }

    /// Sends what must succeed, over everything that is there.
    #[track_caller]
    pub(super) fn send(&self, verb: &str, path: &str, content: &Value) -> Value {
        let response = self.client.send(verb, path, Some("*"), content);
        assert!(response.status.is_success(), "{verb} {path}: {response:?}");
        if response.body.is_empty() { Value::Null } else { body(&response) }
    }

    #[track_caller]
    pub(super) fn get(&self, path: &str) -> Value {
        self.send("GET", path, &Value::Null)
    }

    #[track_caller]
    pub(super) fn create(&self, path: &str, content: &Value) {
        let response = self.client.put(path, None, content);
        assert!(response.status.is_success(), "{path}: {response:?}");
    }

    #[track_caller]
    pub(super) fn device(&self, id: &str, tags: &Value) {
        self.create(&format!("/devices/{id}"), &json!({}));
        self.tag(id, tags);
    }

    #[track_caller]
    pub(super) fn tag(&self, id: &str, tags: &Value) {
        self.send("PATCH", &format!("/twins/{id}"), &json!({ "tags": tags }));
    }

    /// Makes a configuration for devices.
    #[track_caller]
    pub(super) fn configure(&self, id: &str, priority: u32, condition: &str, settings: &Value) {
        let configuration = json!({
            "id": id,
            "content": { "deviceContent": settings },
            "targetCondition": condition,
            "priority": priority,
        });
        self.create(&format!("/configurations/{id}"), &configuration);
    }

    /// Changes members of a configuration.
    #[track_caller]
    pub(super) fn reconfigure(&self, id: &str, members: &Value) {
        self.send("PUT", &format!("/configurations/{id}"), members);
    }

    pub(super) fn twin(&self, path: &str) -> Value {
        self.get(&format!("/twins/{path}"))
    }

    /// Desired properties without metadata and version.
    pub(super) fn desired(&self, path: &str) -> Value {
        let mut twin = self.twin(path);
        let mut desired = twin["properties"]["desired"].take();
        if let Some(members) = desired.as_object_mut() {
            members.retain(|name, _| !name.starts_with('$'));
        }
        desired
    }

    /// The statuses of an identity, as `id: status`.
    pub(super) fn statuses(&self, path: &str) -> Value {
        let twin = self.twin(path);
        let members = twin["configurations"].as_object().cloned().unwrap_or_default();
        members.into_iter().map(|(id, mut entry)| (id, entry["status"].take())).collect()
    }

    /// Waits until an identity is there and its desired properties and statuses are these.
    #[track_caller]
    pub(super) fn settles(&self, path: &str, desired: &Value, statuses: &Value) {
        let until = Instant::now() + PATIENCE;
        loop {
            let is_there = self.client.get(&format!("/twins/{path}")).status.is_success();
            let found = is_there.then(|| (self.desired(path), self.statuses(path)));
            if found == Some((desired.clone(), statuses.clone())) {
                return;
            }
            assert!(Instant::now() < until, "{path} is {found:?}, not {desired} and {statuses}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ids of the rows of a query.
    pub(super) fn query(&self, text: &str) -> Vec<Value> {
        let rows = self.send("POST", "/devices/query", &json!({ "query": text }));
        rows.as_array().cloned().expect("rows are an array")
    }

    /// A device reports.
    #[track_caller]
    pub(super) fn report(&self, id: &str, patch: &Value) {
        let identity = self.get(&format!("/devices/{id}"));
        let generation = identity["generationId"].as_str().map(str::parse::<u64>);
        let grant = Grant {
            hub: HubId(0),
            identity: Identity { device: DeviceId::parse(id).expect("valid"), module: None },
            generation: GenerationId(generation.expect("registered").expect("a number")),
            expires: UnixMillis::from_millis(i64::MAX),
            scope: AuthScope::Device,
            proof: Proof::Token,
            edition: 0,
        };
        let (sender, receiver) = flume::bounded(1);
        let patch = Bytes::from(patch.to_string());
        let done = Box::new(move |reply| drop(sender.send(reply)));
        self.control.report_twin(&grant, None, patch, done);
        let reply = receiver.recv().expect("every request is answered");
        assert!(matches!(reply, TwinReply::Reported(_)), "{reply:?}");
    }
}
