//! Which CPU runs a shard and which an executor.

use std::fmt;
use std::io;

use rustix::thread::{CpuSet, sched_getaffinity};

use crate::config::{Executors, Shards};

/// CPUs per executor when the number of executors is not configured.
const CPUS_PER_EXECUTOR: usize = 8;

/// Number of a CPU, as the kernel counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CpuId(pub usize);

impl fmt::Display for CpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where the threads of the process run: one entry per thread, `None` leaves the choice to the
/// kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// CPU of each shard.
    pub shards: Vec<Option<CpuId>>,
    /// CPU of each executor.
    pub executors: Vec<Option<CpuId>>,
    /// One sentence per decision, for the log at start.
    pub reasons: Vec<String>,
}

/// The CPUs that this process may run on.
///
/// # Errors
/// When the kernel does not tell.
pub fn available_cpus() -> io::Result<Vec<CpuId>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).map(CpuId).collect())
}

/// Places shards and executors on `cpus`.
///
/// Executors get the last CPUs and shards the first: interrupts of the network card start at CPU 0
/// on most machines and belong near the shards. `executors_max` bounds a number that is not
/// configured: an executor without a partition would have nothing to do.
#[must_use]
pub fn place(
    cpus: &[CpuId],
    shards: &Shards,
    executors: &Executors,
    executors_max: u16,
) -> Placement {
    let mut reasons = Vec::new();
    let executor_count = executor_count(cpus.len(), executors, executors_max, &mut reasons);
    let shard_count = shard_count(cpus.len(), executor_count, shards, &mut reasons);
    let fits = shard_count + executor_count <= cpus.len();
    let shard_pin = pin("shards", shards.pin, fits, &mut reasons);
    let executor_pin = pin("executors", executors.pin, fits, &mut reasons);
    let upwards = cpus.iter().copied().cycle();
    let downwards = cpus.iter().rev().copied().cycle();
    Placement {
        shards: assign(upwards, shard_count, shard_pin),
        executors: assign(downwards, executor_count, executor_pin),
        reasons,
    }
}

fn executor_count(
    cpus: usize,
    config: &Executors,
    executors_max: u16,
    reasons: &mut Vec<String>,
) -> usize {
    if let Some(count) = config.count {
        reasons.push(format!("{count} executors, as configured"));
        return usize::from(count);
    }
    let count = (cpus / CPUS_PER_EXECUTOR).clamp(1, usize::from(executors_max.max(1)));
    reasons.push(format!(
        "{count} executor(s) for {cpus} CPUs: one per {CPUS_PER_EXECUTOR}, because logs share the disk's syncs"
    ));
    count
}

fn shard_count(cpus: usize, executors: usize, config: &Shards, reasons: &mut Vec<String>) -> usize {
    if let Some(count) = config.count {
        reasons.push(format!("{count} shards, as configured"));
        return usize::from(count);
    }
    let count = cpus.saturating_sub(executors).max(1);
    reasons.push(format!("{count} shard(s): one per CPU that the executors leave"));
    count
}

fn pin(what: &str, configured: Option<bool>, fits: bool, reasons: &mut Vec<String>) -> bool {
    let pinned = configured.unwrap_or(fits);
    let why = match (configured, fits) {
        (Some(_), _) => "as configured",
        (None, true) => "every thread has a CPU of its own",
        (None, false) => "there are more threads than CPUs",
    };
    let verb = if pinned { "pinned" } else { "not pinned" };
    reasons.push(format!("{what} {verb}: {why}"));
    pinned
}

fn assign(mut cpus: impl Iterator<Item = CpuId>, count: usize, pinned: bool) -> Vec<Option<CpuId>> {
    (0..count).map(|_| if pinned { cpus.next() } else { None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn plan(
        cpus: usize,
        shards: Option<u16>,
        executors: Option<u16>,
        pin: Option<bool>,
    ) -> Placement {
        let cpus: Vec<CpuId> = (0..cpus).map(CpuId).collect();
        let shards = Shards { count: shards, pin };
        let defaults = Settings::default().config().unwrap().executors;
        place(&cpus, &shards, &Executors { count: executors, pin, ..defaults }, 4)
    }

    #[test]
    fn defaults_follow_the_number_of_cpus() {
        for (cpus, shards, executors) in [(1, 1, 1), (2, 1, 1), (8, 7, 1), (16, 14, 2), (64, 60, 4)]
        {
            let placement = plan(cpus, None, None, None);
            let counts = (placement.shards.len(), placement.executors.len());
            assert_eq!(counts, (shards, executors), "{cpus} CPUs: {:?}", placement.reasons);
            assert_eq!(placement.shards[0].is_some(), cpus > 1, "{cpus} CPUs");
        }
    }

    #[test]
    fn pinned_threads_have_a_cpu_each_from_both_ends() {
        let placement = plan(4, None, Some(2), None);
        assert_eq!(placement.shards, [Some(CpuId(0)), Some(CpuId(1))]);
        assert_eq!(placement.executors, [Some(CpuId(3)), Some(CpuId(2))]);
    }

    #[test]
    fn more_threads_than_cpus_are_pinned_only_when_told() {
        assert_eq!(plan(2, Some(2), Some(1), None).shards, [None, None]);
        let placement = plan(2, Some(3), Some(1), Some(true));
        assert_eq!(placement.shards, [Some(CpuId(0)), Some(CpuId(1)), Some(CpuId(0))]);
        assert_eq!(plan(8, None, None, Some(false)).executors, [None]);
    }

    #[test]
    fn this_machine_has_a_cpu() {
        assert!(!available_cpus().unwrap().is_empty());
    }
}
