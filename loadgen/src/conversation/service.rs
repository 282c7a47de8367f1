//! The back end of a run: threads of the parent that wait for the start of the load.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ringhub_edge::client::{RestClient, Target};

use super::Conversation;
use super::mailbox::Mailbox;
use super::sender::Sender;
use super::shared::Shared;
use super::talk::Talk;
use super::{back_end, caller};
use crate::error::Error;
use crate::gate::now_nanos;
use crate::plan::{Load, Plan};

/// Calls per second that one thread makes: it has 50 ms for each.
const CALLS_PER_THREAD: u32 = 20;
/// Threads that call.
const CALLERS_MAX: u32 = 64;

/// A back end that takes part in a run.
#[derive(Debug)]
pub(crate) struct Service {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Talk>>,
}

impl Service {
    /// Descriptors that it needs at most: a connection of each caller and one of the sender.
    pub(crate) const DESCRIPTORS_MAX: u32 = CALLERS_MAX + 1;

    /// Logs in, so that a wrong key is told before anything else is done. Blocks for that time.
    pub(crate) fn new(
        conversation: Conversation,
        plan: &Plan,
        load: &Load,
        target: &Target,
        stop: &Arc<AtomicBool>,
    ) -> Result<Self, Error> {
        let rest = RestClient::new(target);
        back_end::check(&rest)?;
        // No two runs use the same numbers, so that messages of others are known.
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let first = u64::try_from(unix.as_nanos()).unwrap_or(0);
        let messages = u64::from(conversation.c2d.unwrap_or(0)) * (load.last().as_secs() + 1);
        let shared = Arc::new(Shared {
            devices: (0..plan.fleet.size()).map(|number| plan.fleet.client_id(number)).collect(),
            patience: plan.timeout,
            load: load.clone(),
            mailbox: Mutex::new(Mailbox::new(first..first + messages)),
            next_call: AtomicU64::new(0),
            start: OnceLock::new(),
            is_over: AtomicBool::new(false),
            stop: Arc::clone(stop),
        });
        let mut threads = Vec::new();
        if let Some(per_second) = conversation.c2d {
            let sender = Sender::connect(target).map_err(Error::BackEnd)?;
            let shared = Arc::clone(&shared);
            threads.push(thread::spawn(move || sender.send(&shared, first, per_second)));
        }
        if let Some(per_second) = conversation.methods {
            for _ in 0..per_second.div_ceil(CALLS_PER_THREAD).min(CALLERS_MAX) {
                let (shared, rest) = (Arc::clone(&shared), rest.clone());
                threads.push(thread::spawn(move || caller::call(&shared, &rest, per_second)));
            }
        }
        Ok(Self { shared, threads })
    }

    /// The load begins.
    pub(crate) fn begin(&self) {
        self.shared.start.get_or_init(Instant::now);
    }

    /// Devices have heard messages: number, and nanoseconds of the common clock.
    pub(crate) fn hear(&self, heard: &[(u64, u64)]) {
        let mut mailbox = self.shared.mailbox();
        heard.iter().for_each(|(number, at)| mailbox.note_heard(*number, *at));
    }

    /// Whether nothing more is to come that is worth waiting for.
    pub(crate) fn is_done(&self) -> bool {
        let patience = u64::try_from(self.shared.patience.as_nanos()).unwrap_or(u64::MAX);
        let since = now_nanos().saturating_sub(patience);
        self.threads.iter().all(JoinHandle::is_finished) && !self.shared.mailbox().is_waiting(since)
    }

    /// Ends all threads and gives what came of it. Blocks for as long as a call may take.
    pub(crate) fn finish(mut self) -> Talk {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let mut talk = Talk::default();
        for thread in std::mem::take(&mut self.threads) {
            // A thread that panicked has said so, and what it did not answer is missing.
            thread.join().iter().for_each(|part| talk.add(part));
        }
        talk.messages.add(&self.shared.mailbox().take());
        talk
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}
