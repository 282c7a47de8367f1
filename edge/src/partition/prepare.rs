//! Prepares the file of the next segment, so that a commit overwrites blocks that are there and
//! never extends a file.
//!
//! An expired segment becomes the next one as it is; only without one, a new file is written with
//! zeros. It is offered as soon as its first megabyte is there: the very first segment is used
//! while the rest of it is still being written, and the start of the hub waits for no more than
//! that. After that, zeros are written as ingest needs them and slowly otherwise, since every byte
//! of them is one that a commit could have had.

use std::cell::Cell;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use ringhub_core::log::FilePosition;
use tracing::{info, warn};

use super::executor::Executor;
use super::open::PREPARED_FILE_NAME;
use super::retention::recycle_expired;
use super::segment_file::{SegmentFile, SharedBuffer};

const ZEROS_BYTES: usize = 1024 * 1024;

/// Pause between two pieces of zeros while ingest is not about to need them: 100 MB/s, of which a
/// commit notices little.
const ZEROS_PAUSE: Duration = Duration::from_millis(10);

/// Zeros that the active segment has ahead of its commits, while it is still being written with
/// them.
const ZEROS_AHEAD_BYTES: u64 = 8 * 1024 * 1024;

/// How long to wait before the disk is tried again.
const DISK_FULL_RETRY: Duration = Duration::from_millis(500);

/// A file under its temporary name that becomes the next segment.
pub(super) struct Prepared {
    pub(super) file: Rc<SegmentFile>,
    pub(super) path: PathBuf,
    /// Commits may be written below this.
    pub(super) zeroed: Rc<Cell<u64>>,
}

/// Runs for the life of the executor in the queue of background work.
pub(super) async fn prepare_segments(executor: Rc<Executor>) {
    loop {
        if let Err(error) = prepare_one(&executor).await {
            executor.fail(format!("the next segment cannot be prepared: {error}"));
            return;
        }
        if executor.prepared_taken.recv_async().await.is_err() {
            return;
        }
    }
}

async fn prepare_one(executor: &Executor) -> io::Result<()> {
    let path = executor.dir.join(PREPARED_FILE_NAME);
    // A file that an earlier run left behind is as good as an expired segment.
    if !path.exists() {
        recycle_expired(executor).await;
    }
    let (file, written) = loop {
        match open_prepared(executor, &path).await {
            Ok(opened) => break opened,
            Err(error) => wait_for_room(executor, error).await?,
        }
    };
    let zeroed = Rc::new(Cell::new(written));
    let zeros = zeros(&file, ZEROS_BYTES);
    let mut offered = false;
    loop {
        if !offered && zeroed.get() >= (ZEROS_BYTES as u64).min(executor.config.segment_bytes) {
            offered = true;
            let (file, path, zeroed) = (Rc::clone(&file), path.clone(), Rc::clone(&zeroed));
            *executor.prepared.borrow_mut() = Some(Prepared { file, path, zeroed });
        }
        executor.status.wake();
        if zeroed.get() >= executor.config.segment_bytes {
            return file.sync().await;
        }
        if offered && !is_needed(executor, &zeroed) {
            glommio::timer::sleep(ZEROS_PAUSE).await;
        }
        match write_zeros(executor, &file, &zeros, zeroed.get()).await {
            Ok(end) => {
                zeroed.set(end);
                has_room(executor);
            }
            Err(error) => wait_for_room(executor, error).await?,
        }
    }
}

/// The file of the next segment, and how much of it is written already.
async fn open_prepared(
    executor: &Executor,
    path: &std::path::Path,
) -> io::Result<(Rc<SegmentFile>, u64)> {
    let file = SegmentFile::open_or_create(path, executor.medium).await?;
    let (len, segment_bytes) = (file.len().await?, executor.config.segment_bytes);
    if len > segment_bytes {
        file.truncate(FilePosition(segment_bytes)).await?;
    }
    let block = executor.medium.block as u64;
    Ok((Rc::new(file), len.min(segment_bytes) / block * block))
}

fn zeros(file: &SegmentFile, len: usize) -> SharedBuffer {
    let mut zeros = file.allocate(len);
    zeros.bytes_mut().fill(0);
    zeros.share()
}

/// Whether ingest would wait if zeros were written slowly: they keep a third ahead of the active
/// segment, or some bytes if they are the active segment's own.
fn is_needed(executor: &Executor, zeroed: &Rc<Cell<u64>>) -> bool {
    let appender = executor.appender.borrow();
    let Some(active) = &appender.active else { return false };
    let written = active.write_end().0;
    if Rc::ptr_eq(&active.zeroed, zeroed) {
        zeroed.get() < written + ZEROS_AHEAD_BYTES
    } else {
        zeroed.get() < written + written / 3
    }
}

/// The last piece may be shorter than the others.
async fn write_zeros(
    executor: &Executor,
    file: &SegmentFile,
    piece: &SharedBuffer,
    at: u64,
) -> io::Result<u64> {
    let len = (executor.config.segment_bytes - at).min(ZEROS_BYTES as u64);
    if len == ZEROS_BYTES as u64 {
        file.write(piece.clone(), FilePosition(at)).await?;
    } else {
        let rest = zeros(file, usize::try_from(len).map_err(io::Error::other)?);
        file.write(rest, FilePosition(at)).await?;
    }
    Ok(at + len)
}

/// Waits if `error` says that the disk is full, until it is worth another try.
async fn wait_for_room(executor: &Executor, error: io::Error) -> io::Result<()> {
    let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
    if !full.contains(&error.kind()) {
        return Err(error);
    }
    if executor.status.set_disk_full(true) {
        executor.counters.disk_full.add(1);
        warn!(dir = %executor.dir.display(), %error, "no room for the next segment");
        executor.ring_doorbells();
    }
    glommio::timer::sleep(DISK_FULL_RETRY).await;
    Ok(())
}

fn has_room(executor: &Executor) {
    if executor.status.set_disk_full(false) {
        info!(dir = %executor.dir.display(), "there is room for the next segment again");
        executor.ring_doorbells();
    }
}
