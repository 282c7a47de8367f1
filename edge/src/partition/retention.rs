//! Drops segments whose time is over.

use std::io;
use std::rc::Rc;

use ringhub_core::log::retention::expired;
use tracing::{info, warn};

use super::executor::{Executor, wall_clock};
use super::open::{remove_segment, sync_dir};

/// Runs for the life of the executor in the queue of background work.
pub(super) async fn drop_expired(executor: Rc<Executor>) {
    loop {
        glommio::timer::sleep(executor.config.retention_interval).await;
        while let Some(error) = drop_oldest(&executor).await.transpose() {
            if let Err(error) = error {
                warn!(dir = %executor.dir.display(), %error, "expired data is still on disk");
                break;
            }
        }
    }
}

/// Drops the oldest segment if it has expired. Readers that are in it go on reading the open file.
async fn drop_oldest(executor: &Executor) -> io::Result<Option<()>> {
    let segment = {
        let mut appender = executor.appender.borrow_mut();
        let retention = executor.config.retention;
        let summaries = appender.sealed.iter().map(|sealed| &sealed.summary);
        let count = expired(summaries, retention, wall_clock());
        // Without an active segment, the newest sealed one is what remembers the positions.
        if count == 0 || (appender.active.is_none() && appender.sealed.len() < 2) {
            return Ok(None);
        }
        let Some(sealed) = appender.sealed.pop_front() else { return Ok(None) };
        sealed.header.segment
    };
    executor.open_files.borrow_mut().retain(|(number, _)| *number != segment.0);
    let dir = executor.dir.clone();
    let removed = glommio::executor()
        .spawn_blocking(move || remove_segment(&dir, segment).and_then(|()| sync_dir(&dir)));
    removed.await?;
    info!(segment = segment.0, "segment expired");
    Ok(Some(()))
}
