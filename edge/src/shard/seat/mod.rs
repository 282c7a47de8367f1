//! A seat: all that belongs to one connected identity, whatever protocol carries it.
//!
//! ```text
//!  Seat::take ─▶ awaits its predecessors ─▶ admit ─▶ awaits their last record ─▶ open ─▶ leave
//!                                            └ the client hears that it is in
//! ```
//!
//! A driver owns the seats of its connection, one over MQTT, many over AMQP, and translates between
//! them and its protocol machine. What it does when a seat is evicted is its own affair: MQTT
//! closes the connection, for it has no other seat.

mod activity;
mod c2d;
mod method;
mod quota;
mod telemetry;
mod twin;

use std::sync::Arc;

use ringhub_control_plane::directory::{AuthFailure, Grant, Hub};
use ringhub_core::id::{HubPartition, Identity, SeatId};
use ringhub_core::message::Origin;
use ringhub_core::position::{Committed, RingPosition, Ticket};
use ringhub_core::session::takeover::Admission;
use ringhub_core::time::Timestamp;

use self::activity::Activity;
pub(crate) use self::quota::operate;
pub(crate) use self::telemetry::NotTaken;
pub(crate) use self::twin::TwinBusy;
use super::mailbox::Mail;
use super::{HubServices, ShardContext};

type Context<'a> = ShardContext<'a, HubServices>;

/// One connected identity. [`leave`](Self::leave) is owed.
#[derive(Debug)]
pub(crate) struct Seat {
    grant: Grant,
    hub: Arc<Hub>,
    destination: HubPartition,
    origin: Origin,
    admission: Admission,
    /// The last record that it pushed.
    last: Option<Ticket>,
    activity: Activity,
    /// Which of the connection's seats it is.
    number: u32,
    /// A method was called here, so that the end of the seat is news to the callers.
    was_called: bool,
    /// Holds the identity, instead of visiting it.
    is_holder: bool,
    /// Twin requests whose answers are still to come.
    twin_requests: u8,
}

/// A seat that was just taken.
#[derive(Debug)]
pub(crate) struct Taken {
    /// The seat.
    pub(crate) seat: Seat,
    /// Subscriptions of the persistent session; the meaning of the bits is the session's.
    pub(crate) subscriptions: u32,
}

impl Seat {
    /// Takes seat `number` of the connection for the identity in `grant`, which announces `model`,
    /// and evicts whoever holds the identity. The client hears nothing before
    /// [`admit`](Self::admit).
    ///
    /// # Errors
    /// When the identity was deleted, disabled or replaced since it was authenticated.
    pub(crate) fn take(
        grant: Grant,
        model: Option<&str>,
        number: u32,
        cx: &Context<'_>,
    ) -> Result<Taken, AuthFailure> {
        let id = SeatId { connection: cx.connection, number };
        let control = &cx.services.control;
        let hub = control.directory().hub(grant.hub).ok_or(AuthFailure::UnknownHub)?;
        let found = control.directory().reserve(&grant, id, cx.wall)?;
        control.note_model(&grant, model);
        if let Some(previous) = found.reservation.previous {
            cx.services.mailboxes.post(previous.connection.shard, Mail::Evict { seat: previous });
        }
        let seat = Self::new((grant, hub), model, found.reservation.admission, number);
        Ok(Taken { seat, subscriptions: found.subscriptions })
    }

    /// Sits down for one exchange without holding the identity: evicts nobody, is not evicted and
    /// gets no mail. It publishes after all who left before it, and those who come later after it;
    /// beside a live seat its records have no order.
    ///
    /// # Errors
    /// When the identity was deleted, disabled or replaced since it was authenticated.
    pub(crate) fn visit(grant: Grant, cx: &Context<'_>) -> Result<Self, AuthFailure> {
        let directory = cx.services.control.directory();
        let hub = directory.hub(grant.hub).ok_or(AuthFailure::UnknownHub)?;
        let fence = directory.visit(&grant, cx.wall)?;
        let seat = Self::new((grant, hub), None, Admission::after(fence), 0);
        Ok(Self { is_holder: false, ..seat })
    }

