//! The thread that gives each job a thread of its own, as far as there are some.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use flume::RecvTimeoutError;
use ringhub_core::limits::{JOB_RETENTION, JOBS_KEPT_MAX, REGISTRY_JOBS_RUNNING_MAX};

use super::gate::Gate;
use super::run::Run;
use super::{BlobStorage, RegistryJob, RegistryJobChange, RegistryJobNumber};
use crate::background;
use crate::clock;
use crate::directory::Directory;
use crate::registry::Change;
use crate::store::{Database, RegistryJobStore as _, SqliteStore, StoreError, Write, WriteQueue};

/// How often jobs are looked for whose time to be forgotten has come.
const FORGET_INTERVAL: Duration = Duration::from_hours(1);

/// The same while there is more to be forgotten.
const FORGET_PAUSE: Duration = Duration::from_millis(100);

/// What the thread hears. It holds at most one entry for each thread of a job, which are bounded,
/// and one for each create and cancel that was answered meanwhile.
enum News {
    /// Jobs were made or cancelled.
    Changed,
    Ended(RegistryJobNumber),
    Stop,
}

/// Tells the dispatcher that jobs were made or cancelled.
#[derive(Clone, Debug)]
pub(crate) struct RegistryJobWaker(flume::Sender<News>);

impl RegistryJobWaker {
    /// Never blocks. A dispatcher that has ended needs no news.
    pub(crate) fn wake(&self) {
        let _ = self.0.send(News::Changed);
    }
}

/// The running thread. Dropping it ends the thread, and closes the way of those of the jobs to the
/// store: they end once their storage accounts have answered, and nobody waits for that.
#[derive(Debug)]
pub(crate) struct RegistryJobs {
    news: flume::Sender<News>,
    gate: Arc<Gate>,
    thread: Option<JoinHandle<()>>,
}

impl RegistryJobs {
    /// Starts the thread, which goes on with the jobs that have not ended.
    pub(crate) fn start(
        database: Arc<Database>,
        store: SqliteStore,
        directory: Arc<Directory>,
        storage: Arc<dyn BlobStorage>,
        writes: WriteQueue,
    ) -> io::Result<Self> {
        let (news, heard) = flume::unbounded();
        let gate = Arc::new(Gate::new(writes));
        let ways = Ways { database, directory, storage, gate: gate.clone(), news: news.clone() };
        let dispatcher = Dispatcher { store, ways, running: BTreeSet::new() };
        let thread = thread::Builder::new()
            .name("registry-jobs".to_owned())
            .spawn(move || dispatcher.run(&heard))?;
        Ok(Self { news, gate, thread: Some(thread) })
    }

    pub(crate) fn waker(&self) -> RegistryJobWaker {
        RegistryJobWaker(self.news.clone())
    }
}

impl Drop for RegistryJobs {
    fn drop(&mut self) {
        self.gate.close();
        let _ = self.news.send(News::Stop);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that starts imports and exports has panicked");
        }
    }
}

/// What jobs run with.
struct Ways {
    database: Arc<Database>,
    directory: Arc<Directory>,
    storage: Arc<dyn BlobStorage>,
    gate: Arc<Gate>,
    news: flume::Sender<News>,
}

struct Dispatcher {
    store: SqliteStore,
    ways: Ways,
    running: BTreeSet<RegistryJobNumber>,
}

impl Dispatcher {
    fn run(mut self, heard: &flume::Receiver<News>) {
        let mut next_forget = Instant::now();
        loop {
            self.start_jobs();
            let now = Instant::now();
            if now >= next_forget {
                next_forget = now + self.forget();
            }
            match heard.recv_deadline(next_forget) {
                Ok(News::Changed) | Err(RecvTimeoutError::Timeout) => {}
                Ok(News::Ended(number)) => drop(self.running.remove(&number)),
                Ok(News::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Starts jobs in the order in which they were made.
    fn start_jobs(&mut self) {
        let waiting = match self.store.unfinished_registry_jobs(None) {
            Ok(waiting) => waiting,
            Err(error) => return self.unreadable(&error),
        };
        for job in waiting {
            if self.running.len() == REGISTRY_JOBS_RUNNING_MAX {
                return;
            }
            let number = job.number;
            // The rows of a hub that was deleted go by and by.
            if self.running.contains(&number) || !self.ways.directory.has_hub(job.hub) {
                continue;
            }
            match self.ways.start(job) {
                Ok(()) => drop(self.running.insert(number)),
                // It is enqueued, and tried again with the next news.
                Err(error) => tracing::error!(%error, "a job could not be started"),
            }
        }
    }

    /// Lets jobs be forgotten; how long to wait until the next time.
    fn forget(&self) -> Duration {
        let before = clock::now() - JOB_RETENTION;
        match self.store.has_registry_jobs_to_forget(before, JOBS_KEPT_MAX) {
            Ok(true) => {
                let change = Change::RegistryJob(RegistryJobChange::Forget);
                self.ways.gate.submit(Write { change, done: Box::new(drop) });
                FORGET_PAUSE
            }
            Ok(false) => FORGET_INTERVAL,
            Err(error) => {
                self.unreadable(&error);
                FORGET_INTERVAL
            }
        }
    }

    fn unreadable(&self, error: &StoreError) {
        let error = self.store.explain(error);
        tracing::error!(%error, "imports and exports could not be read");
    }
}

impl Ways {
    fn start(&self, job: RegistryJob) -> io::Result<()> {
        let connection = self.database.connect_read_only().map_err(io::Error::other)?;
        let number = job.number;
        let run = Run {
            job,
            store: SqliteStore::new(connection),
            directory: self.directory.clone(),
            storage: self.storage.clone(),
            gate: self.gate.clone(),
        };
        let end = End { number, news: self.news.clone() };
        background::spawn(format!("registry-job-{}", number.0), move || {
            let _end = end;
            run.run();
        })?;
        Ok(())
    }
}

/// Tells of the end of a thread, whatever ends it.
struct End {
    number: RegistryJobNumber,
    news: flume::Sender<News>,
}

impl Drop for End {
    fn drop(&mut self) {
        let _ = self.news.send(News::Ended(self.number));
    }
}
