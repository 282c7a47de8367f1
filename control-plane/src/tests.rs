//! What the tests of this crate share.

pub(crate) mod certificate;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringhub_core::id::HubId;
use ringhub_core::limits::JOB_DEVICES_PER_SECOND;
use ringhub_core::quota::QuotaPlan;

use crate::c2d::CloudToDevice;
use crate::file_upload::FileUpload;
use crate::registry_job::NoStorage;
use crate::{
    AdminToken, ControlPlane, ControlPlaneConfig, HubSettings, OpenError, ProviderSettings, Shards,
};

pub(crate) const HOST_NAME: &str = "hub.example.net";

/// A directory that goes with its owner.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringhub-control-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("the directory for temporary files is writable");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn config(dir: &Path) -> ControlPlaneConfig {
    let hub = HubSettings {
        id: HubId(0),
        host_name: HOST_NAME.to_owned(),
        aliases: vec!["localhost".to_owned()],
        partition_count: 4,
        retention: Duration::from_hours(24),
        consumer_groups: vec!["Dashboard".to_owned()],
        cloud_to_device: CloudToDevice::default(),
        file_upload: FileUpload::default(),
    };
    ControlPlaneConfig {
        data_dir: dir.to_owned(),
        blob_dir: dir.join("blobs"),
        hubs: vec![hub],
        provider: provider(),
        job_devices_per_second: JOB_DEVICES_PER_SECOND,
        storage: Arc::new(NoStorage),
        quotas: QuotaPlan::default(),
    }
}

/// The token of administrators.
pub(crate) const ADMIN_TOKEN: &str = "for-administrators";

fn provider() -> ProviderSettings {
    let token = AdminToken::new(ADMIN_TOKEN).map(Arc::new);
    let [event_hub, domain] = ["events", "example.net"].map(ToOwned::to_owned);
    ProviderSettings { token, event_hub, domain }
}

/// Shards without connections.
pub(crate) struct NoShards;

impl Shards for NoShards {}

/// Opens the registry of `dir`. A process that another test is just starting holds the lock of an
/// earlier owner for a moment more.
pub(crate) fn open(dir: &TempDir) -> ControlPlane {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match ControlPlane::open(&config(dir.path()), Arc::new(NoShards)) {
            Err(OpenError::InUse { .. }) if Instant::now() < until => {
                thread::sleep(Duration::from_millis(1));
            }
            opened => return opened.expect("the directory opens"),
        }
    }
}

/// Runs one test of this binary alone, in a process of its own.
pub(crate) fn this_binary(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the test binary has a path"));
    command.args([test, "--nocapture", "--test-threads=1"]);
    command
}
