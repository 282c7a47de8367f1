//! Devices that go from place to place, and what befalls them.

use std::collections::{BTreeMap, BTreeSet};

use ringhub_core::id::{ConnectionId, ExecutorId, SeatId, ShardId};

use crate::connection::Connection;
use crate::hub::{EXECUTORS, Hub, SHARDS};
use crate::random::Random;

const GATEWAYS: usize = 2;
const DEVICES: usize = 6;
/// The device that stays on the gateway that is never lost, whatever the others do there.
const STEADY: usize = 0;
/// Turns in which everything comes to its end.
const SETTLE_TURNS: usize = 200;
/// For how many steps a ring's commits may take their time.
const STALL_STEPS_MAX: u64 = 300;

pub(crate) struct World {
    random: Random,
    pub(crate) hub: Hub,
    connections: BTreeMap<u32, Connection>,
    last_slot: u32,
    /// The connections of the gateways, and where they are.
    gateways: [ConnectionId; GATEWAYS],
    /// Where each device believes that it is.
    places: [Option<SeatId>; DEVICES],
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut world = Self {
            random: Random(seed),
            hub: Hub::new(DEVICES),
            connections: BTreeMap::new(),
            last_slot: 0,
            gateways: [ConnectionId { shard: ShardId(0), slot: 0, generation: 0 }; GATEWAYS],
            places: [None; DEVICES],
        };
        (0..GATEWAYS).for_each(|gateway| world.open_gateway(gateway));
        world.attach(STEADY, 0);
        world
    }

    /// A connection to a shard of the network's choice.
    fn next_connection(&mut self) -> ConnectionId {
        self.last_slot += 1;
        ConnectionId { shard: self.any_shard(), slot: self.last_slot, generation: 0 }
    }

    fn any_shard(&mut self) -> ShardId {
        ShardId(u16::try_from(self.random.below(SHARDS.into())).expect("a shard"))
    }

    fn any_executor(&mut self) -> ExecutorId {
        ExecutorId(u16::try_from(self.random.below(EXECUTORS.into())).expect("an executor"))
    }

    fn open_gateway(&mut self, gateway: usize) {
        let id = self.next_connection();
        self.gateways[gateway] = id;
        self.connections.insert(id.slot, Connection::gateway(id));
    }

    fn attach(&mut self, device: usize, gateway: usize) {
        let id = self.gateways[gateway];
        if let Some(Connection::Gateway(gateway)) = self.connections.get_mut(&id.slot) {
            self.places[device] = Some(gateway.attach(device, &mut self.hub));
        }
    }

    /// The device comes in anew by any protocol. Its old seat may live on half open.
    fn move_device(&mut self, device: usize) {
        if self.random.one_in(3) {
            self.end_place(device);
        }
        match self.random.below(3) {
            0 => self.connect(device),
            1 => {
                let gateway = self.random.index(GATEWAYS);
                self.attach(device, gateway);
            }
            _ => self.visit(device),
        }
    }

    fn connect(&mut self, device: usize) {
        let id = self.next_connection();
        self.connections.insert(id.slot, Connection::mqtt(id, device, &mut self.hub));
        self.places[device] = Some(SeatId::only(id));
    }

    fn visit(&mut self, device: usize) {
        let id = self.next_connection();
        let count = 1 + self.random.below(3);
        self.connections.insert(id.slot, Connection::visit(id, device, count, &mut self.hub));
    }

    fn send(&mut self, device: usize) {
        let Some(SeatId { connection, number }) = self.places[device] else { return };
        let connection = self.connections.get_mut(&connection.slot);
        if !connection.is_some_and(|connection| connection.send(number, &mut self.hub)) {
            self.places[device] = None;
        }
    }

    /// The device disconnects or detaches.
    fn end_place(&mut self, device: usize) {
        let Some(SeatId { connection, number }) = self.places[device].take() else { return };
        match self.connections.get_mut(&connection.slot) {
            Some(Connection::Gateway(gateway)) => gateway.end_seat(number, &mut self.hub),
            _ => self.lose(connection.slot),
        }
    }

    fn lose(&mut self, slot: u32) {
        if let Some(connection) = self.connections.remove(&slot) {
            connection.close(&mut self.hub);
        }
        if let Some(gateway) = self.gateways.iter().position(|id| id.slot == slot) {
            self.open_gateway(gateway);
        }
    }

    /// Any connection but the one that the steady device is on.
    fn lose_any(&mut self) {
        let spared = self.gateways[0].slot;
        let slots: Vec<u32> = self.connections.keys().copied().filter(|s| *s != spared).collect();
        if let Some(slot) = self.random.pick(&slots) {
            self.lose(slot);
        }
    }

    fn run_shard(&mut self, shard: ShardId) {
        if let Some(mail) = self.hub.take_mail(shard) {
            let slot = mail.seat().connection.slot;
            let connection = self.connections.get_mut(&slot);
            // Nobody is there for the mail of a connection that has ended.
            if connection.is_some_and(|connection| !connection.handle_mail(&mail, &mut self.hub)) {
                self.lose(slot);
            }
        }
        let of_shard = |(_, connection): &(&u32, &mut Connection)| connection.shard() == shard;
        let mut served = Vec::new();
        for (slot, connection) in self.connections.iter_mut().filter(of_shard) {
            if !connection.turn(&mut self.hub) {
                served.push(*slot);
            }
        }
        for slot in served {
            self.connections.remove(&slot);
        }
    }

    fn step(&mut self) {
        self.hub.now += 1;
        let (shard, executor) = (self.any_shard(), self.any_executor());
        let device = self.random.index(DEVICES);
        match self.random.below(100) {
            0..3 if device != STEADY => self.move_device(device),
            3 if device != STEADY => self.end_place(device),
            4 if self.random.one_in(3) => self.lose_any(),
            5 => {
                let until = self.hub.now + self.random.below(STALL_STEPS_MAX);
                self.hub.stall(shard, executor, until);
            }
            6..40 => self.send(device),
            40..70 => self.run_shard(shard),
            _ => self.hub.commit(shard, executor),
        }
        self.check_tenures();
    }

    /// At most one seat of an identity was told that it is in.
    fn check_tenures(&self) {
        let mut admitted = BTreeSet::new();
        for seat in self.connections.values().flat_map(Connection::seats) {
            if seat.is_holder && seat.is_admitted() {
                assert!(admitted.insert(seat.device), "two live seats of device {}", seat.device);
            }
        }
    }

    pub(crate) fn run(&mut self, steps: usize) {
        (0..steps).for_each(|_| self.step());
    }

    /// Lets everything come to its end.
    pub(crate) fn settle(&mut self) {
        self.hub.now += STALL_STEPS_MAX;
        for _ in 0..SETTLE_TURNS {
            for shard in (0..SHARDS).map(ShardId) {
                self.run_shard(shard);
                (0..EXECUTORS).for_each(|executor| self.hub.commit(shard, ExecutorId(executor)));
            }
            self.check_tenures();
        }
        let waiting = self.connections.values().filter(|connection| !connection.is_idle()).count();
        assert_eq!(waiting, 0, "connections where something waits for ever");
    }

    /// The steady device has one seat all the time, and all that it sent is acknowledged.
    pub(crate) fn check_steady(&self) {
        let history = &self.hub.history;
        let stays: Vec<usize> = history.stays_of(STEADY).collect();
        let [stay] = stays[..] else { panic!("the steady device had {} seats", stays.len()) };
        let mut messages = history.messages_of(stay);
        assert!(
            messages.all(|message| history.is_acknowledged(message)),
            "a neighbour is in the way"
        );
    }

    /// Everybody comes in by every protocol and is served, also where it comes back before the news
    /// of its going has come.
    pub(crate) fn check_everybody_enters(&mut self) {
        for device in (0..DEVICES).filter(|device| *device != STEADY) {
            self.connect(device);
            self.check_served(device);
            self.attach(device, 1);
            self.check_served(device);
            self.visit(device);
            self.check_served(device);
            self.connect(device);
            self.attach(device, 1);
            self.check_served(device);
        }
    }

    fn check_served(&mut self, device: usize) {
        self.settle();
        let before = self.hub.history.last_message();
        self.send(device);
        self.settle();
        let message = self.hub.history.last_message();
        assert!(message > before, "device {device} has lost its place");
        assert!(self.hub.history.is_acknowledged(message), "device {device} is not served");
    }
}
