//! Starts and stops all executors of a hub.

use std::marker::PhantomData;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use glommio::{LocalExecutorBuilder, Placement};
use ringhub_core::id::{ExecutorId, ShardId};
use ringhub_core::ring::{CommitWatch, Consumer, Producer, ring};
use rustix::process::{Resource, getrlimit};
use tracing::error;

use super::counters::ExecutorCounters;
use super::executor::{Seed, run};
use super::hubs::{ExecutorDoor, HubPartitions};
use super::marks::Marks;
use super::pipeline::{ExecutorLink, ShardPipeline};
use super::status::{ExecutorStatus, LogState};
use super::view::{ExecutorView, PartitionsView, RingView};
use super::{PartitionsConfig, Recovery, StartError};
use crate::shard::mailbox::MailboxSender;

/// What glommio needs of RLIMIT_MEMLOCK for its rings.
const MEMLOCK_BYTES_MIN: u64 = 512 * 1024;

/// Memory that glommio registers with the kernel per executor; commits beyond it use the heap.
const IO_MEMORY_BYTES: usize = 2 * 1024 * 1024;

/// The running executors.
pub struct PartitionsHandle {
    threads: Vec<ExecutorThread>,
    view: PartitionsView,
    hubs: HubPartitions,
}

struct ExecutorThread {
    join: JoinHandle<()>,
    status: Arc<ExecutorStatus>,
    recovery: Recovery,
}

/// Starts the executors of a hub and connects them with `shards`, whose place in the vector is
/// their id. Returns one pipeline per shard, in that order, once every log is recovered.
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
    let (mut views, mut doors) = (Vec::new(), Vec::new());
    let mut threads = Vec::new();
    for id in (0..config.executor_count).map(ExecutorId) {
        match start_executor(&config, id, &mut mesh) {
            Ok((thread, view, door)) => {
                threads.push(thread);
                doors.push(door);
                views.push(view);
            }
            Err(error) => {
                stop(threads);
                return Err(error);
            }
        }
    }
    let view = PartitionsView { executors: views.into() };
    Ok((mesh.into_pipelines(), PartitionsHandle { threads, view, hubs: HubPartitions::new(doors) }))
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
) -> Result<(ExecutorThread, ExecutorView, ExecutorDoor), StartError> {
    let (status, woken) = ExecutorStatus::new();
    let status = Arc::new(status);
    let (send_requests, requests) = flume::unbounded();
    let (send_orders, orders) = flume::unbounded();
    let (send_opened, opened) = flume::bounded(1);
    let (rings, views) = mesh.connect(config.ring_bytes, &status, &send_requests);
    let counters = Arc::new(ExecutorCounters::new());
    let seed = Seed {
        id,
        config: Arc::clone(config),
        rings,
        marks: views.iter().map(|ring| Arc::clone(&ring.marks)).collect(),
        counters: Arc::clone(&counters),
        shards: mesh.shards.clone(),
        status: Arc::clone(&status),
        woken,
        requests,
        orders,
        opened: send_opened,
    };
    let core = config.cores.get(usize::from(id.0));
    let placement = core.map_or(Placement::Unbound, |core| Placement::Fixed(*core));
    let watch = PanicWatch { status: Arc::clone(&status), shards: mesh.shards.clone() };
    let join = thread::Builder::new()
        .name(format!("executor-{}", id.0))
        .spawn(move || watch.over(|| run_thread(placement, seed)))
        .map_err(|error| StartError::Thread(error.to_string()))?;
    match opened.recv() {
        Ok(Ok(recovery)) => {
            let thread = ExecutorThread { join, status: Arc::clone(&status), recovery };
            let view = ExecutorView { executor: id, counters, status, rings: views };
            Ok((thread, view, ExecutorDoor { orders: send_orders }))
        }
        Ok(Err(error)) => Err(error),
        Err(_) => Err(StartError::Thread("ended before its log was open".to_owned())),
    }
}

fn run_thread(placement: Placement, seed: Seed) {
    match LocalExecutorBuilder::new(placement).io_memory(IO_MEMORY_BYTES).make() {
        Ok(executor) => executor.run(run(seed)),
        Err(error) => {
            let _ = seed.opened.send(Err(StartError::Thread(error.to_string())));
        }
    }
}

/// Tells everybody when the thread of an executor panics: nothing is acknowledged any more, and
/// shards that waited for it would wait for ever. The release profile aborts the process instead;
/// both end in a restart that recovers.
struct PanicWatch {
    status: Arc<ExecutorStatus>,
    shards: Vec<MailboxSender>,
}

impl PanicWatch {
    fn over(self, body: impl FnOnce()) {
        body();
    }
}

impl Drop for PanicWatch {
    fn drop(&mut self) {
        if thread::panicking() {
            error!("an executor has panicked; restart the hub to recover its log");
            self.status.fail("the executor has panicked".to_owned());
            for shard in &self.shards {
                shard.doorbell().ring();
            }
        }
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
    ) -> (Vec<Consumer>, Vec<RingView>) {
        let (mut consumers, mut views) = (Vec::new(), Vec::new());
        for (links, watches) in self.links.iter_mut().zip(&mut self.watches) {
            let (producer, consumer): (Producer, Consumer) = ring(ring_bytes);
            let marks = Arc::new(Marks::new());
            let (watch, capacity) = (producer.watch(), ring_bytes);
            watches.push(watch.clone());
            consumers.push(consumer);
            views.push(RingView { marks: Arc::clone(&marks), watch, capacity });
            let (status, requests) = (Arc::clone(status), requests.clone());
            let shards = self.shards.clone();
            links.push(ExecutorLink { ring: producer, marks, status, requests, shards });
        }
        (consumers, views)
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

    /// What may be looked at while the executors run.
    #[must_use]
    pub fn view(&self) -> &PartitionsView {
        &self.view
    }

    /// Adds, changes and removes hubs.
    #[must_use]
    pub fn hubs(&self) -> &HubPartitions {
        &self.hubs
    }

    /// Whether the log of `executor` accepts data; `None` if there is no such executor.
    #[must_use]
    pub fn state(&self, executor: ExecutorId) -> Option<LogState> {
        self.threads.get(usize::from(executor.0)).map(|thread| thread.status.state())
    }

    /// Commits everything that is published in the rings, seals the logs and ends the threads.
    /// Shards must not publish any more. Blocks until that is done; a disk that is full or failing
    /// ends it early.
    pub fn stop(self) {
        stop(self.threads);
    }
}

fn stop(threads: Vec<ExecutorThread>) {
    for thread in &threads {
        thread.status.stop();
    }
    for thread in threads {
        // A panic was reported by the thread itself.
        let _ = thread.join.join();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::mailbox::mailbox;

    #[test]
    fn a_panic_on_the_thread_of_an_executor_is_a_failure() {
        let (sender, mailbox) = mailbox().expect("eventfd");
        let status = Arc::new(ExecutorStatus::new().0);
        let watch = PanicWatch { status: Arc::clone(&status), shards: vec![sender] };
        mailbox.doorbell().prepare_sleep();
        let body = || {
            let executor = LocalExecutorBuilder::new(Placement::Unbound).make().expect("io_uring");
            executor.run(async { glommio::spawn_local(async { panic!("as asked") }).await });
        };
        let ended = thread::spawn(move || watch.over(body)).join();
        assert!(ended.is_err());
        assert_eq!(status.state(), LogState::Failed);
        assert_eq!(status.failure(), Some("the executor has panicked"));
    }
}
