//! The queues and the feedback of one hub, as shards and the store's writer use them.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::rand;
use bytes::Bytes;
use ringhub_core::c2d::{
    BatchLimits, Batching, DeviceMessage, DeviceQueue, FeedbackRecord, FileNotification, Lock,
    LockToken, LockedMessage, Outcome, QueuedMessage, Settled, Verdict, message_id,
};
use ringhub_core::id::{ConnectionId, HubId, Identity, SeatId};
use ringhub_core::limits::{C2D_LOCK_TIME, C2D_MEMORY_BYTES_MAX, STORE_BATCH_MAX};
use ringhub_core::time::UnixMillis;

use super::notice_queue::{NoticeQueue, NoticesDue};
use super::stripe::Stripe;
use super::{C2dChange, C2dRefusal, CloudToDevice, Ended, NoticeKind};

/// Stripes per hub: more than threads, so that two rarely meet.
const STRIPES: usize = 64;

/// What is kept of a message beside its content, in bytes, about.
const MESSAGE_OVERHEAD_BYTES: usize = 192;

/// A message that is handed to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What settles it.
    pub token: LockToken,
    /// Its place in the queue of the identity.
    pub sequence_number: u64,
    /// When it was accepted.
    pub enqueued: UnixMillis,
    /// How often it was abandoned before.
    pub delivery_count: u32,
    /// Properties and body, as [`DeviceMessage`] encodes them.
    pub content: Bytes,
    /// Whether a device may have seen it before.
    pub redelivered: bool,
}

/// Queues of one hub. Every call takes one lock for some microseconds and does no IO.
#[derive(Debug)]
pub(crate) struct C2dQueues {
    hub: HubId,
    settings: ArcSwap<CloudToDevice>,
    /// Made with the first message, so that a hub without messages costs little.
    stripes: OnceLock<Box<[Mutex<Stripe>]>>,
    hasher: RandomState,
    pub(super) feedback: NoticeQueue<FeedbackRecord>,
    pub(super) files: NoticeQueue<FileNotification>,
    /// Bytes of all messages of the process.
    memory: Arc<AtomicUsize>,
}

/// What time asks the writer to do.
#[derive(Debug, Default)]
pub(crate) struct C2dDue {
    pub(crate) changes: Vec<C2dChange>,
    /// Identities with something to deliver again.
    pub(crate) lapsed: Vec<Identity>,
    /// Connections that wait for notices, if there are some.
    pub(crate) notices_ready: Vec<ConnectionId>,
}

impl C2dQueues {
    /// `files` are the bounds of file notifications.
    pub(crate) fn new(
        hub: HubId,
        settings: CloudToDevice,
        files: BatchLimits,
        memory: Arc<AtomicUsize>,
    ) -> Self {
        Self {
            hub,
            settings: ArcSwap::from_pointee(settings),
            stripes: OnceLock::new(),
            hasher: RandomState::new(),
            feedback: NoticeQueue::new(settings.feedback, Batching::FEEDBACK),
            files: NoticeQueue::new(files, Batching::FILES),
            memory,
        }
    }

    /// The hub that the queues belong to.
    pub(crate) fn hub(&self) -> HubId {
        self.hub
    }

    /// Lets other bounds count from now on; what is queued keeps the life that it has.
    pub(crate) fn set_settings(&self, settings: CloudToDevice, files: BatchLimits) {
        self.files.set_limits(files);
        self.feedback.set_limits(settings.feedback);
        self.settings.store(Arc::new(settings));
    }

    /// Life of a message whose sender says nothing about it.
    pub(crate) fn default_ttl(&self) -> Duration {
        self.settings.load().default_ttl
    }

    /// Keeps a place for a message on its way to the disk.
    pub(crate) fn reserve(&self, message: &DeviceMessage) -> Result<(), C2dRefusal> {
        let bytes = footprint(&message.content);
        if self.memory.fetch_add(bytes, Relaxed) + bytes > C2D_MEMORY_BYTES_MAX {
            self.memory.fetch_sub(bytes, Relaxed);
            return Err(C2dRefusal::OutOfMemory);
        }
        let depth_max = usize::from(self.settings.load().queue_depth);
        let reserve = |queue: &mut DeviceQueue| queue.reserve(depth_max);
        let mut stripe = self.stripe(&message.identity);
        let reserved = stripe.change_or_make(&message.identity, reserve);
        reserved.unwrap_or(Ok(())).map_err(|full| {
            self.memory.fetch_sub(bytes, Relaxed);
            full.into()
        })
    }

