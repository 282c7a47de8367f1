//! The thread of the quotas: operations wait on it for their time, and it brings to the store what
//! hubs have used of the day.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use flume::RecvTimeoutError;
use ringhub_core::id::HubId;
use ringhub_core::limits::QUOTA_SAVE_INTERVAL;
use ringhub_core::quota::{Day, Usage};

use super::Gate;
use crate::clock;
use crate::directory::Directory;
use crate::registry::Change;
use crate::store::{Write, WriteQueue};

type GoOn = Box<dyn FnOnce() + Send>;

/// What the thread hears. As many operations are on their way as have a place to wait, which is
/// bounded for each hub.
pub(super) enum News {
    Wait(Waiting),
    Stop,
}

/// An operation that goes on at its time.
pub(super) struct Waiting {
    pub(super) until: Instant,
    pub(super) go_on: GoOn,
}

/// The running thread, if a hub may have limits.
#[derive(Debug)]
pub(crate) struct QuotaThread {
    gate: Gate,
    news: Option<flume::Sender<News>>,
    thread: Option<JoinHandle<()>>,
    directory: Arc<Directory>,
    writes: WriteQueue,
}

struct Worker {
    heard: flume::Receiver<News>,
    /// By their times, those of one time in the order in which they came.
    waiting: BTreeMap<(Instant, u64), GoOn>,
    count: u64,
    directory: Arc<Directory>,
    writes: WriteQueue,
    /// What the store was told last.
    told: HashMap<HubId, Usage>,
    /// The store has not taken it.
    is_refused: Arc<AtomicBool>,
}

impl QuotaThread {
    pub(crate) fn start(directory: Arc<Directory>, writes: WriteQueue) -> io::Result<Self> {
        if !directory.has_quotas() {
            let gate = Gate::new(Arc::clone(&directory), None);
            return Ok(Self { gate, news: None, thread: None, directory, writes });
        }
        let (news, heard) = flume::unbounded();
        let worker = Worker {
            heard,
            waiting: BTreeMap::new(),
            count: 0,
            directory: Arc::clone(&directory),
            writes: writes.clone(),
            told: HashMap::new(),
            is_refused: Arc::default(),
        };
        let thread = thread::Builder::new().name("control-quotas".to_owned());
        let thread = thread.spawn(move || worker.run())?;
        let gate = Gate::new(Arc::clone(&directory), Some(news.clone()));
        Ok(Self { gate, news: Some(news), thread: Some(thread), directory, writes })
    }

    /// The way to it.
    pub(crate) fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// Ends the thread, forgets what waits, and stores what was used to the message.
    pub(crate) fn finish(self) {
        let (Some(news), Some(thread)) = (self.news, self.thread) else { return };
        let _ = news.send(News::Stop);
        if thread.join().is_err() {
            tracing::error!("the thread of the quotas has panicked");
        }
        let used = usage(&self.directory, Day::of(clock::now())).collect();
        if let Err(error) = self.writes.wait(Change::QuotaUsage(used)) {
            tracing::warn!(%error, "what hubs have used of their quotas in the last second is lost");
        }
    }
}

impl Worker {
    fn run(mut self) {
        let mut next_save = Instant::now() + QUOTA_SAVE_INTERVAL;
        loop {
            let first = self.waiting.first_key_value().map_or(next_save, |((until, _), _)| *until);
            match self.heard.recv_deadline(first.min(next_save)) {
                Ok(News::Wait(Waiting { until, go_on })) => {
                    self.count += 1;
                    self.waiting.insert((until, self.count), go_on);
                }
                Ok(News::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            while let Some(first) = self.waiting.first_entry().filter(|first| first.key().0 <= now)
            {
                first.remove()();
            }
            if now >= next_save {
                self.save();
                next_save = now + QUOTA_SAVE_INTERVAL;
            }
        }
    }

    /// Hands to the writer what has changed, without waiting for it.
    fn save(&mut self) {
        if self.is_refused.swap(false, Relaxed) {
            self.told.clear();
        }
        let told = &mut self.told;
        let used = usage(&self.directory, Day::of(clock::now()));
        let changed: Vec<_> =
            used.filter(|(hub, used)| told.insert(*hub, *used) != Some(*used)).collect();
        if changed.is_empty() {
            return;
        }
        let is_refused = Arc::clone(&self.is_refused);
        let done = move |outcome: Result<_, _>| {
            if outcome.is_err() {
                is_refused.store(true, Relaxed);
            }
        };
        self.writes.submit(Write { change: Change::QuotaUsage(changed), done: Box::new(done) });
    }
}

/// What each hub with limits has used of the day.
fn usage(directory: &Directory, today: Day) -> impl Iterator<Item = (HubId, Usage)> {
    let hubs = directory.hubs().into_iter();
    hubs.filter_map(move |hub| Some((hub.id, hub.quota()?.used(today))))
}
