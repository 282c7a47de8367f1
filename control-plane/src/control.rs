//! The control plane as one thing: opens the data directory, runs the threads, takes requests.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use http::header::HOST;
use ringhub_core::auth::CertificateChain;
use ringhub_core::c2d::DeviceMessage;
use ringhub_core::id::{HubId, Identity};
use ringhub_core::limits::REST_QUEUE_MAX;
use ringhub_core::quota::{HubQuota, OperationClass, QuotaPlan, QuotaRefusal};

use crate::api::{
    Api, ApiError, DeviceRequest, Front, Passed, QUERY_THREADS, QueryService, Reply, Request,
    Response, find_hub,
};
use crate::blob::{BlobRequest, BlobService, StorageError};
use crate::c2d::{C2d, C2dDone, C2dRefusal};
use crate::configuration::Evaluator;
use crate::directory::{Directory, Grant, Hub, Policy};
use crate::file_upload::{StorageClient, Uploads};
use crate::hub::{HubError, HubLife, HubParts, HubUpdate, NewHub, NewPolicy};
use crate::intake::{Intake, Job};
use crate::job::JobExecutor;
use crate::method::{MethodClock, Methods};
use crate::presence::{self, PresenceSaver};
use crate::provider::{Provider, ProviderSettings, ProviderState};
use crate::quota::{self, AnswerCost, Cost, Gate, QuotaThread};
use crate::registry::{Change, KeyChoice, Mint, ModelRecord, RegistryError};
use crate::registry_job::{BlobStorage, OwnAccounts, RegistryJobs};
use crate::shards::Shards;
use crate::store::{
    Database, HubSettings, HubStore as _, OpenError, SqliteStore, StoreCounters, StoreError,
    StoreState, Write, WriteQueue, Writer, load, open_hubs,
};
use crate::twin::{TwinChange, TwinReply, TwinReplyDone};

/// Threads that answer REST requests: reads of one never wait for reads of the other.
const WORKERS: usize = 2;

/// What the control plane is opened with.
#[derive(Clone, Debug)]
pub struct ControlPlaneConfig {
    /// Directory of the registry database; made if it is not there.
    pub data_dir: PathBuf,
    /// Directory of the blobs that the hubs keep themselves; made if it is not there.
    pub blob_dir: PathBuf,
    /// The hubs of this process, at least one.
    pub hubs: Vec<HubSettings>,
    /// Who may administrate, and what administrators are told.
    pub provider: ProviderSettings,
    /// Devices that all scheduled jobs together begin with in a second; at least one.
    pub job_devices_per_second: u32,
    /// How import and export jobs reach storage accounts other than those of the hubs.
    pub storage: Arc<dyn BlobStorage>,
    /// What hubs may do.
    pub quotas: QuotaPlan,
}

/// Somebody wants to know whether subscriptions are durable.
pub type SubscriptionsDone = Box<dyn FnOnce(bool) + Send>;

/// Directory, registry and store of all hubs of the process.
///
/// Dropping it without [`shutdown`](Self::shutdown) loses nothing that was answered.
#[derive(Debug)]
pub struct ControlPlane {
    directory: Arc<Directory>,
    methods: Arc<Methods>,
    intake: Intake,
    quotas: QuotaThread,
    method_clock: MethodClock,
    presence: PresenceSaver,
    evaluator: Evaluator,
    jobs: JobExecutor,
    registry_jobs: RegistryJobs,
    queries: QueryService,
    writes: WriteQueue,
    hubs: Arc<HubLife>,
    workers: Vec<JoinHandle<()>>,
    writer: Writer,
    uploads: Arc<Uploads>,
    blobs: Arc<BlobService>,
    _database: Arc<Database>,
}

