//! Messages from the queue of the identity to its client.

use ringhub_control_plane::c2d::{C2d, C2dDone, C2dRefusal, Delivery};
use ringhub_core::c2d::{LockToken, Verdict};

use super::{Context, Seat};

impl Seat {
    /// The next message for the client, locked; a verdict or [`take_back`](Self::take_back) is
    /// owed. Costs one look at the queue if there is nothing.
    pub(crate) fn lock_message(&self, cx: &Context<'_>) -> Option<Delivery> {
        self.queues(cx)?.lock_next(&self.grant.identity, self.id(cx))
    }

    /// Counts a message that stands in the output.
    pub(crate) fn count_delivery(delivery: &Delivery, cx: &Context<'_>) {
        cx.counters().c2d_messages.add(1);
        cx.counters().c2d_bytes.add(delivery.content.len() as u64);
    }

    /// Passes on the verdict of the client.
    ///
    /// # Errors
    /// The lock was lost, because its time was over: the message is on its way to the client again.
    pub(crate) fn settle_message(
        &self,
        token: LockToken,
        verdict: Verdict,
        cx: &Context<'_>,
    ) -> Result<(), C2dRefusal> {
        let queues = self.queues(cx).ok_or(C2dRefusal::LockLost)?;
        queues.settle(&self.grant.identity, token, verdict)
    }

    /// Passes on the verdict of a client that hears of it: `done` is told when it is durable, or
    /// that the lock was lost.
    pub(crate) fn settle_message_then(
        &self,
        token: LockToken,
        verdict: Verdict,
        done: C2dDone,
        cx: &Context<'_>,
    ) {
        match self.queues(cx) {
            Some(queues) => queues.settle_then(&self.grant.identity, token, verdict, done),
            None => done(Err(C2dRefusal::LockLost)),
        }
    }

    /// Puts a message back that did not leave the hub.
    pub(crate) fn take_back(&self, delivery: &Delivery, cx: &Context<'_>) {
        if let Some(queues) = self.queues(cx) {
            queues.take_back(&self.grant.identity, delivery);
        }
    }

    /// What the client has not settled comes again: on the next seat, before which this comes, so
    /// that it finds everything in order; or on another link of this one.
    pub(crate) fn unlock_messages(&self, cx: &Context<'_>) {
        if let Some(queues) = self.queues(cx) {
            queues.unlock(&self.grant.identity, self.id(cx));
        }
    }

    fn queues<'c>(&self, cx: &'c Context<'_>) -> Option<C2d<'c>> {
        cx.services.control.c2d(self.grant.hub)
    }
}
