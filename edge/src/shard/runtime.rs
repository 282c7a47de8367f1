//! The runtime of a thread that owns connections.

use std::io;

use io_uring::IoUring;
use monoio::time::TimeDriver;
use monoio::{IoUringDriver, Runtime, RuntimeBuilder};
use rustix::io::Errno;

/// Makes the monoio runtime of the calling thread, with an `io_uring` of `entries` entries and a
/// timer.
///
/// Completions are delivered when the thread enters the kernel anyway (`IORING_SETUP_COOP_TASKRUN`):
/// otherwise each byte that another core sends to one of the sockets interrupts the thread in what
/// it does. Kernels before 5.19 do not know that and interrupt.
///
/// # Errors
/// When the kernel gives no ring.
pub fn runtime(entries: u32) -> io::Result<Runtime<TimeDriver<IoUringDriver>>> {
    let mut ring = IoUring::builder();
    match build(entries, ring.setup_coop_taskrun().clone()) {
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
            build(entries, IoUring::builder())
        }
        result => result,
    }
}

fn build(entries: u32, ring: io_uring::Builder) -> io::Result<Runtime<TimeDriver<IoUringDriver>>> {
    let builder = RuntimeBuilder::<IoUringDriver>::new().with_entries(entries);
    builder.uring_builder(ring).enable_timer().build()
}
