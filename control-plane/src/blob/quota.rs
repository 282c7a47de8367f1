//! How much the blobs of each hub take.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ringhub_core::id::HubId;

use super::StorageError;

/// Bytes of the files of each hub, those on their way included.
#[derive(Debug, Default)]
pub(super) struct Quota(Mutex<HashMap<HubId, u64>>);

impl Quota {
    /// Takes what a start has found.
    pub(super) fn restore(&self, hub: HubId, bytes: u64) {
        *self.lock().entry(hub).or_default() += bytes;
    }

    /// Keeps room for `bytes` more.
    pub(super) fn reserve(
        &self,
        hub: HubId,
        bytes: u64,
        bytes_max: u64,
    ) -> Result<(), StorageError> {
        let mut used = self.lock();
        let used = used.entry(hub).or_default();
        match used.checked_add(bytes).filter(|sum| *sum <= bytes_max) {
            Some(sum) => {
                *used = sum;
                Ok(())
            }
            None => Err(StorageError::Quota(bytes_max)),
        }
    }

    /// Gives room back.
    pub(super) fn release(&self, hub: HubId, bytes: u64) {
        let mut all = self.lock();
        let Some(used) = all.get_mut(&hub) else { return };
        *used = used.saturating_sub(bytes);
        // Hubs come and go, and their numbers do not come again.
        if *used == 0 {
            all.remove(&hub);
        }
    }

    /// Bytes that the blobs of a hub take.
    pub(super) fn used(&self, hub: HubId) -> u64 {
        self.lock().get(&hub).copied().unwrap_or_default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<HubId, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
