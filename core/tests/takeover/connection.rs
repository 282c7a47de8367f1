//! Connections of the three protocols, and what each does with its seats.

use std::collections::{BTreeMap, VecDeque};

use ringhub_core::id::{ConnectionId, SeatId, ShardId};
use ringhub_core::position::Ticket;

use crate::history::Carrier;
use crate::hub::{Hub, Mail};
use crate::seat::Seat;

/// Frames that a connection reads in a turn.
const READS_A_TURN: usize = 3;
/// Messages that a gateway's connection holds for full rings; it is not read beyond.
const HELD_MAX: usize = 8;

pub(crate) enum Connection {
    Mqtt(Mqtt),
    Gateway(Gateway),
    Http(Visit),
}

/// One seat, and what the client has sent that was not read.
pub(crate) struct Mqtt {
    id: ConnectionId,
    seat: Seat,
    unread: VecDeque<u64>,
}

/// Many seats, whose frames come one after the other.
pub(crate) struct Gateway {
    id: ConnectionId,
    seats: BTreeMap<u32, GatewaySeat>,
    unread: VecDeque<(u32, u64)>,
    last_number: u32,
}

struct GatewaySeat {
    seat: Seat,
    /// What found its ring full, in order.
    held: VecDeque<u64>,
}

/// One request.
pub(crate) struct Visit {
    id: ConnectionId,
    /// Until all is in the ring.
    seat: Option<Seat>,
    messages: VecDeque<u64>,
    stay: usize,
    committing: VecDeque<(Ticket, u64)>,
}

impl Connection {
    pub(crate) fn mqtt(id: ConnectionId, device: usize, hub: &mut Hub) -> Self {
        let seat = Seat::take(device, SeatId::only(id), Carrier::Mqtt, hub);
        Self::Mqtt(Mqtt { id, seat, unread: VecDeque::new() })
    }

    pub(crate) fn gateway(id: ConnectionId) -> Self {
        let (seats, unread) = (BTreeMap::new(), VecDeque::new());
        Self::Gateway(Gateway { id, seats, unread, last_number: 0 })
    }

    pub(crate) fn visit(id: ConnectionId, device: usize, count: u64, hub: &mut Hub) -> Self {
        let seat = Seat::visit(device, SeatId::only(id), hub);
        let stay = seat.stay;
        let messages = (0..count).map(|_| hub.history.send(stay)).collect();
        Self::Http(Visit { id, seat: Some(seat), messages, stay, committing: VecDeque::new() })
    }

    /// The shard that serves it.
    pub(crate) fn shard(&self) -> ShardId {
        match self {
            Self::Mqtt(Mqtt { id, .. }) | Self::Gateway(Gateway { id, .. }) => id.shard,
            Self::Http(visit) => visit.id.shard,
        }
    }

    pub(crate) fn seats(&self) -> Vec<&Seat> {
        match self {
            Self::Mqtt(mqtt) => vec![&mqtt.seat],
            Self::Gateway(gateway) => gateway.seats.values().map(|seated| &seated.seat).collect(),
            Self::Http(visit) => visit.seat.iter().collect(),
        }
    }

    /// Sends a message from seat `number`, if the client may; `false` if the seat is gone.
    pub(crate) fn send(&mut self, number: u32, hub: &mut Hub) -> bool {
        match self {
            Self::Mqtt(Mqtt { seat, unread, .. }) => unread.push_back(hub.history.send(seat.stay)),
            Self::Gateway(gateway) => {
                let Some(GatewaySeat { seat, .. }) = gateway.seats.get_mut(&number) else {
                    return false;
                };
                // Before that there is no credit.
                if seat.is_open(hub) {
                    gateway.unread.push_back((number, hub.history.send(seat.stay)));
                }
            }
            Self::Http(_) => {}
        }
        true
    }

    /// Does what there is to do; `false` once the connection has served.
    pub(crate) fn turn(&mut self, hub: &mut Hub) -> bool {
        match self {
            Self::Mqtt(mqtt) => mqtt.turn(hub),
            Self::Gateway(gateway) => gateway.turn(hub),
            Self::Http(visit) => return visit.turn(hub),
        }
        true
    }

