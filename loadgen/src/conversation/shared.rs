//! What the threads of a back end have in common.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::mailbox::Mailbox;
use crate::plan::Load;

/// How often a thread that sleeps looks whether it is over.
const TICK: Duration = Duration::from_millis(50);
/// Requests that fail in a row after which there is no hope.
pub(super) const HOPELESS: u32 = 50;

/// Common to all threads of a back end.
#[derive(Debug)]
pub(super) struct Shared {
    /// All devices, which are spoken to one after the other.
    pub(super) devices: Vec<String>,
    /// Time that the hub has for an answer.
    pub(super) patience: Duration,
    /// When requests are due and count.
    pub(super) load: Load,
    pub(super) mailbox: Mutex<Mailbox>,
    /// Methods that are somebody's business.
    pub(super) next_call: AtomicU64,
    pub(super) start: OnceLock<Instant>,
    pub(super) is_over: AtomicBool,
    /// Set by signals.
    pub(super) stop: Arc<AtomicBool>,
}

impl Shared {
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed) || self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn mailbox(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When request `number` of so many per second is due, unless the load is over by then.
    pub(super) fn due(&self, number: u64, per_second: u32) -> Option<Duration> {
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(per_second);
        let due = Duration::from_nanos(u64::try_from(nanos).ok()?);
        (due < self.load.last()).then_some(due)
    }

    /// Device of request `number`.
    pub(super) fn device(&self, number: u64) -> &str {
        &self.devices[(number % self.devices.len() as u64) as usize]
    }

    /// Sleeps until `at`, or until it is over; whether there was time to sleep.
    pub(super) fn sleep_until(&self, at: Instant) -> bool {
        let mut has_slept = false;
        loop {
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() || self.is_over() {
                return has_slept;
            }
            has_slept = true;
            thread::sleep(left.min(TICK));
        }
    }

    /// Waits for the start of the load; `None` when it is over before.
    pub(super) fn wait_for_start(&self) -> Option<Instant> {
        loop {
            match self.start.get() {
                Some(start) => return Some(*start),
                None if self.is_over() => return None,
                None => thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}
