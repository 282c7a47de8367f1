//! Open loop: what is due is due, and latency counts from then.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// When a run begins and how long things become due in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) begin: Instant,
    pub(crate) time: Duration,
}

/// Place of one of many that take turns, so that their work is not due all at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) number: usize,
    pub(crate) of: usize,
}

/// Does `work` every `interval` within `window`; hands it the instant at which it was due. Work
/// that is late is not skipped.
pub(crate) fn paced(
    window: Window,
    interval: Duration,
    turn: Turn,
    mut work: impl FnMut(Instant) -> io::Result<()>,
) -> io::Result<()> {
    let mut due = window.begin + interval.mul_f64(turn.number as f64 / turn.of as f64);
    while due < window.begin + window.time {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        work(due)?;
        due += interval;
    }
    Ok(())
}