    /// Gives the place back: the message was not stored.
    pub(crate) fn cancel(&self, identity: &Identity, content: &Bytes) {
        self.memory.fetch_sub(footprint(content), Relaxed);
        self.stripe(identity).change(identity, DeviceQueue::cancel);
    }

    /// Takes a durable message into the place kept for it.
    pub(crate) fn push(&self, identity: &Identity, message: QueuedMessage) {
        self.stripe(identity).change_or_make(identity, |queue| queue.push(message));
    }

    /// Takes a message that a start has found.
    pub(crate) fn restore(&self, identity: &Identity, message: QueuedMessage) {
        self.memory.fetch_add(footprint(&message.content), Relaxed);
        self.push(identity, message);
    }

    /// Hands the next message to `holder`; `None` without one, or without random bytes.
    pub(crate) fn lock_next(
        &self,
        identity: &Identity,
        holder: SeatId,
        lock_time: Duration,
        now: UnixMillis,
    ) -> Option<Delivery> {
        let mut stripe = self.stripe(identity);
        stripe.queue(identity)?;
        let token = new_token()?;
        let lock = Lock { token, holder, until: after(now, lock_time) };
        let message = stripe.change(identity, |queue| queue.lock_next(lock, now))??;
        let LockedMessage { sequence_number, content, enqueued, delivery_count, redelivered } =
            message;
        Some(Delivery { token, sequence_number, enqueued, delivery_count, content, redelivered })
    }

    /// Takes a verdict; the change that it returns makes it durable.
    pub(crate) fn settle(
        &self,
        identity: &Identity,
        token: LockToken,
        verdict: Verdict,
        now: UnixMillis,
    ) -> Result<C2dChange, C2dRefusal> {
        let count_max = self.settings.load().max_delivery_count;
        let until = after(now, C2D_LOCK_TIME);
        let settle = |queue: &mut DeviceQueue| {
            let settled = queue.settle(token, verdict, count_max, now, until)?;
            Ok(match settled {
                Settled::Ended { sequence_number, outcome } => {
                    let ended = ended(queue, identity, sequence_number, outcome, now);
                    C2dChange::End(self.hub, vec![ended])
                }
                Settled::Abandoned { sequence_number: number, token, delivery_count: count } => {
                    let identity = identity.clone();
                    C2dChange::Abandon { hub: self.hub, identity, number, token, count }
                }
            })
        };
        self.stripe(identity).change(identity, settle).unwrap_or(Err(C2dRefusal::LockLost))
    }

    /// Takes a message back that did not leave the hub.
    pub(crate) fn take_back(&self, identity: &Identity, delivery: &Delivery) {
        let take_back =
            |queue: &mut DeviceQueue| queue.take_back(delivery.token, delivery.redelivered);
        self.stripe(identity).change(identity, take_back);
    }

    /// Ends the locks of a seat that is gone.
    pub(crate) fn unlock(&self, identity: &Identity, holder: SeatId) {
        self.stripe(identity).change(identity, |queue| queue.unlock(holder));
    }

    /// Takes what waits for an identity and is in nobody's hands, until it is removed.
    pub(crate) fn purge(&self, identity: &Identity, now: UnixMillis) -> Vec<Ended> {
        let purge = |queue: &mut DeviceQueue| {
            let taken = queue.purge(after(now, C2D_LOCK_TIME));
            let end = |number| ended(queue, identity, number, Outcome::Purged, now);
            taken.into_iter().map(end).collect()
        };
        self.stripe(identity).change(identity, purge).unwrap_or_default()
    }

    /// The end of a message is durable, and so is the feedback on it.
    pub(crate) fn remove(&self, identity: &Identity, number: u64) {
        let removed = self.stripe(identity).change(identity, |queue| queue.remove(number));
        if let Some(message) = removed.flatten() {
            self.memory.fetch_sub(footprint(&message.content), Relaxed);
        }
    }

    /// The abandoning of a message is durable.
    pub(crate) fn put_back(&self, identity: &Identity, number: u64, token: LockToken, count: u32) {
        self.stripe(identity).change(identity, |queue| queue.put_back(number, token, count));
    }

