//! Hides what is too old for its hub, and gives up segments whose time is over for all: to the next
//! segment if it needs a file, to the filesystem otherwise.

use std::io;
use std::rc::Rc;

use ringhub_core::log::SegmentNumber;
use ringhub_core::log::retention::expired;
use tracing::{info, warn};

use super::executor::{Executor, wall_clock};
use super::open::{FileState, recycle_segment, remove_segment, sync_dir};

/// Removes expired segments for the life of the executor, in the queue of background work.
pub(super) async fn drop_expired(executor: Rc<Executor>) {
    loop {
        glommio::timer::sleep(executor.config.retention_interval).await;
        hide_old(&executor).await;
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

/// Moves the oldest event of every partition on, past the segments that are too old for its hub.
/// The log keeps them as long as another hub needs them.
pub(super) async fn hide_old(executor: &Executor) {
    let now = wall_clock();
    let mut next = SegmentNumber(0);
    loop {
        {
            let (appender, mut hubs) = (executor.appender.borrow(), executor.hubs.borrow_mut());
            let from = appender.sealed.partition_point(|sealed| sealed.segment() < next);
            let Some(sealed) = appender.sealed.get(from) else { return };
            next = SegmentNumber(sealed.segment().0 + 1);
            if sealed.first_end < hubs.newest_horizon(now) {
                hubs.hide_old(&sealed.summary.ends, now);
            }
        }
        glommio::yield_if_needed().await;
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

/// Takes the oldest segment out of the log if it has expired for all hubs that have events in it.
/// Readers that are in it go on in the next one once its bytes are gone.
fn give_up_oldest(executor: &Executor) -> Option<SegmentNumber> {
    let given_up = {
        let mut appender = executor.appender.borrow_mut();
        let mut hubs = executor.hubs.borrow_mut();
        let now = wall_clock();
        let front = appender.sealed.front()?;
        // Without an active segment, the newest sealed one is what remembers the positions.
        let is_last = appender.active.is_none() && appender.sealed.len() < 2;
        if is_last || front.state == FileState::Changing {
            return None;
        }
        if expired([&front.summary], &|hub| hubs.horizon(hub, now)) == 0 {
            return None;
        }
        let given_up = appender.sealed.pop_front()?;
        given_up.summary.ends.iter().for_each(|end| hubs.advance_oldest(end));
        given_up.segment()
    };
    executor.note_log();
    executor.open_files.borrow_mut().retain(|(number, _)| *number != given_up.0);
    Some(given_up)
}
