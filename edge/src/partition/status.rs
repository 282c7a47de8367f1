//! What shards may know of an executor without asking it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};

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

/// No backlog wakes the executor: it is not asleep.
const AWAKE: u64 = u64::MAX;

/// Shared by an executor and all shards.
#[derive(Debug)]
pub(super) struct ExecutorStatus {
    state: AtomicU8,
    failure: OnceLock<String>,
    stopping: AtomicBool,
    /// Bytes in a ring from which on its shard wakes the executor.
    wake_at: AtomicU64,
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
            wake_at: AtomicU64::new(AWAKE),
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

    /// True if that changed the state. A failure is for good.
    pub(super) fn set_disk_full(&self, full: bool) -> bool {
        let (from, to) = if full { (0, 1) } else { (1, 0) };
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
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

    /// Called after publishing to a ring that then holds `backlog` bytes; the same protocol as the doorbell of a shard.
    pub(super) fn wake_if_sleeping(&self, backlog: impl FnOnce() -> u64) {
        fence(Ordering::SeqCst);
        let wake_at = self.wake_at.load(Ordering::Relaxed);
        if wake_at == AWAKE || (wake_at > 0 && backlog() < wake_at) {
            return;
        }
        if self.wake_at.swap(AWAKE, Ordering::SeqCst) != AWAKE {
            self.wake();
        }
    }

    pub(super) fn wake(&self) {
        // A full channel holds a wake-up that was not taken yet.
        let _ = self.wake.try_send(());
    }

    /// From now on a ring with `backlog` bytes wakes the executor, which looks at its rings once more after this.
    pub(super) fn prepare_sleep(&self, backlog: u64) {
        self.wake_at.store(backlog, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    pub(super) fn awake(&self) {
        self.wake_at.store(AWAKE, Ordering::Relaxed);
    }
}
