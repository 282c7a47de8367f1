//! What an operator may choose about the log.

use std::path::PathBuf;
use std::time::Duration;

use ringhub_core::id::{ExecutorId, HubId, HubPartition};
use ringhub_core::limits::{
    COMMIT_BYTES_MAX, HUBS_MAX, LOG_PARTITIONS_MAX, PARTITIONS_MAX, RECORD_BYTES_MAX,
    RING_BYTES_MIN,
};
use ringhub_core::log::commit::COMMIT_HEADER_BYTES_MAX;
use ringhub_core::log::segment::{SEGMENT_HEADER_BYTES, STATE_BYTES};

use super::{HubLog, StartError};
use crate::shard::Clock;

/// The partitions of the configured hub and of the others, and how they are kept.
///
/// The first four decide what is where on disk and are checked against it at start; the others only
/// tune.
#[derive(Clone, Debug)]
pub struct PartitionsConfig {
    /// The hub of the configuration file, which is there as long as the process.
    pub hub: HubId,
    /// Directory of the whole process; the logs of all hubs are in `hub/<hub>/log/<executor>`
    /// below it.
    pub data_dir: PathBuf,
    /// Number of its partitions, 1 to 128; fixed when the hub is made.
    pub partition_count: u16,
    /// Number of executor threads, each with its own log.
    pub executor_count: u16,
    /// CPU of each executor; empty leaves all of them to the scheduler.
    pub cores: Vec<usize>,
    /// Capacity of each ring in bytes, a power of two; one ring per shard and executor.
    pub ring_bytes: usize,
    /// Length of a segment file in bytes. Retention and disk use go in steps of it.
    pub segment_bytes: u64,
    /// A commit starts once this many bytes wait (the N of the commit rule). More raises throughput
    /// until the disk is at its bandwidth; less lowers the time a large burst waits.
    pub commit_bytes: usize,
    /// A commit starts once the first waiting record is this old (the T of the commit rule). A lone
    /// message waits this long for company before its sync starts; each halving about doubles the
    /// syncs of a hub with little traffic.
    pub commit_delay: Duration,
    /// Commits whose sync may be under way at once. Four keep a disk busy that serves syncs in
    /// parallel.
    pub commits_in_flight_max: usize,
    /// Memory for the newest events of all partitions of an executor, from which readers are
    /// served.
    pub tail_bytes: usize,
    /// How long events of the configured hub are kept at least.
    pub retention: Duration,
    /// How often expired segments are looked for.
    pub retention_interval: Duration,
    /// The other hubs of the process, as the registry has them. A hub that has events in the logs
    /// and is not listed was removed.
    pub other_hubs: Vec<HubLog>,
    /// Clock of the process, for measurements.
    pub clock: Clock,
}

impl PartitionsConfig {
    /// Default of [`commit_bytes`](Self::commit_bytes).
    pub const COMMIT_BYTES: usize = 256 * 1024;
    /// Default of [`commit_delay`](Self::commit_delay).
    pub const COMMIT_DELAY: Duration = Duration::from_micros(250);
    /// Default of [`ring_bytes`](Self::ring_bytes).
    pub const RING_BYTES: usize = 2 * RING_BYTES_MIN;
    /// Default of [`tail_bytes`](Self::tail_bytes).
    pub const TAIL_BYTES: usize = 32 * 1024 * 1024;
    /// Default of [`commits_in_flight_max`](Self::commits_in_flight_max).
    pub const COMMITS_IN_FLIGHT: usize = 4;

    /// The defaults: one executor, 4 MiB rings, 64 MiB segments, the commit rule above, 32 MiB of
    /// tail, one day.
    #[must_use]
    pub fn new(hub: HubId, data_dir: PathBuf, partition_count: u16) -> Self {
        Self {
            hub,
            data_dir,
            partition_count,
            executor_count: 1,
            cores: Vec::new(),
            ring_bytes: Self::RING_BYTES,
            segment_bytes: 64 * 1024 * 1024,
            commit_bytes: Self::COMMIT_BYTES,
            commit_delay: Self::COMMIT_DELAY,
            commits_in_flight_max: Self::COMMITS_IN_FLIGHT,
            tail_bytes: Self::TAIL_BYTES,
            retention: Duration::from_secs(24 * 3600),
            retention_interval: Duration::from_secs(60),
            other_hubs: Vec::new(),
            clock: Clock::start(),
        }
    }