    /// An identity was deleted: its queue and the feedback on it go.
    pub(crate) fn forget(&self, deleted: &Identity) {
        let gone = self.stripe(deleted).remove(deleted);
        let messages = gone.iter().flat_map(DeviceQueue::messages);
        let bytes: usize = messages.map(|message| footprint(&message.content)).sum();
        self.memory.fetch_sub(bytes, Relaxed);
        self.feedback.forget(deleted);
        self.files.forget(deleted);
    }

    /// Messages that have not ended.
    pub(crate) fn len(&self, identity: &Identity) -> usize {
        self.stripe(identity).queue(identity).map_or(0, DeviceQueue::len)
    }

    /// The next time at which [`take_due`](Self::take_due) has something; a lock taken since may
    /// lapse earlier, but never within
    /// [`C2D_LOCK_TIME_MIN`](ringhub_core::limits::C2D_LOCK_TIME_MIN) of being taken.
    pub(crate) fn deadline(&self) -> Option<UnixMillis> {
        let of_stripe = |stripe: &Mutex<Stripe>| lock(stripe).deadline();
        let queues = self.all_stripes().filter_map(of_stripe).min();
        queues.into_iter().chain(self.notices_deadline()).min()
    }

    /// What is over at `now`, at most a transaction's worth.
    pub(crate) fn take_due(&self, now: UnixMillis) -> C2dDue {
        let mut due = C2dDue::default();
        let mut expired = Vec::new();
        for stripe in self.all_stripes() {
            let mut stripe = lock(stripe);
            while expired.len() < STORE_BATCH_MAX
                && let Some(identity) = stripe.due(now)
            {
                self.take_due_of(&mut stripe, identity, now, &mut expired, &mut due.lapsed);
            }
        }
        if !expired.is_empty() {
            due.changes.push(C2dChange::End(self.hub, expired));
        }
        for kind in NoticeKind::ALL {
            let NoticesDue { expired, ready } = self.notices_due(kind, now);
            if !expired.is_empty() {
                due.changes.push(C2dChange::ForgetNotices(self.hub, kind, expired));
            }
            due.notices_ready.extend(ready);
        }
        due
    }

    fn take_due_of(
        &self,
        stripe: &mut Stripe,
        identity: Identity,
        now: UnixMillis,
        expired: &mut Vec<Ended>,
        lapsed: &mut Vec<Identity>,
    ) {
        let until = after(now, C2D_LOCK_TIME);
        let has_lapsed = stripe.change(&identity, |queue| {
            let due = queue.handle_timeout(now, until);
            let end = |number| ended(queue, &identity, number, Outcome::Expired, now);
            expired.extend(due.expired.into_iter().map(end));
            due.lapsed
        });
        if has_lapsed == Some(true) {
            lapsed.push(identity);
        }
    }

    fn stripe(&self, identity: &Identity) -> MutexGuard<'_, Stripe> {
        let hash = self.hasher.hash_one(identity.device.as_str());
        let index = usize::try_from(hash % STRIPES as u64).unwrap_or_default();
        let make = || (0..STRIPES).map(|_| Mutex::default()).collect();
        lock(&self.stripes.get_or_init(make)[index])
    }

    fn all_stripes(&self) -> impl Iterator<Item = &Mutex<Stripe>> {
        self.stripes.get().into_iter().flatten()
    }
}

impl Drop for C2dQueues {
    /// The hub is gone, and its messages with it.
    fn drop(&mut self) {
        let bytes: usize = self.all_stripes().map(|stripe| lock(stripe).bytes(footprint)).sum();
        self.memory.fetch_sub(bytes, Relaxed);
    }
}

/// A panic elsewhere leaves what a lock guards usable: each change is complete in itself.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn footprint(content: &Bytes) -> usize {
    content.len() + MESSAGE_OVERHEAD_BYTES
}

pub(super) fn new_token() -> Option<LockToken> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).ok()?;
    Some(LockToken(u128::from_ne_bytes(bytes)))
}

fn after(time: UnixMillis, span: Duration) -> UnixMillis {
    let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    UnixMillis::from_millis(time.as_millis().saturating_add(millis))
}

fn ended(
    queue: &DeviceQueue,
    identity: &Identity,
    sequence_number: u64,
    outcome: Outcome,
    time: UnixMillis,
) -> Ended {
    let message = queue.message(sequence_number);
    let wanted = message.filter(|message| message.ack.wants(outcome));
    let feedback = wanted.map(|message| message_id(&message.content).unwrap_or_default().into());
    Ended { identity: identity.clone(), sequence_number, outcome, feedback, time }
}
