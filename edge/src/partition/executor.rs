//! One thread with one commit log: takes records from the rings, commits them, tells everybody.
//!
//! ```text
//!  rings ─▶ gather ─▶ batch ─▶ build ─▶ write + sync ─▶ in order: positions, doorbells, tail, parked readers
//!                      └ N bytes or T ┘ └ few in flight ┘
//! ```
//!
//! All state is on this thread; `RefCell`s are never borrowed across an await. Ingest has most of
//! the shares, reading old segments and preparing new ones the rest.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use glommio::sync::Semaphore;
use glommio::{GlommioError, Latency, Shares, TaskQueueHandle};
use ringhub_core::id::ExecutorId;
use ringhub_core::log::record::DamagedRecord;
use ringhub_core::ring::Consumer;
use ringhub_core::time::UnixMillis;
use tracing::error;

use super::appender::Appender;
use super::batch::Batch;
use super::counters::ExecutorCounters;
use super::hubs::HubOrder;
use super::marks::Marks;
use super::open::{self, Opened, Recovery};
use super::orders::follow_orders;
use super::prepare::{Prepared, prepare_segments};
use super::purge::purge_gone;
use super::readers::{Readers, answer_requests, refuse_pending};
use super::retention::{drop_expired, hide_old};
use super::segment_file::{Medium, SegmentFile};
use super::status::{ExecutorStatus, LogState};
use super::table::HubTable;
use super::tail::Tail;
use super::{PartitionRequest, PartitionsConfig, StartError};
use crate::shard::mailbox::MailboxSender;

/// What the thread of an executor begins with.
pub(super) struct Seed {
    pub(super) id: ExecutorId,
    pub(super) config: Arc<PartitionsConfig>,
    pub(super) rings: Vec<Consumer>,
    /// By ring.
    pub(super) marks: Vec<Arc<Marks>>,
    pub(super) counters: Arc<ExecutorCounters>,
    pub(super) shards: Vec<MailboxSender>,
    pub(super) status: Arc<ExecutorStatus>,
    pub(super) woken: flume::Receiver<()>,
    pub(super) requests: flume::Receiver<PartitionRequest>,
    pub(super) orders: flume::Receiver<HubOrder>,
    pub(super) opened: flume::Sender<Result<Recovery, StartError>>,
}

/// State of the thread.
pub(super) struct Executor {
    pub(super) config: Arc<PartitionsConfig>,
    pub(super) dir: PathBuf,
    pub(super) medium: Medium,
    pub(super) status: Arc<ExecutorStatus>,
    pub(super) counters: Arc<ExecutorCounters>,
    pub(super) hubs: RefCell<HubTable>,
    /// By ring.
    pub(super) marks: Vec<Arc<Marks>>,
    pub(super) rings: RefCell<Vec<Consumer>>,
    pub(super) appender: RefCell<Appender>,
    pub(super) tail: RefCell<Tail>,
    pub(super) readers: RefCell<Readers>,
    pub(super) prepared: RefCell<Option<Prepared>>,
    pub(super) prepared_taken: flume::Receiver<()>,
    pub(super) take_prepared: flume::Sender<()>,
    /// As many as commits may be written and synced at once.
    pub(super) write_slots: Semaphore,
    pub(super) shards: Vec<MailboxSender>,
    pub(super) open_files: RefCell<VecDeque<(u64, Rc<SegmentFile>)>>,
    pub(super) catch_up_queue: TaskQueueHandle,
    /// Set when the segment that is written has records that are to be taken out.
    pub(super) seal_wanted: Cell<bool>,
    purge_wanted: flume::Sender<()>,
    woken: flume::Receiver<()>,
}

/// Runs the thread until it is told to stop.
pub(super) async fn run(seed: Seed) {
    let opened = match open::open(&seed.config, seed.id).await {
        Ok(opened) => opened,
        Err(error) => {
            let _ = seed.opened.send(Err(error));
            return;
        }
    };
    let (executor, inlets) = assemble(seed, opened);
    executor.note_log();
    hide_old(&executor).await;
    serve(executor, inlets).await;
}