    /// Smallest segment that takes the largest commit of this configuration.
    fn segment_bytes_min(&self) -> u64 {
        let headers = 2 * SEGMENT_HEADER_BYTES + COMMIT_HEADER_BYTES_MAX;
        (headers + self.commit_bytes + 2 * RECORD_BYTES_MAX) as u64
    }

    /// Partitions of all hubs in one log: with more, the header of a segment would leave no room
    /// for a commit.
    pub(super) fn log_partitions_max(&self) -> usize {
        let spare = self.segment_bytes.saturating_sub(self.segment_bytes_min());
        let states = usize::try_from(spare).unwrap_or(usize::MAX) / STATE_BYTES;
        (PARTITIONS_MAX + states).min(LOG_PARTITIONS_MAX)
    }

    pub(super) fn check(&self) -> Result<(), StartError> {
        let rules: [(bool, &'static str); 7] = [
            (
                (1..=PARTITIONS_MAX).contains(&usize::from(self.partition_count)),
                "a hub has 1 to 128 partitions",
            ),
            (
                (1..=self.partition_count).contains(&self.executor_count),
                "there is at least one executor and at most one per partition",
            ),
            (
                self.cores.is_empty() || self.cores.len() == usize::from(self.executor_count),
                "cores names one CPU per executor, or none at all",
            ),
            (
                self.ring_bytes.is_power_of_two() && self.ring_bytes >= RING_BYTES_MIN,
                "ring_bytes is a power of two of at least 2 MiB",
            ),
            (
                self.commit_bytes >= 4096 && self.commit_bytes <= COMMIT_BYTES_MAX / 2,
                "commit_bytes is 4 KiB to 8 MiB",
            ),
            ((1..=16).contains(&self.commits_in_flight_max), "commits_in_flight_max is 1 to 16"),
            (
                self.segment_bytes >= self.segment_bytes_min()
                    && self.segment_bytes.is_multiple_of(4096),
                "segment_bytes is a multiple of 4096 with room for a commit and two records",
            ),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(StartError::Config(rule)),
            None => self.check_hubs(),
        }
    }

    fn check_hubs(&self) -> Result<(), StartError> {
        let all = || self.other_hubs.iter().copied().chain([self.configured()]);
        if all().count() > HUBS_MAX {
            return Err(StartError::Config("a process has at most 10,000 hubs"));
        }
        if !all().all(|log| (1..=PARTITIONS_MAX).contains(&usize::from(log.partition_count))) {
            return Err(StartError::Config("every hub has 1 to 128 partitions"));
        }
        let mut ids: Vec<HubId> = all().map(|log| log.hub).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(StartError::Config("every hub is listed once"));
        }
        let of_log = |executor| -> usize {
            let places = all().flat_map(HubLog::places);
            places.filter(|place| executor_of(*place, self.executor_count) == executor).count()
        };
        let most = (0..self.executor_count).map(ExecutorId).map(of_log).max();
        if most.is_some_and(|most| most > self.log_partitions_max()) {
            return Err(StartError::Config(
                "the hubs have more partitions than the segments of the logs have room for: more \
                 executors or larger segments",
            ));
        }
        Ok(())
    }

    /// The configured hub.
    pub(super) fn configured(&self) -> HubLog {
        let Self { hub, partition_count, retention, .. } = *self;
        HubLog { hub, partition_count, retention }
    }

    /// The partitions of the configured hub in the log of `executor`.
    pub(super) fn places_of(&self, executor: ExecutorId) -> Vec<HubPartition> {
        let here = |place: &HubPartition| executor_of(*place, self.executor_count) == executor;
        self.configured().places().filter(here).collect()
    }

    pub(super) fn log_dir(&self, executor: ExecutorId) -> PathBuf {
        let hub = self.hub.0.to_string();
        self.data_dir.join("hub").join(hub).join("log").join(executor.0.to_string())
    }
}

/// The executor of a partition: those of a hub lie side by side, and hubs begin with different
/// ones.
pub(super) fn executor_of(place: HubPartition, executor_count: u16) -> ExecutorId {
    let number = place.hub.0.wrapping_add(place.partition.0.into()) % u32::from(executor_count);
    ExecutorId(u16::try_from(number).expect("below a number of 16 bits"))
}
