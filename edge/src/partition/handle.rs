//! Starts and stops all executors of a hub.

use std::marker::PhantomData;
use std::sync::Arc;

use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};
use ringhub_core::id::{ExecutorId, ShardId};
use ringhub_core::ring::{CommitWatch, Consumer, Producer, ring};
use rustix::process::{Resource, getrlimit};
use tracing::error;

use super::executor::{Seed, run};
use super::pipeline::{ExecutorLink, ShardPipeline};
use super::status::{ExecutorStatus, LogState};
use super::{PartitionsConfig, Recovery, StartError};
use crate::shard::mailbox::MailboxSender;

/// What glommio needs of RLIMIT_MEMLOCK for its rings.
const MEMLOCK_BYTES_MIN: u64 = 512 * 1024;

/// Memory that glommio registers with the kernel per executor; commits beyond it use the heap.
const IO_MEMORY_BYTES: usize = 2 * 1024 * 1024;

/// The running executors.
pub struct PartitionsHandle {
    threads: Vec<ExecutorThread>,
}

struct ExecutorThread {
    join: ExecutorJoinHandle<()>,
    status: Arc<ExecutorStatus>,
    recovery: Recovery,
}

/// Starts the executors of a hub and connects them with `shards`, whose place in the vector is their id. Returns one
/// pipeline per shard, in that order, once every log is recovered.
///
/// Blocks for the recovery: a segment without index is read through, at disk speed.
///
/// # Errors
/// [`StartError`]: no executor runs any more.
pub fn start(
    config: PartitionsConfig,
    shards: Vec<MailboxSender>,
) -> Result<(Vec<ShardPipeline>, PartitionsHandle), StartError> {
    config.check()?;
    check_memlock()?;
    let config = Arc::new(config);
    let mut mesh = Mesh::new(shards);
    let mut handle = PartitionsHandle { threads: Vec::new() };
    for id in (0..config.executor_count).map(ExecutorId) {
        match start_executor(&config, id, &mut mesh) {
            Ok(thread) => handle.threads.push(thread),
            Err(error) => {
                handle.stop();
                return Err(error);
            }
        }
    }
    Ok((mesh.into_pipelines(), handle))
}

fn check_memlock() -> Result<(), StartError> {
    match getrlimit(Resource::Memlock).current {
        Some(limit) if limit < MEMLOCK_BYTES_MIN => {
            Err(StartError::Memlock { limit, needed: MEMLOCK_BYTES_MIN })
        }
        _ => Ok(()),
    }
}

fn start_executor(
    config: &Arc<PartitionsConfig>,
    id: ExecutorId,
    mesh: &mut Mesh,
) -> Result<ExecutorThread, StartError> {
    let (status, woken) = ExecutorStatus::new();
    let status = Arc::new(status);
    let (send_requests, requests) = flume::unbounded();
    let (send_opened, opened) = flume::bounded(1);
    let rings = mesh.connect(config.ring_bytes, &status, &send_requests);
    let seed = Seed {
        id,
        config: Arc::clone(config),
        rings,
        shards: mesh.shards.clone(),
        status: Arc::clone(&status),
        woken,
        requests,
        opened: send_opened,
    };
    let core = config.cores.get(usize::from(id.0));
    let placement = core.map_or(Placement::Unbound, |core| Placement::Fixed(*core));
    let join = LocalExecutorBuilder::new(placement)
        .name(&format!("executor-{}", id.0))
        .io_memory(IO_MEMORY_BYTES)
        .spawn(move || run(seed))
        .map_err(|error| StartError::Thread(error.to_string()))?;
    match opened.recv() {
        Ok(Ok(recovery)) => Ok(ExecutorThread { join, status, recovery }),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(StartError::Thread(match join.join() {
            Ok(()) => "ended before its log was open".to_owned(),
            Err(error) => error.to_string(),
        })),
    }
}

/// The rings between all shards and all executors, while they are being made.
struct Mesh {
    shards: Vec<MailboxSender>,
    links: Vec<Vec<ExecutorLink>>,
    watches: Vec<Vec<CommitWatch>>,
}

impl Mesh {
    fn new(shards: Vec<MailboxSender>) -> Self {
        let links = shards.iter().map(|_| Vec::new()).collect();
        let watches = shards.iter().map(|_| Vec::new()).collect();
        Self { shards, links, watches }
    }

    /// Makes a ring from every shard to one more executor.
    fn connect(
        &mut self,
        ring_bytes: usize,
        status: &Arc<ExecutorStatus>,
        requests: &flume::Sender<super::PartitionRequest>,
    ) -> Vec<Consumer> {
        let mut consumers = Vec::new();
        for (links, watches) in self.links.iter_mut().zip(&mut self.watches) {
            let (producer, consumer): (Producer, Consumer) = ring(ring_bytes);
            watches.push(producer.watch());
            consumers.push(consumer);
            let (status, requests) = (Arc::clone(status), requests.clone());
            links.push(ExecutorLink { ring: producer, status, requests });
        }
        consumers
    }

    fn into_pipelines(self) -> Vec<ShardPipeline> {
        let watches = self.watches;
        let pipelines = self.links.into_iter().zip(0..);
        pipelines
            .map(|(executors, shard)| ShardPipeline {
                shard: ShardId(shard),
                executors,
                watches: watches.clone(),
                one_thread: PhantomData,
            })
            .collect()
    }
}

impl PartitionsHandle {
    /// What each executor found when it opened its log.
    pub fn recoveries(&self) -> impl Iterator<Item = &Recovery> {
        self.threads.iter().map(|thread| &thread.recovery)
    }

    /// Whether the log of `executor` accepts data; `None` if there is no such executor.
    #[must_use]
    pub fn state(&self, executor: ExecutorId) -> Option<LogState> {
        self.threads.get(usize::from(executor.0)).map(|thread| thread.status.state())
    }

    /// Commits everything that is published in the rings, seals the logs and ends the threads. Shards must not publish
    /// any more. Blocks until that is done; a disk that is full or failing ends it early.
    pub fn stop(self) {
        for thread in &self.threads {
            thread.status.stop();
        }
        for thread in self.threads {
            if let Err(error) = thread.join.join() {
                error!(%error, "an executor ended badly");
            }
        }
    }
}
