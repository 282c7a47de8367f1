//! Blocks that wait for their list, and the lists.

use std::collections::HashMap;

use ringhub_core::limits::BLOCKS_WAITING_MAX;
use ringhub_core::storage::{BlobName, BlockChoice};

use super::{
    FileId, Freed, HubId, Index, NewBlob, Part, Place, Refused, StorageError, Transaction,
    UnixMillis, Written, blobs, containers, params, signed, unsigned, unused,
};

/// The blocks of a blob and those that wait, as they are listed: ids with sizes.
#[derive(Debug, Default)]
pub(in crate::blob) struct BlockLists {
    pub(in crate::blob) committed: Vec<(String, u64)>,
    pub(in crate::blob) waiting: Vec<(String, u64)>,
}

impl Index {
    /// Keeps a block until its list comes, in place of the one with its id.
    pub(in crate::blob) fn put_block(
        &mut self,
        new: &NewBlob,
        block: &str,
        (file, size): (FileId, u64),
        now: UnixMillis,
    ) -> Result<Freed, StorageError> {
        let Place { hub, container, blob } = &new.place;
        self.change(|transaction| {
            containers::ensure(transaction, (*hub, container), new.makes_container, now)?;
            let names = params![hub.0, container.as_str(), blob.as_str(), block];
            let sql = "DELETE FROM block WHERE hub_id = ?1 AND container = ?2 AND name = ?3 \
                       AND block_id = ?4 RETURNING file_id, size";
            let mut statement = transaction.prepare_cached(sql)?;
            let old = statement.query_map(names, file_of)?.collect::<Result<Vec<_>, _>>()?;
            let sql =
                "SELECT count(*) FROM block WHERE hub_id = ?1 AND container = ?2 AND name = ?3";
            let names = params![hub.0, container.as_str(), blob.as_str()];
            let count: i64 = transaction.prepare_cached(sql)?.query_row(names, |row| row.get(0))?;
            if count.unsigned_abs() >= BLOCKS_WAITING_MAX {
                return Err(StorageError::TooManyBlocks.into());
            }
            transaction
                .prepare_cached(
                    "INSERT INTO block (hub_id, container, name, block_id, file_id, size, \
                     staged_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    hub.0,
                    container.as_str(),
                    blob.as_str(),
                    block,
                    signed(file.0),
                    signed(size),
                    now.as_millis(),
                ])?;
            Ok(unused(transaction, *hub, old)?)
        })
    }

    /// Makes a blob of the blocks of a list; those that it does not name are removed.
    pub(in crate::blob) fn put_block_list(
        &mut self,
        new: &NewBlob,
        list: &[(BlockChoice, &str)],
        now: UnixMillis,
    ) -> Result<Written, StorageError> {
        self.change(|transaction| {
            let old = blobs::find(transaction, &new.place)?;
            let committed = match old {
                Some((id, ..)) => blobs::parts(transaction, id)?,
                None => Vec::new(),
            };
            let committed: HashMap<String, Part> =
                committed.into_iter().map(|part| (part.block.clone(), part)).collect();
            let waiting: HashMap<String, Part> = waiting(transaction, &new.place)?
                .into_iter()
                .map(|part| (part.block.clone(), part))
                .collect();
            let part = |&(choice, id): &(BlockChoice, &str)| {
                let found = match choice {
                    BlockChoice::Committed => committed.get(id),
                    BlockChoice::Uncommitted => waiting.get(id),
                    BlockChoice::Latest => waiting.get(id).or_else(|| committed.get(id)),
                };
                found.cloned().ok_or(StorageError::BlockList)
            };
            let parts: Vec<Part> = list.iter().map(part).collect::<Result<_, _>>()?;
            blobs::replace(transaction, new, &parts, now)
        })
    }

    /// The blocks of a blob, and those that wait.
    pub(in crate::blob) fn block_lists(
        &mut self,
        place: &Place,
    ) -> Result<BlockLists, StorageError> {
        let named = |parts: Vec<Part>| {
            parts.into_iter().map(|part| (part.block, part.size)).collect::<Vec<_>>()
        };
        self.change(|transaction| {
            let blob = blobs::find(transaction, place)?;
            let waiting = named(waiting(transaction, place)?);
            if blob.is_none() && waiting.is_empty() {
                return Err(StorageError::BlobNotFound.into());
            }
            let committed = match blob {
                Some((id, ..)) => blobs::parts(transaction, id)?,
                None => Vec::new(),
            };
            let committed = committed.into_iter().filter(|part| !part.block.is_empty()).collect();
            Ok(BlockLists { committed: named(committed), waiting })
        })
    }

    /// Removes the blocks of blobs of which none has come since `before`.
    pub(in crate::blob) fn sweep_blocks(
        &mut self,
        before: UnixMillis,
    ) -> Result<Freed, StorageError> {
        self.change(|transaction| {
            let sql = "SELECT hub_id, container, name FROM block \
                       GROUP BY hub_id, container, name HAVING max(staged_ms) < ?1";
            let mut statement = transaction.prepare(sql)?;
            let left = statement.query_map([before.as_millis()], |row| {
                Ok((HubId(row.get(0)?), row.get::<_, String>(1)?, row.get::<_, String>(2)?))
            })?;
            let mut freed = Freed::new();
            for (hub, container, name) in left.collect::<Result<Vec<_>, _>>()? {
                let files = take_of(transaction, hub, &container, Some(&name))?;
                freed.extend(unused(transaction, hub, files)?);
            }
            Ok(freed)
        })
    }
}

/// Removes the waiting blocks of a blob, or of a container, and gives their files.
pub(super) fn take_waiting(
    transaction: &Transaction<'_>,
    hub: HubId,
    container: &str,
    blob: Option<&BlobName>,
) -> Result<Vec<(FileId, u64)>, Refused> {
    Ok(take_of(transaction, hub, container, blob.map(BlobName::as_str))?)
}

fn take_of(
    transaction: &Transaction<'_>,
    hub: HubId,
    container: &str,
    blob: Option<&str>,
) -> rusqlite::Result<Vec<(FileId, u64)>> {
    let sql = "DELETE FROM block WHERE hub_id = ?1 AND container = ?2 \
               AND (?3 IS NULL OR name = ?3) RETURNING file_id, size";
    let mut statement = transaction.prepare_cached(sql)?;
    let taken = statement.query_map(params![hub.0, container, blob], file_of)?;
    taken.collect()
}

fn waiting(
    transaction: &Transaction<'_>,
    Place { hub, container, blob }: &Place,
) -> rusqlite::Result<Vec<Part>> {
    let sql = "SELECT block_id, file_id, size FROM block \
               WHERE hub_id = ?1 AND container = ?2 AND name = ?3 ORDER BY block_id";
    let mut statement = transaction.prepare_cached(sql)?;
    let names = params![hub.0, container.as_str(), blob.as_str()];
    let rows = statement.query_map(names, |row| {
        let (block, file) = (row.get(0)?, FileId(unsigned(row.get(1)?)));
        Ok(Part { block, file, size: unsigned(row.get(2)?) })
    })?;
    rows.collect()
}

pub(super) fn file_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<(FileId, u64)> {
    Ok((FileId(unsigned(row.get(0)?)), unsigned(row.get(1)?)))
}
