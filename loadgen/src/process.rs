//! What processes cost, as the kernel counts it.

use std::fs;
use std::time::{Duration, Instant};

/// Clock ticks per second in `/proc`, which Linux shows to programs as 100 whatever it uses inside.
const TICKS_PER_SECOND: u64 = 100;

/// What a process has used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) at: Instant,
    /// Processor time, all threads and the kernel's work for them included.
    pub(crate) cpu: Duration,
    pub(crate) resident_bytes: u64,
}

impl Usage {
    /// Of this process; nothing where `/proc` is not there.
    pub(crate) fn of_self() -> Self {
        let zero = Self { at: Instant::now(), cpu: Duration::ZERO, resident_bytes: 0 };
        Self::read("self").unwrap_or(zero)
    }

    /// Of another process; `None` when there is none of this number.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::read(&pid.to_string())
    }

    /// Of two processes together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            at: self.at,
            cpu: self.cpu + other.cpu,
            resident_bytes: self.resident_bytes + other.resident_bytes,
        }
    }

    fn read(process: &str) -> Option<Self> {
        let text = |file| fs::read_to_string(format!("/proc/{process}/{file}")).ok();
        Some(Self {
            at: Instant::now(),
            cpu: parse_cpu_time(&text("stat")?)?,
            resident_bytes: parse_resident(&text("status")?)?,
        })
    }
}

/// Fields 14 and 15; the second may hold blanks, so the count begins behind its parenthesis.
fn parse_cpu_time(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut times = rest.split_whitespace().skip(11);
    let mut next = || times.next()?.parse::<u64>().ok();
    let ticks = next()? + next()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

fn parse_resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_behind_a_name_with_blanks() {
        let stat = "7 (a) b c) S 1 7 7 0 -1 4194304 99 0 0 0 150 25 0 0 20 0 1";
        assert_eq!(parse_cpu_time(stat), Some(Duration::from_millis(1750)));
        assert_eq!(parse_cpu_time("7 (a) S 1"), None);
    }

    #[test]
    fn reads_resident_memory() {
        assert_eq!(parse_resident("VmPeak:\t 9 kB\nVmRSS:\t    1234 kB\n"), Some(1234 * 1024));
        assert_eq!(parse_resident("VmPeak:\t 9 kB\n"), None);
    }

    #[test]
    fn finds_processes_that_are_there() {
        assert!(Usage::of(std::process::id()).is_some_and(|usage| usage.resident_bytes > 100_000));
        assert!(Usage::of(u32::MAX).is_none());
    }
}
