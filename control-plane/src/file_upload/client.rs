//! The way to storage accounts elsewhere, which somebody with sockets has to give.

use std::fmt;
use std::sync::Arc;

use ringhub_core::storage::{BlobName, ContainerName, StorageAccount};
use ringhub_core::time::UnixMillis;

/// Size and age of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobProperties {
    /// Bytes.
    pub size: u64,
    /// When it was written.
    pub modified: UnixMillis,
}

/// A storage account has not answered, or has refused; the text says what it said, and no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StorageUnavailable(pub String);

/// What becomes of a look for a blob.
pub type BlobFound = Box<dyn FnOnce(Result<BlobProperties, StorageUnavailable>) + Send>;

/// What becomes of a container.
pub type ContainerReady = Box<dyn FnOnce(Result<(), StorageUnavailable>) + Send>;

/// Calls storage accounts. Never blocks: answers come on a thread of its own, once for each call,
/// within a time that it bounds.
pub trait StorageClient: fmt::Debug + Send + Sync + 'static {
    /// Makes a container if it is not there.
    fn ensure_container(
        &self,
        account: &Arc<StorageAccount>,
        container: &ContainerName,
        done: ContainerReady,
    );

    /// Looks at a blob.
    fn find(
        &self,
        account: &Arc<StorageAccount>,
        container: &ContainerName,
        blob: &BlobName,
        done: BlobFound,
    );
}
