//! What nobody comes back for.

use ringhub_core::limits::BLOCK_RETENTION;

use super::thread::Store;
use crate::clock;

/// Removes blocks of which nobody has made a blob.
pub(super) fn remove_forsaken_blocks(store: &Store) {
    let freed = store.index().sweep_blocks(clock::now() - BLOCK_RETENTION);
    match freed {
        Ok(freed) if freed.is_empty() => {}
        Ok(freed) => {
            tracing::info!(blocks = freed.len(), "blocks are removed that no list has named");
            store.free(freed);
        }
        Err(error) => tracing::error!(%error, "forsaken blocks could not be looked for"),
    }
}
