//! Hubs that go.

use ringhub_core::limits::BLOB_REMOVAL_FILES_MAX;
use rusqlite::Transaction;

use super::{
    FileId, Freed, HubId, Index, Refused, StorageError, blobs, blocks, params, signed, unused,
};

impl Index {
    /// Removes a part of what a hub has: about as many files as a step may have, and at the end its
    /// containers. `None` when nothing is left.
    ///
    /// Others get at the index between two steps. A step is one transaction, and nobody finds a hub
    /// that goes, so a crash between two is made good by trying again.
    pub(in crate::blob) fn delete_hub_step(
        &mut self,
        hub: HubId,
    ) -> Result<Option<Freed>, StorageError> {
        self.change(|transaction| {
            let mut files = blobs_of(transaction, hub)?;
            if files.is_none() {
                files = waiting_blocks_of(transaction, hub)?;
            }
            let Some(files) = files else {
                let sql = "DELETE FROM container WHERE hub_id = ?1";
                transaction.execute(sql, [hub.0])?;
                return Ok(None);
            };
            Ok(Some(unused(transaction, hub, files)?))
        })
    }
}

/// Removes blobs until there are files enough; `None` when there are no blobs.
fn blobs_of(
    transaction: &Transaction<'_>,
    hub: HubId,
) -> Result<Option<Vec<(FileId, u64)>>, Refused> {
    let sql = "SELECT blob_id FROM blob WHERE hub_id = ?1 LIMIT ?2";
    let mut statement = transaction.prepare_cached(sql)?;
    let rows = statement.query_map(params![hub.0, most()], |row| row.get(0))?;
    let ids: Vec<i64> = rows.collect::<Result<_, _>>()?;
    let mut files = Vec::new();
    for id in &ids {
        files.extend(blobs::remove(transaction, *id)?);
        if files.len() >= BLOB_REMOVAL_FILES_MAX {
            break;
        }
    }
    Ok((!ids.is_empty()).then_some(files))
}

fn waiting_blocks_of(
    transaction: &Transaction<'_>,
    hub: HubId,
) -> Result<Option<Vec<(FileId, u64)>>, Refused> {
    let sql = "DELETE FROM block WHERE (hub_id, container, name, block_id) IN \
               (SELECT hub_id, container, name, block_id FROM block WHERE hub_id = ?1 LIMIT ?2) \
               RETURNING file_id, size";
    let mut statement = transaction.prepare_cached(sql)?;
    let rows = statement.query_map(params![hub.0, most()], blocks::file_of)?;
    let files: Vec<_> = rows.collect::<Result<_, _>>()?;
    Ok((!files.is_empty()).then_some(files))
}

fn most() -> i64 {
    signed(BLOB_REMOVAL_FILES_MAX as u64)
}
