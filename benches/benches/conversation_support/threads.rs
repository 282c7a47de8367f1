//! Processor time of threads, to the nanosecond.

use std::fs;
use std::time::Duration;

/// Of the threads that process `id` has now.
pub(crate) fn cpu_of(id: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{id}/task")).expect("the process runs");
    // A thread may end while the others are read.
    let times = threads.flatten().filter_map(|thread| {
        fs::read_to_string(thread.path().join("schedstat")).ok().map(|text| run_time(&text))
    });
    times.sum()
}

/// Of the thread that asks.
pub(crate) fn cpu_of_this() -> Duration {
    run_time(&fs::read_to_string("/proc/thread-self/schedstat").expect("Linux"))
}

fn run_time(schedstat: &str) -> Duration {
    let time_ns = schedstat.split(' ').next().and_then(|time| time.parse().ok());
    Duration::from_nanos(time_ns.expect("a number"))
}
