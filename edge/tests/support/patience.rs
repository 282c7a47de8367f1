//! Waiting for what other threads and processes do.

use std::thread;
use std::time::{Duration, Instant};

/// Longest wait for anything that is sure to come: far above what a busy machine with a slow disk
/// needs, so that only a defect takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `is_true`.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < until, "not in time: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
