//! What a hub's configuration says about file upload.

use std::sync::Arc;
use std::time::Duration;

use ringhub_core::c2d::BatchLimits;
use ringhub_core::storage::{ContainerName, StorageAccount};

/// Where files go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadStorage {
    /// To the storage account that the hub has of its own.
    Own,
    /// To another one.
    Account(Arc<StorageAccount>),
    /// Nowhere: devices are refused.
    None,
}

/// File upload of a hub. The configuration checks the ranges.
///
/// Source: control-plane reference, "File upload settings, notifications and feedback".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileUpload {
    /// Where files go.
    pub storage: UploadStorage,
    /// The container, which is made if it is not there.
    pub container: ContainerName,
    /// How long an address that a device has been given is good for.
    pub address_ttl: Duration,
    /// Whether back ends are told of files.
    pub notifies: bool,
    /// Life, lock and count of notifications.
    pub notifications: BatchLimits,
    /// Bytes that the hub's own account may hold.
    pub quota_bytes: u64,
}

impl Default for FileUpload {
    /// The values of the real service, and a small account of the hub's own.
    fn default() -> Self {
        let hour = Duration::from_hours(1);
        Self {
            storage: UploadStorage::Own,
            container: ContainerName::parse("uploads").expect("it is a name"),
            address_ttl: hour,
            notifies: true,
            notifications: BatchLimits {
                ttl: hour,
                lock_time: Duration::from_mins(1),
                delivery_count_max: 10,
            },
            quota_bytes: 8 << 30,
        }
    }
}
