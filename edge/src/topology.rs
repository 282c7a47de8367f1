//! Which CPU runs a shard and which an executor.

use std::fmt;
use std::io;

use rustix::thread::{CpuSet, sched_getaffinity};

use crate::config::{Executors, Shards};
use crate::machine::{Cgroup, Root};

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

/// What the process may use of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processors {
    /// The CPUs that its threads may run on.
    pub cpus: Vec<CpuId>,
    /// CPU time that its control groups allow it per time, in thousandths of a CPU; `None` is
    /// without a bound.
    pub quota_millicpus: Option<u64>,
}

impl Processors {
    /// Those of this process.
    ///
    /// # Errors
    /// When the kernel does not tell the CPUs.
    pub fn of_this_process() -> io::Result<Self> {
        let set = sched_getaffinity(None)?;
        let cpus = (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).map(CpuId).collect();
        let quota_millicpus = Cgroup::read(&Root::system()).quota_millicpus;
        Ok(Self { cpus, quota_millicpus })
    }

    /// The quota, if it allows less than the CPUs could give.
    #[must_use]
    pub fn binding_quota_millicpus(&self) -> Option<u64> {
        self.quota_millicpus.filter(|quota| quota.div_ceil(1000) < self.cpus.len() as u64)
    }

    /// Threads that can run at the same time without being stopped for the quota, at least one.
    fn usable(&self) -> usize {
        let quota = self.binding_quota_millicpus().map(|quota| quota.div_ceil(1000));
        let quota = quota.map_or(usize::MAX, |cpus| usize::try_from(cpus).unwrap_or(usize::MAX));
        self.cpus.len().min(quota).max(1)
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
    /// Why.
    pub reasons: Reasons,
}

/// A sentence for each decision, for the log at start and for `ringhub tune`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reasons {
    /// The number of executors.
    pub executors: String,
    /// The number of shards.
    pub shards: String,
    /// Whether shards are pinned.
    pub shards_pin: String,
    /// Whether executors are pinned.
    pub executors_pin: String,
}

impl Reasons {
    /// All of them, in the order in which they are decided.
    #[must_use]
    pub fn all(&self) -> [&str; 4] {
        [&self.executors, &self.shards, &self.shards_pin, &self.executors_pin]
    }
}

/// Places shards and executors on the CPUs of `processors`.
///
/// Executors get the last CPUs and shards the first: interrupts of the network card start at CPU 0
/// on most machines and belong near the shards. `executors_max` bounds a number that is not
/// configured: an executor without a partition would have nothing to do.
#[must_use]
pub fn place(
    processors: &Processors,
    shards: &Shards,
    executors: &Executors,
    executors_max: u16,
) -> Placement {
    let (executor_count, of_executors) = executor_count(processors, executors, executors_max);
    let (shard_count, of_shards) = shard_count(processors.usable(), executor_count, shards);
    let doubt = pin_doubt(processors, shard_count + executor_count);
    let (shards_pinned, of_shards_pin) = pin("shards", shards.pin, doubt);
    let (executors_pinned, of_executors_pin) = pin("executors", executors.pin, doubt);
    let upwards = processors.cpus.iter().copied().cycle();
    let downwards = processors.cpus.iter().rev().copied().cycle();
    Placement {
        shards: assign(upwards, shard_count, shards_pinned),
        executors: assign(downwards, executor_count, executors_pinned),
        reasons: Reasons {
            executors: of_executors,
            shards: of_shards,
            shards_pin: of_shards_pin,
            executors_pin: of_executors_pin,
        },
    }
}

fn executor_count(
    processors: &Processors,
    config: &Executors,
    executors_max: u16,
) -> (usize, String) {
    if let Some(count) = config.count {
        return (usize::from(count), format!("{count} executor(s), as configured"));
    }
    let cpus = processors.usable();
    let count = (cpus / CPUS_PER_EXECUTOR).clamp(1, usize::from(executors_max.max(1)));
    let of_quota = processors.binding_quota_millicpus().map_or_else(String::new, |millicpus| {
        let (quota, all) = (millicpus as f64 / 1e3, processors.cpus.len());
        format!(" (of {all}, the control group's quota is {quota})")
    });
    let reason = format!(
        "{count} executor(s) for {cpus} CPUs{of_quota}: one per {CPUS_PER_EXECUTOR}, because logs share the disk's syncs"
    );
    (count, reason)
}

fn shard_count(cpus: usize, executors: usize, config: &Shards) -> (usize, String) {
    if let Some(count) = config.count {
        return (usize::from(count), format!("{count} shard(s), as configured"));
    }
    let count = cpus.saturating_sub(executors).max(1);
    (count, format!("{count} shard(s): one per CPU that the executors leave"))
}

/// Why so many threads are better left to the kernel, if they are.
fn pin_doubt(processors: &Processors, threads: usize) -> Option<&'static str> {
    if processors.binding_quota_millicpus().is_some() {
        Some("under a quota others share the CPUs, and only the kernel knows which is free")
    } else if threads > processors.cpus.len() {
        Some("there are more threads than CPUs")
    } else {
        None
    }
}

fn pin(what: &str, configured: Option<bool>, doubt: Option<&str>) -> (bool, String) {
    let pinned = configured.unwrap_or_else(|| doubt.is_none());
    let why = match (configured, doubt) {
        (Some(_), _) => "as configured",
        (None, None) => "every thread has a CPU of its own",
        (None, Some(doubt)) => doubt,
    };
    let verb = if pinned { "pinned" } else { "not pinned" };
    (pinned, format!("{what} {verb}: {why}"))
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
        let cpus = (0..cpus).map(CpuId).collect();
        let processors = Processors { cpus, quota_millicpus: None };
        let shards = Shards { count: shards, pin };
        let defaults = Settings::default().config().unwrap().executors;
        place(&processors, &shards, &Executors { count: executors, pin, ..defaults }, 4)
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
    fn a_quota_counts_as_the_cpus_that_it_pays_for() {
        let of = |cpus: usize, quota| {
            let cpus = (0..cpus).map(CpuId).collect();
            let processors = Processors { cpus, quota_millicpus: Some(quota) };
            let defaults = Settings::default().config().unwrap();
            place(&processors, &defaults.shards, &defaults.executors, 4)
        };
        for (cpus, quota, shards, executors, pinned) in [
            (8, 1500, 1, 1, false),
            (64, 16_000, 14, 2, false),
            (8, 100, 1, 1, false),
            (2, 1500, 1, 1, true),
            (8, 8000, 7, 1, true),
        ] {
            let placement = of(cpus, quota);
            let counts = (placement.shards.len(), placement.executors.len());
            assert_eq!(counts, (shards, executors), "{quota} of {cpus}: {:?}", placement.reasons);
            assert_eq!(placement.shards[0].is_some(), pinned, "{quota} of {cpus}");
        }
        assert!(of(8, 1500).reasons.executors.contains("quota is 1.5"));
    }

    #[test]
    fn this_machine_has_a_cpu() {
        assert!(!Processors::of_this_process().unwrap().cpus.is_empty());
    }
}
