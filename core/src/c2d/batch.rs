//! What one hub has to tell back ends: records gathered into batches, and batches handed out.

use std::collections::VecDeque;
use std::sync::Arc;

use core::time::Duration;

use super::lock::State;
use super::{Lock, LockLost, LockToken, Verdict};
use crate::id::Identity;
use crate::limits::{
    FEEDBACK_BATCH_INTERVAL, FEEDBACK_BATCH_RECORDS_MAX, FEEDBACK_RECORDS_MAX,
    FILE_NOTIFICATIONS_MAX,
};
use crate::time::UnixMillis;

/// What batches are made of.
pub trait BatchRecord: Clone {
    /// Number of the record in the store.
    fn id(&self) -> u64;
    /// Since when it waits.
    fn time(&self) -> UnixMillis;
    /// Whether it goes with a device or module that is deleted; with the modules of the device too.
    fn goes_with(&self, deleted: &Identity) -> bool;
}

/// How records become batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// Records of one batch. Full: the batch is ready at once.
    pub records_max: usize,
    /// Time between two batches that are not full.
    pub interval: Duration,
    /// Records that wait. More: the oldest expire early.
    pub queued_max: usize,
}

impl Batching {
    /// Feedback.
    ///
    /// Source: service-endpoints reference, "Delivery feedback".
    pub const FEEDBACK: Self = Self {
        records_max: FEEDBACK_BATCH_RECORDS_MAX,
        interval: FEEDBACK_BATCH_INTERVAL,
        queued_max: FEEDBACK_RECORDS_MAX,
    };

    /// File notifications: each is a batch.
    ///
    /// Source: service-endpoints reference, "File-upload notifications".
    pub const FILES: Self =
        Self { records_max: 1, interval: Duration::ZERO, queued_max: FILE_NOTIFICATIONS_MAX };
}

/// What a hub's configuration says about batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// How long a batch waits for a back end.
    pub ttl: Duration,
    /// How long a back end may keep a batch without a verdict.
    pub lock_time: Duration,
    /// How often a batch may be abandoned.
    pub delivery_count_max: u32,
}

/// A batch that was handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedBatch<R> {
    /// What settles it.
    pub token: LockToken,
    /// At least one record.
    pub records: Arc<[R]>,
    /// How often it was abandoned before.
    pub delivery_count: u32,
}

/// What a verdict on a batch leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchSettled {
    /// The batch ends: the store forgets these records, then [`BatchQueue::remove`] follows.
    Ended {
        /// Numbers of the records.
        ids: Vec<u64>,
    },
    /// The batch is there again.
    Abandoned,
}

/// What time has done to the feedback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchDue {
    /// Records that nobody will get any more; the store forgets them.
    pub expired: Vec<u64>,
    /// Whether there may be a batch for a back end that waits.
    pub ready: bool,
}

#[derive(Debug)]
struct Batch<R> {
    records: Arc<[R]>,
    delivery_count: u32,
    state: State<()>,
}

impl<R: BatchRecord> Batch<R> {
    fn expires(&self, ttl: Duration) -> UnixMillis {
        self.records.last().map_or(UnixMillis::EPOCH, |newest| after(newest.time(), ttl))
    }

    fn ids(&self) -> Vec<u64> {
        self.records.iter().map(BatchRecord::id).collect()
    }
}

/// All records of one kind of one hub.
///
/// A batch is ready when it is full, or when [`Batching::interval`] has passed since the last one.
/// Delivery counts and locks are memory only; records are durable before they get here.
///
/// Source: service-endpoints reference, "Delivery feedback", "File-upload notifications".
#[derive(Debug)]
pub struct BatchQueue<R> {
    limits: BatchLimits,
    batching: Batching,
    gathering: Vec<R>,
    last_batch: UnixMillis,
    batches: VecDeque<Batch<R>>,
    records: usize,
}

impl<R: BatchRecord> BatchQueue<R> {
    /// Starts empty.
    #[must_use]
    pub const fn new(limits: BatchLimits, batching: Batching) -> Self {
        Self {
            limits,
            batching,
            gathering: Vec::new(),
            last_batch: UnixMillis::EPOCH,
            batches: VecDeque::new(),
            records: 0,
        }
    }

    /// Lets other limits count from now on, also for what is there already.
    pub const fn set_limits(&mut self, limits: BatchLimits) {
        self.limits = limits;
    }

    /// Takes a durable record. Only a full batch is ready at once: others are when
    /// [`handle_timeout`](Self::handle_timeout) says so, so that records that come together stay
    /// together.
    pub fn push(&mut self, record: R, now: UnixMillis) {
        self.records += 1;
        self.gathering.push(record);
        if self.gathering.len() >= self.batching.records_max {
            self.seal(now);
        }
    }