/// Where work comes from, and where the start is answered.
struct Inlets {
    requests: flume::Receiver<PartitionRequest>,
    orders: flume::Receiver<HubOrder>,
    purges: flume::Receiver<()>,
    opened: flume::Sender<Result<Recovery, StartError>>,
    recovery: Recovery,
}

fn assemble(seed: Seed, opened: Opened) -> (Rc<Executor>, Inlets) {
    let Opened { medium, sealed, oldest, ends, recovery } = opened;
    let shape = open::shape(&seed.config, seed.id);
    let appender = Appender::new(shape, medium.block, sealed);
    let counters = Arc::clone(&seed.counters);
    let mut hubs = HubTable::new(&seed.config, seed.id, counters, (&oldest, &ends));
    hubs.note_found(appender.sealed.iter().flat_map(|sealed| sealed.summary.ends.hubs()));
    let (purge_wanted, purges) = flume::bounded(1);
    let (take_prepared, prepared_taken) = flume::bounded(1);
    let Seed { requests, orders, opened, .. } = seed;
    let inlets = Inlets { requests, orders, purges, opened, recovery };
    let executor = Executor {
        dir: seed.config.log_dir(seed.id),
        medium,
        status: seed.status,
        counters: seed.counters,
        hubs: RefCell::new(hubs),
        marks: seed.marks,
        rings: RefCell::new(seed.rings),
        appender: RefCell::new(appender),
        tail: RefCell::new(Tail::new(seed.config.tail_bytes)),
        readers: RefCell::new(Readers::default()),
        prepared: RefCell::new(None),
        prepared_taken,
        take_prepared,
        write_slots: Semaphore::new(seed.config.commits_in_flight_max as u64),
        shards: seed.shards,
        open_files: RefCell::new(VecDeque::new()),
        catch_up_queue: glommio::executor().create_task_queue(
            Shares::Static(100),
            Latency::NotImportant,
            "catch-up",
        ),
        seal_wanted: Cell::new(false),
        purge_wanted,
        woken: seed.woken,
        config: seed.config,
    };
    (Rc::new(executor), inlets)
}

/// Works until it is told to stop.
async fn serve(executor: Rc<Executor>, inlets: Inlets) {
    let Inlets { requests, orders, purges, opened, recovery } = inlets;
    let proxy = glommio::executor();
    let background =
        proxy.create_task_queue(Shares::Static(50), Latency::NotImportant, "background");
    // Not `Latency::Matters`: with it, glommio 0.9 sends the IO through a second io_uring, and
    // under load a commit in some runs of the tests never came back.
    let ingest = proxy.create_task_queue(Shares::Static(1000), Latency::NotImportant, "ingest");
    let spawned = [
        glommio::spawn_local_into(prepare_segments(Rc::clone(&executor)), background),
        glommio::spawn_local_into(drop_expired(Rc::clone(&executor)), background),
        glommio::spawn_local_into(purge_gone(Rc::clone(&executor), purges), background),
        Ok(glommio::spawn_local(answer_requests(Rc::clone(&executor), requests))),
        Ok(glommio::spawn_local(follow_orders(Rc::clone(&executor), orders))),
    ];
    let main = glommio::spawn_local_into(ingest_records(Rc::clone(&executor)), ingest);
    match (spawned.into_iter().collect::<Result<Vec<_>, _>>(), main) {
        (Ok(tasks), Ok(main)) => {
            let _ = opened.send(Ok(recovery));
            main.await;
            executor.refuse_until_stopped().await;
            for task in tasks {
                task.cancel().await;
            }
            drop(executor);
            // A file that is dropped is closed in the next turn of the reactor, and never if there
            // is none.
            glommio::timer::sleep(Duration::from_millis(1)).await;
        }
        (Err(error), _) | (_, Err(error)) => {
            let _ = opened.send(Err(StartError::Thread(error.to_string())));
        }
    }
}