impl ControlPlane {
    /// Opens the data directory, reads all identities into the directory and starts the threads.
    ///
    /// # Errors
    /// [`OpenError`], which names the file and the remedy.
    pub fn open(config: &ControlPlaneConfig, shards: Arc<dyn Shards>) -> Result<Self, OpenError> {
        let database = Arc::new(Database::open(&config.data_dir)?);
        let explain = |error: StoreError| database.explain(&error);
        let connection = database.connect().map_err(explain)?;
        let hubs = open_hubs(&database, &connection, &config.hubs)?;
        let directory = Arc::new(Directory::new(hubs, config.quotas));
        let mint = Mint::after(load(&connection, &directory).map_err(explain)?);
        let checkpoints = database.connect().map_err(explain)?;
        let methods = Methods::new(directory.clone(), shards.clone());
        let methods = Arc::new(methods.map_err(|_| OpenError::Entropy)?);
        let method_clock = MethodClock::start(methods.clone()).map_err(OpenError::Thread)?;
        let (told, found) = (shards.clone(), database.state());
        let writer = Writer::start(connection, checkpoints, directory.clone(), mint, told, found)
            .map_err(OpenError::Thread)?;
        let writes = writer.queue();
        let store = SqliteStore::new(database.connect_read_only().map_err(explain)?);
        quota::restore(&store, &directory).map_err(explain)?;
        let quotas = QuotaThread::start(directory.clone(), writes.clone());
        let quotas = quotas.map_err(OpenError::Thread)?;
        let of_hubs = (directory.clone(), methods.clone(), shards.clone(), writes.clone());
        let hubs = Arc::new(HubLife::new(of_hubs, store.deleted_hubs().map_err(explain)?));
        let presence = PresenceSaver::start(directory.clone(), writes.clone());
        let presence = presence.map_err(OpenError::Thread)?;
        let reader = SqliteStore::new(database.connect_read_only().map_err(explain)?);
        let evaluator = Evaluator::start(directory.clone(), reader, writes.clone())
            .map_err(OpenError::Thread)?;
        let store = SqliteStore::new(database.connect_read_only().map_err(explain)?);
        let (rate, of_jobs) = (config.job_devices_per_second, methods.clone());
        let of_jobs = (directory.clone(), of_jobs, writes.clone(), quotas.gate());
        let jobs = JobExecutor::start(rate, store, of_jobs).map_err(OpenError::Thread)?;
        let blobs = BlobService::open(&config.blob_dir, &directory);
        let blobs = Arc::new(blobs.map_err(|e| OpenError::of_blobs(&config.blob_dir, e))?);
        let registry_jobs = start_registry_jobs(config, &blobs, &database, &directory, &writes)?;
        let (requests, waiting) = flume::bounded(REST_QUEUE_MAX);
        let provider = Arc::new(config.provider.clone());
        let front = Front::new(directory.clone(), methods.clone(), provider.clone()).into();
        let provider = Arc::new(ProviderState::new(provider, hubs.clone()));
        let workers = (0..WORKERS)
            .map(|number| {
                let store = SqliteStore::new(database.connect_read_only().map_err(explain)?);
                let (directory, writes) = (directory.clone(), writes.clone());
                let wakers = (jobs.waker(), registry_jobs.waker());
                let api = Api::new(directory, store, writes, shards.clone(), wakers, blobs.clone());
                start_worker(number, api, provider.clone(), waiting.clone())
                    .map_err(OpenError::Thread)
            })
            .collect::<Result<_, _>>()?;
        let queries = start_queries(&database, &directory)?;
        let uploads = Uploads::new(directory.clone(), writes.clone(), blobs.clone());
        let intake = Intake { front, requests, queries: queries.queue(), gate: quotas.gate() };
        Ok(Self {
            directory,
            methods,
            intake,
            quotas,
            method_clock,
            presence,
            evaluator,
            jobs,
            registry_jobs,
            queries,
            writes,
            hubs,
            workers,
            writer,
            uploads: Arc::new(uploads),
            blobs,
            _database: database,
        })
    }

    /// The identities, for shards.
    #[must_use]
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// The method calls that are under way, for shards.
    #[must_use]
    pub fn methods(&self) -> &Methods {
        &self.methods
    }

    /// Policies of a hub with their keys, for connection strings; none for an unknown hub.
    #[must_use]
    pub fn policies(&self, hub: HubId) -> Arc<[Policy]> {
        self.directory.hub(hub).map(|hub| hub.policies.read()).unwrap_or_default()
    }

