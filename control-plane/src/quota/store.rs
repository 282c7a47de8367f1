//! What former processes have used of the day.

use crate::directory::Directory;
use crate::store::{QuotaStore as _, SqliteStore, StoreError};

/// Gives hubs back what was used of their quotas.
pub(crate) fn restore(store: &SqliteStore, directory: &Directory) -> Result<(), StoreError> {
    for (hub, usage) in store.quota_usage()? {
        if let Some(quota) = directory.hub(hub).as_deref().and_then(|hub| hub.quota()) {
            quota.restore(usage);
        }
    }
    Ok(())
}
