//! The process as the kernel sees it.

use std::fs;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::page::{Kind, Page};

/// When the first page was asked for, or [`note_start`] called.
static STARTED: LazyLock<f64> = LazyLock::new(|| {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
});

/// Takes the present for the start of the process.
pub(super) fn note_start() {
    LazyLock::force(&STARTED);
}

pub(super) fn write(page: &mut Page) {
    let (name, help) = ("ringhub_build_info", "1; the label has the version.");
    page.family(name, Kind::Gauge, help).sample(&[("version", &env!("CARGO_PKG_VERSION"))], 1);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of_status = |key: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse().ok()
    };
    if let Some(kib) = of_status("VmRSS") {
        let help = "Resident memory.";
        page.of_process("process_resident_memory_bytes", Kind::Gauge, help, kib * 1024);
    }
    if let Some(kib) = of_status("VmSize") {
        let help = "Virtual memory.";
        page.of_process("process_virtual_memory_bytes", Kind::Gauge, help, kib * 1024);
    }
    if let Some(threads) = of_status("Threads") {
        page.of_process("process_threads", Kind::Gauge, "Threads.", threads);
    }
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let used = used.tv_sec as f64 + used.tv_nsec as f64 / 1e9;
    let help = "CPU time of all threads, user and system.";
    page.of_process("process_cpu_seconds_total", Kind::Counter, help, used);
    if let Some(count) = open_descriptors(std::process::id().into()) {
        let help = "Descriptors in the table that shards do not share.";
        page.of_process("process_open_fds", Kind::Gauge, help, count);
    }
    if let Some(max) = getrlimit(Resource::Nofile).current {
        let help = "Descriptors that each table may hold.";
        page.of_process("process_max_fds", Kind::Gauge, help, max);
    }
    let help = "Start of the process, in seconds since 1970.";
    page.of_process("process_start_time_seconds", Kind::Gauge, help, *STARTED);
}

/// Descriptors in the table of one thread, as kernels since Linux 6.2 tell it without listing them.
pub(super) fn open_descriptors(thread: u64) -> Option<u64> {
    let directory = fs::metadata(format!("/proc/self/task/{thread}/fd")).ok()?;
    Some(directory.len()).filter(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_more_is_counted() {
        let own = || open_descriptors(rustix::thread::gettid().as_raw_nonzero().get() as u64);
        let Some(before) = own() else { return };
        let files: Vec<_> = (0..100).map(|_| fs::File::open("/proc/self").unwrap()).collect();
        assert!(own().unwrap() >= before + 50, "other tests open and close some");
        drop(files);
    }
}
