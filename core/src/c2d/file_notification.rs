//! News of a file that a device has uploaded.

use super::batch::BatchRecord;
use crate::id::{DeviceId, Identity};
use crate::time::UnixMillis;

/// A file that is there.
///
/// Source: service-endpoints reference, "File-upload notifications".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNotification {
    /// Number of the record in the store.
    pub id: u64,
    /// Who has uploaded it.
    pub device: DeviceId,
    /// Address of the blob, without a signature.
    pub blob_uri: Box<str>,
    /// Name of the blob in its container.
    pub blob_name: Box<str>,
    /// When the blob was written.
    pub last_updated: UnixMillis,
    /// Bytes of the blob.
    pub size: u64,
    /// When the device said so.
    pub enqueued: UnixMillis,
}

/// The file outlives its device, and so does the news of it.
impl BatchRecord for FileNotification {
    fn id(&self) -> u64 {
        self.id
    }

    fn time(&self) -> UnixMillis {
        self.enqueued
    }

    fn goes_with(&self, _: &Identity) -> bool {
        false
    }
}
