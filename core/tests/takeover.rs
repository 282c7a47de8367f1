//! Takeover of an identity under a seeded simulation: shards that run at different speeds, mail
//! that waits, commits that lag, connections that die at any moment, also while they wait for their
//! predecessors.

mod random;

use std::collections::{BTreeMap, VecDeque};

use random::Random;
use ringhub_core::id::{ConnectionId, ExecutorId, ShardId};
use ringhub_core::position::{RingPosition, Ticket};
use ringhub_core::session::takeover::{Claim, Tenure};

const SHARDS: u16 = 4;

enum Mail {
    Evict(ConnectionId),
    PredecessorsGone(ConnectionId),
}

enum Record {
    Publish(u64),
    /// The hub sends wills, and their place among what the device sends is not defined.
    Will,
}

struct Connection {
    claim: Claim,
    /// Publishes that the device has sent and the shard has not read.
    unread: VecDeque<u64>,
    last: Option<Ticket>,
}

#[derive(Default)]
struct Shard {
    mail: VecDeque<Mail>,
    connections: BTreeMap<u32, Connection>,
    /// Records of this shard's ring that the executor has not committed.
    ring: VecDeque<Record>,
    pushed: u64,
    committed: u64,
}

struct World {
    random: Random,
    tenure: Tenure,
    shards: Vec<Shard>,
    log: Vec<u64>,
    next_slot: u32,
    next_publish: u64,
    device: Option<ConnectionId>,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            tenure: Tenure::default(),
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            log: Vec::new(),
            next_slot: 0,
            next_publish: 0,
            device: None,
        }
    }

    fn shard(&mut self, shard: ShardId) -> &mut Shard {
        &mut self.shards[usize::from(shard.0)]
    }

    fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.shard(id.shard).connections.get_mut(&id.slot)
    }

    /// The device connects to a shard of the network's choice; its old connection may live on half
    /// open.
    fn connect(&mut self) {
        let shard = ShardId(u16::try_from(self.random.below(SHARDS.into())).expect("small"));
        let id = ConnectionId { shard, slot: self.next_slot, generation: 0 };
        self.next_slot += 1;
        let reservation = self.tenure.reserve(id);
        let connection =
            Connection { claim: reservation.claim, unread: VecDeque::new(), last: None };
        self.shard(shard).connections.insert(id.slot, connection);
        if let Some(previous) = reservation.previous {
            self.shard(previous.shard).mail.push_back(Mail::Evict(previous));
        }
        self.device = Some(id);
    }

    fn publish(&mut self) {
        let Some(id) = self.device else { return };
        let publish = self.next_publish;
        if let Some(connection) = self.connection(id) {
            connection.unread.push_back(publish);
            self.next_publish += 1;
        } else {
            self.device = None;
        }
    }

    fn close(&mut self, id: ConnectionId) {
        let Some(mut connection) = self.shard(id.shard).connections.remove(&id.slot) else {
            return;
        };
        let is_committed = self.is_committed();
        if connection.claim != Claim::AwaitingPredecessors
            && connection.claim.may_leave_will(id.shard, is_committed)
        {
            connection.last = Some(self.push(id.shard, Record::Will));
        }
        if let Some(holder) = self.tenure.release(id, connection.last) {
            self.shard(holder.shard).mail.push_back(Mail::PredecessorsGone(holder));
        }
    }

    fn run_shard(&mut self, shard: ShardId) {
        if let Some(mail) = self.shard(shard).mail.pop_front() {
            match mail {
                Mail::Evict(id) => self.close(id),
                Mail::PredecessorsGone(id) => {
                    let fence = self.tenure.fence();
                    if let Some(connection) = self.connection(id) {
                        connection.claim.handle_predecessors_gone(fence);
                    }
                }
            }
        }
        let slots: Vec<u32> = self.shard(shard).connections.keys().copied().collect();
        for slot in slots {
            self.read_one(ConnectionId { shard, slot, generation: 0 });
        }
    }

    fn read_one(&mut self, id: ConnectionId) {
        let is_committed = self.is_committed();
        let connection = self.connection(id).expect("listed");
        if !connection.claim.may_publish(is_committed) {
            return;
        }
        let Some(publish) = connection.unread.pop_front() else { return };
        let ticket = self.push(id.shard, Record::Publish(publish));
        self.connection(id).expect("listed").last = Some(ticket);
    }

    fn is_committed(&self) -> impl Fn(Ticket) -> bool + use<> {
        let committed: Vec<u64> = self.shards.iter().map(|s| s.committed).collect();
        move |ticket| committed[usize::from(ticket.shard.0)] >= ticket.position.0
    }

    fn push(&mut self, id: ShardId, record: Record) -> Ticket {
        let shard = self.shard(id);
        shard.ring.push_back(record);
        shard.pushed += 1;
        let position = RingPosition(shard.pushed);
        Ticket { shard: id, executor: ExecutorId(0), position }
    }

    fn commit(&mut self, shard: ShardId) {
        if let Some(record) = self.shard(shard).ring.pop_front() {
            self.shard(shard).committed += 1;
            if let Record::Publish(publish) = record {
                self.log.push(publish);
            }
        }
    }

    fn step(&mut self) {
        let shard = ShardId(u16::try_from(self.random.below(SHARDS.into())).expect("small"));
        match self.random.below(20) {
            0 => self.connect(),
            1 if self.random.one_in(2) => {
                let slots: Vec<u32> = self.shard(shard).connections.keys().copied().collect();
                if let Some(&slot) = slots.first() {
                    self.close(ConnectionId { shard, slot, generation: 0 });
                }
            }
            2..=8 => self.publish(),
            9..=13 => self.run_shard(shard),
            _ => self.commit(shard),
        }
    }

    fn settle(&mut self) {
        for _ in 0..10_000 {
            for shard in 0..SHARDS {
                self.run_shard(ShardId(shard));
                self.commit(ShardId(shard));
            }
        }
    }
}

#[test]
fn events_of_an_identity_stay_in_order_over_every_takeover() {
    for seed in 1..=400_u64 {
        let mut world = World::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        for _ in 0..8_000 {
            world.step();
        }
        world.settle();
        assert!(world.log.len() > 100, "seed {seed}: {} events", world.log.len());
        assert!(world.log.is_sorted(), "seed {seed}: order broken in {:?}", world.log);
    }
}

#[test]
fn the_last_connection_always_ends_up_open() {
    for seed in 1..=400_u64 {
        let mut world = World::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        for _ in 0..500 {
            world.step();
        }
        world.connect();
        world.settle();
        world.publish();
        let published = world.next_publish - 1;
        world.settle();
        assert_eq!(world.log.last(), Some(&published), "seed {seed}");
        let live: usize = world.shards.iter().map(|s| s.connections.len()).sum();
        assert_eq!(live, 1, "seed {seed}: one live connection per identity");
    }
}
