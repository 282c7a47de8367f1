//! What shards may know of an executor without asking it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering, fence};

/// Whether a log accepts data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogState {
    /// It does.
    Running,
    /// There is no room for the next segment: what is in the rings waits, readers are served, and accepting goes on by
    /// itself once there is room.
    DiskFull,
    /// A write or sync has failed: nothing is accepted until a restart has recovered the log. Devices are disconnected.
    Failed,
}

/// Shared by an executor and all shards.
#[derive(Debug)]
pub(super) struct ExecutorStatus {
    state: AtomicU8,
    failure: OnceLock<String>,
    stopping: AtomicBool,
    sleeping: AtomicBool,
    wake: flume::Sender<()>,
}

impl ExecutorStatus {
    /// Makes the status and the end that the executor sleeps on.
    pub(super) fn new() -> (Self, flume::Receiver<()>) {
        let (wake, woken) = flume::bounded(1);
        let status = Self {
            state: AtomicU8::new(0),
            failure: OnceLock::new(),
            stopping: AtomicBool::new(false),
            sleeping: AtomicBool::new(false),
            wake,
        };
        (status, woken)
    }

    pub(super) fn state(&self) -> LogState {
        match self.state.load(Ordering::Acquire) {
            0 => LogState::Running,
            1 => LogState::DiskFull,
            _ => LogState::Failed,
        }
    }

    /// A failure is for good.
    pub(super) fn set_disk_full(&self, full: bool) {
        let (from, to) = if full { (0, 1) } else { (1, 0) };
        let _ = self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
    }

    pub(super) fn fail(&self, reason: String) {
        let _ = self.failure.set(reason);
        self.state.store(2, Ordering::Release);
    }

    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wake();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Called after publishing to a ring; the same protocol as the doorbell of a shard.
    pub(super) fn wake_if_sleeping(&self) {
        fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::SeqCst) {
            self.wake();
        }
    }

    pub(super) fn wake(&self) {
        // A full channel holds a wake-up that was not taken yet.
        let _ = self.wake.try_send(());
    }

    /// The executor looks at its rings once more after this.
    pub(super) fn prepare_sleep(&self) {
        self.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    pub(super) fn awake(&self) {
        self.sleeping.store(false, Ordering::Relaxed);
    }
}
