//! Why a message or a verdict is not taken.

use ringhub_core::c2d::{LockLost, QueueFull};
use ringhub_core::quota::QuotaRefusal;

use crate::registry::RegistryError;

/// What a sender or receiver is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum C2dRefusal {
    /// The device is not registered.
    #[error("the device is not registered (404001)")]
    DeviceNotFound,
    /// The module is not registered.
    #[error("the module is not registered (404010)")]
    ModuleNotFound,
    /// As many messages wait for the device as may wait.
    #[error("the queue of the device has reached its limit (iothub403004)")]
    QueueFull,
    /// All queues together need more memory than they may.
    #[error("the queues of the hub have reached their limit (iothub403007)")]
    OutOfMemory,
    /// Whoever settles does not hold it any more.
    #[error("the lock is lost (412002)")]
    LockLost,
    /// The store has too much to do, or the hub stops.
    #[error("too many requests wait for the disk")]
    Busy,
    /// There is no room on the disk.
    #[error("the disk is full: nothing was stored")]
    DiskFull,
    /// The store takes no changes until the hub is restarted.
    #[error("the registry has failed: it takes no changes until the hub is restarted")]
    Failed,
    /// The store could not do it.
    #[error("the message could not be stored")]
    Storage,
    /// The hub has used up what it may.
    #[error(transparent)]
    Quota(#[from] QuotaRefusal),
}

impl From<RegistryError> for C2dRefusal {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::DeviceNotFound => Self::DeviceNotFound,
            RegistryError::ModuleNotFound => Self::ModuleNotFound,
            RegistryError::Busy => Self::Busy,
            RegistryError::DiskFull => Self::DiskFull,
            RegistryError::Failed => Self::Failed,
            _ => Self::Storage,
        }
    }
}

impl From<LockLost> for C2dRefusal {
    fn from(LockLost: LockLost) -> Self {
        Self::LockLost
    }
}

impl From<QueueFull> for C2dRefusal {
    fn from(QueueFull: QueueFull) -> Self {
        Self::QueueFull
    }
}
