//! Blobs.

use rusqlite::OptionalExtension as _;

use super::{
    BlobHeaders, BlobRow, ContainerName, FileId, Freed, HubId, Index, Part, Place, Refused,
    StorageError, Transaction, UnixMillis, Written, blocks, containers, headers_of, headers_text,
    new_etag, params, signed, unsigned, unused,
};
use crate::blob::conditions::Conditions;

const COLUMNS: &str = "blob_id, name, size, etag, created_ms, modified_ms, headers";

/// What becomes a blob.
#[derive(Debug)]
pub(in crate::blob) struct NewBlob {
    pub(in crate::blob) place: Place,
    /// Whether its container is made if it is not there.
    pub(in crate::blob) makes_container: bool,
    pub(in crate::blob) headers: BlobHeaders,
    pub(in crate::blob) conditions: Conditions,
}

impl Index {
    pub(in crate::blob) fn blob(&self, place: &Place) -> Result<Option<BlobRow>, StorageError> {
        self.read(|connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM blob WHERE hub_id = ?1 AND container = ?2 AND name = ?3"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let Place { hub, container, blob } = place;
            let names = params![hub.0, container.as_str(), blob.as_str()];
            Ok(statement.query_row(names, row).optional()?)
        })
    }

    /// The files of a blob in their order.
    pub(in crate::blob) fn parts(&self, blob: i64) -> Result<Vec<Part>, StorageError> {
        self.read(|connection| Ok(parts(connection, blob)?))
    }

    /// At most `limit` blobs whose names begin with `prefix` and come after `after`.
    pub(in crate::blob) fn blobs(
        &self,
        (hub, container): (HubId, &ContainerName),
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<BlobRow>, StorageError> {
        self.read(|connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM blob WHERE hub_id = ?1 AND container = ?2 AND name > ?3 \
                 AND name >= ?4 ORDER BY name"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows =
                statement.query_map(params![hub.0, container.as_str(), after, prefix], row)?;
            let begins = |row: &Result<BlobRow, _>| {
                row.as_ref().map_or(true, |row: &BlobRow| row.name.starts_with(prefix))
            };
            Ok(rows.take_while(begins).take(limit).collect::<Result<_, _>>()?)
        })
    }

    /// Makes a blob of one file, or of none when it is empty.
    pub(in crate::blob) fn put_blob(
        &mut self,
        new: &NewBlob,
        bytes: Option<(FileId, u64)>,
        now: UnixMillis,
    ) -> Result<Written, StorageError> {
        let parts: Vec<Part> = bytes
            .map(|(file, size)| Part { block: String::new(), file, size })
            .into_iter()
            .collect();
        self.change(|transaction| replace(transaction, new, &parts, now))
    }

    pub(in crate::blob) fn delete_blob(
        &mut self,
        place: &Place,
        conditions: &Conditions,
    ) -> Result<Freed, StorageError> {
        self.change(|transaction| {
            let (id, etag, _) = find(transaction, place)?.ok_or(StorageError::BlobNotFound)?;
            conditions.check_write(Some(etag))?;
            let files = remove(transaction, id)?;
            Ok(unused(transaction, place.hub, files)?)
        })
    }
}

/// Puts a blob of `parts` in the place of what has its name, and of the blocks that wait there.
pub(super) fn replace(
    transaction: &Transaction<'_>,
    new: &NewBlob,
    parts: &[Part],
    now: UnixMillis,
) -> Result<Written, Refused> {
    let NewBlob { place, makes_container, headers, conditions } = new;
    let Place { hub, container, blob } = place;
    containers::ensure(transaction, (*hub, container), *makes_container, now)?;
    let old = find(transaction, place)?;
    conditions.check_write(old.map(|(_, etag, _)| etag))?;
    let created = old.map_or(now, |(_, _, created)| created);
    let mut files = blocks::take_waiting(transaction, *hub, container.as_str(), Some(blob))?;
    if let Some((id, ..)) = old {
        files.extend(remove(transaction, id)?);
    }
    let (etag, size) = (new_etag()?, parts.iter().map(|part| part.size).sum());
    transaction.prepare_cached(
        "INSERT INTO blob (hub_id, container, name, size, etag, created_ms, modified_ms, headers) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        hub.0,
        container.as_str(),
        blob.as_str(),
        signed(size),
        signed(etag),
        created.as_millis(),
        now.as_millis(),
        headers_text(headers)?,
    ])?;
    let id = transaction.last_insert_rowid();
    let mut insert = transaction.prepare_cached(
        "INSERT INTO part (blob_id, place, block_id, file_id, size) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (number, Part { block, file, size }) in (0_i64..).zip(parts) {
        insert.execute(params![id, number, block, signed(file.0), signed(*size)])?;
    }
    let freed = unused(transaction, *hub, files)?;
    Ok(Written { etag, modified: now, freed })
}

/// Removes the rows of a blob and gives its files.
pub(super) fn remove(
    transaction: &Transaction<'_>,
    id: i64,
) -> rusqlite::Result<Vec<(FileId, u64)>> {
    let files = parts(transaction, id)?.into_iter().map(|part| (part.file, part.size)).collect();
    transaction.execute("DELETE FROM part WHERE blob_id = ?1", [id])?;
    transaction.execute("DELETE FROM blob WHERE blob_id = ?1", [id])?;
    Ok(files)
}

/// Row, tag and age of a blob.
pub(super) fn find(
    transaction: &Transaction<'_>,
    Place { hub, container, blob }: &Place,
) -> rusqlite::Result<Option<(i64, u64, UnixMillis)>> {
    let sql = "SELECT blob_id, etag, created_ms FROM blob \
               WHERE hub_id = ?1 AND container = ?2 AND name = ?3";
    let mut statement = transaction.prepare_cached(sql)?;
    let names = params![hub.0, container.as_str(), blob.as_str()];
    let found = statement.query_row(names, |row| {
        Ok((row.get(0)?, unsigned(row.get(1)?), UnixMillis::from_millis(row.get(2)?)))
    });
    found.optional()
}

pub(super) fn parts(connection: &rusqlite::Connection, blob: i64) -> rusqlite::Result<Vec<Part>> {
    let sql = "SELECT block_id, file_id, size FROM part WHERE blob_id = ?1 ORDER BY place";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([blob], |row| {
        let (block, file) = (row.get(0)?, FileId(unsigned(row.get(1)?)));
        Ok(Part { block, file, size: unsigned(row.get(2)?) })
    })?;
    rows.collect()
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<BlobRow> {
    Ok(BlobRow {
        id: row.get(0)?,
        name: row.get(1)?,
        size: unsigned(row.get(2)?),
        etag: unsigned(row.get(3)?),
        created: UnixMillis::from_millis(row.get(4)?),
        modified: UnixMillis::from_millis(row.get(5)?),
        headers: headers_of(&row.get::<_, String>(6)?),
    })
}
