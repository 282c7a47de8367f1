//! Open loop: what is due is due, and latency counts from then.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// Does `work` every `interval` from now on, for `time`; hands it the instant at which it was due.
/// Work that is late is not skipped.
pub(crate) fn paced(
    interval: Duration,
    time: Duration,
    mut work: impl FnMut(Instant) -> io::Result<()>,
) -> io::Result<()> {
    let begin = Instant::now();
    let mut due = begin;
    while due < begin + time {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        work(due)?;
        due += interval;
    }
    Ok(())
}
