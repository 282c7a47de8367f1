//! The thread that removes what deleted hubs have left, a piece of each at a time.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use flume::RecvTimeoutError;
use ringhub_core::id::HubId;

use super::life::{Deleting, lock};
use super::{HubChange, HubParts};
use crate::background;
use crate::directory::RemovedHub;
use crate::registry::{Change, Outcome, RegistryError};
use crate::store::WriteQueue;

/// How long it rests after a refusal: the disk is full, or too much waits for the writer.
const PAUSE: Duration = Duration::from_secs(1);

/// The thread, which runs from [`start`](Self::start) on.
pub(super) struct Remover {
    news: flume::Sender<Option<RemovedHub>>,
    heard: flume::Receiver<Option<RemovedHub>>,
    is_stopped: Arc<AtomicBool>,
    writes: WriteQueue,
    deleting: Deleting,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Remover {
    pub(super) fn new(writes: WriteQueue, deleting: Deleting) -> Self {
        let (news, heard) = flume::unbounded();
        let (is_stopped, thread) = (Arc::default(), Mutex::default());
        Self { news, heard, is_stopped, writes, deleting, thread }
    }

    pub(super) fn start(&self, parts: Arc<dyn HubParts>) -> io::Result<()> {
        let worker = Worker {
            heard: self.heard.clone(),
            is_stopped: Arc::clone(&self.is_stopped),
            writes: self.writes.clone(),
            deleting: Arc::clone(&self.deleting),
            parts,
            without_parts: BTreeSet::new(),
        };
        let thread = background::spawn("control-remover", move || worker.run())?;
        *lock(&self.thread) = Some(thread);
        Ok(())
    }

    /// A hub is to be removed; `held` is let go of on the thread.
    pub(super) fn wake(&self, held: Option<RemovedHub>) {
        // A thread that has ended leaves the work to the next start.
        let _ = self.news.send(held);
    }

    pub(super) fn finish(self) {
        self.is_stopped.store(true, Relaxed);
        self.wake(None);
        let thread = lock(&self.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that removes deleted hubs has panicked");
        }
    }
}

struct Worker {
    heard: flume::Receiver<Option<RemovedHub>>,
    is_stopped: Arc<AtomicBool>,
    writes: WriteQueue,
    deleting: Deleting,
    parts: Arc<dyn HubParts>,
    /// Hubs whose logs and certificates are gone.
    without_parts: BTreeSet<HubId>,
}

/// How a piece of work has ended.
enum Step {
    /// There is more.
    Moved,
    Done,
    /// It is to be tried again later.
    Refused(String),
}

impl Worker {
    fn run(mut self) {
        let mut told = String::new();
        while !self.is_stopped.load(Relaxed) {
            let hubs: Vec<_> = lock(&self.deleting).clone().into_iter().collect();
            let is_idle = hubs.is_empty();
            let mut pause = None;
            for (hub, name) in hubs {
                match self.step(hub, &name) {
                    Step::Moved => {}
                    Step::Done => {
                        lock(&self.deleting).remove(&hub);
                        self.without_parts.remove(&hub);
                        tracing::info!(hub = name, number = hub.0, "a deleted hub is removed");
                    }
                    Step::Refused(why) => {
                        if why != told {
                            tracing::warn!(hub = name, why, "the rest of a deleted hub is kept");
                            told = why;
                        }
                        pause = Some(PAUSE);
                    }
                }
            }
            self.wait(is_idle, pause);
        }
    }

    /// Waits for work if there is none; takes what is to be let go of.
    fn wait(&self, is_idle: bool, pause: Option<Duration>) {
        let news = match (is_idle, pause) {
            (true, _) => self.heard.recv().map_err(|_| RecvTimeoutError::Disconnected),
            (false, Some(pause)) => self.heard.recv_timeout(pause),
            (false, None) => return,
        };
        drop(news);
    }

    fn step(&mut self, hub: HubId, name: &str) -> Step {
        if !self.without_parts.contains(&hub) {
            if let Err(error) = self.parts.remove(hub, name) {
                return Step::Refused(error.to_string());
            }
            self.without_parts.insert(hub);
        }
        match self.writes.wait(Change::Hub(hub, HubChange::RemoveRows)) {
            Ok(Outcome::Removed(0)) => {
                match self.writes.wait(Change::Hub(hub, HubChange::Forget)) {
                    Ok(_) => Step::Done,
                    Err(error) => Self::refused(&error),
                }
            }
            Ok(_) => Step::Moved,
            Err(error) => Self::refused(&error),
        }
    }

    fn refused(error: &RegistryError) -> Step {
        Step::Refused(error.to_string())
    }
}
