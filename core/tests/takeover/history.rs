//! What the devices did where, and the order that their events have for it.

use std::collections::{BTreeMap, BTreeSet};

/// How a device talks to the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Carrier {
    Mqtt,
    Gateway,
    Http,
}

/// What a device does at one place: on one seat, or in one request.
#[derive(Debug)]
struct Stay {
    device: usize,
    carrier: Carrier,
    began: u64,
    /// Since when nothing of it comes into a ring any more.
    ended: Option<u64>,
    /// When the client of a request heard that all is durable.
    answered: Option<u64>,
}

#[derive(Default)]
pub(crate) struct History {
    stays: Vec<Stay>,
    /// The stay of each message; messages are numbered as they are sent.
    messages: Vec<usize>,
    acknowledged: BTreeSet<u64>,
    /// Events in the order of their commits, that of a device in the order of its partition.
    stored: Vec<u64>,
    clock: u64,
}

impl History {
    /// A time that nothing else has.
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    pub(crate) fn begin(&mut self, device: usize, carrier: Carrier) -> usize {
        let began = self.tick();
        self.stays.push(Stay { device, carrier, began, ended: None, answered: None });
        self.stays.len() - 1
    }

    pub(crate) fn end(&mut self, stay: usize) {
        let now = self.tick();
        self.stays[stay].ended = Some(now);
    }

    pub(crate) fn answer(&mut self, stay: usize) {
        let now = self.tick();
        self.stays[stay].answered = Some(now);
    }

    /// Numbers a message that is sent on a stay.
    pub(crate) fn send(&mut self, stay: usize) -> u64 {
        self.messages.push(stay);
        self.messages.len() as u64 - 1
    }

    /// The message that was sent last, of all devices.
    pub(crate) fn last_message(&self) -> u64 {
        self.messages.len() as u64 - 1
    }

    pub(crate) fn acknowledge(&mut self, message: u64) {
        self.acknowledged.insert(message);
    }

    pub(crate) fn store(&mut self, message: u64) {
        self.stored.push(message);
    }

    pub(crate) fn stored(&self) -> usize {
        self.stored.len()
    }

    pub(crate) fn is_acknowledged(&self, message: u64) -> bool {
        self.acknowledged.contains(&message)
    }

    /// Messages of a stay.
    pub(crate) fn messages_of(&self, stay: usize) -> impl Iterator<Item = u64> {
        let messages = (0_u64..).zip(&self.messages);
        messages.filter(move |(_, of)| **of == stay).map(|(message, _)| message)
    }

    /// Stays that a device has begun.
    pub(crate) fn stays_of(&self, device: usize) -> impl Iterator<Item = usize> {
        let stays = self.stays.iter().enumerate();
        stays.filter(move |(_, stay)| stay.device == device).map(|(place, _)| place)
    }

    /// How often devices went from one protocol to another or the same.
    pub(crate) fn count_moves(&self, moves: &mut BTreeMap<(Carrier, Carrier), usize>) {
        let mut before = BTreeMap::new();
        for stay in &self.stays {
            if let Some(from) = before.insert(stay.device, stay.carrier) {
                *moves.entry((from, stay.carrier)).or_default() += 1;
            }
        }
    }

    /// Checks that what was acknowledged is there, nothing is there twice, and all has its order.
    pub(crate) fn verify(&self) -> Result<(), String> {
        let mut places = BTreeMap::new();
        for (place, message) in self.stored.iter().enumerate() {
            if places.insert(*message, place).is_some() {
                return Err(format!("message {message} is stored twice"));
            }
        }
        if let Some(lost) = self.acknowledged.iter().find(|m| !places.contains_key(m)) {
            return Err(format!("message {lost} was acknowledged and is not stored"));
        }
        let mut devices = BTreeMap::<usize, Vec<(u64, usize)>>::new();
        for (message, place) in places {
            let stay = self.stay_of(message);
            devices.entry(stay.device).or_default().push((message, place));
        }
        devices.values().try_for_each(|messages| self.verify_order(messages))
    }

    /// Checks the messages of one device, in the order in which they were sent, with their places.
    fn verify_order(&self, messages: &[(u64, usize)]) -> Result<(), String> {
        for (place, (later, stored)) in messages.iter().enumerate() {
            let before = &messages[..place];
            let overtaken = before.iter().find(|(earlier, earlier_stored)| {
                earlier_stored > stored && self.precedes(*earlier, *later)
            });
            if let Some((earlier, _)) = overtaken {
                let (a, b) = (self.stay_of(*earlier), self.stay_of(*later));
                return Err(format!("message {later} of {b:?} overtook {earlier} of {a:?}"));
            }
        }
        Ok(())
    }

    fn stay_of(&self, message: u64) -> &Stay {
        &self.stays[self.messages[usize::try_from(message).expect("few messages")]]
    }

    /// Whether the hub promises that `earlier`, which was sent first, is stored first.
    fn precedes(&self, earlier: u64, later: u64) -> bool {
        let (a, b) = (self.stay_of(earlier), self.stay_of(later));
        let is_same = a.began == b.began;
        match (a.carrier, b.carrier) {
            _ if is_same => true,
            // Who visits beside others has no order among them, before it has heard the answer.
            (Carrier::Http, _) => {
                let is_answered = a.answered.is_some_and(|at| at < b.began);
                is_answered || (a.has_ended_before(b) && self.was_alone(a))
            }
            (_, Carrier::Http) => a.has_ended_before(b),
            _ => true,
        }
    }

    fn was_alone(&self, visit: &Stay) -> bool {
        let others = self.stays.iter().filter(|stay| stay.device == visit.device);
        others.filter(|other| other.began != visit.began).all(|other| {
            let is_after = visit.has_ended_before(other);
            is_after || other.has_ended_before(visit)
        })
    }
}

impl Stay {
    fn has_ended_before(&self, other: &Self) -> bool {
        self.ended.is_some_and(|ended| ended < other.began)
    }
}
