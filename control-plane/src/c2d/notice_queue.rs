//! The notices of one kind of a hub, and the back ends that wait for them.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};

use ringhub_core::c2d::LockToken;
use ringhub_core::c2d::{
    BatchDue, BatchLimits, BatchQueue, BatchRecord, BatchSettled, Batching, LockLost, LockedBatch,
    Verdict,
};
use ringhub_core::id::{ConnectionId, Identity};
use ringhub_core::time::UnixMillis;

use super::hub_queues::{lock, new_token};

/// Records that wait for back ends. Every call takes one or two locks for some microseconds.
#[derive(Debug)]
pub(super) struct NoticeQueue<R> {
    queue: Mutex<BatchQueue<R>>,
    /// Connections to tell of the next batch.
    waiting: Mutex<HashSet<ConnectionId>>,
}

/// What time has done.
#[derive(Debug, Default)]
pub(super) struct NoticesDue {
    pub(super) expired: Vec<u64>,
    pub(super) ready: Vec<ConnectionId>,
}

impl<R: BatchRecord> NoticeQueue<R> {
    pub(super) fn new(limits: BatchLimits, batching: Batching) -> Self {
        Self { queue: Mutex::new(BatchQueue::new(limits, batching)), waiting: Mutex::default() }
    }

    /// Lets other limits count from now on, also for what is there already.
    pub(super) fn set_limits(&self, limits: BatchLimits) {
        self.queue().set_limits(limits);
    }

    /// Takes a durable record. Returns whom to tell.
    pub(super) fn push(&self, record: R, now: UnixMillis) -> Vec<ConnectionId> {
        self.queue().push(record, now);
        self.take_waiting_if_ready()
    }

    /// Hands the next batch out. Without one, `holder` is told when there is.
    pub(super) fn lock_next(
        &self,
        holder: Option<ConnectionId>,
        now: UnixMillis,
    ) -> Option<LockedBatch<R>> {
        let token = new_token()?;
        let mut queue = self.queue();
        let batch = queue.lock_next(token, now);
        if batch.is_none() {
            // Under the lock, so that a batch that comes now finds the connection waiting.
            self.waiting().extend(holder);
        }
        batch
    }

    /// Takes a verdict; gives the records that the store is to forget, if there are some.
    pub(super) fn settle(
        &self,
        token: LockToken,
        verdict: Verdict,
        now: UnixMillis,
    ) -> Result<Option<Vec<u64>>, LockLost> {
        Ok(match self.queue().settle(token, verdict, now)? {
            BatchSettled::Ended { ids } => Some(ids),
            BatchSettled::Abandoned => None,
        })
    }

    /// The link of a batch is gone.
    pub(super) fn unlock(&self, token: LockToken) {
        self.queue().unlock(token);
    }

    /// Records are gone from the store.
    pub(super) fn remove(&self, ids: &[u64]) {
        self.queue().remove(ids);
    }

    /// An identity was deleted.
    pub(super) fn forget(&self, deleted: &Identity) {
        self.queue().forget(deleted);
    }

    /// Connections that wait, if there is something for them.
    pub(super) fn take_waiting_if_ready(&self) -> Vec<ConnectionId> {
        let is_ready = self.queue().is_ready();
        if is_ready { self.take_waiting() } else { Vec::new() }
    }

    /// A connection has no link any more.
    pub(super) fn stop_waiting(&self, connection: ConnectionId) {
        self.waiting().remove(&connection);
    }

    pub(super) fn deadline(&self) -> Option<UnixMillis> {
        self.queue().poll_timeout()
    }

    pub(super) fn take_due(&self, now: UnixMillis) -> NoticesDue {
        let BatchDue { expired, ready } = self.queue().handle_timeout(now);
        let ready = if ready { self.take_waiting() } else { Vec::new() };
        NoticesDue { expired, ready }
    }

    fn take_waiting(&self) -> Vec<ConnectionId> {
        self.waiting().drain().collect()
    }

    fn queue(&self) -> MutexGuard<'_, BatchQueue<R>> {
        lock(&self.queue)
    }

    fn waiting(&self) -> MutexGuard<'_, HashSet<ConnectionId>> {
        lock(&self.waiting)
    }
}