/// Moves records from the rings into commits until the hub stops or the log fails.
async fn ingest_records(executor: Rc<Executor>) {
    let mut batch = Batch::new(executor.shards.len());
    while executor.status.state() != LogState::Failed {
        let bytes_before = batch.bytes;
        let gathered = executor.gather(&mut batch);
        if batch.bytes > bytes_before {
            executor.note_gathered(&batch);
        }
        if let Err(damaged) = gathered {
            executor.fail(format!("a shard pushed what is no record: {damaged}"));
            break;
        }
        let stopping = executor.status.is_stopping();
        let in_flight = executor.appender.borrow().in_flight_len();
        if executor.seal_wanted.get() && in_flight == 0 {
            executor.seal_wanted.set(false);
            seal_early(&executor).await;
        } else if executor.seal_wanted.get() {
            executor.sleep(None).await;
        } else if batch.is_empty() {
            if stopping && in_flight == 0 {
                break;
            }
            executor.sleep_until_published(0, None).await;
        } else if let Some(wait) = batch.wait(&executor.config).filter(|_| !stopping) {
            let burst = executor.config.commit_bytes as u64;
            executor.sleep_until_published(burst, Some(wait)).await;
        } else if in_flight > executor.config.commits_in_flight_max {
            // One more than may be written is built, so that the disk does not wait for copies and
            // checksums.
            executor.sleep(None).await;
            submit_io().await;
        } else if let Err(error) = executor.commit(&mut batch).await {
            executor.fail(format!("the log cannot go on: {error}"));
        } else {
            submit_io().await;
        }
    }
    if executor.status.state() != LogState::Failed
        && let Err(error) = executor.seal_active().await
    {
        error!(%error, "the last segment could not be sealed; the next start reads it through");
    }
}

/// Lets the other tasks run and the kernel have what they want written and synced.
///
/// glommio hands nothing over before all its tasks wait, so that a commit would lie about while the
/// next is built. The shortest wait for a timer is one for the reactor.
async fn submit_io() {
    glommio::timer::sleep(Duration::from_micros(1)).await;
}

/// Ends the segment that is written before it is full, because records are to be taken out of it.
async fn seal_early(executor: &Executor) {
    match executor.seal_active().await {
        Ok(()) => executor.note_log(),
        Err(error) => executor.fail(format!("a segment cannot be sealed: {error}")),
    }
}

impl Executor {
    fn gather(&self, batch: &mut Batch) -> Result<(), DamagedRecord> {
        let (mut rings, mut hubs) = (self.rings.borrow_mut(), self.hubs.borrow_mut());
        batch.gather(&mut rings, self.config.commit_bytes, &mut hubs)
    }

    /// Has records of hubs that are gone taken out of the log.
    pub(super) fn want_purge(&self) {
        // A full channel holds a wish that was not looked at yet.
        let _ = self.purge_wanted.try_send(());
    }

    /// After a failure, lives on to answer readers; does nothing otherwise.
    async fn refuse_until_stopped(&self) {
        if self.status.state() == LogState::Failed {
            refuse_pending(self);
        }
        while self.status.state() == LogState::Failed && !self.status.is_stopping() {
            self.sleep(None).await;
        }
    }

    /// Waits until a ring holds `backlog` bytes, a commit ends, there is room in the segment, or
    /// for `limit`.
    async fn sleep_until_published(&self, backlog: u64, limit: Option<Duration>) {
        self.status.prepare_sleep(backlog);
        let published = self.rings.borrow_mut().iter_mut().any(Consumer::refresh);
        if !published {
            self.sleep(limit).await;
        }
        self.status.awake();
    }

    /// Waits for a wake-up, `limit` long at most.
    pub(super) async fn sleep(&self, limit: Option<Duration>) {
        let woken = async {
            let _ = self.woken.recv_async().await;
            Ok::<_, GlommioError<()>>(())
        };
        match limit {
            None => drop(woken.await),
            Some(limit) => drop(glommio::timer::timeout(limit, woken).await),
        }
    }

    /// Stops accepting for good and says so to all shards. Nothing that failed is tried again:
    /// after a failed sync the kernel may have dropped what it could not write.
    pub(super) fn fail(&self, reason: String) {
        error!(dir = %self.dir.display(), reason, "the log has failed; restart the hub to recover it");
        self.status.fail(reason);
        self.ring_doorbells();
        self.status.wake();
    }

    pub(super) fn ring_doorbells(&self) {
        for shard in &self.shards {
            shard.doorbell().ring();
        }
    }
}

/// The wall clock, for stamps and retention.
pub(super) fn wall_clock() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
