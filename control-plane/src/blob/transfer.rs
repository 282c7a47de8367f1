//! One upload or download, as the connection that it belongs to holds it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;

use super::thread::Job;

/// One of the transfers that may be under way.
#[derive(Debug)]
pub(super) struct Permit(pub(super) Arc<AtomicUsize>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// An upload or download. Dropping it ends what is not complete.
#[derive(Debug)]
pub struct Transfer {
    pub(super) number: u64,
    thread: flume::Sender<Job>,
    _permit: Permit,
}

impl Transfer {
    pub(super) fn new(number: u64, thread: flume::Sender<Job>, permit: Permit) -> Self {
        Self { number, thread, _permit: permit }
    }

    /// Hands over the next bytes of a body. Never blocks: the caller sends no more than
    /// [`BLOB_WINDOW_BYTES`](ringhub_core::limits::BLOB_WINDOW_BYTES) before it hears of them.
    pub fn write(&self, piece: Bytes) {
        self.send(Job::Write { number: self.number, piece });
    }

    /// The body is complete; the answer follows.
    pub fn finish(&self) {
        self.send(Job::Finish { number: self.number });
    }

    /// Asks for the next bytes of a blob.
    pub fn read(&self) {
        self.send(Job::Next { number: self.number });
    }

    /// A thread that is gone answers nobody; the process ends then.
    pub(super) fn send(&self, job: Job) {
        drop(self.thread.send(job));
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.send(Job::Abort { number: self.number });
    }
}
