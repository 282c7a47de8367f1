//! Moves the write-ahead log into the database, off the writer thread.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use ringhub_core::limits::STORE_WAL_BYTES_MAX;
use rusqlite::{Connection, Row};

use super::StoreError;
use super::fault::Fault;
use super::schema::explain;
use super::state::SharedState;

/// Pages that make a checkpoint worth its syncs.
const PAGES_MIN: u64 = 1000;

/// What can be done with the log. To look takes no lock and moves nothing.
///
/// Source: SQLite documentation, "PRAGMA wal_checkpoint".
const LOOK: &str = "PRAGMA wal_checkpoint(NOOP)";
const PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";
const RESTART: &str = "PRAGMA wal_checkpoint(RESTART)";
const TRUNCATE: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// The thread that moves the log.
#[derive(Debug)]
pub(super) struct Checkpointer {
    bell: flume::Sender<()>,
    thread: JoinHandle<()>,
}

impl Checkpointer {
    /// Starts the thread on a connection of its own. It ends all writing where it meets a failing
    /// disk, and moves nothing once writing has ended.
    pub(super) fn start(connection: Connection, state: Arc<SharedState>) -> io::Result<Self> {
        let (bell, rung) = flume::bounded(1);
        let pages_max = pages_max(&connection).map_err(io::Error::other)?;
        let mut mover = Mover { connection, pages_max, state, is_stuck: false };
        let thread = thread::Builder::new().name("control-check".to_owned()).spawn(move || {
            while rung.recv().is_ok() {
                mover.run(step);
            }
            mover.run(|connection, _| checkpoint(connection, TRUNCATE).map(drop));
        })?;
        Ok(Self { bell, thread })
    }

    /// Looks at the log after a commit on `connection`, the writer's, and wakes the thread when
    /// there is enough to move; most commits wake nobody. A bell that is rung already is enough.
    pub(super) fn note_commit(&self, connection: &Connection) {
        if !matches!(checkpoint(connection, LOOK), Ok(log) if !log.is_due()) {
            let _ = self.bell.try_send(());
        }
    }

    /// Moves the whole log and ends the thread.
    pub(super) fn finish(self) {
        drop(self.bell);
        if self.thread.join().is_err() {
            tracing::error!("the checkpoint thread has panicked");
        }
    }
}

/// What the thread has.
struct Mover {
    connection: Connection,
    pages_max: u64,
    state: Arc<SharedState>,
    /// Whether it could not move the log the last time, as the log of the process knows.
    is_stuck: bool,
}

impl Mover {
    /// For want of room nothing is lost: the log keeps everything until the next time. After a
    /// failure there is none: the database may lack what the kernel says that it has, and the log
    /// is all that a restart can rely on.
    fn run(&mut self, step: impl FnOnce(&Connection, u64) -> Result<(), StoreError>) {
        if self.state.has_failed() {
            return;
        }
        let Err(error) = step(&self.connection, self.pages_max) else {
            self.is_stuck = false;
            return;
        };
        let path = Path::new(self.connection.path().unwrap_or_default());
        let fault = Fault::of(&error, path);
        let error = explain(path, &error);
        if matches!(fault, Some(Fault::Disk | Fault::Damage)) {
            self.state.fail(&error);
        } else if !self.is_stuck {
            tracing::warn!(%error, "the registry's write-ahead log could not be moved");
        }
        self.is_stuck = true;
    }
}

/// Pages of the log.
struct Log {
    all: u64,
    /// Of these, those that are in the database.
    moved: u64,
}

impl Log {
    const fn is_due(&self) -> bool {
        self.all.saturating_sub(self.moved) >= PAGES_MIN
    }
}

/// Copies what it can, once it is much, without making anybody wait; makes writers wait only when
/// the log has grown too long. Pages that change again and again are copied once.
///
/// The file of the log is not cut: to overwrite it costs the writer less than to make it longer.
fn step(connection: &Connection, pages_max: u64) -> Result<(), StoreError> {
    // The bell may be of a commit that was moved with those before.
    if !checkpoint(connection, LOOK)?.is_due() {
        return Ok(());
    }
    let log = checkpoint(connection, PASSIVE)?;
    if log.all > pages_max {
        checkpoint(connection, RESTART)?;
    }
    Ok(())
}

fn checkpoint(connection: &Connection, statement: &str) -> Result<Log, StoreError> {
    let mut statement = connection.prepare_cached(statement)?;
    let pages = |row: &Row<'_>, column| {
        row.get(column).map(|pages: i64| u64::try_from(pages).unwrap_or_default())
    };
    Ok(statement.query_row([], |row| Ok(Log { all: pages(row, 1)?, moved: pages(row, 2)? }))?)
}

fn pages_max(connection: &Connection) -> Result<u64, StoreError> {
    let page_bytes: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    Ok(STORE_WAL_BYTES_MAX / u64::from(page_bytes.max(1)))
}
