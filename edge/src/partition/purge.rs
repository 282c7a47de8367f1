//! Takes the records of hubs that are gone out of the log.
//!
//! ```text
//!  removed ─▶ the segment that is written ends early
//!          ─▶ each sealed segment with such records: written anew beside it ─▶ synced ─▶ renamed over it
//! ```
//!
//! Whatever happens in between, a segment is the old one or the new one, and the next start goes on
//! with those that are left: a hub is gone because the process is not told of it, not because of
//! what is in the log.

use std::collections::HashSet;
use std::io;
use std::rc::Rc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ringhub_core::id::HubId;
use ringhub_core::log::index::SegmentSummary;
use ringhub_core::log::{SegmentNumber, States};
use tracing::{info, warn};

use super::executor::Executor;
use super::open::{FileState, Sealed, write_index};
use super::rewrite::{RewriteError, discard, exchange, write_anew};
use super::status::LogState;

/// How long to wait before the disk is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// Runs for the life of the executor in the queue of background work.
pub(super) async fn purge_gone(executor: Rc<Executor>, wanted: flume::Receiver<()>) {
    // What an earlier run has left.
    executor.want_purge();
    while wanted.recv_async().await.is_ok() {
        if let Err(error) = purge(&executor).await {
            let dir = executor.dir.display();
            warn!(%dir, %error, "records of removed hubs stay on disk for now");
            glommio::timer::sleep(RETRY).await;
            executor.want_purge();
        }
    }
}

async fn purge(executor: &Executor) -> io::Result<()> {
    let gone = executor.hubs.borrow().gone().clone();
    if gone.is_empty() || executor.status.state() == LogState::Failed {
        return Ok(());
    }
    let is_in_active = {
        let appender = executor.appender.borrow();
        let active = appender.active.as_ref();
        active.is_some_and(|active| has_any(&active.summary.ends, &gone))
    };
    if is_in_active {
        // Asks for a purge again once it has.
        executor.seal_wanted.set(true);
        executor.status.wake();
    }
    while let Some(summary) = next_with(executor, &gone) {
        rewrite(executor, summary, &gone).await?;
    }
    // Commits in flight may have such records; they ask again when they are durable.
    if !is_in_active && executor.appender.borrow().in_flight_len() == 0 {
        executor.hubs.borrow_mut().forget(&gone);
    }
    Ok(())
}

/// Does work that takes long where neither the executor nor its short calls to the disk wait for
/// it. An executor that stops meanwhile waits for the end.
async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    struct Joined(Option<JoinHandle<()>>);
    impl Drop for Joined {
        fn drop(&mut self) {
            // A panic is seen by the missing result.
            let _ = self.0.take().map(JoinHandle::join);
        }
    }
    let (send, result) = flume::bounded(1);
    let body = move || {
        let _ = send.send(work());
    };
    let _joined = Joined(Some(thread::Builder::new().name("log-rewrite".into()).spawn(body)?));
    result.recv_async().await.map_err(|_| io::Error::other("the thread has ended early"))
}

fn has_any(ends: &States, gone: &HashSet<HubId>) -> bool {
    ends.hubs().any(|hub| gone.contains(&hub))
}

fn next_with(executor: &Executor, gone: &HashSet<HubId>) -> Option<SegmentSummary> {
    let appender = executor.appender.borrow();
    let is_due = |sealed: &&Sealed| {
        sealed.state == FileState::Settled && has_any(&sealed.summary.ends, gone)
    };
    appender.sealed.iter().find(is_due).map(|sealed| sealed.summary.clone())
}

/// Puts a segment without the records of `gone` in the place of the one with `summary`.
async fn rewrite(
    executor: &Executor,
    summary: SegmentSummary,
    gone: &HashSet<HubId>,
) -> io::Result<()> {
    let segment = summary.segment;
    let before = summary.data_end.0;
    let (dir, gone) = (executor.dir.clone(), gone.clone());
    let written = move || write_anew(&dir, summary, &gone);
    let anew = match on_thread(written).await? {
        Ok(anew) => anew,
        Err(RewriteError::Io(error)) => return Err(error),
        Err(RewriteError::Log(error)) => {
            warn!(segment = segment.0, %error, "records of removed hubs stay until they expire");
            set_state(executor, segment, FileState::Damaged);
            return Ok(());
        }
    };
    let dir = executor.dir.clone();
    // Expired meanwhile, or to stay as it is for the next start.
    if executor.status.is_stopping() || !set_state(executor, segment, FileState::Changing) {
        glommio::executor().spawn_blocking(move || discard(&dir)).await;
        return Ok(());
    }
    let exchanged = glommio::executor().spawn_blocking(move || exchange(&dir, segment)).await;
    if let Err(error) = exchanged {
        set_state(executor, segment, FileState::Settled);
        let dir = executor.dir.clone();
        glommio::executor().spawn_blocking(move || discard(&dir)).await;
        return Err(error);
    }
    executor.open_files.borrow_mut().retain(|(number, _)| *number != segment.0);
    let after = anew.summary.data_end.0;
    info!(segment = segment.0, before, after, "records of removed hubs taken out");
    let (dir, summary) = (executor.dir.clone(), anew.summary.clone());
    let found = executor
        .appender
        .borrow_mut()
        .sealed
        .iter_mut()
        .find_map(|sealed| (sealed.segment() == segment).then(|| *sealed = anew.clone()));
    debug_assert!(found.is_some(), "a segment does not expire while its file changes");
    executor.counters.rewrites.add(1);
    glommio::executor().spawn_blocking(move || write_index(&dir, &summary)).await;
    Ok(())
}

/// False if the segment is not there any more.
fn set_state(executor: &Executor, segment: SegmentNumber, state: FileState) -> bool {
    let mut appender = executor.appender.borrow_mut();
    let found = appender.sealed.iter_mut().find(|sealed| sealed.segment() == segment);
    found.map(|sealed| sealed.state = state).is_some()
}