    /// Whether a batch waits for a back end.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.batches.iter().any(|batch| batch.state == State::Enqueued)
    }

    /// Hands out the oldest batch that nobody has, under `token`.
    pub fn lock_next(&mut self, token: LockToken, now: UnixMillis) -> Option<LockedBatch<R>> {
        let BatchLimits { ttl, lock_time, .. } = self.limits;
        let free =
            |batch: &&mut Batch<R>| batch.state == State::Enqueued && now < batch.expires(ttl);
        let batch = self.batches.iter_mut().find(free)?;
        batch.state = State::Locked(Lock { token, holder: (), until: after(now, lock_time) });
        let records = Arc::clone(&batch.records);
        Some(LockedBatch { token, records, delivery_count: batch.delivery_count })
    }

    /// Takes the verdict of whoever holds `token`.
    ///
    /// # Errors
    /// [`LockLost`]: nothing has changed.
    pub fn settle(
        &mut self,
        token: LockToken,
        verdict: Verdict,
        now: UnixMillis,
    ) -> Result<BatchSettled, LockLost> {
        let BatchLimits { lock_time, delivery_count_max, .. } = self.limits;
        let held = |batch: &&mut Batch<R>| batch.state.is_held_by(token, now);
        let batch = self.batches.iter_mut().find(held).ok_or(LockLost)?;
        if verdict == Verdict::Abandon {
            batch.delivery_count += 1;
            if batch.delivery_count < delivery_count_max {
                batch.state = State::Enqueued;
                return Ok(BatchSettled::Abandoned);
            }
        }
        batch.state = State::Settling { token: Some(token), until: after(now, lock_time) };
        Ok(BatchSettled::Ended { ids: batch.ids() })
    }

    /// The store has forgotten these records.
    pub fn remove(&mut self, ids: &[u64]) {
        self.retain(|record| !ids.contains(&record.id()));
    }

    /// The identity was deleted; so are its modules if it is a device.
    pub fn forget(&mut self, deleted: &Identity) {
        self.retain(|record| !record.goes_with(deleted));
    }

    fn retain(&mut self, keep: impl Fn(&R) -> bool) {
        self.gathering.retain(|record| keep(record));
        for batch in &mut self.batches {
            if !batch.records.iter().all(&keep) {
                batch.records = batch.records.iter().filter(|r| keep(r)).cloned().collect();
            }
        }
        self.batches.retain(|batch| !batch.records.is_empty());
        let batched: usize = self.batches.iter().map(|batch| batch.records.len()).sum();
        self.records = self.gathering.len() + batched;
    }

    /// Takes a batch back that was not settled, without counting: its link is gone.
    pub fn unlock(&mut self, token: LockToken) {
        let held =
            |batch: &&mut Batch<R>| matches!(batch.state, State::Locked(l) if l.token == token);
        if let Some(batch) = self.batches.iter_mut().find(held) {
            batch.state = State::Enqueued;
        }
    }

    /// The clock spoke.
    pub fn handle_timeout(&mut self, now: UnixMillis) -> BatchDue {
        if !self.gathering.is_empty() && self.next_batch() <= now {
            self.seal(now);
        }
        let BatchLimits { ttl, lock_time, .. } = self.limits;
        let mut excess = self.records.saturating_sub(self.batching.queued_max);
        let mut expired = Vec::new();
        for batch in &mut self.batches {
            batch.state.lapse(now);
            let is_over = excess > 0 || batch.expires(ttl) <= now;
            if batch.state == State::Enqueued && is_over {
                batch.state = State::Settling { token: None, until: after(now, lock_time) };
                excess = excess.saturating_sub(batch.records.len());
                expired.extend(batch.ids());
            }
        }
        BatchDue { expired, ready: self.is_ready() }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixMillis> {
        let ttl = self.limits.ttl;
        let of_batch = |batch: &Batch<R>| batch.state.ends().unwrap_or_else(|| batch.expires(ttl));
        let gathered = (!self.gathering.is_empty()).then(|| self.next_batch());
        let has_excess = self.records > self.batching.queued_max && self.is_ready();
        let excess = has_excess.then_some(UnixMillis::EPOCH);
        self.batches.iter().map(of_batch).chain(gathered).chain(excess).min()
    }

    /// Records that have not ended.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.records
    }

    /// True without records.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.records == 0
    }

    fn next_batch(&self) -> UnixMillis {
        after(self.last_batch, self.batching.interval)
    }

    fn seal(&mut self, now: UnixMillis) {
        let records = core::mem::take(&mut self.gathering).into();
        self.last_batch = now;
        self.batches.push_back(Batch { records, delivery_count: 0, state: State::Enqueued });
    }
}

