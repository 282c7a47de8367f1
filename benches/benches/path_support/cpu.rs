//! CPU time of a process with all its threads, the kernel's workers for its IO included.

use std::fs;

/// Units of the times in `/proc`; the same on every Linux that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time of process `id` in seconds, to 10 ms.
pub(crate) fn seconds(id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("the process runs");
    // The name in parentheses may hold anything; the state follows it as field 3, the times are 14
    // and 15.
    let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    ticks.map(|ticks| ticks.expect("a number") as f64).sum::<f64>() / TICKS_PER_SECOND
}

/// How many processes wanted to run in the last minute.
pub(crate) fn load() -> String {
    let loads = fs::read_to_string("/proc/loadavg").expect("Linux");
    loads.split(' ').next().unwrap_or_default().to_owned()
}
