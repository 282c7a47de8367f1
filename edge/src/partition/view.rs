//! What the rest of the process may look at while executors run.

use std::sync::Arc;

use ringhub_core::id::{ExecutorId, ShardId};
use ringhub_core::position::Committed;
use ringhub_core::ring::CommitWatch;

use super::counters::ExecutorCounters;
use super::marks::Marks;
use super::status::{ExecutorStatus, LogState};

/// A look at all executors of a hub and their rings. Cloning is cheap, and no thread is disturbed.
#[derive(Clone, Debug)]
pub struct PartitionsView {
    pub(super) executors: Arc<[ExecutorView]>,
}

/// A look at one executor.
#[derive(Debug)]
pub struct ExecutorView {
    /// Which one it is.
    pub executor: ExecutorId,
    /// What it counts.
    pub counters: Arc<ExecutorCounters>,
    pub(super) status: Arc<ExecutorStatus>,
    /// By shard.
    pub(super) rings: Vec<RingView>,
}

/// A look at the ring from one shard to one executor.
#[derive(Debug)]
pub(super) struct RingView {
    pub(super) marks: Arc<Marks>,
    pub(super) watch: CommitWatch,
    pub(super) capacity: usize,
}

/// How full a ring is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingDepth {
    /// The shard that pushes.
    pub shard: ShardId,
    /// Bytes that are pushed and not durable yet.
    pub awaiting_bytes: u64,
    /// Bytes that it holds.
    pub capacity_bytes: u64,
}

impl PartitionsView {
    /// All executors, in the order of their ids.
    pub fn executors(&self) -> impl Iterator<Item = &ExecutorView> {
        self.executors.iter()
    }
}

impl ExecutorView {
    /// Whether its log accepts data.
    #[must_use]
    pub fn state(&self) -> LogState {
        self.status.state()
    }

    /// Why its log has failed, if it has.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.status.failure()
    }

    /// Its rings, in the order of the shards.
    pub fn rings(&self) -> impl Iterator<Item = RingDepth> {
        self.rings.iter().zip(0..).map(|(ring, shard)| {
            let Committed(committed) = ring.watch.committed();
            let awaiting_bytes = ring.marks.pushed().0.saturating_sub(committed.0);
            let capacity_bytes = ring.capacity as u64;
            RingDepth { shard: ShardId(shard), awaiting_bytes, capacity_bytes }
        })
    }
}
