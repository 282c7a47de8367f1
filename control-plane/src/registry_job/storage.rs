//! Storage accounts as jobs use them. The process around this crate talks to them.

use std::fmt;
use std::ops::Range;

use super::BlobUri;

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
