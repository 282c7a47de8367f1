//! A thread of the store, with the transfers that belong to it.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flume::RecvTimeoutError;
use ringhub_core::id::HubId;

use super::counters::BlobCounters;
use super::files::Files;
use super::incoming::Incoming;
use super::index::{Freed, Index, NewBlob};
use super::outgoing::Outgoing;
use super::quota::Quota;
use super::task::Task;
use super::{BlobNews, BlobRequest, BlobSink, StorageError, sweep};
use crate::background;
use crate::directory::Directory;

/// How often blocks are looked for that nobody has made a blob of.
const SWEEP_INTERVAL: Duration = Duration::from_mins(10);

/// What a thread is asked to do.
pub(super) enum Job {
    Run(Task),
    Receive {
        number: u64,
        new: Box<NewBlob>,
        block: Option<String>,
        length: u64,
        sink: BlobSink,
    },
    Write {
        number: u64,
        piece: Bytes,
    },
    Finish {
        number: u64,
    },
    Read {
        number: u64,
        request: Box<BlobRequest>,
        sink: BlobSink,
    },
    Next {
        number: u64,
    },
    /// Nobody waits for the transfer any more.
    Abort {
        number: u64,
    },
    Stop,
}

/// What all threads work on.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) index: Arc<Mutex<Index>>,
    pub(super) files: Arc<Files>,
    pub(super) quota: Arc<Quota>,
    pub(super) counters: Arc<BlobCounters>,
    /// Says which hubs there are.
    pub(super) directory: Arc<Directory>,
}

impl Store {
    /// Starts a thread; the first one also cleans up.
    pub(super) fn start(
        number: usize,
        store: Self,
    ) -> io::Result<(flume::Sender<Job>, JoinHandle<()>)> {
        let (jobs, waiting) = flume::unbounded();
        let sweeps = number == 0;
        let work = Work { store, incoming: HashMap::new(), outgoing: HashMap::new() };
        let name = format!("blob-{number}");
        let thread = background::spawn(name, move || work.run(&waiting, sweeps))?;
        Ok((jobs, thread))
    }

    /// The index. A panic elsewhere leaves it usable: each change is one transaction.
    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells that a request has come to nothing.
    pub(super) fn refuse(&self, sink: &BlobSink, error: &StorageError) {
        self.counters.count_refusal(error);
        sink.tell(BlobNews::Done(error.response()));
    }

    /// The index, for whoever adds something to a hub. One that was deleted gets nothing any more:
    /// nobody finds it before its blobs go, so what is added under this lock goes with them.
    pub(super) fn index_for(&self, hub: HubId) -> Result<MutexGuard<'_, Index>, StorageError> {
        let index = self.index();
        if self.directory.has_hub(hub) { Ok(index) } else { Err(StorageError::Resource) }
    }

    /// Removes files that nothing refers to any more.
    pub(super) fn free(&self, freed: Freed) {
        for (file, hub, bytes) in freed {
            self.files.remove(file);
            self.quota.release(hub, bytes);
        }
    }
}

struct Work {
    store: Store,
    incoming: HashMap<u64, Incoming>,
    outgoing: HashMap<u64, Outgoing>,
}

impl Work {
    fn run(mut self, jobs: &flume::Receiver<Job>, sweeps: bool) {
        let mut sweep_at = Instant::now();
        loop {
            if sweeps && Instant::now() >= sweep_at {
                sweep::remove_forsaken_blocks(&self.store);
                sweep_at = Instant::now() + SWEEP_INTERVAL;
            }
            match jobs.recv_timeout(SWEEP_INTERVAL) {
                Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(job) => self.handle(job),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        // A transfer that is not complete gives back its file.
        self.incoming.into_values().for_each(|incoming| incoming.discard(&self.store));
    }

    fn handle(&mut self, job: Job) {
        match job {
            Job::Run(task) => task.run(&self.store),
            Job::Receive { number, new, block, length, sink } => {
                let incoming = Incoming::new(*new, block, length, sink);
                self.incoming.insert(number, incoming);
            }
            Job::Write { number, piece } => self.write(number, &piece),
            Job::Finish { number } => {
                if let Some(incoming) = self.incoming.remove(&number) {
                    incoming.finish(&self.store);
                }
            }
            Job::Read { number, request, sink } => match Outgoing::open(&request, &self.store) {
                Ok((outgoing, response, length)) => {
                    self.outgoing.insert(number, outgoing.with_sink(sink.clone()));
                    sink.tell(BlobNews::Found(response, length));
                }
                Err(error) => self.store.refuse(&sink, &error),
            },
            Job::Next { number } => self.read(number),
            Job::Abort { number } => {
                self.outgoing.remove(&number);
                if let Some(incoming) = self.incoming.remove(&number) {
                    incoming.discard(&self.store);
                }
            }
            Job::Stop => {}
        }
    }

    fn write(&mut self, number: u64, piece: &Bytes) {
        let Some(incoming) = self.incoming.get_mut(&number) else { return };
        match incoming.write(piece, &self.store) {
            Ok(()) => {
                self.store.counters.count_received(piece.len());
                incoming.sink.tell(BlobNews::Taken(piece.len()));
            }
            Err(error) => {
                self.store.refuse(&incoming.sink, &error);
                if let Some(incoming) = self.incoming.remove(&number) {
                    incoming.discard(&self.store);
                }
            }
        }
    }

    fn read(&mut self, number: u64) {
        let Some(outgoing) = self.outgoing.get_mut(&number) else { return };
        match outgoing.next(&self.store) {
            Ok(piece) => {
                self.store.counters.count_sent(piece.len());
                outgoing.tell(BlobNews::Piece(piece));
            }
            Err(error) => {
                tracing::error!(%error, "a blob could not be read to its end");
                outgoing.tell(BlobNews::Broken);
                self.outgoing.remove(&number);
            }
        }
    }
}

/// What the system says of a file, as the client is told.
pub(super) fn storage_error(error: &io::Error) -> StorageError {
    if error.kind() == io::ErrorKind::StorageFull {
        tracing::warn!("the disk is full: a blob was not stored");
        return StorageError::DiskFull;
    }
    tracing::error!(%error, "a file of a blob could not be read or written");
    StorageError::Internal
}
