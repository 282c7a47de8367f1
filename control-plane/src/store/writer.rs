//! The one thread that writes: many requests per transaction, one sync for all of them.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use flume::RecvTimeoutError;
use ringhub_core::id::{HubId, Identity};
use ringhub_core::limits::{STORE_BATCH_MAX, STORE_QUEUE_MAX};
use rusqlite::Connection;

use super::checkpoint::Checkpointer;
use super::outage::{Outage, PROBE_INTERVAL};
use super::state::SharedState;
use super::{SqliteStore, StoreCounters, StoreError, StoreState};
use crate::c2d::{self, C2dChange, C2dEffect};
use crate::clock;
use crate::directory::{Directory, IdentityRef};
use crate::registry::{
    Applier, Change, ChangeError, Effect, Mint, ModelRecord, Outcome, RegistryError,
};
use crate::shards::Shards;
use crate::twin::{Changed, TwinApplier, TwinChange};

/// How long the writer sleeps at most while messages wait for devices: shards lock them without
/// telling, and a lock may lapse before the deadline that the writer knows.
const LOOK_INTERVAL_MAX: Duration = Duration::from_secs(1);

/// Called on the writer thread with the outcome, after the directory knows it.
pub(crate) type Done = Box<dyn FnOnce(Result<Outcome, RegistryError>) + Send>;

/// A change and who waits for it.
pub(crate) struct Write {
    pub(crate) change: Change,
    pub(crate) done: Done,
}

/// Hands changes to the writer thread.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: flume::Sender<Write>,
    state: Arc<SharedState>,
    counters: Arc<StoreCounters>,
    thread: JoinHandle<()>,
}

/// A handle for those who only submit.
#[derive(Clone, Debug)]
pub(crate) struct WriteQueue(flume::Sender<Write>);

impl WriteQueue {
    /// Changes that wait.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Queues a change. When the queue is full the answer is [`RegistryError::Busy`], at once and
    /// on this thread.
    pub(crate) fn submit(&self, write: Write) {
        if let Err(refused) = self.0.try_send(write) {
            let write = refused.into_inner();
            (write.done)(Err(RegistryError::Busy));
        }
    }

    /// Submits a change and waits for its end, on a thread that may.
    pub(crate) fn wait(&self, change: Change) -> Result<Outcome, RegistryError> {
        let (sender, outcome) = flume::bounded(1);
        let done = Box::new(move |outcome| {
            // The one message has room, and this thread waits for it.
            let _ = sender.send(outcome);
        });
        self.submit(Write { change, done });
        outcome.recv().unwrap_or(Err(RegistryError::Storage))
    }
}

impl Write {
    /// A write that time asks for; nobody waits for it, and when it fails time asks again.
    fn of_time(change: C2dChange) -> Self {
        Self { change: Change::C2d(change), done: Box::new(drop) }
    }
}

impl Writer {
    /// Starts the writer and its checkpoint thread, on a database that the start has `found` so.
    pub(crate) fn start(
        connection: Connection,
        checkpoints: Connection,
        directory: Arc<Directory>,
        mint: Mint,
        shards: Arc<dyn Shards>,
        found: StoreState,
    ) -> io::Result<Self> {
        let (queue, requests) = flume::bounded(STORE_QUEUE_MAX);
        let state = Arc::new(SharedState::default());
        state.set_disk_full(found == StoreState::DiskFull);
        let checkpointer = Checkpointer::start(checkpoints, Arc::clone(&state))?;
        let counters = Arc::new(StoreCounters::default());
        let store = SqliteStore::new(connection);
        let outage = Outage::new(Arc::clone(&state));
        let counted = Arc::clone(&counters);
        let work = WriterThread { store, directory, mint, shards, outage, counters: counted };
        let thread = thread::Builder::new()
            .name("control-writer".to_owned())
            .spawn(move || work.run(&requests, checkpointer))?;
        Ok(Self { queue, state, counters, thread })
    }

    pub(crate) fn state(&self) -> StoreState {
        self.state.get()
    }

    pub(crate) fn counters(&self) -> &StoreCounters {
        &self.counters
    }

    pub(crate) fn queue(&self) -> WriteQueue {
        WriteQueue(self.queue.clone())
    }

    /// Writes what is queued, moves the log into the database and ends both threads.
    ///
    /// All [`WriteQueue`]s must be gone, or this waits for them.
    pub(crate) fn finish(self) {
        drop(self.queue);
        if self.thread.join().is_err() {
            tracing::error!("the registry's writer thread has panicked");
        }
    }
}

struct WriterThread {
    store: SqliteStore,
    directory: Arc<Directory>,
    mint: Mint,
    shards: Arc<dyn Shards>,
    outage: Outage,
    counters: Arc<StoreCounters>,
}

