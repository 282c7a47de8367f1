//! What a start does with the log that the process before it has left.
//!
//! A process that ends in order leaves an empty one. After any other end the log may hold pages
//! that the disk does not have: a write that failed leaves its page in the memory of the kernel,
//! with a checksum that is right, and a later sync does not bring it to the disk. So the start lets
//! the kernel forget what it knows, and takes what the disk has: everything that was acknowledged,
//! since nothing is once a write has failed.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Row};
use rustix::fs::{Advice, fadvise};

use super::fault::{Fault, log_of};
use super::schema::{connect, explain};
use super::{OpenError, StoreError, StoreState};

/// Bytes that are read at a time.
const PIECE_BYTES: usize = 1024 * 1024;

/// How long to wait for a backup that reads the database: without an end the log stays as it is.
const READERS_TIME_MAX: Duration = Duration::from_secs(1);

/// Moves what the log of the database at `path` holds into the database, syncs that and checks it.
/// Returns whether there was room for it: without, the log stays, and is read from.
///
/// Costs nothing after an end in order, otherwise reads the whole database: 1.9 s for a million
/// devices with twins (860 MB) and 0.7 s for the check.
///
/// # Errors
/// [`OpenError`]: the disk fails, or what it has is damaged.
pub(super) fn recover(path: &Path) -> Result<StoreState, OpenError> {
    let log = log_of(path);
    let has_log = log.metadata().is_ok_and(|log| log.len() > 0);
    if !has_log || !path.exists() {
        return Ok(StoreState::Running);
    }
    let began = Instant::now();
    for file in [path, &log] {
        read_from_disk(file).map_err(|error| OpenError::Disk {
            path: file.to_owned(),
            detail: error.to_string(),
        })?;
    }
    let state = move_log(path)?;
    let elapsed = began.elapsed();
    tracing::info!(?elapsed, "the registry was not closed in order and is recovered");
    Ok(state)
}

/// Brings the file to the disk, lets the kernel forget it and reads it once, in its order.
fn read_from_disk(path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    file.sync_all()?;
    fadvise(&file, 0, None, Advice::DontNeed)?;
    let mut piece = vec![0; PIECE_BYTES];
    while file.read(&mut piece)? > 0 {}
    Ok(())
}

fn move_log(path: &Path) -> Result<StoreState, OpenError> {
    let failed = |error: StoreError| explain(path, &error);
    let connection = connect(path).map_err(failed)?;
    connection.busy_timeout(READERS_TIME_MAX).map_err(|error| failed(error.into()))?;
    let state = match truncate(&connection) {
        Ok(()) => StoreState::Running,
        Err(error) if Fault::of(&error, path) == Some(Fault::DiskFull) => {
            let error = explain(path, &error);
            tracing::warn!(%error, "the disk is full: changes of the registry are refused");
            StoreState::DiskFull
        }
        Err(error) => return Err(failed(error)),
    };
    let verdict = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    let verdict = verdict.map_err(|error| failed(error.into()))?;
    if verdict != "ok" {
        return Err(OpenError::Damaged { path: path.to_owned(), detail: verdict });
    }
    Ok(state)
}

fn truncate(connection: &Connection) -> Result<(), StoreError> {
    let is_busy = |row: &Row<'_>| row.get::<_, bool>(0);
    if connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], is_busy)? {
        tracing::info!("another process reads the registry: its log is moved later");
    }
    Ok(())
}
