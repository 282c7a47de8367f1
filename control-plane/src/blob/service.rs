//! The front of the store: what shards call. Nothing that they call touches a disk.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use ringhub_core::id::HubId;
use ringhub_core::limits::{BLOB_REQUESTS_WAITING_MAX, BLOB_STREAMS_MAX};
use ringhub_core::storage::{BlobName, ContainerName, StorageQuery};

use super::conditions::Conditions;
use super::files::Files;
use super::headers::{self, BlobHeaders};
use super::index::{Index, NewBlob, Place};
use super::key::Secret;
use super::operation::{Operation, Target, is_head};
use super::quota::Quota;
use super::task::Task;
use super::thread::{Job, Store};
use super::transfer::{Permit, Transfer};
use super::{ACCOUNT, BlobCounters, BlobSink, StorageError, access};
use crate::api::Request;
use crate::clock;
use crate::directory::{Directory, Hub};
use crate::file_upload::BlobProperties;

/// Threads of the store. An upload belongs to one of them, so that its pieces stay in order; what
/// waits for the disk on one does not hold up the others.
const THREADS: usize = 4;

/// A request that was let in.
#[derive(Debug)]
pub struct BlobRequest {
    pub(super) hub: HubId,
    pub(super) target: Target,
    pub(super) operation: Operation,
    pub(super) conditions: Conditions,
    pub(super) request: Request,
    /// The address of the account, as the client calls it.
    pub(super) endpoint: String,
    /// Whether the container is one that the hub makes when it is not there.
    pub(super) makes_container: bool,
    quota_bytes: u64,
}

/// The storage accounts of all hubs of the process.
pub struct BlobService {
    secret: Secret,
    store: Store,
    jobs: Vec<flume::Sender<Job>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    streams: Arc<AtomicUsize>,
    next: AtomicU64,
}

impl std::fmt::Debug for BlobService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlobService").field("streams", &self.streams).finish_non_exhaustive()
    }
}

