//! Takeover of an identity under a seeded simulation: shards that run at different speeds, mail
//! that waits, commits that lag, seats that end at any moment, also while they wait for their
//! predecessors.

mod random;

use std::collections::{BTreeMap, VecDeque};

use random::Random;
use ringhub_core::id::{ConnectionId, ExecutorId, SeatId, ShardId};
use ringhub_core::position::{RingPosition, Ticket};
use ringhub_core::session::takeover::{Admission, Tenure};

const SHARDS: u16 = 4;

/// All seats of a shard are on one connection, such as that of a gateway.
fn seat(shard: ShardId, number: u32) -> SeatId {
    SeatId { connection: ConnectionId { shard, slot: 0, generation: 0 }, number }
}

enum Mail {
    Evict(SeatId),
    PredecessorsGone(SeatId),
}

enum Record {
    Publish(u64),
    /// The hub sends wills, and their place among what the device sends is not defined.
    Will,
}

struct Seat {
    admission: Admission,
    /// Publishes that the device has sent and the shard has not read.
    unread: VecDeque<u64>,
    last: Option<Ticket>,
}

#[derive(Default)]
struct Shard {
    mail: VecDeque<Mail>,
    seats: BTreeMap<u32, Seat>,
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
    next_number: u32,
    next_publish: u64,
    device: Option<SeatId>,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            tenure: Tenure::default(),
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            log: Vec::new(),
            next_number: 0,
            next_publish: 0,
            device: None,
        }
    }

    fn shard(&mut self, shard: ShardId) -> &mut Shard {
        &mut self.shards[usize::from(shard.0)]
    }

    fn seat(&mut self, id: SeatId) -> Option<&mut Seat> {
        self.shard(id.connection.shard).seats.get_mut(&id.number)
    }

    /// The device connects to a shard of the network's choice; its old seat may live on half
    /// open.
    fn connect(&mut self) {
        let shard = ShardId(u16::try_from(self.random.below(SHARDS.into())).expect("small"));
        let id = seat(shard, self.next_number);
        self.next_number += 1;
        let reservation = self.tenure.reserve(id);
        let seat = Seat { admission: reservation.admission, unread: VecDeque::new(), last: None };
        self.shard(shard).seats.insert(id.number, seat);
        if let Some(previous) = reservation.previous {
            self.shard(previous.connection.shard).mail.push_back(Mail::Evict(previous));
        }
        self.device = Some(id);
    }

    fn publish(&mut self) {
        let Some(id) = self.device else { return };
        let publish = self.next_publish;
        if let Some(seat) = self.seat(id) {
            seat.unread.push_back(publish);
            self.next_publish += 1;
        } else {
            self.device = None;
        }
    }

    fn close(&mut self, id: SeatId) {
        let Some(mut seat) = self.shard(id.connection.shard).seats.remove(&id.number) else {
            return;
        };
        let is_committed = self.is_committed();
        if seat.admission != Admission::AwaitingPredecessors
            && seat.admission.may_leave_will(id.connection.shard, is_committed)
        {
            seat.last = Some(self.push(id.connection.shard, Record::Will));
        }
        if let Some(holder) = self.tenure.release(id, seat.last) {
            self.shard(holder.connection.shard).mail.push_back(Mail::PredecessorsGone(holder));
        }
    }

    fn run_shard(&mut self, shard: ShardId) {
        if let Some(mail) = self.shard(shard).mail.pop_front() {
            match mail {
                Mail::Evict(id) => self.close(id),
                Mail::PredecessorsGone(id) => {
                    let fence = self.tenure.fence();
                    if let Some(seat) = self.seat(id) {
                        seat.admission.handle_predecessors_gone(fence);
                    }
                }
            }
        }
        let numbers: Vec<u32> = self.shard(shard).seats.keys().copied().collect();
        for number in numbers {
            self.read_one(seat(shard, number));
        }
    }

    fn read_one(&mut self, id: SeatId) {
        let is_committed = self.is_committed();
        let seat = self.seat(id).expect("listed");
        if !seat.admission.may_publish(is_committed) {
            return;
        }
        let Some(publish) = seat.unread.pop_front() else { return };
        let ticket = self.push(id.connection.shard, Record::Publish(publish));
        self.seat(id).expect("listed").last = Some(ticket);
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
                let numbers: Vec<u32> = self.shard(shard).seats.keys().copied().collect();
                if let Some(&number) = numbers.first() {
                    self.close(seat(shard, number));
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
fn the_last_seat_always_ends_up_open() {
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
        let live: usize = world.shards.iter().map(|s| s.seats.len()).sum();
        assert_eq!(live, 1, "seed {seed}: one live seat per identity");
    }
}