    /// Lets hubs be made and deleted from now on, and goes on with removals that a former process
    /// began. `parts` has what [`hubs`](Self::hubs) need already.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn serve_hubs(&self, parts: Arc<dyn HubParts>) -> io::Result<()> {
        self.hubs.start(parts)
    }

    /// All hubs that clients find, in the order of their ids. One by its number or name:
    /// [`Directory::hub`], [`Directory::hub_by_host`].
    #[must_use]
    pub fn hubs(&self) -> Vec<Arc<Hub>> {
        self.directory.hubs()
    }

    /// Hubs that are being deleted, with their names, which no other hub can have yet.
    #[must_use]
    pub fn deleting_hubs(&self) -> Vec<(HubId, String)> {
        self.hubs.deleting()
    }

    /// Makes a hub. It is durable when this returns, and has its logs, its certificate and clients
    /// that find it; after a crash it is there as a whole or not at all. Waits for the disk.
    ///
    /// # Errors
    /// [`HubError`]; there is no such hub then.
    pub fn create_hub(&self, new: NewHub) -> Result<Arc<Hub>, HubError> {
        self.hubs.create(new)
    }

    /// Changes a hub, durably and for everything that comes after. Waits for the disk.
    ///
    /// # Errors
    /// [`HubError`]; the hub is as it was.
    pub fn update_hub(&self, hub: HubId, update: HubUpdate) -> Result<Arc<Hub>, HubError> {
        self.hubs.update(hub, update)
    }

    /// Deletes a hub with all that it has. When this returns, that is durable, nobody finds the hub
    /// any more, and the shards are told to end what is connected to it. Logs, rows and certificate
    /// are removed afterwards, without holding up others: until then [`deleting_hubs`] names it.
    /// Waits for the disk.
    ///
    /// # Errors
    /// [`HubError`]; the hub is as it was.
    ///
    /// [`deleting_hubs`]: Self::deleting_hubs
    pub fn delete_hub(&self, hub: HubId) -> Result<(), HubError> {
        self.hubs.delete(hub)
    }

    /// Makes or overwrites a policy. It is durable and counts when this returns. Waits for the
    /// disk.
    ///
    /// # Errors
    /// [`HubError`].
    pub fn put_policy(&self, hub: HubId, policy: NewPolicy) -> Result<Policy, HubError> {
        self.hubs.put_policy(hub, policy)
    }

    /// Deletes a policy; its tokens count no more when this returns. Waits for the disk.
    ///
    /// # Errors
    /// [`HubError`].
    pub fn delete_policy(&self, hub: HubId, name: &str) -> Result<(), HubError> {
        self.hubs.delete_policy(hub, name)
    }

    /// Gives a policy new keys; the old ones count no more when this returns. Waits for the disk.
    ///
    /// # Errors
    /// [`HubError`].
    pub fn regenerate_keys(
        &self,
        hub: HubId,
        policy: &str,
        which: KeyChoice,
    ) -> Result<Policy, HubError> {
        self.hubs.regenerate_keys(hub, policy, which)
    }

    /// Takes a REST request. Never blocks: what is refused is answered at once and on this thread,
    /// with 503 when too many wait.
    ///
    /// Costs the check of a token; a method call is also read here, and goes from this thread to
    /// the shard of its device.
    pub fn submit(&self, request: Request, reply: Reply) {
        self.submit_certified(request, None, reply);
    }

    /// [`submit`](Self::submit) for a request on a connection with this certificate: a device may
    /// manage its own modules with it.
    pub fn submit_certified(
        &self,
        request: Request,
        certificate: Option<&CertificateChain>,
        reply: Reply,
    ) {
        self.intake.submit(request, certificate, reply);
    }

    /// Who asks for what on a route of devices; `None` for other routes, which are for
    /// [`submit`](Self::submit). `certificate` is that of the handshake. Never blocks; costs the
    /// check of a token, or of a chain of certificates, with each request.
    ///
    /// # Errors
    /// The answer that refuses.
    #[must_use]
    pub fn admit_device(
        &self,
        request: &Request,
        certificate: Option<&CertificateChain>,
    ) -> Option<Result<DeviceRequest, Box<Response>>> {
        let admitted = self.intake.admit_device(request, certificate)?;
        Some(admitted.map_err(|error| Box::new(error.response())))
    }

    /// The hub whose numbers the sender of `request` may see: that takes a token with the right
    /// `ServiceConnect`. Never blocks; costs the check of a token.
    ///
    /// # Errors
    /// The answer that refuses.
    pub fn allow_metrics(&self, request: Request) -> Result<HubId, Box<Response>> {
        self.intake.front.allow_metrics(request).map_err(|error| Box::new(error.response()))
    }

    /// The answer for a request that finds too many others waiting.
    #[must_use]
    pub fn busy(&self) -> Response {
        ApiError::Busy.response()
    }

    /// Whether the store takes writes.
    #[must_use]
    pub fn store_state(&self) -> StoreState {
        self.writer.state()
    }

    /// What the store counts.
    #[must_use]
    pub fn store_counters(&self) -> &StoreCounters {
        self.writer.counters()
    }

    /// Changes that wait for the writer of the store.
    #[must_use]
    pub fn store_queue_len(&self) -> usize {
        self.writes.len()
    }

    /// Stores the subscriptions of a persistent session; the meaning of the bits is the session's.
    ///
    /// `done` is called once, with true when they are durable and in the directory, with false when
    /// they cannot be stored: the session then gives no SUBACK, and the device asks again.
    pub fn store_subscriptions(
        &self,
        hub: HubId,
        identity: Identity,
        flags: u32,
        done: SubscriptionsDone,
    ) {
        let change = Change::SetSubscriptions(hub, identity, flags);
        let done = Box::new(move |outcome: Result<_, _>| done(outcome.is_ok()));
        self.writes.submit(Write { change, done });
    }

    /// Stores the Plug and Play model that an identity announces, or that it announces none. Writes
    /// only what differs from what is stored; what the store has no time for is stored at the next
    /// connect. Never blocks.
    pub fn note_model(&self, grant: &Grant, model: Option<&str>) {
        if self.directory.has_model(grant, model) {
            return;
        }
        let Grant { hub, generation, .. } = *grant;
        let (identity, model) = (grant.identity.clone(), model.map(Into::into));
        let change = Change::SetModel(ModelRecord { hub, identity, generation, model });
        self.writes.submit(Write { change, done: Box::new(drop) });
    }

    /// Messages to devices and their feedback; `None` for an unknown hub.
    #[must_use]
    pub fn c2d(&self, hub: HubId) -> Option<C2d<'_>> {
        let queues = self.directory.c2d(hub)?;
        Some(C2d { hub, queues, directory: &self.directory, writes: &self.writes })
    }

    /// The blobs that the hubs keep themselves.
    #[must_use]
    pub fn blobs(&self) -> &Arc<BlobService> {
        &self.blobs
    }

    /// Lets a request about blobs in, whose body may be still to come. Never blocks; costs the
    /// check of a signature.
    ///
    /// # Errors
    /// [`StorageError`], which has the answer.
    pub fn admit_blob_request(&self, request: Request) -> Result<BlobRequest, StorageError> {
        let hub = find_hub(&request.headers, &self.directory);
        let hub = hub.map_err(|_| StorageError::Resource)?;
        self.blobs.admit(&hub, request)
    }

    /// Gives the way to storage accounts elsewhere; the first one counts.
    pub fn set_storage_client(&self, client: Arc<dyn StorageClient>) {
        self.uploads.set_client(client);
    }

    /// Begins the upload of a device: of `name`, or of the file that the body of `request` names.
    /// Never blocks.
    pub fn start_upload(
        &self,
        grant: &Grant,
        name: Option<String>,
        request: &Request,
        reply: Reply,
    ) {
        let hub = grant.hub;
        let host = request.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.unwrap_or_default().to_owned();
        let (uploads, grant, body) =
            (Arc::clone(&self.uploads), grant.clone(), request.body.clone());
        let cost = |_: &_, _: &_| Some(Cost::one(OperationClass::FileUploads, 1));
        let go_on = move |reply| uploads.start(&grant, &host, name, &body, reply);
        self.gate().enter(hub, cost, reply, go_on, refuse);
    }

    /// Ends an upload of a device: the one of this id, or that which the body of `request` names.
    /// Never blocks.
    pub fn finish_upload(
        &self,
        grant: &Grant,
        correlation_id: Option<String>,
        request: &Request,
        reply: Reply,
    ) {
        self.gate().charge(grant.hub, 1);
        self.uploads.finish(grant, correlation_id, &request.body, reply);
    }

    /// Reads the twin of an identity for itself, in turn with all changes before.
    ///
    /// Never blocks: when too many wait, `done` gets 503 at once and on this thread.
    pub fn read_twin(&self, grant: &Grant, done: TwinReplyDone) {
        let cost = |_: &_, _: &_| Some(Cost::one(OperationClass::TwinReads, 1));
        let (gate, hub) = (self.gate().clone(), grant.hub);
        let done = if gate.is_open() {
            done
        } else {
            Box::new(move |reply| {
                if let TwinReply::Twin(twin) = &reply {
                    gate.charge_answer(hub, AnswerCost::Rest, twin.len());
                }
                done(reply);
            })
        };
        self.submit_twin(hub, cost, TwinChange::Read(grant.into()), done);
    }

    /// Merges `patch`, which is not yet looked at, into the reported properties of an identity;
    /// with `version` only if they have it. `done` comes after the commit.
    ///
    /// Never blocks: when too many wait, `done` gets 503 at once and on this thread.
    pub fn report_twin(
        &self,
        grant: &Grant,
        version: Option<u64>,
        patch: Bytes,
        done: TwinReplyDone,
    ) {
        let (sender, bytes) = (grant.into(), patch.len());
        let cost = move |_: &_, quota: &HubQuota| {
            Some(Cost::one(OperationClass::TwinUpdates, quota.messages_of(bytes).into()))
        };
        self.submit_twin(grant.hub, cost, TwinChange::Report { sender, patch, version }, done);
    }

    fn submit_twin(
        &self,
        hub: HubId,
        cost: impl FnOnce(&TwinReplyDone, &HubQuota) -> Option<Cost>,
        change: TwinChange,
        done: TwinReplyDone,
    ) {
        let writes = self.writes.clone();
        let go_on = move |done: TwinReplyDone| {
            let done = Box::new(move |outcome: Result<_, _>| done(TwinReply::from(outcome)));
            writes.submit(Write { change: Change::Twin(change), done });
        };
        self.gate().enter(hub, cost, done, go_on, |done, why| {
            done(TwinReply::from(Err(RegistryError::Quota(why))));
        });
    }

    /// Stores a message to a device of a hub; `done` is told when it is durable and in the queue,
    /// or why not. Never blocks.
    pub fn send_to_device(&self, hub: HubId, message: DeviceMessage, done: C2dDone) {
        let Some(queues) = self.directory.c2d(hub) else {
            return done(Err(C2dRefusal::DeviceNotFound));
        };
        let bytes = message.content.len();
        let cost = move |_: &_, quota: &HubQuota| {
            Some(Cost::one(OperationClass::C2dSends, quota.messages_of(bytes).into()))
        };
        let (directory, writes) = (Arc::clone(&self.directory), self.writes.clone());
        let go_on = move |done| {
            C2d { hub, queues, directory: &directory, writes: &writes }.enqueue(message, done);
        };
        self.gate().enter(hub, cost, done, go_on, |done, why| done(Err(why.into())));
    }

    fn gate(&self) -> &Gate {
        &self.intake.gate
    }

    /// Answers what is queued, saves presence, moves the log into the database, ends all threads.
    pub fn shutdown(self) {
        // The thread does so only from time to time.
        presence::save(&self.directory, &self.writes);
        self.presence.finish();
        self.evaluator.finish();
        self.quotas.finish();
        drop((self.jobs, self.registry_jobs, self.intake, self.writes, self.method_clock));
        self.blobs.finish();
        drop(self.uploads);
        self.queries.finish();
        for worker in self.workers {
            if worker.join().is_err() {
                tracing::error!("a worker thread of the control plane has panicked");
            }
        }
        // The workers were the others that held it.
        match Arc::into_inner(self.hubs) {
            Some(hubs) => hubs.finish(),
            None => tracing::error!("removing deleted hubs is left to the next start"),
        }
        self.writer.finish();
    }
}

