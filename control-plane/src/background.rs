//! Threads whose work may take long, and which therefore let devices go first.

use std::io;
use std::thread::{self, JoinHandle};

/// By how much they are nicer than the process: beside a thread that wants the processor too, one
/// of these gets about a tenth of it. Alone it gets all.
const NICENESS: i32 = 10;

/// Starts a thread that scans, lists or copies for somebody who can wait. Linux counts niceness by
/// thread, so that shards, the writer and the commits of telemetry are not held up by it.
///
/// # Errors
/// What the system says when it starts no more threads.
pub(crate) fn spawn(
    name: impl Into<String>,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.into()).spawn(move || {
        if let Err(error) = rustix::process::nice(NICENESS) {
            tracing::debug!(%error, "a thread in the background keeps the priority of the process");
        }
        work();
    })
}