    /// Takes mail about one of the seats; `false` if the connection ends by it.
    pub(crate) fn handle_mail(&mut self, mail: &Mail, hub: &mut Hub) -> bool {
        let number = mail.seat().number;
        match (self, mail) {
            (Self::Mqtt(_), Mail::Evict(_)) => return false,
            (Self::Mqtt(mqtt), Mail::PredecessorsGone(_)) => {
                mqtt.seat.handle_predecessors_gone(hub);
            }
            (Self::Gateway(gateway), Mail::Evict(_)) => gateway.end_seat(number, hub),
            (Self::Gateway(gateway), Mail::PredecessorsGone(_)) => {
                if let Some(seated) = gateway.seats.get_mut(&number) {
                    seated.seat.handle_predecessors_gone(hub);
                }
            }
            (Self::Http(_), _) => panic!("a visit gets no mail"),
        }
        true
    }

    pub(crate) fn close(self, hub: &mut Hub) {
        match self {
            Self::Mqtt(mut mqtt) => {
                mqtt.seat.leave_will(hub);
                mqtt.seat.leave(hub);
            }
            Self::Gateway(mut gateway) => {
                let numbers: Vec<u32> = gateway.seats.keys().copied().collect();
                numbers.into_iter().for_each(|number| gateway.end_seat(number, hub));
            }
            Self::Http(visit) => {
                if let Some(seat) = visit.seat {
                    seat.leave(hub);
                }
            }
        }
    }

    /// Whether all that was sent has found its end.
    pub(crate) fn is_idle(&self) -> bool {
        match self {
            Self::Mqtt(mqtt) => mqtt.unread.is_empty() && mqtt.seat.awaits_nothing(),
            Self::Gateway(gateway) => {
                let mut seats = gateway.seats.values();
                gateway.unread.is_empty()
                    && seats.all(|seated| seated.held.is_empty() && seated.seat.awaits_nothing())
            }
            Self::Http(_) => false,
        }
    }
}

impl Mqtt {
    fn turn(&mut self, hub: &mut Hub) {
        for _ in 0..READS_A_TURN {
            let Some(message) = self.unread.front().copied() else { break };
            // A message that the ring has no room for is handed in again.
            if !self.seat.is_open(hub) || !self.seat.publish(message, hub) {
                break;
            }
            self.unread.pop_front();
        }
        self.seat.acknowledge(hub);
    }
}

impl Gateway {
    fn turn(&mut self, hub: &mut Hub) {
        for GatewaySeat { seat, held } in self.seats.values_mut() {
            while held.pop_front_if(|message| seat.publish(*message, hub)).is_some() {}
        }
        for _ in 0..READS_A_TURN {
            if self.held() >= HELD_MAX {
                break;
            }
            let Some((number, message)) = self.unread.pop_front() else { break };
            // What comes for a seat that has ended was on its way.
            let Some(GatewaySeat { seat, held }) = self.seats.get_mut(&number) else { continue };
            if !held.is_empty() || !seat.publish(message, hub) {
                held.push_back(message);
            }
        }
        for seated in self.seats.values_mut() {
            seated.seat.acknowledge(hub);
        }
    }

    pub(crate) fn held(&self) -> usize {
        self.seats.values().map(|seated| seated.held.len()).sum()
    }

    /// Attaches a device. A seat of it that another has taken over is no place for it.
    pub(crate) fn attach(&mut self, device: usize, hub: &mut Hub) -> SeatId {
        let of_device = |seated: &&GatewaySeat| seated.seat.device == device;
        if let Some(present) = self.seats.values().find(of_device).map(|seated| seated.seat.id) {
            if hub.tenure(device).holder() == Some(present) {
                return present;
            }
            self.end_seat(present.number, hub);
        }
        self.last_number += 1;
        let id = SeatId { connection: self.id, number: self.last_number };
        let seat = Seat::take(device, id, Carrier::Gateway, hub);
        self.seats.insert(id.number, GatewaySeat { seat, held: VecDeque::new() });
        id
    }

    /// Ends one seat, and none but that.
    pub(crate) fn end_seat(&mut self, number: u32, hub: &mut Hub) {
        if let Some(GatewaySeat { seat, .. }) = self.seats.remove(&number) {
            seat.leave(hub);
        }
    }
}

impl Visit {
    fn turn(&mut self, hub: &mut Hub) -> bool {
        if let Some(seat) = &mut self.seat
            && seat.is_open(hub)
        {
            while self.messages.pop_front_if(|message| seat.publish(*message, hub)).is_some() {}
            if self.messages.is_empty() {
                self.committing = self.seat.take().map(|seat| seat.leave(hub)).unwrap_or_default();
            }
        }
        let is_durable = self.committing.iter().all(|(ticket, _)| hub.is_committed(*ticket));
        if self.seat.is_some() || !is_durable {
            return true;
        }
        for (_, message) in self.committing.drain(..) {
            hub.history.acknowledge(message);
        }
        hub.history.answer(self.stay);
        false
    }
}
