//! The thread that takes the steps of all jobs: it reads, hands writes to the store's writer and
//! calls to the devices, and never waits for either.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use flume::RecvTimeoutError;
use ringhub_core::id::HubId;
use ringhub_core::limits::{JOB_LOOK_INTERVAL, JOB_RETENTION, JOB_ROWS_KEPT_MAX, JOBS_KEPT_MAX};
use ringhub_core::quota::OperationClass;
use ringhub_core::time::UnixMillis;

use super::schedule::{Schedule, Step};
use super::task::Task;
use super::{CallEnd, JobChange, JobNumber, JobOutcome, JobTarget};
use crate::background;
use crate::clock;
use crate::directory::Directory;
use crate::method::Methods;
use crate::quota::{Cost, Gate};
use crate::registry::{Change, Outcome, RegistryError};
use crate::store::{JobStore as _, SqliteStore, StoreError, Write, WriteQueue};

/// How often jobs are looked for whose time to be forgotten has come.
const FORGET_INTERVAL: Duration = Duration::from_secs(3600);

/// How long the thread sleeps at most: a clock that is set must not make it oversleep.
const SLEEP_MAX: Duration = Duration::from_secs(10);

/// What the thread hears. It holds at most one entry for each write and call that is under way,
/// which are bounded, and one for each create and cancel that was answered meanwhile.
pub(super) enum News {
    /// Jobs were made or cancelled.
    Changed,
    Stop,
    Written(JobNumber, Wrote, Result<Outcome, RegistryError>),
    CallEnded(JobNumber, JobTarget, CallEnd),
}

/// What was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrote {
    Step,
    /// Ends of so many calls.
    Record(usize),
    Forget,
}

/// Tells the executor that jobs were made or cancelled.
#[derive(Clone, Debug)]
pub(crate) struct JobWaker(flume::Sender<News>);

impl JobWaker {
    /// Never blocks. An executor that has ended needs no news.
    pub(crate) fn wake(&self) {
        let _ = self.0.send(News::Changed);
    }
}

/// The running thread. Dropping it ends the thread; what is under way is stored, or in doubt.
#[derive(Debug)]
pub(crate) struct JobExecutor {
    news: flume::Sender<News>,
    thread: Option<JoinHandle<()>>,
}

impl JobExecutor {
    /// Starts the thread; the connection of `store` only reads. All jobs together begin with so
    /// many devices in a second.
    pub(crate) fn start(
        devices_per_second: u32,
        store: SqliteStore,
        (directory, methods, writes, gate): (Arc<Directory>, Arc<Methods>, WriteQueue, Gate),
    ) -> io::Result<Self> {
        let (news, heard) = flume::unbounded();
        let ways = Ways { store, directory, methods, writes, gate, news: news.clone() };
        let worker = Worker {
            ways,
            schedule: Schedule::new(devices_per_second),
            tasks: BTreeMap::new(),
            next_forget: Some(UnixMillis::EPOCH),
        };
        let thread = background::spawn("control-jobs", move || worker.run(&heard))?;
        Ok(Self { news, thread: Some(thread) })
    }

    pub(crate) fn waker(&self) -> JobWaker {
        JobWaker(self.news.clone())
    }
}

impl Drop for JobExecutor {
    fn drop(&mut self) {
        let _ = self.news.send(News::Stop);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the jobs has panicked");
        }
    }
}

/// What steps are taken with.
pub(super) struct Ways {
    pub(super) store: SqliteStore,
    pub(super) directory: Arc<Directory>,
    pub(super) methods: Arc<Methods>,
    writes: WriteQueue,
    gate: Gate,
    news: flume::Sender<News>,
}

impl Ways {
    /// Hands a change to the writer, which tells what became of it.
    pub(super) fn write(&self, job: JobNumber, wrote: Wrote, change: JobChange) {
        let news = self.news.clone();
        let done = Box::new(move |outcome| drop(news.send(News::Written(job, wrote, outcome))));
        self.writes.submit(Write { change: Change::Job(change), done });
    }

    /// [`write`](Self::write) for a step that does something to so many devices of a hub, when that
    /// may do so; a refusal is told as one of the store.
    fn write_devices(&self, hub: HubId, devices: usize, job: JobNumber, change: JobChange) {
        let devices = devices as u64;
        let cost = move |_: &_, _: &_| {
            let class = OperationClass::JobDevices;
            Some(Cost { class, units: devices, messages: devices })
        };
        let (news, writes) = (self.news.clone(), self.writes.clone());
        let done = move |outcome| drop(news.send(News::Written(job, Wrote::Step, outcome)));
        let go_on = move |done| writes.submit(Write { change: Change::Job(change), done });
        let done: Box<dyn FnOnce(Result<Outcome, RegistryError>) + Send> = Box::new(done);
        self.gate.enter(hub, cost, done, go_on, |done, why| done(Err(why.into())));
    }

    /// A way for one call to tell its end.
    pub(super) fn call_end(
        &self,
        job: JobNumber,
        target: JobTarget,
    ) -> Box<dyn FnOnce(CallEnd) + Send> {
        let news = self.news.clone();
        Box::new(move |end| drop(news.send(News::CallEnded(job, target, end))))
    }
}

struct Worker {
    ways: Ways,
    schedule: Schedule,
    tasks: BTreeMap<JobNumber, Task>,
    /// When to look for jobs to be forgotten; `None` while one is.
    next_forget: Option<UnixMillis>,
}

