//! Where this process runs.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Pins this process to one of its processors: worker 0 to the last one, because servers begin with
/// the first. Where the kernel refuses, it stays as it was.
pub(crate) fn pin(worker: u32) {
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let processors: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
    if let Some(cpu) = processors.iter().rev().cycle().nth(worker as usize) {
        let mut one = CpuSet::new();
        one.set(*cpu);
        // A hint to the scheduler; without it times are less even, and that shows in the report.
        let _ = sched_setaffinity(None, &one);
    }
}
