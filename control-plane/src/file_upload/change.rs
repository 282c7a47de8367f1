//! What the store is asked to write about uploads.

use ringhub_core::id::{DeviceId, HubId};
use ringhub_core::time::UnixMillis;

use super::BlobProperties;

/// An upload that a device has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenUpload {
    pub(crate) correlation_id: String,
    pub(crate) container: String,
    pub(crate) blob_name: String,
    /// Address of the blob, without a signature.
    pub(crate) blob_uri: String,
    pub(crate) expires: UnixMillis,
}

/// One write to the uploads of a device.
#[derive(Clone, Debug)]
pub(crate) enum UploadChange {
    Start(HubId, DeviceId, Box<OpenUpload>),
    /// Reads the upload with this id, in turn with what writes.
    Find(HubId, DeviceId, String),
    /// Ends the upload with this id; back ends are told of what was found.
    Finish(HubId, DeviceId, String, Option<BlobProperties>),
}

impl UploadChange {
    /// The hub of the device.
    pub(crate) const fn hub(&self) -> HubId {
        match self {
            Self::Start(hub, ..) | Self::Find(hub, ..) | Self::Finish(hub, ..) => *hub,
        }
    }
}
