//! Writes the file of the next segment ahead of time, so that a commit overwrites zeros and never extends a file.
//!
//! The file is offered as soon as its first megabyte is there: the very first segment is used while the rest of it is
//! still being written, and the start of the hub waits for no more than that.

use std::cell::Cell;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use ringhub_core::log::FilePosition;
use tracing::{info, warn};

use super::executor::Executor;
use super::open::PREPARED_FILE_NAME;
use super::segment_file::{SegmentFile, SharedBuffer};

const ZEROS_BYTES: usize = 1024 * 1024;

/// How long to wait before the disk is tried again.
const DISK_FULL_RETRY: Duration = Duration::from_millis(500);

/// A file of zeros under its temporary name.
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
    let file = loop {
        match SegmentFile::create(&path, executor.io_mode).await {
            Ok(file) => break Rc::new(file),
            Err(error) => wait_for_room(executor, error).await?,
        }
    };
    let zeroed = Rc::new(Cell::new(0));
    let mut zeros = file.allocate(ZEROS_BYTES);
    zeros.bytes_mut().fill(0);
    let zeros = zeros.share();
    while zeroed.get() < executor.config.segment_bytes {
        match write_zeros(executor, &file, &zeros, zeroed.get()).await {
            Ok(end) => zeroed.set(end),
            Err(error) => {
                wait_for_room(executor, error).await?;
                continue;
            }
        }
        executor.status.set_disk_full(false);
        if zeroed.get() <= ZEROS_BYTES as u64 {
            let (file, path, zeroed) = (Rc::clone(&file), path.clone(), Rc::clone(&zeroed));
            *executor.prepared.borrow_mut() = Some(Prepared { file, path, zeroed });
        }
        executor.status.wake();
    }
    file.sync().await
}

/// The last piece may be shorter than the others.
async fn write_zeros(
    executor: &Executor,
    file: &SegmentFile,
    zeros: &SharedBuffer,
    at: u64,
) -> io::Result<u64> {
    let len = (executor.config.segment_bytes - at).min(ZEROS_BYTES as u64);
    if len == ZEROS_BYTES as u64 {
        file.write(zeros.clone(), FilePosition(at)).await?;
    } else {
        let mut rest = file.allocate(usize::try_from(len).map_err(io::Error::other)?);
        rest.bytes_mut().fill(0);
        file.write(rest.share(), FilePosition(at)).await?;
    }
    Ok(at + len)
}

/// Waits if `error` says that the disk is full, until it is worth another try.
async fn wait_for_room(executor: &Executor, error: io::Error) -> io::Result<()> {
    let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
    if !full.contains(&error.kind()) {
        return Err(error);
    }
    if executor.status.state() == super::LogState::Running {
        warn!(dir = %executor.dir.display(), %error, "no room for the next segment");
        executor.status.set_disk_full(true);
        executor.ring_doorbells();
    }
    glommio::timer::sleep(DISK_FULL_RETRY).await;
    info!(dir = %executor.dir.display(), "looking for room again");
    Ok(())
}
