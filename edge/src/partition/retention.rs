//! Gives up segments whose time is over: to the next segment if it needs a file, to the filesystem
//! otherwise.

use std::io;
use std::rc::Rc;

use ringhub_core::log::SegmentNumber;
use ringhub_core::log::retention::expired;
use tracing::{info, warn};

use super::executor::{Executor, wall_clock};
use super::open::{recycle_segment, remove_segment, sync_dir};

/// Removes expired segments for the life of the executor, in the queue of background work.
pub(super) async fn drop_expired(executor: Rc<Executor>) {
    loop {
        glommio::timer::sleep(executor.config.retention_interval).await;
        while let Some(segment) = give_up_oldest(&executor) {
            let dir = executor.dir.clone();
            let remove = move || remove_segment(&dir, segment).and_then(|()| sync_dir(&dir));
            match glommio::executor().spawn_blocking(remove).await {
                Ok(()) => info!(segment = segment.0, "segment expired"),
                Err(error) => warn_kept(&executor, segment, &error),
            }
        }
    }
}

/// Makes an expired segment the file of the next one. False if there is none.
///
/// A file that was written once has its blocks: nothing need be written with zeros, and the disk
/// does not fill further.
pub(super) async fn recycle_expired(executor: &Executor) -> bool {
    let Some(segment) = give_up_oldest(executor) else { return false };
    let dir = executor.dir.clone();
    let recycled = glommio::executor().spawn_blocking(move || recycle_segment(&dir, segment));
    match recycled.await {
        Ok(()) => info!(segment = segment.0, "segment expired; its file is used again"),
        Err(error) => warn_kept(executor, segment, &error),
    }
    true
}

fn warn_kept(executor: &Executor, segment: SegmentNumber, error: &io::Error) {
    let dir = executor.dir.display();
    warn!(%dir, segment = segment.0, %error, "expired data is on disk until the next start");
}

/// Takes the oldest segment out of the log if it has expired. Readers that are in it go on in the
/// next one once its bytes are gone.
fn give_up_oldest(executor: &Executor) -> Option<SegmentNumber> {
    let segment = {
        let mut appender = executor.appender.borrow_mut();
        let summaries = appender.sealed.iter().map(|sealed| &sealed.summary);
        let count = expired(summaries, executor.config.retention, wall_clock());
        // Without an active segment, the newest sealed one is what remembers the positions.
        if count == 0 || (appender.active.is_none() && appender.sealed.len() < 2) {
            return None;
        }
        appender.sealed.pop_front()?.header.segment
    };
    executor.note_log();
    executor.open_files.borrow_mut().retain(|(number, _)| *number != segment.0);
    Some(segment)
}