fn start_queries(
    database: &Database,
    directory: &Arc<Directory>,
) -> Result<QueryService, OpenError> {
    let store = |_| Ok(SqliteStore::new(database.connect_read_only()?));
    let stores = (0..QUERY_THREADS).map(store).collect::<Result<_, StoreError>>();
    let stores = stores.map_err(|error| database.explain(&error))?;
    QueryService::start(directory, stores).map_err(OpenError::Thread)
}

fn refuse(reply: Reply, why: QuotaRefusal) {
    reply(ApiError::from(RegistryError::Quota(why)).response());
}

fn start_registry_jobs(
    config: &ControlPlaneConfig,
    blobs: &Arc<BlobService>,
    database: &Arc<Database>,
    directory: &Arc<Directory>,
    writes: &WriteQueue,
) -> Result<RegistryJobs, OpenError> {
    let store = database.connect_read_only().map_err(|error| database.explain(&error))?;
    let storage = Arc::new(OwnAccounts::new(directory, blobs, &config.storage));
    let (database, directory) = (Arc::clone(database), Arc::clone(directory));
    let store = SqliteStore::new(store);
    let jobs = RegistryJobs::start(database, store, directory, storage, writes.clone());
    jobs.map_err(OpenError::Thread)
}

fn start_worker(
    number: usize,
    api: Api,
    state: Arc<ProviderState>,
    jobs: flume::Receiver<Job>,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(format!("control-{number}")).spawn(move || {
        let provider = Provider { api: &api, state: &state };
        for Job { passed, reply } in jobs {
            match passed {
                Passed::Hub(context) => api.handle(&context, reply),
                Passed::Provider(request) => provider.handle(request, reply),
            }
        }
    })
}