impl BlobService {
    /// Opens the store in `directory`, removes what uploads have left that a crash cut short, and
    /// starts the threads. Only hubs of `hubs` get blobs.
    ///
    /// # Errors
    /// What the system says of the files.
    pub(crate) fn open(directory: &Path, hubs: &Arc<Directory>) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let secret = Secret::open(directory)?;
        let index = Index::open(directory)?;
        let known = index.files()?;
        let ids: HashSet<_> = known.iter().map(|file| file.id).collect();
        let files = Arc::new(Files::open(&directory.join("files"), &ids)?);
        let quota = Arc::new(Quota::default());
        known.iter().for_each(|file| quota.restore(file.hub, file.size));
        let index = Arc::new(Mutex::new(index));
        let (counters, directory) = (Arc::default(), Arc::clone(hubs));
        let store = Store { index, files, quota, counters, directory };
        let start = |number| Store::start(number, store.clone());
        let threads = (0..THREADS).map(start).collect::<io::Result<Vec<_>>>()?;
        let (jobs, threads): (Vec<_>, Vec<_>) = threads.into_iter().unzip();
        let (streams, next) = (Arc::default(), AtomicU64::new(0));
        Ok(Self { secret, store, jobs, threads: Mutex::new(threads), streams, next })
    }

    /// The key of the account of a hub.
    #[must_use]
    pub fn account_key(&self, hub: HubId) -> Box<[u8]> {
        self.secret.account_key(hub)
    }

    /// Bytes that the blobs of a hub take.
    #[must_use]
    pub fn used_bytes(&self, hub: HubId) -> u64 {
        self.store.quota.used(hub)
    }

    /// What the store has done.
    #[must_use]
    pub fn counters(&self) -> &BlobCounters {
        &self.store.counters
    }

    /// Uploads and downloads that are under way.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.load(Relaxed)
    }

    /// Lets a request in, or says why not. Costs the check of a signature.
    pub(crate) fn admit(&self, hub: &Hub, request: Request) -> Result<BlobRequest, StorageError> {
        self.counted(self.check(hub, request))
    }

    fn check(&self, hub: &Hub, request: Request) -> Result<BlobRequest, StorageError> {
        let query = StorageQuery::parse(request.query());
        let target = Target::of(request.path())?;
        let key = self.account_key(hub.id);
        let rights = access::rights(&request, &target, &query, &key, clock::now())?;
        let operation = Operation::of(&request, &target, &query)?;
        let conditions = access::check(&operation, rights, Conditions::of(&request.headers))?;
        let settings = hub.file_upload();
        let makes_container = target.container.as_ref() == Some(&settings.container);
        let host = request.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
        let endpoint = format!("https://{}/{ACCOUNT}/", host.unwrap_or(&hub.host_name));
        let (hub, quota_bytes) = (hub.id, settings.quota_bytes);
        Ok(BlobRequest {
            hub,
            target,
            operation,
            conditions,
            request,
            endpoint,
            makes_container,
            quota_bytes,
        })
    }

    /// Answers a request whose body is there, or begins to answer it: the bytes of a blob are to be
    /// asked for. News go to `sink`.
    ///
    /// # Errors
    /// [`StorageError::Busy`] when too much is under way.
    pub fn run(
        &self,
        request: BlobRequest,
        sink: BlobSink,
    ) -> Result<Option<Transfer>, StorageError> {
        let is_read = request.operation == Operation::ReadBlob;
        if is_read && !is_head(&request.request) {
            let transfer = self.counted(self.transfer())?;
            transfer.send(Job::Read { number: transfer.number, request: Box::new(request), sink });
            return Ok(Some(transfer));
        }
        self.counted(self.submit(Job::Run(Task::Request(Box::new(request), sink))))?;
        Ok(None)
    }

    /// Begins to receive `length` bytes.
    ///
    /// # Errors
    /// [`StorageError`]: nothing is taken of the body.
    pub fn receive(
        &self,
        request: BlobRequest,
        length: u64,
        sink: BlobSink,
    ) -> Result<Transfer, StorageError> {
        self.counted(self.begin_to_receive(request, length, sink))
    }

    fn begin_to_receive(
        &self,
        request: BlobRequest,
        length: u64,
        sink: BlobSink,
    ) -> Result<Transfer, StorageError> {
        let block = match &request.operation {
            Operation::PutBlob => None,
            Operation::PutBlock(_) if length == 0 => {
                return Err(StorageError::Header("Content-Length"));
            }
            Operation::PutBlock(id) => Some(id.clone()),
            _ => return Err(StorageError::Unsupported),
        };
        let headers = if block.is_none() {
            BlobHeaders::of_write(&request.request.headers, true)?
        } else {
            BlobHeaders::default()
        };
        let new = Box::new(request.new_blob(headers)?);
        let transfer = self.transfer()?;
        self.store.quota.reserve(request.hub, length, request.quota_bytes)?;
        transfer.send(Job::Receive { number: transfer.number, new, block, length, sink });
        Ok(transfer)
    }

    /// Looks a blob up; `done` hears of it on a thread of the store, or at once when too many wait.
    pub(crate) fn find(
        &self,
        hub: HubId,
        container: ContainerName,
        blob: BlobName,
        done: Box<dyn FnOnce(Result<BlobProperties, StorageError>) + Send>,
    ) {
        let place = Place { hub, container, blob };
        let thread = self.next_thread();
        if thread.len() >= BLOB_REQUESTS_WAITING_MAX {
            return done(Err(StorageError::Busy));
        }
        if let Err(refused) = thread.send(Job::Run(Task::Find(place, done)))
            && let Job::Run(Task::Find(_, done)) = refused.into_inner()
        {
            done(Err(StorageError::Busy));
        }
    }

    /// Removes all blobs of a hub that is deleted; they are gone when this returns. For a thread
    /// that may wait for the disk: costs a call to the filesystem for each file, and transactions
    /// that are small, so that blobs of other hubs do not wait for long.
    ///
    /// # Errors
    /// What the disk refuses; what was removed until then stays so, and it may be tried again.
    pub fn forget_hub(&self, hub: HubId) -> Result<(), StorageError> {
        loop {
            // The lock is not held while files are removed.
            let step = self.store.index().delete_hub_step(hub)?;
            let Some(freed) = step else { return Ok(()) };
            self.store.free(freed);
        }
    }

    /// Ends the threads. Uploads that are not complete are gone.
    pub(crate) fn finish(&self) {
        self.jobs.iter().for_each(|jobs| drop(jobs.send(Job::Stop)));
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store of blobs has panicked");
            }
        }
    }

    /// Counts what is refused before a thread of the store hears of it.
    fn counted<T>(&self, outcome: Result<T, StorageError>) -> Result<T, StorageError> {
        outcome.inspect_err(|error| self.store.counters.count_refusal(error))
    }

    fn submit(&self, job: Job) -> Result<(), StorageError> {
        let thread = self.next_thread();
        if thread.len() >= BLOB_REQUESTS_WAITING_MAX {
            return Err(StorageError::Busy);
        }
        thread.send(job).map_err(|_| StorageError::Busy)
    }

    fn transfer(&self) -> Result<Transfer, StorageError> {
        if self.streams.fetch_add(1, Relaxed) >= BLOB_STREAMS_MAX {
            self.streams.fetch_sub(1, Relaxed);
            return Err(StorageError::Busy);
        }
        let permit = Permit(Arc::clone(&self.streams));
        let number = self.next.fetch_add(1, Relaxed);
        Ok(Transfer::new(number, self.thread(number).clone(), permit))
    }

    fn next_thread(&self) -> &flume::Sender<Job> {
        self.thread(self.next.fetch_add(1, Relaxed))
    }

    fn thread(&self, number: u64) -> &flume::Sender<Job> {
        let thread = usize::try_from(number).unwrap_or_default() % THREADS;
        &self.jobs[thread]
    }
}

impl BlobRequest {
    /// Blob and container that the request names.
    pub(super) fn place(&self) -> Result<Place, StorageError> {
        let Target { container: Some(container), blob: Some(blob) } = &self.target else {
            return Err(StorageError::Unsupported);
        };
        Ok(Place { hub: self.hub, container: container.clone(), blob: blob.clone() })
    }

    pub(super) fn new_blob(&self, headers: BlobHeaders) -> Result<NewBlob, StorageError> {
        Ok(NewBlob {
            place: self.place()?,
            makes_container: self.makes_container,
            headers,
            conditions: self.conditions.clone(),
        })
    }

    /// The metadata that the request brings.
    pub(super) fn metadata(&self) -> Result<BlobHeaders, StorageError> {
        headers::metadata(&self.request.headers)
    }

    pub(super) fn body(&self) -> &Bytes {
        &self.request.body
    }
}