/// Everything that waits, up to the size of a transaction. Never waits for more.
fn batch(first: Write, requests: &flume::Receiver<Write>) -> Vec<Write> {
    let mut changes = first.change.len();
    let mut batch = Vec::with_capacity(STORE_BATCH_MAX.min(1 + requests.len()));
    batch.push(first);
    while changes < STORE_BATCH_MAX
        && let Ok(write) = requests.try_recv()
    {
        changes += write.change.len();
        batch.push(write);
    }
    batch
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Someone who waits, with what to answer.
type Answer = (Done, Result<Outcome, RegistryError>);

impl WriterThread {
    fn run(mut self, requests: &flume::Receiver<Write>, checkpointer: Checkpointer) {
        loop {
            let mut work = match self.recv(requests) {
                Ok(first) => batch(first, requests),
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if self.outage.wants_probe() {
                self.probe();
            }
            let due = c2d::effect::take_due(&self.directory, &*self.shards, clock::now());
            work.extend(due.into_iter().map(Write::of_time));
            if !work.is_empty() {
                self.transact(work);
                checkpointer.note_commit(&self.store.connection);
            }
        }
        self.outage.finish();
        checkpointer.finish();
    }

    /// Waits for the next request, or until a queue of messages wants to be looked at or a full
    /// disk to be tried.
    fn recv(&self, requests: &flume::Receiver<Write>) -> Result<Write, RecvTimeoutError> {
        let deadline = self.directory.all_c2d().iter().filter_map(|queues| queues.deadline()).min();
        let left = deadline.map(|deadline| {
            let left_ms = deadline.as_millis().saturating_sub(clock::now().as_millis());
            let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or_default());
            left.min(LOOK_INTERVAL_MAX)
        });
        let probe = self.outage.is_open().then_some(PROBE_INTERVAL);
        match left.into_iter().chain(probe).min() {
            Some(left) => requests.recv_timeout(left),
            None => requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    /// Finds out whether there is room.
    fn probe(&mut self) {
        match self.store.rewrite_version() {
            Ok(()) => self.outage.note_written(),
            Err(error) => drop(self.outage.note_error(&error, self.store.path(), 0)),
        }
    }

    fn forget_queue(&self, hub: HubId, identity: Identity) {
        if let Some(queues) = self.directory.c2d(hub) {
            queues.forget(&identity);
        }
    }

    /// One transaction. Nobody is answered before its fate is known.
    fn transact(&mut self, batch: Vec<Write>) {
        let reads: Vec<_> = batch.iter().map(|write| write.change.as_read().cloned()).collect();
        if self.outage.has_failed() {
            let waiting = batch.into_iter().map(|write| write.done).zip(reads).collect();
            return self.refuse(waiting, &RegistryError::Failed);
        }
        let writes = reads.iter().filter(|read| read.is_none()).count() as u64;
        let (dones, changes): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|write| (write.done, write.change)).unzip();
        let began = Instant::now();
        let requests = dones.len() as u64;
        let rows = self.store.connection.total_changes();
        let result = self.store.begin().and_then(|()| self.apply_all(changes));
        self.count(&result, requests, began);
        match result {
            Ok((outcomes, effects)) => {
                // A transaction that changes nothing needs no room.
                if self.store.connection.total_changes() != rows {
                    self.outage.note_written();
                }
                for effect in effects {
                    self.tell_directory(effect);
                }
                let answers = dones.into_iter().zip(outcomes);
                answers.for_each(|(done, outcome): Answer| {
                    if let Ok(outcome) = &outcome {
                        let changed = outcome.changed_twins();
                        changed.into_iter().for_each(|changed| self.tell_device(changed));
                    }
                    done(outcome);
                });
            }
            Err(error) => {
                self.store.rollback();
                let refusal = self.outage.note_error(&error, self.store.path(), writes);
                self.answer_refused(dones.into_iter().zip(reads), &refusal);
            }
        }
    }

    /// Refuses what is not even tried, because the store has failed.
    fn refuse(&mut self, waiting: Vec<(Done, Option<TwinChange>)>, refusal: &RegistryError) {
        let writes = waiting.iter().filter(|(_, read)| read.is_none()).count();
        self.outage.note_refused(writes as u64);
        self.answer_refused(waiting.into_iter(), refusal);
    }

    /// Answers a batch of which nothing was stored: reads are of the last commit.
    fn answer_refused(
        &mut self,
        waiting: impl Iterator<Item = (Done, Option<TwinChange>)>,
        refusal: &RegistryError,
    ) {
        for (done, read) in waiting {
            done(match read {
                Some(read) => self.read(read),
                None => Err(refusal.clone()),
            });
        }
    }

    fn read(&self, read: TwinChange) -> Result<Outcome, RegistryError> {
        let twins = TwinApplier { store: &self.store, now: clock::now() };
        twins.apply(read).map(Outcome::Twin).map_err(|why| match why {
            ChangeError::Refused(why) => why,
            ChangeError::Store(error) => {
                let error = self.store.explain(&error);
                tracing::error!(%error, "the registry could not be read");
                RegistryError::Storage
            }
        })
    }

    fn count<T>(&self, result: &Result<T, StoreError>, requests: u64, began: Instant) {
        let StoreCounters { transactions, failures, .. } = &*self.counters;
        let counter = if result.is_ok() { transactions } else { failures };
        counter.add(1);
        self.counters.requests.add(requests);
        self.counters.transaction_time.record(nanos(began.elapsed()), 1);
    }

    /// Applies all changes and commits them.
    #[expect(clippy::type_complexity, reason = "outcomes and effects are taken apart at once")]
    fn apply_all(
        &mut self,
        changes: Vec<Change>,
    ) -> Result<(Vec<Result<Outcome, RegistryError>>, Vec<Effect>), StoreError> {
        let mut applier = Applier {
            store: &self.store,
            directory: &self.directory,
            mint: &mut self.mint,
            now: clock::now(),
            effects: Vec::new(),
        };
        let mut outcomes = Vec::with_capacity(changes.len());
        for change in changes {
            outcomes.push(match applier.apply(change) {
                Ok(outcome) => Ok(outcome),
                Err(ChangeError::Refused(why)) => Err(why),
                Err(ChangeError::Store(error)) => return Err(error),
            });
        }
        let effects = applier.effects;
        self.store.commit()?;
        Ok((outcomes, effects))
    }

    /// Sends a change of desired properties to the device if it is connected. Between the answers,
    /// so that the device hears of it after what came before and before what came after.
    fn tell_device(&self, changed: &Changed) {
        let Changed { hub, identity, desired: Some(desired), .. } = changed else { return };
        if let Some(seat) = self.directory.seat(*hub, IdentityRef::from(identity)) {
            self.shards.desired_changed(seat, identity, desired);
        }
    }

    fn tell_directory(&self, effect: Effect) {
        let directory = &self.directory;
        let cuts = match effect {
            Effect::DevicePut(hub, device) => {
                directory.put_device(hub, &device.id, device.status, device.directory_record())
            }
            Effect::DeviceDeleted(hub, id) => {
                self.forget_queue(hub, Identity { device: id.clone(), module: None });
                directory.remove_device(hub, &id)
            }
            Effect::ModulePut(hub, module) => {
                let record = module.directory_record();
                let cut = directory.put_module(hub, &module.device, &module.id, record);
                cut.into_iter().collect()
            }
            Effect::ModuleDeleted(hub, device, id) => {
                let identity = Identity { device: device.clone(), module: Some(id.clone()) };
                self.forget_queue(hub, identity);
                directory.remove_module(hub, &device, &id).into_iter().collect()
            }
            Effect::SubscriptionsSet(hub, identity, flags) => {
                directory.set_subscriptions(hub, IdentityRef::from(&identity), flags);
                Vec::new()
            }
            Effect::ModelSet(ModelRecord { hub, identity, generation, model }) => {
                directory.set_model(hub, &identity, generation, model);
                Vec::new()
            }
            Effect::PoliciesSet(hub, policies) => {
                self.shards.policies_changed(hub, &policies);
                directory.set_policies(hub, policies);
                Vec::new()
            }
            Effect::HubPropertiesSet(hub, properties) => {
                directory.set_properties(hub, *properties);
                Vec::new()
            }
            Effect::AuthoritiesSet(hub, authorities) => directory.set_authorities(hub, authorities),
            Effect::ConsumerGroupsSet(hub, groups) => {
                directory.set_consumer_groups(hub, groups);
                Vec::new()
            }
            Effect::ConfigurationsSet(hub, configurations) => {
                directory.set_configurations(hub, configurations);
                Vec::new()
            }
            Effect::QueryIndexesSet(hub, indexes) => {
                directory.set_query_indexes(hub, indexes);
                Vec::new()
            }
            Effect::EvaluationDue => {
                directory.evaluation().ring();
                Vec::new()
            }
            Effect::C2d(effect) => {
                if let C2dEffect::Enqueued { accepted, .. } = &effect {
                    self.counters.c2d_time.record(nanos(accepted.elapsed()), 1);
                }
                c2d::effect::tell(effect, directory, &*self.shards, clock::now());
                Vec::new()
            }
        };
        for cut in cuts {
            self.shards.cut(cut.seat, cut.identity, cut.reason);
        }
    }
}