fn after(time: UnixMillis, span: Duration) -> UnixMillis {
    let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    UnixMillis::from_millis(time.as_millis().saturating_add(millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::c2d::{FeedbackRecord, Outcome};
    use crate::id::DeviceId;

    const LIMITS: BatchLimits = BatchLimits {
        ttl: Duration::from_secs(3600),
        lock_time: Duration::from_secs(60),
        delivery_count_max: 2,
    };

    fn at(secs: i64) -> UnixMillis {
        UnixMillis::from_millis(1_700_000_000_000 + secs * 1000)
    }

    fn record(id: u64, device: &str, secs: i64) -> FeedbackRecord {
        FeedbackRecord {
            id,
            identity: Identity { device: DeviceId::parse(device).unwrap(), module: None },
            generation: 1,
            message_id: "m".into(),
            outcome: Outcome::Success,
            time: at(secs),
        }
    }

    fn ids(batch: &LockedBatch<FeedbackRecord>) -> Vec<u64> {
        batch.records.iter().map(|record| record.id).collect()
    }

    #[test]
    fn a_batch_is_ready_at_once_then_every_interval_or_when_it_is_full() {
        let mut queue = BatchQueue::new(LIMITS, Batching::FEEDBACK);
        assert_eq!(queue.poll_timeout(), None);
        queue.push(record(1, "d", 0), at(0));
        assert!(queue.poll_timeout() <= Some(at(0)), "the last batch is long ago");
        assert!(queue.handle_timeout(at(0)).ready);
        assert_eq!(ids(&queue.lock_next(LockToken(1), at(0)).unwrap()), [1]);
        queue.push(record(2, "d", 1), at(1));
        assert!(!queue.is_ready());
        assert_eq!(queue.poll_timeout(), Some(at(15)));
        assert!(!queue.handle_timeout(at(14)).ready);
        assert!(queue.handle_timeout(at(15)).ready);
        for id in 3..3 + FEEDBACK_BATCH_RECORDS_MAX as u64 {
            queue.push(record(id, "d", 16), at(16));
        }
        assert_eq!(ids(&queue.lock_next(LockToken(2), at(16)).unwrap()), [2]);
        let full = queue.lock_next(LockToken(3), at(16)).unwrap();
        assert_eq!(full.records.len(), FEEDBACK_BATCH_RECORDS_MAX);
    }

    #[test]
    fn a_batch_is_settled_once_by_the_holder_of_its_token() {
        let mut queue = BatchQueue::new(LIMITS, Batching::FEEDBACK);
        queue.push(record(1, "d", 0), at(0));
        queue.handle_timeout(at(0));
        let batch = queue.lock_next(LockToken(1), at(0)).unwrap();
        assert_eq!(queue.lock_next(LockToken(2), at(0)), None);
        assert_eq!(queue.settle(LockToken(2), Verdict::Complete, at(1)), Err(LockLost));
        let settled = queue.settle(batch.token, Verdict::Complete, at(1));
        assert_eq!(settled, Ok(BatchSettled::Ended { ids: vec![1] }));
        assert_eq!(queue.settle(batch.token, Verdict::Complete, at(1)), Err(LockLost));
        queue.remove(&[1]);
        assert!(queue.is_empty());
        assert_eq!(queue.poll_timeout(), None);
    }

    #[test]
    fn abandons_count_and_lapses_do_not() {
        let mut queue = BatchQueue::new(LIMITS, Batching::FEEDBACK);
        queue.push(record(1, "d", 0), at(0));
        queue.handle_timeout(at(0));
        queue.lock_next(LockToken(1), at(0)).unwrap();
        assert_eq!(queue.settle(LockToken(1), Verdict::Complete, at(60)), Err(LockLost), "late");
        assert!(queue.handle_timeout(at(60)).ready);
        let again = queue.lock_next(LockToken(2), at(60)).unwrap();
        assert_eq!(again.delivery_count, 0);
        queue.unlock(LockToken(2));
        queue.lock_next(LockToken(3), at(60)).unwrap();
        let abandoned = queue.settle(LockToken(3), Verdict::Abandon, at(61));
        assert_eq!(abandoned, Ok(BatchSettled::Abandoned));
        let again = queue.lock_next(LockToken(4), at(61)).unwrap();
        assert_eq!(again.delivery_count, 1);
        let ended = queue.settle(LockToken(4), Verdict::Abandon, at(61));
        assert_eq!(ended, Ok(BatchSettled::Ended { ids: vec![1] }));
    }

    #[test]
    fn unread_feedback_ends_with_its_time_its_device_or_for_want_of_room() {
        let mut queue = BatchQueue::new(LIMITS, Batching::FEEDBACK);
        queue.push(record(1, "d", 0), at(0));
        queue.handle_timeout(at(0));
        queue.push(record(2, "d", 1), at(1));
        queue.push(record(3, "e", 1), at(1));
        let due = queue.handle_timeout(at(3600));
        assert_eq!((due.expired, due.ready), (vec![1], true));
        queue.forget(&record(0, "d", 0).identity);
        assert_eq!(queue.len(), 1);
        for id in 4..=FEEDBACK_RECORDS_MAX as u64 + 4 {
            queue.push(record(id, "e", 3600), at(3600));
        }
        let due = queue.handle_timeout(at(3600));
        assert_eq!(due.expired[0], 3, "the oldest go first");
        queue.remove(&due.expired);
        assert!(queue.len() <= FEEDBACK_RECORDS_MAX);
    }
}
