//! Which containers and blobs there are, and in which files their bytes are.

mod blobs;
mod blocks;
mod containers;
mod hubs;

use std::collections::HashSet;
use std::io;
use std::path::Path;

use ringhub_core::id::HubId;
use ringhub_core::storage::{BlobName, ContainerName};
use ringhub_core::time::UnixMillis;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::StorageError;
use super::files::FileId;
use super::headers::BlobHeaders;

pub(super) use blobs::NewBlob;
pub(super) use blocks::BlockLists;

const FILE: &str = "blobs.db";
const VERSION: i64 = 1;

/// `block` holds blocks that wait for their list. Texts compare by their bytes, which is the order
/// of lists.
const TABLES: &str = "
CREATE TABLE container (
    hub_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    etag INTEGER NOT NULL,
    modified_ms INTEGER NOT NULL,
    headers TEXT NOT NULL,
    PRIMARY KEY (hub_id, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE blob (
    blob_id INTEGER PRIMARY KEY AUTOINCREMENT,
    hub_id INTEGER NOT NULL,
    container TEXT NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    etag INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    modified_ms INTEGER NOT NULL,
    headers TEXT NOT NULL,
    UNIQUE (hub_id, container, name)
) STRICT;
CREATE TABLE part (
    blob_id INTEGER NOT NULL,
    place INTEGER NOT NULL,
    block_id TEXT NOT NULL,
    file_id INTEGER NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (blob_id, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX part_of_file ON part (file_id);
CREATE TABLE block (
    hub_id INTEGER NOT NULL,
    container TEXT NOT NULL,
    name TEXT NOT NULL,
    block_id TEXT NOT NULL,
    file_id INTEGER NOT NULL,
    size INTEGER NOT NULL,
    staged_ms INTEGER NOT NULL,
    PRIMARY KEY (hub_id, container, name, block_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX block_of_file ON block (file_id);
";

/// Which blob of which hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) hub: HubId,
    pub(super) container: ContainerName,
    pub(super) blob: BlobName,
}

/// A blob without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BlobRow {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) etag: u64,
    pub(super) created: UnixMillis,
    pub(super) modified: UnixMillis,
    pub(super) headers: BlobHeaders,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ContainerRow {
    pub(super) name: String,
    pub(super) etag: u64,
    pub(super) modified: UnixMillis,
    pub(super) headers: BlobHeaders,
}

/// Bytes of a blob that are one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) block: String,
    pub(super) file: FileId,
    pub(super) size: u64,
}

/// Files that nothing refers to any more, each with its hub and its bytes; to be removed once the
/// change is durable.
pub(super) type Freed = Vec<(FileId, HubId, u64)>;

/// What was written, and what it has made free.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) etag: u64,
    pub(super) modified: UnixMillis,
    pub(super) freed: Freed,
}

/// A file that the index refers to.
pub(super) struct KnownFile {
    pub(super) id: FileId,
    pub(super) hub: HubId,
    pub(super) size: u64,
}

/// The index. Every change is one transaction, durable when the call returns.
#[derive(Debug)]
pub(super) struct Index {
    connection: Connection,
}

impl Index {
    /// Opens the index in `directory`, or makes one.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open(directory.join(FILE))?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            Ok(connection)
        };
        let connection = open().map_err(io::Error::other)?;
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0));
        match version.map_err(io::Error::other)? {
            VERSION => {}
            0 => create(&connection).map_err(io::Error::other)?,
            other => {
                let text = format!("{FILE}: format version {other} is unknown");
                return Err(io::Error::other(text));
            }
        }
        Ok(Self { connection })
    }

    /// All files that blobs and waiting blocks consist of, each once.
    pub(super) fn files(&self) -> io::Result<Vec<KnownFile>> {
        let read = || -> rusqlite::Result<Vec<KnownFile>> {
            let mut statement = self.connection.prepare(
                "SELECT p.file_id, b.hub_id, p.size FROM part p JOIN blob b USING (blob_id) \
                 UNION ALL SELECT file_id, hub_id, size FROM block",
            )?;
            let rows = statement.query_map([], |row| {
                let (id, hub) = (FileId(unsigned(row.get(0)?)), HubId(row.get(1)?));
                Ok(KnownFile { id, hub, size: unsigned(row.get(2)?) })
            })?;
            let mut seen = HashSet::new();
            rows.filter(|row| row.as_ref().map_or(true, |file| seen.insert(file.id))).collect()
        };
        read().map_err(io::Error::other)
    }

    fn change<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Refused>,
    ) -> Result<T, StorageError> {
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior);
        let result = transaction.map_err(Refused::Sqlite).and_then(|transaction| {
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        });
        result.map_err(Refused::explain)
    }

    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Refused>,
    ) -> Result<T, StorageError> {
        work(&self.connection).map_err(Refused::explain)
    }
}

/// Why a change was not made.
enum Refused {
    Rule(StorageError),
    Sqlite(rusqlite::Error),
}

impl Refused {
    /// What the client is told; what the disk has done is for the log.
    fn explain(self) -> StorageError {
        match self {
            Self::Rule(why) => why,
            Self::Sqlite(error) => {
                tracing::error!(%error, "the index of blobs could not be read or written");
                match error.sqlite_error_code() {
                    Some(rusqlite::ErrorCode::DiskFull) => StorageError::DiskFull,
                    _ => StorageError::Internal,
                }
            }
        }
    }
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StorageError> for Refused {
    fn from(why: StorageError) -> Self {
        Self::Rule(why)
    }
}

fn create(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// Those of the files that nothing refers to.
fn unused(
    transaction: &Connection,
    hub: HubId,
    files: Vec<(FileId, u64)>,
) -> rusqlite::Result<Freed> {
    let mut is_used = transaction.prepare_cached(
        "SELECT 1 FROM part WHERE file_id = ?1 UNION ALL \
         SELECT 1 FROM block WHERE file_id = ?1 LIMIT 1",
    )?;
    let mut seen = HashSet::new();
    let mut freed = Freed::new();
    for (file, size) in files.into_iter().filter(|(file, _)| seen.insert(*file)) {
        if !is_used.exists([signed(file.0)])? {
            freed.push((file, hub, size));
        }
    }
    Ok(freed)
}

/// A tag that hardly comes twice.
fn new_etag() -> Result<u64, StorageError> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| StorageError::Internal)?;
    Ok(u64::from_ne_bytes(bytes))
}

fn headers_text(headers: &BlobHeaders) -> Result<String, StorageError> {
    serde_json::to_string(headers).map_err(|_| StorageError::Internal)
}

fn headers_of(text: &str) -> BlobHeaders {
    serde_json::from_str(text).unwrap_or_default()
}

fn signed(value: u64) -> i64 {
    i64::from_ne_bytes(value.to_ne_bytes())
}

fn unsigned(value: i64) -> u64 {
    u64::from_ne_bytes(value.to_ne_bytes())
}
