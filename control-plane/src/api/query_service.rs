//! The threads that answer queries, apart from those for all other requests.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;

use ringhub_core::limits::{QUERIES_MAX, QUERY_TURN};

use super::query::{Asked, hub, unreadable};
use super::{ApiError, Context, Reply, configurations};
use crate::background;
use crate::configuration::MetricCounts;
use crate::directory::Directory;
use crate::query::Sources;
use crate::store::SqliteStore;

/// Threads that answer queries; each works on all of its queries in turns.
pub(crate) const QUERY_THREADS: usize = 2;

/// A query as it came, and who waits for its page.
pub(crate) struct QueryJob {
    pub(crate) context: Context,
    pub(crate) reply: Reply,
}

/// Hands queries to their threads. Cloning is cheap.
#[derive(Clone, Debug)]
pub(crate) struct QueryQueue {
    jobs: flume::Sender<QueryJob>,
    /// Queries that run or wait.
    count: Arc<AtomicUsize>,
}

/// The threads that answer queries.
#[derive(Debug)]
pub(crate) struct QueryService {
    queue: QueryQueue,
    threads: Vec<JoinHandle<()>>,
}

/// A query that has its turns.
struct Running {
    job: QueryJob,
    task: Task,
}

/// What a job has to do.
enum Task {
    Query(Box<Asked>),
    /// The metrics of the configurations that are read.
    Metrics(MetricCounts),
}

/// What one thread works with.
struct Worker {
    store: SqliteStore,
    directory: Arc<Directory>,
    jobs: flume::Receiver<QueryJob>,
    count: Arc<AtomicUsize>,
}

impl QueryService {
    /// Starts a thread for each store, whose connection only reads.
    pub(crate) fn start(directory: &Arc<Directory>, stores: Vec<SqliteStore>) -> io::Result<Self> {
        let (jobs, receiver) = flume::bounded(QUERIES_MAX);
        let count = Arc::new(AtomicUsize::new(0));
        let start = |(number, store)| {
            let (directory, count) = (directory.clone(), count.clone());
            let worker = Worker { store, directory, jobs: receiver.clone(), count };
            background::spawn(format!("control-query-{number}"), move || worker.run())
        };
        let threads = stores.into_iter().enumerate().map(start).collect::<io::Result<_>>()?;
        Ok(Self { queue: QueryQueue { jobs, count }, threads })
    }

    /// The way to them.
    pub(crate) fn queue(&self) -> QueryQueue {
        self.queue.clone()
    }

    /// Answers what is queued and ends the threads, once nobody else has the way to them.
    pub(crate) fn finish(self) {
        drop(self.queue);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread for queries has panicked");
            }
        }
    }
}

impl QueryQueue {
    /// Queues a query. When as many run and wait as may, the answer is 503, at once and on this
    /// thread.
    pub(crate) fn submit(&self, job: QueryJob) {
        let is_room = self.count.fetch_add(1, Relaxed) < QUERIES_MAX;
        let refused = match is_room {
            true => self.jobs.try_send(job).err().map(flume::TrySendError::into_inner),
            false => Some(job),
        };
        if let Some(job) = refused {
            self.count.fetch_sub(1, Relaxed);
            (job.reply)(ApiError::Busy.response());
        }
    }
}

impl Worker {
    /// Gives each query a turn after the other. New ones come to the end of the row, so that a
    /// short query waits for one turn of each long one at most.
    fn run(self) {
        let mut row = VecDeque::new();
        loop {
            if row.is_empty() {
                match self.jobs.recv() {
                    Ok(job) => row.extend(self.begin(job)),
                    Err(_) => return,
                }
            } else if let Ok(job) = self.jobs.try_recv() {
                row.extend(self.begin(job));
            }
            if let Some(running) = row.pop_front() {
                row.extend(self.work(running));
            }
        }
    }

    /// Reads a query; `None` when that was all, because it is refused or only explained.
    fn begin(&self, job: QueryJob) -> Option<Running> {
        let response = match self.task(&job.context) {
            Ok(Task::Query(asked)) if asked.is_explained => {
                asked.explanation(&self.store, &self.directory)
            }
            Ok(task) => return Some(Running { job, task }),
            Err(error) => error.response(),
        };
        self.count.fetch_sub(1, Relaxed);
        (job.reply)(response);
        None
    }

    fn task(&self, context: &Context) -> Result<Task, ApiError> {
        if context.reads_configurations() {
            let found = configurations::asked(context, &self.store);
            let found = found.map_err(|error| unreadable(&self.store, &error))??;
            return Ok(Task::Metrics(MetricCounts::new(context.hub, found)));
        }
        let asked = Asked::parse(context, &*hub(&self.directory, context)?)?;
        Ok(Task::Query(Box::new(asked)))
    }

    /// One turn of a query; gives it back when it needs more.
    fn work(&self, mut running: Running) -> Option<Running> {
        let sources = Sources { store: &self.store, directory: &self.directory };
        let context = &running.job.context;
        let response = match &mut running.task {
            Task::Query(asked) => {
                let page = match asked.execution.work(sources, QUERY_TURN) {
                    Ok(None) => return Some(running),
                    Ok(Some(page)) => Ok(page),
                    Err(failure) => Err(failure),
                };
                match hub(&self.directory, context) {
                    Ok(hub) => asked.answer(&hub, &self.store, page),
                    Err(error) => error.response(),
                }
            }
            Task::Metrics(counts) => match counts.work(sources, QUERY_TURN) {
                Ok(None) => return Some(running),
                Ok(Some(counted)) => configurations::answer(context, &counted),
                Err(error) => unreadable(&self.store, &error).response(),
            },
        };
        let job = running.job;
        self.count.fetch_sub(1, Relaxed);
        (job.reply)(response);
        None
    }
}
