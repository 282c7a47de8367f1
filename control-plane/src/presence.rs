//! The thread that brings presence from the directory to the store, in batches.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use flume::RecvTimeoutError;
use ringhub_core::limits::{PRESENCE_BATCH_MAX, PRESENCE_SAVE_INTERVAL};

use crate::directory::Directory;
use crate::registry::Change;
use crate::store::WriteQueue;

/// The running thread.
#[derive(Debug)]
pub(crate) struct PresenceSaver {
    stop: flume::Sender<()>,
    thread: JoinHandle<()>,
}

impl PresenceSaver {
    pub(crate) fn start(directory: Arc<Directory>, writes: WriteQueue) -> io::Result<Self> {
        let (stop, stopped) = flume::bounded::<()>(0);
        let thread =
            thread::Builder::new().name("control-presence".to_owned()).spawn(move || {
                while stopped.recv_timeout(PRESENCE_SAVE_INTERVAL) == Err(RecvTimeoutError::Timeout)
                {
                    save(&directory, &writes);
                }
            })?;
        Ok(Self { stop, thread })
    }

    /// Ends the thread.
    pub(crate) fn finish(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the thread that saves presence has panicked");
        }
    }
}

/// Saves all that is unsaved, one transaction after the other, so that registry writes get their
/// turn in a storm of connects. What cannot be stored now waits for the next time.
pub(crate) fn save(directory: &Directory, writes: &WriteQueue) {
    loop {
        let records = directory.take_unsaved(PRESENCE_BATCH_MAX);
        if records.is_empty() {
            return;
        }
        if writes.wait(Change::Presence(records.clone())).is_err() {
            directory.put_back(&records);
            return;
        }
    }
}