    fn new(
        (grant, hub): (Grant, Arc<Hub>),
        model: Option<&str>,
        admission: Admission,
        number: u32,
    ) -> Self {
        let partition = hub.partition_of(&grant.identity.device);
        Self {
            destination: HubPartition { hub: hub.id, partition },
            origin: origin(&grant, model),
            admission,
            last: None,
            activity: Activity::default(),
            number,
            was_called: false,
            is_holder: true,
            twin_requests: 0,
            grant,
            hub,
        }
    }

    /// The seat's name.
    pub(crate) fn id(&self, cx: &Context<'_>) -> SeatId {
        SeatId { connection: cx.connection, number: self.number }
    }

    /// Who sits here, and as what it was authenticated.
    pub(crate) fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Whether mail about `identity` is meant for this seat.
    pub(crate) fn serves(&self, identity: &Identity) -> bool {
        self.grant.identity == *identity
    }

    /// The host name of the hub, as log lines name it.
    pub(crate) fn hub_name(&self) -> &str {
        &self.hub.host_name
    }

    /// Takes [`Mail::PredecessorsGone`]; [`admit`](Self::admit) is true from then on.
    pub(crate) fn handle_predecessors_gone(&mut self, cx: &Context<'_>) {
        let fence = cx.services.control.directory().fence(&self.grant);
        self.admission.handle_predecessors_gone(fence);
    }

    /// Whether the seat is the only one of its identity, so that the client may hear that it is in.
    /// What its predecessors pushed last is awaited before the seat [is open](Self::is_open).
    pub(crate) fn admit(&mut self, cx: &mut Context<'_>) -> bool {
        if self.admission == Admission::AwaitingPredecessors {
            return false;
        }
        let pipeline = &cx.services.pipeline;
        self.admission.may_publish(|fence| pipeline.is_committed(&fence));
        if let Admission::AwaitingCommit(fence) = self.admission {
            cx.await_commit(fence, self.id(cx));
        }
        true
    }

    /// Whether the seat may publish, which [`handle_committed`](Self::handle_committed) may change.
    pub(crate) fn is_open(&self) -> bool {
        self.admission == Admission::Open
    }

    /// Takes the news of a commit. Returns how far the seat's own records are durable, if it is
    /// open and the news is about the ring that they are in.
    pub(crate) fn handle_committed(
        &mut self,
        Committed(upto): Committed<Ticket>,
        cx: &Context<'_>,
    ) -> Option<Committed<RingPosition>> {
        let pipeline = &cx.services.pipeline;
        if !self.admission.may_publish(|fence| pipeline.is_committed(&fence)) {
            return None;
        }
        let executor = pipeline.executor_of(self.destination);
        let is_own = upto.shard == cx.connection.shard && upto.executor == executor;
        is_own.then_some(Committed(upto.position))
    }

    /// Reports activity that is due. To be called when [`poll_timeout`](Self::poll_timeout) says.
    pub(crate) fn handle_timeout(&mut self, cx: &Context<'_>) {
        if let Some(last) = self.activity.take_due(cx.now) {
            cx.services.control.directory().note_activity(&self.grant, last);
        }
    }

    /// Next deadline.
    pub(crate) fn poll_timeout(&self) -> Option<Timestamp> {
        self.activity.poll_timeout()
    }

    /// Gives up the identity: callers of methods hear of it, messages that were not settled come
    /// again, and the next seat may enter. A visitor only leaves its last record behind.
    pub(crate) fn leave(self, cx: &Context<'_>) {
        if !self.is_holder {
            if let Some(last) = self.last {
                let HubServices { control, pipeline, .. } = &*cx.services;
                let is_committed = |fence| pipeline.is_committed(&fence);
                control.directory().end_visit(&self.grant, last, is_committed);
            }
            return;
        }
        self.tell_callers_gone(cx);
        self.unlock_messages(cx);
        cx.services.release(&self.grant, self.id(cx), self.last, cx.wall);
    }
}

fn origin(grant: &Grant, model: Option<&str>) -> Origin {
    Origin::new(&grant.identity, grant.scope, &grant.generation.0.to_string(), model)
}
