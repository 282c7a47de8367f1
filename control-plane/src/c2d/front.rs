//! What shards call. Nothing here blocks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringhub_core::c2d::{DeviceMessage, LockToken, Verdict};
use ringhub_core::id::{ConnectionId, HubId, Identity, SeatId};
use ringhub_core::limits::C2D_LOCK_TIME;

use super::hub_queues::C2dQueues;
use super::{C2dChange, C2dRefusal, Delivery, NewMessage, Notice, NoticeKind};
use crate::clock;
use crate::directory::{Directory, IdentityRef};
use crate::registry::{Change, Outcome, RegistryError};
use crate::store::{Write, WriteQueue};

/// Somebody wants to know what became of a message or a verdict. Called once: at once and on the
/// caller's thread when it is refused, otherwise on the store's writer thread, after the commit.
pub type C2dDone = Box<dyn FnOnce(Result<(), C2dRefusal>) + Send>;

/// The queues and the feedback of one hub.
#[derive(Clone, Debug)]
pub struct C2d<'a> {
    pub(crate) hub: HubId,
    pub(crate) queues: Arc<C2dQueues>,
    pub(crate) directory: &'a Arc<Directory>,
    pub(crate) writes: &'a WriteQueue,
}

impl C2d<'_> {
    /// Life of a message whose sender says nothing about it.
    #[must_use]
    pub fn default_ttl(&self) -> Duration {
        self.queues.default_ttl()
    }

    /// Stores a message; `done` is told when it is durable and in the queue. The shard of the
    /// device's seat hears of it before.
    pub fn enqueue(&self, message: DeviceMessage, done: C2dDone) {
        if let Err(refusal) = self.admit(&message) {
            return done(Err(refusal));
        }
        let (hub, directory) = (self.hub, Arc::clone(self.directory));
        let (identity, content) = (message.identity.clone(), message.content.clone());
        let new = NewMessage { message, enqueued: clock::now(), accepted: Instant::now() };
        self.write(C2dChange::Enqueue(hub, Box::new(new)), move |outcome| {
            if outcome.is_err()
                && let Some(queues) = directory.c2d(hub)
            {
                queues.cancel(&identity, &content);
            }
            done(outcome.map(drop).map_err(C2dRefusal::from));
        });
    }

    fn admit(&self, message: &DeviceMessage) -> Result<(), C2dRefusal> {
        let name = IdentityRef::from(&message.identity);
        if self.directory.presence(self.hub, name).is_none() {
            return Err(match name.module {
                None => C2dRefusal::DeviceNotFound,
                Some(_) => C2dRefusal::ModuleNotFound,
            });
        }
        self.queues.reserve(message)
    }

    /// Hands the next message of an identity to its seat, for
    /// [`C2D_LOCK_TIME`](ringhub_core::limits::C2D_LOCK_TIME); a verdict,
    /// [`take_back`](Self::take_back) or [`unlock`](Self::unlock) is owed.
    #[must_use]
    pub fn lock_next(&self, identity: &Identity, holder: SeatId) -> Option<Delivery> {
        self.lock_next_for(identity, holder, C2D_LOCK_TIME)
    }

    /// [`lock_next`](Self::lock_next) for another time, at least
    /// [`C2D_LOCK_TIME_MIN`](ringhub_core::limits::C2D_LOCK_TIME_MIN).
    #[must_use]
    pub fn lock_next_for(
        &self,
        identity: &Identity,
        holder: SeatId,
        lock_time: Duration,
    ) -> Option<Delivery> {
        self.queues.lock_next(identity, holder, lock_time, clock::now())
    }

    /// Takes the verdict of the device. Until the store has it, nobody else gets the message; if
    /// the store fails, it comes again when the time of its lock is over.
    ///
    /// # Errors
    /// [`C2dRefusal::LockLost`]: nothing has changed.
    pub fn settle(
        &self,
        identity: &Identity,
        token: LockToken,
        verdict: Verdict,
    ) -> Result<(), C2dRefusal> {
        let change = self.queues.settle(identity, token, verdict, clock::now())?;
        let hub = self.directory.hub(self.hub).map(|hub| hub.host_name.clone());
        let identity = identity.clone();
        self.write(change, move |outcome| {
            // An outage of the store is one line of the log, not one for each message.
            if let Err(reason) = outcome.map_err(C2dRefusal::from)
                && !matches!(reason, C2dRefusal::DiskFull | C2dRefusal::Failed)
            {
                tracing::warn!(hub, %identity, %reason, "a settled message is delivered again");
            }
        });
        Ok(())
    }

    /// [`settle`](Self::settle) for a client that hears of it: `done` is told when the verdict is
    /// durable, or that the lock was lost.
    pub fn settle_then(
        &self,
        identity: &Identity,
        token: LockToken,
        verdict: Verdict,
        done: C2dDone,
    ) {
        match self.queues.settle(identity, token, verdict, clock::now()) {
            Ok(change) => {
                self.write(change, |outcome| done(outcome.map(drop).map_err(C2dRefusal::from)));
            }
            Err(refusal) => done(Err(refusal)),
        }
    }

    /// Takes a message back that did not leave the hub.
    pub fn take_back(&self, identity: &Identity, delivery: &Delivery) {
        self.queues.take_back(identity, delivery);
    }

    /// Ends all locks of a seat that is gone; its messages come again in their order.
    pub fn unlock(&self, identity: &Identity, holder: SeatId) {
        self.queues.unlock(identity, holder);
    }

    /// Hands the next notice to a connection; a verdict or [`unlock_notice`](Self::unlock_notice)
    /// is owed. Without a notice the connection hears when there is one.
    #[must_use]
    pub fn lock_notice(&self, kind: NoticeKind, holder: ConnectionId) -> Option<Notice> {
        self.queues.lock_notice(kind, Some(holder), clock::now())
    }

    /// Hands the next notice to a back end that has no connection to be told on later; a verdict is
    /// owed, and without one the notice comes again when the time of its lock is over.
    #[must_use]
    pub fn lock_notice_now(&self, kind: NoticeKind) -> Option<Notice> {
        self.queues.lock_notice(kind, None, clock::now())
    }

    /// Takes the verdict of a back end; `done` is told when it is durable.
    pub fn settle_notice(
        &self,
        kind: NoticeKind,
        token: LockToken,
        verdict: Verdict,
        done: C2dDone,
    ) {
        match self.queues.settle_notice(kind, token, verdict, clock::now()) {
            Ok(Some(change)) => {
                self.write(change, |outcome| done(outcome.map(drop).map_err(C2dRefusal::from)));
            }
            Ok(None) => done(Ok(())),
            Err(refusal) => done(Err(refusal)),
        }
    }

    /// Takes a notice back whose link is gone.
    pub fn unlock_notice(&self, kind: NoticeKind, token: LockToken) {
        self.queues.unlock_notice(kind, token);
    }

    /// Connections that wait for notices, if there are some: they are to be told, and do not wait
    /// any more.
    #[must_use]
    pub fn take_waiting(&self, kind: NoticeKind) -> Vec<ConnectionId> {
        self.queues.take_waiting_if_ready(kind)
    }

    /// A connection has no link for such notices any more.
    pub fn stop_waiting(&self, kind: NoticeKind, connection: ConnectionId) {
        self.queues.stop_waiting(kind, connection);
    }

    fn write(
        &self,
        change: C2dChange,
        done: impl FnOnce(Result<Outcome, RegistryError>) + Send + 'static,
    ) {
        self.writes.submit(Write { change: Change::C2d(change), done: Box::new(done) });
    }
}
