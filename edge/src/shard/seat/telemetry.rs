//! Device-to-cloud messages and wills into the ring.

use std::borrow::Cow;

use ringhub_core::message::{D2cMessage, MessageTooLarge};
use ringhub_core::position::Ticket;
use ringhub_core::quota::Verdict;
use tracing::warn;

use super::{Context, Seat};
use crate::partition::{LogState, RingFull};
use crate::shard::HubServices;

/// Why a message is not in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// The commit log takes no more records.
    LogFailed,
    /// It is larger than a message may be, encoded as it is stored: this many bytes.
    TooLarge(usize),
    /// The ring has no room for a record of this many bytes; the same message is to be handed in
    /// again when it [has](Seat::has_room).
    RingFull(usize),
}

impl Seat {
    /// Puts a message into the ring, on a seat that [is open](Seat::is_open). Its acknowledgement
    /// may leave once the ticket is durable, which [`await_commit`](Seat::await_commit) asks for.
    #[inline]
    pub(crate) fn publish<'m, A>(
        &mut self,
        message: D2cMessage<'m, A>,
        cx: &mut Context<'_>,
    ) -> Result<Ticket, NotTaken>
    where
        A: Iterator<Item = (Cow<'m, str>, Cow<'m, str>)> + Clone,
    {
        let HubServices { pipeline, .. } = &*cx.services;
        let executor = pipeline.executor_of(self.destination);
        if pipeline.state(executor) == LogState::Failed {
            return Err(NotTaken::LogFailed);
        }
        let pushed = self.push(message, cx);
        match pushed {
            Ok(_) => self.activity.note(cx.now, cx.wall),
            Err(NotTaken::RingFull(_)) => cx.counters().ring_full.add(1),
            Err(NotTaken::LogFailed | NotTaken::TooLarge(_)) => {}
        }
        pushed
    }

    /// Asks for [`Protocol::handle_committed`](crate::shard::Protocol::handle_committed) for this
    /// seat once `ticket` is durable.
    pub(crate) fn await_commit(&self, ticket: Ticket, cx: &mut Context<'_>) {
        cx.await_commit(ticket, self.id(cx));
    }

    /// Whether the ring has room for a record of `record_bytes`.
    pub(crate) fn has_room(&self, record_bytes: usize, services: &HubServices) -> bool {
        services.pipeline.has_room(self.destination, record_bytes)
    }

    /// Publishes a will, if the order of the identity's records allows it; the log says when it is
    /// lost.
    pub(crate) fn leave_will<'m, A>(&mut self, will: D2cMessage<'m, A>, cx: &mut Context<'_>)
    where
        A: Iterator<Item = (Cow<'m, str>, Cow<'m, str>)> + Clone,
    {
        let HubServices { pipeline, shard, .. } = &*cx.services;
        if !self.admission.may_leave_will(*shard, |fence| pipeline.is_committed(&fence)) {
            let reason = "messages of the connection before are not committed yet";
            return self.log_lost_will(reason, cx);
        }
        // It cannot wait: its connection is gone.
        if let Verdict::Refused(_) = self.pay(self.messages_of(will.body.len()), cx) {
            return self.log_lost_will("the hub takes no more messages", cx);
        }
        match self.push(will, cx) {
            Ok(_) | Err(NotTaken::TooLarge(_) | NotTaken::LogFailed) => {}
            Err(NotTaken::RingFull(_)) => self.log_lost_will("the ring is full", cx),
        }
    }

    #[inline]
    fn push<'m, A>(
        &mut self,
        message: D2cMessage<'m, A>,
        cx: &mut Context<'_>,
    ) -> Result<Ticket, NotTaken>
    where
        A: Iterator<Item = (Cow<'m, str>, Cow<'m, str>)> + Clone,
    {
        let HubServices { encoder, pipeline, .. } = &mut *cx.services;
        let record = encoder.encode(self.destination, &self.origin, message, cx.wall);
        let record = record.map_err(|MessageTooLarge(bytes)| NotTaken::TooLarge(bytes))?;
        let record_bytes = record.len();
        match pipeline.push(self.destination, record) {
            Ok(ticket) => {
                cx.note_accepted(ticket, record_bytes);
                self.last = Some(ticket);
                Ok(ticket)
            }
            Err(RingFull) => Err(NotTaken::RingFull(record_bytes)),
        }
    }

    fn log_lost_will(&self, reason: &str, cx: &Context<'_>) {
        let (hub, identity, seat) = (self.hub_name(), &self.grant.identity, self.id(cx));
        warn!(hub, %identity, connection = %seat, reason, "will lost");
    }
}
