//! The runtime of a thread that owns connections.

use std::io;

use io_uring::IoUring;
use monoio::time::TimeDriver;
use monoio::{IoUringDriver, Runtime, RuntimeBuilder};

/// Makes the monoio runtime of the calling thread, with an `io_uring` of `entries` entries and a
/// timer.
///
/// Completions are delivered when the thread enters the kernel anyway (`IORING_SETUP_COOP_TASKRUN`,
/// Linux 5.19): otherwise each byte that another core sends to one of the sockets interrupts the
/// thread in what it does.
///
/// # Errors
/// When the kernel gives no ring.
pub fn runtime(entries: u32) -> io::Result<Runtime<TimeDriver<IoUringDriver>>> {
    let mut ring = IoUring::builder();
    ring.setup_coop_taskrun();
    let builder = RuntimeBuilder::<IoUringDriver>::new().with_entries(entries);
    builder.uring_builder(ring).enable_timer().build()
}
