//! Devices and modules on an AMQP connection: one, or the thousand behind a gateway.
//!
//! ```text
//!  put-token, PLAIN, certificate ─▶ DeviceCredentials
//!  first attach of an identity ─▶ Seat::take ─▶ admitted: attaches are answered ─▶ last detach: Seat::leave
//! ```
//!
//! What happens to one identity, an eviction, an expiry or a full ring, happens to its own links
//! alone. Seats are found by number, identity and link, never by a walk.
//!
//! Source: device-endpoints reference, "AMQP 1.0".

mod admission;
mod c2d;
mod credentials;
mod deadlines;
mod method;
mod outbox;
mod seated;
mod send;
mod telemetry;
mod token;
mod twin;

use std::collections::{HashMap, HashSet};

use ringhub_core::id::{HubId, Identity};
use ringhub_core::limits::{
    AMQP_DEVICES_PARTIAL_BYTES_MAX, AMQP_HELD_BYTES_MAX, AMQP_IN_FLIGHT_MAX,
    AMQP_PARTIAL_BYTES_MAX, AMQP_SEATS_MAX, D2C_TRANSFER_BYTES_MAX,
};
use ringhub_core::number_map::NumberMap;
use ringhub_core::session::amqp::{DeviceLink, LinkId};
use ringhub_core::time::Timestamp;

pub(super) use self::credentials::DeviceCredentials;
use self::credentials::TooManyTokens;
use self::deadlines::Deadlines;
use self::seated::SeatedDevice;
pub(super) use self::telemetry::Received;
pub(super) use self::token::device_resource;
use crate::shard::seat::Seat;

/// The seats of one connection.
#[derive(Debug, Default)]
pub(super) struct Devices {
    seats: NumberMap<u32, SeatedDevice>,
    numbers: HashMap<(HubId, Identity), u32>,
    deadlines: Deadlines,
    last_number: u32,
    /// Seats with something to send that the window of their session has stopped.
    stopped: HashSet<u32>,
    /// Messages that are not settled yet, of all seats.
    in_flight: usize,
    /// Bytes of those that are not in a ring yet.
    held_bytes: usize,
    /// Bytes of answers that wait for credit, of all seats.
    answer_bytes: usize,
}

impl Devices {
    /// Whether messages of devices may be read: not beyond what waits for the disk already.
    pub(super) fn can_read(&self) -> bool {
        self.in_flight < AMQP_IN_FLIGHT_MAX && self.held_bytes < AMQP_HELD_BYTES_MAX
    }

    /// When the first seat has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Timestamp> {
        self.deadlines.first()
    }

    /// How many bytes messages may hold that have arrived in part: devices whose frames come in
    /// turns have room for a message each.
    fn partial_bytes_max(&self) -> usize {
        let all = AMQP_PARTIAL_BYTES_MAX + self.seats.len() * D2C_TRANSFER_BYTES_MAX;
        all.min(AMQP_DEVICES_PARTIAL_BYTES_MAX)
    }

    fn is_full(&self) -> bool {
        self.seats.len() >= AMQP_SEATS_MAX
    }

    fn next_number(&mut self) -> u32 {
        self.last_number = self.last_number.wrapping_add(1);
        self.last_number
    }

    fn number_of(&self, hub: HubId, identity: &Identity) -> Option<u32> {
        self.numbers.get(&(hub, identity.clone())).copied()
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut SeatedDevice> {
        self.seats.get_mut(&number)
    }

    /// The client has taken a message back on a link.
    pub(super) fn count_aborted(&mut self, number: u32, (function, link): (DeviceLink, LinkId)) {
        if let Some(device) = self.get_mut(number) {
            device.count_aborted(function, link);
        }
    }

    fn insert(&mut self, number: u32, seat: Seat, ends: Timestamp) {
        let grant = seat.grant();
        self.numbers.insert((grant.hub, grant.identity.clone()), number);
        self.seats.insert(number, SeatedDevice::new(seat, ends));
        self.rearm(number);
    }

    fn remove(&mut self, number: u32) -> Option<SeatedDevice> {
        let device = self.seats.remove(&number)?;
        let grant = device.seat.grant();
        self.numbers.remove(&(grant.hub, grant.identity.clone()));
        self.deadlines.change(number, device.armed, None);
        self.stopped.remove(&number);
        self.in_flight -= device.telemetry.in_flight();
        self.held_bytes -= device.telemetry.held_bytes();
        self.answer_bytes -= device.twin.answer_bytes();
        Some(device)
    }

    /// Follows a change of a seat's deadline. Costs a comparison when there is none.
    fn rearm(&mut self, number: u32) {
        if let Some(device) = self.seats.get_mut(&number) {
            device.rearm(number, &mut self.deadlines);
        }
    }

    /// The seat that holds most bytes of answers, if `number` is to hold `more`. Walks over all
    /// seats.
    fn largest_in_answers(&self, number: u32, more: usize) -> u32 {
        let bytes = |(seat, device): &(&u32, &SeatedDevice)| {
            device.twin.answer_bytes() + if **seat == number { more } else { 0 }
        };
        self.seats.iter().max_by_key(bytes).map_or(number, |(seat, _)| *seat)
    }

    /// A seat whose deadline is over.
    fn poll_expired(&mut self, now: Timestamp) -> Option<u32> {
        let number = self.deadlines.poll_expired(now)?;
        if let Some(device) = self.seats.get_mut(&number) {
            device.armed = None;
        }
        Some(number)
    }

    fn numbers(&self) -> Vec<u32> {
        self.seats.keys().copied().collect()
    }
}
