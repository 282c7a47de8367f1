//! The way from the threads of jobs to the writer, which closes when the process ends.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::store::{Write, WriteQueue};

/// Open until the control plane ends. Threads of jobs may wait for a storage account then, so that
/// nobody waits for them: they find it closed, and what they were at goes on with the next start.
#[derive(Debug)]
pub(super) struct Gate {
    writes: Mutex<Option<WriteQueue>>,
    closed: Condvar,
}

impl Gate {
    pub(super) fn new(writes: WriteQueue) -> Self {
        Self { writes: Mutex::new(Some(writes)), closed: Condvar::new() }
    }

    /// Hands a change to the writer; false once it is closed.
    pub(super) fn submit(&self, write: Write) -> bool {
        let writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        writes.map(|writes| writes.submit(write)).is_some()
    }

    /// Waits for this time; false as soon as it is closed.
    pub(super) fn rest(&self, time: Duration) -> bool {
        let writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.closed.wait_timeout_while(writes, time, |writes| writes.is_some());
        waited.unwrap_or_else(PoisonError::into_inner).0.is_some()
    }

    pub(super) fn close(&self) {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.closed.notify_all();
    }
}
