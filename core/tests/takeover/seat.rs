//! A seat, as each protocol has one for an identity.

use std::collections::VecDeque;

use ringhub_core::id::SeatId;
use ringhub_core::position::Ticket;
use ringhub_core::session::takeover::Admission;

use crate::history::Carrier;
use crate::hub::{Hub, Mail, Record};

pub(crate) struct Seat {
    pub(crate) id: SeatId,
    pub(crate) device: usize,
    pub(crate) stay: usize,
    pub(crate) admission: Admission,
    /// Holds the identity, instead of visiting it.
    pub(crate) is_holder: bool,
    last: Option<Ticket>,
    /// What is in the ring and has no acknowledgement.
    committing: VecDeque<(Ticket, u64)>,
}

impl Seat {
    /// Takes the place of an identity, and evicts who has it.
    pub(crate) fn take(device: usize, id: SeatId, carrier: Carrier, hub: &mut Hub) -> Self {
        let reservation = hub.tenure(device).reserve(id);
        if let Some(previous) = reservation.previous {
            hub.post(Mail::Evict(previous));
        }
        Self::new(device, id, (carrier, reservation.admission), hub)
    }

    /// Sits down for one request.
    pub(crate) fn visit(device: usize, id: SeatId, hub: &mut Hub) -> Self {
        let admission = Admission::after(hub.tenure(device).fence());
        Self { is_holder: false, ..Self::new(device, id, (Carrier::Http, admission), hub) }
    }

    fn new(
        device: usize,
        id: SeatId,
        (carrier, admission): (Carrier, Admission),
        hub: &mut Hub,
    ) -> Self {
        let stay = hub.history.begin(device, carrier);
        let (last, committing) = (None, VecDeque::new());
        Self { id, device, stay, admission, is_holder: true, last, committing }
    }

    pub(crate) fn handle_predecessors_gone(&mut self, hub: &mut Hub) {
        self.admission.handle_predecessors_gone(hub.tenure(self.device).fence());
    }

    /// Whether the client has heard that it is in.
    pub(crate) fn is_admitted(&self) -> bool {
        self.admission != Admission::AwaitingPredecessors
    }

    pub(crate) fn is_open(&mut self, hub: &Hub) -> bool {
        self.admission.may_publish(|ticket| hub.is_committed(ticket))
    }

    /// Puts a message into the ring; `false` if that is full.
    pub(crate) fn publish(&mut self, message: u64, hub: &mut Hub) -> bool {
        assert!(self.is_open(hub), "seat {} publishes before its time", self.id);
        let shard = self.id.connection.shard;
        let Some(ticket) = hub.push(shard, self.device, Record::Message(message)) else {
            return false;
        };
        self.last = Some(ticket);
        self.committing.push_back((ticket, message));
        true
    }

    /// Acknowledges what is durable, in order.
    pub(crate) fn acknowledge(&mut self, hub: &mut Hub) {
        while let Some((_, message)) =
            self.committing.pop_front_if(|(ticket, _)| hub.is_committed(*ticket))
        {
            hub.history.acknowledge(message);
        }
    }

    pub(crate) fn awaits_nothing(&self) -> bool {
        self.committing.is_empty()
    }

    pub(crate) fn leave_will(&mut self, hub: &mut Hub) {
        let shard = self.id.connection.shard;
        if self.admission.may_leave_will(shard, |ticket| hub.is_committed(ticket)) {
            self.last = hub.push(shard, self.device, Record::Will).or(self.last);
        }
    }

    /// Lets the next one in. What is under way is given back without an acknowledgement.
    pub(crate) fn leave(self, hub: &mut Hub) -> VecDeque<(Ticket, u64)> {
        hub.history.end(self.stay);
        if !self.is_holder {
            if let Some(last) = self.last {
                hub.end_visit(self.device, last);
            }
        } else if let Some(holder) = hub.tenure(self.device).release(self.id, self.last) {
            hub.post(Mail::PredecessorsGone(holder));
        }
        self.committing
    }
}
