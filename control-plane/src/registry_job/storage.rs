//! Storage accounts as jobs use them. The process around this crate talks to them.

use std::fmt;
use std::ops::Range;

use http::StatusCode;

use super::BlobUri;

/// Characters of the name of an error that are told.
const CODE_CHARS_MAX: usize = 64;

/// Reads and writes blobs over HTTPS, one request a call.
///
/// Calls block, for a bounded time, and come from the threads of jobs, several at a time. What does
/// not succeed is tried again by the caller if [`StorageError::is_passing`].
///
/// Source: Azure Storage documentation, "Blob service REST API".
pub trait BlobStorage: fmt::Debug + Send + Sync {
    /// How long a blob is, and the tag of what it holds.
    ///
    /// # Errors
    /// [`StorageError`].
    fn properties(&self, blob: &BlobUri) -> Result<BlobProperties, StorageError>;

    /// A part of a blob, which must still have this tag; shorter where the blob ends.
    ///
    /// # Errors
    /// [`StorageError`].
    fn read(&self, blob: &BlobUri, part: Range<u64>, etag: &str) -> Result<Vec<u8>, StorageError>;

    /// Sends a block, which is no part of the blob before it is listed. `id` is base64.
    ///
    /// # Errors
    /// [`StorageError`].
    fn put_block(&self, blob: &BlobUri, id: &str, content: &[u8]) -> Result<(), StorageError>;

    /// Makes a blob of these blocks, in place of what was there.
    ///
    /// # Errors
    /// [`StorageError`].
    fn put_block_list(&self, blob: &BlobUri, ids: &[String]) -> Result<(), StorageError>;
}

/// What is known of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobProperties {
    /// Length in bytes.
    pub len: u64,
    /// Changes with the content.
    pub etag: String,
}

/// Why a storage account did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct StorageError {
    /// What is wrong, without any signature.
    pub reason: String,
    /// Whether the same request may succeed later.
    pub is_passing: bool,
}

impl StorageError {
    /// What an answer that is no success means, with the name that the service gives the error.
    #[must_use]
    pub fn of_answer(status: StatusCode, code: &str) -> Self {
        let hint = match status {
            StatusCode::FORBIDDEN => {
                ": the shared access signature of the container is wrong, has expired, or lacks a \
                 right (an export and the errors of an import need create and write, an import \
                 needs read)"
            }
            StatusCode::NOT_FOUND => ": there is no such container or blob",
            StatusCode::PRECONDITION_FAILED => ": it has changed since the import began",
            StatusCode::PAYLOAD_TOO_LARGE => {
                ": it has no room for that; in a hub's own account, delete blobs or raise \
                 `file_upload.quota`"
            }
            _ => "",
        };
        let code: String = code.chars().take(CODE_CHARS_MAX).collect();
        let joint = if code.is_empty() { "" } else { " " };
        let is_passing = status.is_server_error()
            || matches!(
                status,
                StatusCode::CONFLICT | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
            );
        Self {
            reason: format!("the storage account answers {}{joint}{code}{hint}", status.as_u16()),
            is_passing,
        }
    }

    /// The URI leads nowhere.
    #[must_use]
    pub fn unusable_uri() -> Self {
        let reason = "the URI of the container cannot be used".to_owned();
        Self { reason, is_passing: false }
    }

    /// Somebody answers, and not as storage accounts do.
    pub(super) fn no_account() -> Self {
        let reason = "the storage account does not answer as one".to_owned();
        Self { reason, is_passing: false }
    }
}

/// Stands for storage where there is none: every job fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoStorage;

impl NoStorage {
    fn refuse<T>() -> Result<T, StorageError> {
        let reason = "this process reaches no storage accounts".to_owned();
        Err(StorageError { reason, is_passing: false })
    }
}

impl BlobStorage for NoStorage {
    fn properties(&self, _: &BlobUri) -> Result<BlobProperties, StorageError> {
        Self::refuse()
    }

    fn read(&self, _: &BlobUri, _: Range<u64>, _: &str) -> Result<Vec<u8>, StorageError> {
        Self::refuse()
    }

    fn put_block(&self, _: &BlobUri, _: &str, _: &[u8]) -> Result<(), StorageError> {
        Self::refuse()
    }

    fn put_block_list(&self, _: &BlobUri, _: &[String]) -> Result<(), StorageError> {
        Self::refuse()
    }
}