impl Worker {
    fn run(mut self, heard: &flume::Receiver<News>) {
        self.read_jobs();
        loop {
            let now = clock::now();
            self.forget(now);
            while let Some((job, step)) = self.schedule.poll_step(now) {
                self.take_step(job, step, now);
            }
            let news = match self.sleep(heard, now) {
                Ok(news) => news,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            for news in std::iter::once(news).chain(heard.try_iter()) {
                match news {
                    News::Stop => return,
                    News::Changed => self.read_jobs(),
                    News::Written(job, wrote, outcome) => self.written(job, wrote, outcome),
                    News::CallEnded(job, target, end) => self.call_ended(job, target, end),
                }
            }
            let schedule = &self.schedule;
            self.tasks.retain(|job, _| schedule.has(*job));
        }
    }

    fn sleep(
        &self,
        heard: &flume::Receiver<News>,
        now: UnixMillis,
    ) -> Result<News, RecvTimeoutError> {
        let times = [self.schedule.poll_timeout(now), self.next_forget];
        let Some(time) = times.into_iter().flatten().min() else {
            return heard.recv().map_err(|_| RecvTimeoutError::Disconnected);
        };
        let left_ms = time.as_millis().saturating_sub(now.as_millis());
        let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or_default());
        heard.recv_timeout(left.min(SLEEP_MAX))
    }

    fn read_jobs(&mut self) {
        match self.ways.store.unfinished_jobs() {
            Ok(jobs) => {
                self.schedule.handle_jobs(&jobs);
                for job in jobs {
                    self.tasks.entry(job.number).or_insert_with(|| Task::new(job));
                }
            }
            Err(error) => self.unreadable(&error),
        }
    }

    fn take_step(&mut self, job: JobNumber, step: Step, now: UnixMillis) {
        let Some(task) = self.tasks.get_mut(&job) else { return self.schedule.handle_gone(job) };
        let ways = &self.ways;
        let change = match step {
            Step::FailRunning => Ok(Some(JobChange::FailRunning(job))),
            Step::Start => Ok(Some(JobChange::Start(job))),
            Step::End(state) => Ok(Some(task.end(state))),
            Step::List => task.list(ways).map(Some),
            Step::Update => task.update(ways).map(Some),
            Step::Call(room) => task.look(ways, room),
            Step::Record(ends) => {
                let (ends, change) = task.record(ends);
                return ways.write(job, Wrote::Record(ends), change);
            }
        };
        if let Some(began) = task.take_round() {
            let spent_ms = clock::now().as_millis().saturating_sub(began.as_millis());
            let spent = Duration::from_millis(u64::try_from(spent_ms).unwrap_or_default());
            // Looks at devices that do not come take a small part of the time at most.
            let rest = JOB_LOOK_INTERVAL.max(20 * spent);
            self.schedule.handle_round(job, now + rest);
        }
        match change {
            Ok(Some(change)) => {
                if let JobChange::UpdateTwins(_, targets, _) | JobChange::StartCalls(_, targets) =
                    &change
                {
                    let devices = targets.len();
                    self.schedule.handle_devices(devices, now);
                    return ways.write_devices(task.hub(), devices, job, change);
                }
                ways.write(job, Wrote::Step, change);
            }
            Ok(None) => self.schedule.handle_looked(job),
            Err(error) => {
                self.unreadable(&error);
                self.schedule.handle_refused(job, false, now);
            }
        }
    }

    fn written(&mut self, job: JobNumber, wrote: Wrote, outcome: Result<Outcome, RegistryError>) {
        let now = clock::now();
        match (wrote, outcome) {
            (Wrote::Forget, outcome) => {
                let is_done = matches!(outcome, Ok(Outcome::Job(_)));
                let pause = if is_done { Duration::ZERO } else { FORGET_INTERVAL };
                self.next_forget = Some(now + pause);
            }
            (_, Ok(Outcome::Job(JobOutcome::Moved { progress, started, .. }))) => {
                if progress.state.is_ended() && self.next_forget.is_some() {
                    self.next_forget = Some(now);
                }
                match wrote {
                    Wrote::Record(ends) => {
                        self.schedule.handle_recorded(job, ends, &progress);
                        if let Some(task) = self.tasks.get_mut(&job) {
                            task.recorded();
                        }
                    }
                    _ => {
                        self.schedule.handle_calls(job, started.len());
                        self.schedule.handle_done(job, &progress);
                        if let Some(task) = self.tasks.get_mut(&job) {
                            task.moved(&self.ways, progress, started);
                        }
                    }
                }
            }
            (
                _,
                Err(
                    RegistryError::Busy
                    | RegistryError::DiskFull
                    | RegistryError::Failed
                    | RegistryError::Quota(_)
                    | RegistryError::Storage,
                ),
            ) => {
                self.schedule.handle_refused(job, matches!(wrote, Wrote::Record(_)), now);
            }
            (_, _) => self.schedule.handle_gone(job),
        }
    }

    fn call_ended(&mut self, job: JobNumber, target: JobTarget, end: CallEnd) {
        if let Some(task) = self.tasks.get_mut(&job) {
            task.call_ended(target, end);
            self.schedule.handle_call_end(job);
        }
    }

    /// Lets the next job be forgotten, if one is to be.
    fn forget(&mut self, now: UnixMillis) {
        if self.next_forget.is_none_or(|next| now < next) {
            return;
        }
        let store = &self.ways.store;
        let found = store.job_to_forget(now - JOB_RETENTION, JOBS_KEPT_MAX, JOB_ROWS_KEPT_MAX);
        self.next_forget = match found {
            Ok(Some(job)) => {
                self.ways.write(job, Wrote::Forget, JobChange::Forget(job));
                None
            }
            Ok(None) => Some(now + FORGET_INTERVAL),
            Err(error) => {
                self.unreadable(&error);
                Some(now + FORGET_INTERVAL)
            }
        };
    }

    fn unreadable(&self, error: &StoreError) {
        let error = self.ways.store.explain(error);
        tracing::error!(%error, "the jobs could not be read");
    }
}
