//! Why an upload is refused.

use ringhub_core::limits::UPLOADS_OPEN_MAX;
use ringhub_core::storage::InvalidName;

/// What a device is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UploadError {
    #[error("Number of active file upload requests cannot exceed {UPLOADS_OPEN_MAX}")]
    TooMany,
    #[error("the hub has no storage account for uploads")]
    NoStorage,
    #[error("blobName: {0}")]
    Name(#[from] InvalidName),
    #[error("no upload of the device has this correlationId")]
    Unknown,
    #[error("the upload with this correlationId has expired")]
    Expired,
    #[error("isSuccess must be true or false")]
    Status,
    #[error("the blob could not be found in the storage account: {0}")]
    Blob(String),
}
