//! Moves the write-ahead log into the database, off the writer thread.

use std::io;
use std::thread::{self, JoinHandle};

use ringhub_core::limits::STORE_WAL_BYTES_MAX;
use rusqlite::Connection;

use super::StoreError;

/// Pages of the log that make a checkpoint worth its syncs.
const PAGES_MIN: i64 = 1000;

/// The thread that moves the log.
#[derive(Debug)]
pub(super) struct Checkpointer {
    bell: flume::Sender<()>,
    thread: JoinHandle<()>,
}

impl Checkpointer {
    /// Starts the thread on a connection of its own.
    pub(super) fn start(connection: Connection) -> io::Result<Self> {
        let (bell, rung) = flume::bounded(1);
        let thread = thread::Builder::new().name("control-check".to_owned()).spawn(move || {
            while rung.recv().is_ok() {
                report(step(&connection));
            }
            report(checkpoint(&connection, "TRUNCATE"));
        })?;
        Ok(Self { bell, thread })
    }

    /// Says that a transaction was committed. A bell that is rung already is enough.
    pub(super) fn ring(&self) {
        let _ = self.bell.try_send(());
    }

    /// Moves the whole log and ends the thread.
    pub(super) fn finish(self) {
        drop(self.bell);
        if self.thread.join().is_err() {
            tracing::error!("the checkpoint thread has panicked");
        }
    }
}

/// Copies what it can without making anybody wait; makes writers wait only when the log has grown
/// too long.
fn step(connection: &Connection) -> Result<i64, StoreError> {
    let page_bytes: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let pages_max = i64::try_from(STORE_WAL_BYTES_MAX).unwrap_or(i64::MAX) / page_bytes.max(1);
    let pages = wal_pages(connection, page_bytes);
    if pages < PAGES_MIN {
        return Ok(pages);
    }
    let pages = checkpoint(connection, "PASSIVE")?;
    if pages > pages_max { checkpoint(connection, "TRUNCATE") } else { Ok(pages) }
}

/// Pages in the file of the log. It shrinks when the writer starts it anew after a full checkpoint.
fn wal_pages(connection: &Connection, page_bytes: i64) -> i64 {
    let wal = connection.path().map(|path| format!("{path}-wal"));
    let bytes = wal.and_then(|path| std::fs::metadata(path).ok()).map_or(0, |meta| meta.len());
    i64::try_from(bytes).unwrap_or(i64::MAX) / page_bytes.max(1)
}

/// Returns how many pages the log still has.
fn checkpoint(connection: &Connection, mode: &str) -> Result<i64, StoreError> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    Ok(connection.query_row(&sql, [], |row| row.get(1))?)
}

/// A failed checkpoint loses nothing: the log keeps everything until the next one.
fn report(result: Result<i64, StoreError>) {
    if let Err(error) = result {
        tracing::warn!(%error, "the registry's write-ahead log could not be moved");
    }
}
