//! Containers.

use rusqlite::OptionalExtension as _;

use super::{
    BlobHeaders, ContainerName, ContainerRow, Freed, HubId, Index, Refused, StorageError,
    Transaction, UnixMillis, Written, blobs, blocks, headers_of, headers_text, new_etag, params,
    signed, unsigned, unused,
};

const COLUMNS: &str = "name, etag, modified_ms, headers";

impl Index {
    pub(in crate::blob) fn container(
        &self,
        hub: HubId,
        name: &ContainerName,
    ) -> Result<Option<ContainerRow>, StorageError> {
        self.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM container WHERE hub_id = ?1 AND name = ?2");
            let mut statement = connection.prepare_cached(&sql)?;
            Ok(statement.query_row(params![hub.0, name.as_str()], row).optional()?)
        })
    }

    /// At most `limit` containers whose names begin with `prefix` and come after `after`.
    pub(in crate::blob) fn containers(
        &self,
        hub: HubId,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<ContainerRow>, StorageError> {
        self.read(|connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM container WHERE hub_id = ?1 AND name > ?2 AND name >= ?3 \
                 ORDER BY name"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![hub.0, after, prefix], row)?;
            let begins = |row: &Result<ContainerRow, _>| {
                row.as_ref().map_or(true, |row: &ContainerRow| row.name.starts_with(prefix))
            };
            Ok(rows.take_while(begins).take(limit).collect::<Result<_, _>>()?)
        })
    }

    pub(in crate::blob) fn create_container(
        &mut self,
        hub: HubId,
        name: &ContainerName,
        headers: &BlobHeaders,
        now: UnixMillis,
    ) -> Result<Written, StorageError> {
        self.change(|transaction| {
            let etag = new_etag()?;
            let added = insert(transaction, (hub, name.as_str()), etag, headers, now)?;
            if !added {
                return Err(StorageError::ContainerExists.into());
            }
            Ok(Written { etag, modified: now, freed: Freed::new() })
        })
    }

    pub(in crate::blob) fn delete_container(
        &mut self,
        hub: HubId,
        name: &ContainerName,
    ) -> Result<Freed, StorageError> {
        self.change(|transaction| {
            if !exists(transaction, hub, name)? {
                return Err(StorageError::ContainerNotFound.into());
            }
            delete(transaction, hub, name.as_str())
        })
    }

    /// Makes the container if it is not there.
    pub(in crate::blob) fn ensure_container(
        &mut self,
        hub: HubId,
        name: &ContainerName,
        now: UnixMillis,
    ) -> Result<(), StorageError> {
        self.change(|transaction| ensure(transaction, (hub, name), true, now))
    }
}

/// Checks that the container is there; makes it if `may_make`.
pub(super) fn ensure(
    transaction: &Transaction<'_>,
    (hub, name): (HubId, &ContainerName),
    may_make: bool,
    now: UnixMillis,
) -> Result<(), Refused> {
    if exists(transaction, hub, name)? {
        return Ok(());
    }
    if !may_make {
        return Err(StorageError::ContainerNotFound.into());
    }
    insert(transaction, (hub, name.as_str()), new_etag()?, &BlobHeaders::default(), now)?;
    Ok(())
}

/// Removes a container with all that it holds.
pub(super) fn delete(
    transaction: &Transaction<'_>,
    hub: HubId,
    name: &str,
) -> Result<Freed, Refused> {
    let sql = "DELETE FROM container WHERE hub_id = ?1 AND name = ?2";
    transaction.execute(sql, params![hub.0, name])?;
    let mut files = blocks::take_waiting(transaction, hub, name, None)?;
    let sql = "SELECT blob_id FROM blob WHERE hub_id = ?1 AND container = ?2";
    let ids: Vec<i64> = transaction
        .prepare(sql)?
        .query_map(params![hub.0, name], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in ids {
        files.extend(blobs::remove(transaction, id)?);
    }
    Ok(unused(transaction, hub, files)?)
}

fn exists(
    transaction: &Transaction<'_>,
    hub: HubId,
    name: &ContainerName,
) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM container WHERE hub_id = ?1 AND name = ?2";
    transaction.prepare_cached(sql)?.exists(params![hub.0, name.as_str()])
}

fn insert(
    transaction: &Transaction<'_>,
    (hub, name): (HubId, &str),
    etag: u64,
    headers: &BlobHeaders,
    now: UnixMillis,
) -> Result<bool, Refused> {
    let added = transaction.execute(
        "INSERT OR IGNORE INTO container (hub_id, name, etag, modified_ms, headers) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![hub.0, name, signed(etag), now.as_millis(), headers_text(headers)?],
    )?;
    Ok(added > 0)
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<ContainerRow> {
    Ok(ContainerRow {
        name: row.get(0)?,
        etag: unsigned(row.get(1)?),
        modified: UnixMillis::from_millis(row.get(2)?),
        headers: headers_of(&row.get::<_, String>(3)?),
    })
}
