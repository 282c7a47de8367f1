//! The control plane with registered devices, used as a shard uses it.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderValue, Method};
use ringhub_control_plane::api::Request;
use ringhub_control_plane::c2d::CloudToDevice;
use ringhub_control_plane::directory::{Grant, IdentityRef};
use ringhub_control_plane::file_upload::FileUpload;
use ringhub_control_plane::registry_job::NoStorage;
use ringhub_control_plane::twin::TwinReply;
use ringhub_control_plane::{
    ControlPlane, ControlPlaneConfig, HubSettings, ProviderSettings, Shards,
};
use ringhub_core::auth::sas_token::sign;
use ringhub_core::id::HubId;
use ringhub_core::limits::JOB_DEVICES_PER_SECOND;
use ringhub_core::quota::QuotaPlan;

use super::{now, patch};

const HOST_NAME: &str = "hub.example.net";
const FAR_FUTURE: u64 = 4_000_000_000;
const BULK_ITEMS: usize = 100;

/// Shards without connections.
struct NoShards;

impl Shards for NoShards {}

/// A hub in this process, and what its devices hold.
pub(crate) struct TwinHub {
    control: Arc<ControlPlane>,
    grants: Arc<Vec<Grant>>,
    next: usize,
}

/// Patches of devices in turn, one behind the other as a socket gives them.
pub(crate) struct Patches {
    bytes: Bytes,
    ranges: Vec<Range<usize>>,
    first_device: usize,
}

/// One run: who asks next, and when all is said.
struct Run {
    control: Arc<ControlPlane>,
    grants: Arc<Vec<Grant>>,
    patches: Patches,
    next: AtomicUsize,
    unanswered: AtomicUsize,
    all_answered: flume::Sender<()>,
}

impl TwinHub {
    pub(crate) fn open(dir: &Path, devices: usize) -> Self {
        let hub = HubSettings {
            id: HubId(0),
            host_name: HOST_NAME.to_owned(),
            aliases: Vec::new(),
            partition_count: 4,
            retention: Duration::from_hours(24),
            consumer_groups: Vec::new(),
            cloud_to_device: CloudToDevice::default(),
            file_upload: FileUpload::default(),
        };
        let config = ControlPlaneConfig {
            data_dir: dir.to_owned(),
            blob_dir: dir.join("blobs"),
            hubs: vec![hub],
            provider: ProviderSettings::default(),
            job_devices_per_second: JOB_DEVICES_PER_SECOND,
            storage: Arc::new(NoStorage),
            quotas: QuotaPlan::default(),
        };
        let control = ControlPlane::open(&config, Arc::new(NoShards));
        let control = control.expect("a fresh directory opens");
        let names: Vec<String> = (0..devices).map(|number| format!("device-{number}")).collect();
        names.chunks(BULK_ITEMS).for_each(|names| register(&control, names));
        let grants = names.iter().map(|name| log_in(&control, name)).collect();
        Self { control: Arc::new(control), grants: Arc::new(grants), next: 0 }
    }

    /// Makes the next `count` patches.
    pub(crate) fn prepare(&mut self, count: usize) -> Patches {
        let first_device = self.next % self.grants.len();
        let mut bytes = Vec::new();
        let ranges = (self.next..self.next + count).map(|number| {
            let start = bytes.len();
            let (device, round) = (number % self.grants.len(), number / self.grants.len());
            bytes.extend_from_slice(patch(device, round).as_bytes());
            start..bytes.len()
        });
        let ranges = ranges.collect();
        self.next += count;
        Patches { bytes: bytes.into(), ranges, first_device }
    }

    /// Reports the patches, `under_way` of them at a time; returns after the last reply.
    pub(crate) fn run(&self, patches: Patches, under_way: usize) {
        let (all_answered, ends) = flume::bounded(1);
        let run = Arc::new(Run {
            control: self.control.clone(),
            grants: self.grants.clone(),
            unanswered: AtomicUsize::new(patches.ranges.len()),
            patches,
            next: AtomicUsize::new(0),
            all_answered,
        });
        (0..under_way).for_each(|_| report_next(&run));
        drop(run);
        // Ends when the writer has let go of the run.
        assert_eq!(ends.iter().count(), 1, "every patch is answered");
    }

    pub(crate) fn close(self) {
        let control = Arc::into_inner(self.control);
        control.expect("all runs have ended").shutdown();
    }
}

/// Reports the next patch, and after its reply the one after it.
fn report_next(run: &Arc<Run>) {
    let number = run.next.fetch_add(1, Ordering::Relaxed);
    let Some(range) = run.patches.ranges.get(number) else { return };
    let device = (run.patches.first_device + number) % run.grants.len();
    let patch = run.patches.bytes.slice(range.clone());
    let again = run.clone();
    let done = Box::new(move |reply: TwinReply| {
        assert!(matches!(reply, TwinReply::Reported(_)), "{reply:?}");
        report_next(&again);
        if again.unanswered.fetch_sub(1, Ordering::Relaxed) == 1 {
            again.all_answered.send(()).expect("the run waits");
        }
    });
    run.control.report_twin(&run.grants[device], None, patch, done);
}

fn register(control: &ControlPlane, names: &[String]) {
    let items: Vec<_> = names.iter().map(|name| serde_json::json!({"id": name})).collect();
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static(HOST_NAME));
    let token = HeaderValue::try_from(token(control, "iothubowner", HOST_NAME));
    headers.insert(AUTHORIZATION, token.expect("a header value"));
    let request = Request {
        method: Method::POST,
        path_and_query: "/devices?api-version=2021-04-12".to_owned(),
        headers,
        properties: Vec::new(),
        body: serde_json::Value::Array(items).to_string().into(),
    };
    let (sender, receiver) = flume::bounded(1);
    control.submit(
        request,
        Box::new(move |response| sender.send(response.status).expect("this waits")),
    );
    assert_eq!(receiver.recv().expect("an answer"), 200);
}

fn log_in(control: &ControlPlane, name: &str) -> Grant {
    let token = token(control, "device", &format!("{HOST_NAME}/devices/{name}"));
    let identity = IdentityRef { device: name, module: None };
    let grant = control.directory().authenticate(HubId(0), identity, &token, now());
    grant.expect("the device is registered")
}

fn token(control: &ControlPlane, policy: &str, resource: &str) -> String {
    let policies = control.policies(HubId(0));
    let found = policies.iter().find(|found| found.name == policy).expect("a default policy");
    sign(resource, found.keys.primary(), FAR_FUTURE, Some(policy))
}
