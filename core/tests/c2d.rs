//! The device queue under a seeded simulation: back ends that send, seats that come, go and
//! are slow, verdicts that are late, forged or repeated, a store that commits later, a hub that is
//! killed, and a clock that jumps.
//!
//! The checker knows nothing of the queue but what it was told: every accepted message ends once,
//! has one holder at a time, comes in order, and makes at most one feedback record.

mod random;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use random::Random;
use ringhub_core::c2d::{
    AckLevel, DeviceQueue, Lock, LockToken, Outcome, QueuedMessage, Settled, Verdict,
};
use ringhub_core::id::{ConnectionId, SeatId, ShardId};
use ringhub_core::time::UnixMillis;

const DEPTH_MAX: usize = 8;
const DELIVERY_COUNT_MAX: u32 = 3;
const LOCK_MS: i64 = 60;
const TTL_MS: i64 = 400;

/// What the store is to write, in order.
enum Change {
    Insert(QueuedMessage),
    Settle(Settled),
}

/// What the outside has seen of one message.
#[derive(Debug)]
struct Story {
    expires: UnixMillis,
    /// Who has it, or settles it.
    holder: Option<(LockToken, UnixMillis)>,
    delivered: bool,
    abandons: u32,
}

/// Judges what comes out; panics on the first broken promise.
#[derive(Default)]
struct Checker {
    alive: BTreeMap<u64, Story>,
    ended: BTreeSet<u64>,
}

impl Checker {
    fn accepted(&mut self, number: u64, expires: UnixMillis) {
        let story = Story { expires, holder: None, delivered: false, abandons: 0 };
        assert!(self.alive.insert(number, story).is_none());
    }

    fn handed_out(&mut self, number: u64, lock: Lock<SeatId>, redelivered: bool, now: UnixMillis) {
        let mut free = self.alive.iter().filter(|(_, story)| story.is_free(now));
        assert_eq!(free.next().map(|(first, _)| *first), Some(number), "the first comes first");
        let story = self.alive.get_mut(&number).expect("only accepted messages are handed out");
        assert!(story.is_free(now), "two holders of {number}");
        assert!(redelivered || !story.delivered, "a repetition of {number} is not marked");
        story.delivered = true;
        story.holder = Some((lock.token, lock.until));
    }

    fn ended(&mut self, number: u64, outcome: Outcome) {
        let story = self.alive.remove(&number).expect("a message ends once");
        assert!(self.ended.insert(number));
        if outcome == Outcome::DeliveryCountExceeded {
            assert_eq!(story.abandons, DELIVERY_COUNT_MAX, "counts explicit abandons only");
        }
    }
}

impl Story {
    fn is_free(&self, now: UnixMillis) -> bool {
        now < self.expires && self.holder.is_none_or(|(_, until)| until <= now)
    }
}

struct World {
    random: Random,
    now: UnixMillis,
    queue: DeviceQueue,
    /// Accepted by the queue's reservation, not committed yet.
    uncommitted: VecDeque<Change>,
    disk: BTreeMap<u64, QueuedMessage>,
    checker: Checker,
    held: Vec<(u64, LockToken, SeatId)>,
    /// Locks that a verdict has ended.
    settling: BTreeSet<LockToken>,
    next_number: u64,
    next_token: u128,
    seat: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            now: UnixMillis::from_millis(1_000_000),
            queue: DeviceQueue::default(),
            uncommitted: VecDeque::new(),
            disk: BTreeMap::new(),
            checker: Checker::default(),
            held: Vec::new(),
            settling: BTreeSet::new(),
            next_number: 1,
            next_token: 1,
            seat: 0,
        }
    }

    fn later(&self, ms: i64) -> UnixMillis {
        UnixMillis::from_millis(self.now.as_millis() + ms)
    }

    fn holder(&self) -> SeatId {
        let connection = ConnectionId { shard: ShardId(0), slot: 0, generation: 0 };
        SeatId { connection, number: self.seat }
    }

    fn send(&mut self) {
        if self.queue.reserve(DEPTH_MAX).is_err() {
            assert!(self.queue.len() <= DEPTH_MAX);
            return;
        }
        let message = QueuedMessage {
            sequence_number: self.next_number,
            content: Bytes::from(self.next_number.to_string()),
            ack: AckLevel::Full,
            enqueued: self.now,
            expires: self.later(TTL_MS),
            delivery_count: 0,
            delivered: false,
        };
        self.next_number += 1;
        self.uncommitted.push_back(Change::Insert(message));
    }

    fn commit(&mut self) {
        let Some(change) = self.uncommitted.pop_front() else { return };
        match change {
            Change::Insert(_) if self.random.below(20) == 0 => self.queue.cancel(),
            Change::Insert(message) => {
                self.disk.insert(message.sequence_number, message.clone());
                self.checker.accepted(message.sequence_number, message.expires);
                self.queue.push(message);
            }
            // A store that fails: the message is there again after a while.
            Change::Settle(_) if self.random.below(20) == 0 => {}
            Change::Settle(Settled::Ended { sequence_number, outcome }) => {
                self.disk.remove(&sequence_number);
                // A store that was slower than the lock: somebody else was faster.
                if self.queue.remove(sequence_number).is_some() {
                    self.checker.ended(sequence_number, outcome);
                }
            }
            Change::Settle(Settled::Abandoned { sequence_number, token, delivery_count }) => {
                if let Some(row) = self.disk.get_mut(&sequence_number) {
                    row.delivery_count = delivery_count;
                }
                self.queue.put_back(sequence_number, token, delivery_count);
                if let Some(story) = self.checker.alive.get_mut(&sequence_number) {
                    story.holder.take_if(|(held, _)| *held == token);
                }
            }
        }
    }

    fn deliver(&mut self) {
        let token = LockToken(self.next_token);
        self.next_token += 1;
        let lock = Lock { token, holder: self.holder(), until: self.later(LOCK_MS) };
        let Some(message) = self.queue.lock_next(lock, self.now) else { return };
        let number = message.sequence_number;
        assert_eq!(message.content, number.to_string());
        self.checker.handed_out(number, lock, message.redelivered, self.now);
        self.held.push((number, token, lock.holder));
    }

    fn settle(&mut self) {
        let forged = LockToken(u128::MAX);
        let held = self.random.pick(&self.held);
        let (number, token) = held.map_or((0, forged), |(number, token, _)| (number, token));
        let verdict = [Verdict::Complete, Verdict::Complete, Verdict::Reject, Verdict::Abandon];
        let verdict = self.random.pick(&verdict).expect("one of four");
        let until = self.later(LOCK_MS);
        let result = self.queue.settle(token, verdict, DELIVERY_COUNT_MAX, self.now, until);
        let Ok(settled) = result else { return };
        assert_ne!(token, forged);
        let story = self.checker.alive.get_mut(&number).expect("only a live message is settled");
        let (holder, ends) = story.holder.take().expect("only the holder settles");
        assert!(holder == token && self.now < ends, "a lost lock settles nothing");
        story.holder = Some((token, until));
        if verdict == Verdict::Abandon {
            story.abandons = self.disk[&number].delivery_count + 1;
        }
        self.settling.insert(token);
        self.uncommitted.push_back(Change::Settle(settled));
    }

    fn reconnect(&mut self) {
        let holder = self.holder();
        self.queue.unlock(holder);
        for story in self.checker.alive.values_mut() {
            let is_held = |(token, _): &mut (LockToken, UnixMillis)| {
                let of_holder = self.held.iter().any(|(_, t, of)| t == token && *of == holder);
                of_holder && !self.settling.contains(token)
            };
            story.holder.take_if(is_held);
        }
        self.seat += 1;
    }

    fn tick(&mut self, ms: i64) {
        self.now = self.later(ms);
        let until = self.later(LOCK_MS);
        let due = self.queue.handle_timeout(self.now, until);
        for sequence_number in due.expired {
            let row = &self.disk[&sequence_number];
            assert!(row.expires <= self.now, "{sequence_number} expires early");
            let story = self.checker.alive.get_mut(&sequence_number).expect("alive");
            story.holder = Some((LockToken(0), until));
            let outcome = Outcome::Expired;
            let settled = Settled::Ended { sequence_number, outcome };
            self.uncommitted.push_back(Change::Settle(settled));
        }
        assert!(self.queue.poll_timeout().is_none_or(|at| self.now < at), "nothing is overdue");
    }

    fn purge(&mut self) {
        let until = self.later(LOCK_MS);
        for sequence_number in self.queue.purge(until) {
            let story = self.checker.alive.get_mut(&sequence_number).expect("alive");
            story.holder = Some((LockToken(0), until));
            let settled = Settled::Ended { sequence_number, outcome: Outcome::Purged };
            self.uncommitted.push_back(Change::Settle(settled));
        }
    }

    /// What was not committed never was; everything on disk may have been delivered.
    fn kill(&mut self) {
        self.uncommitted.clear();
        self.held.clear();
        self.seat += 1;
        self.queue = DeviceQueue::default();
        for row in self.disk.values() {
            self.queue.push(QueuedMessage { delivered: true, ..row.clone() });
        }
        let on_disk: Vec<u64> = self.disk.keys().copied().collect();
        let alive: Vec<u64> = self.checker.alive.keys().copied().collect();
        assert_eq!(on_disk, alive, "an accepted message has vanished");
        for story in self.checker.alive.values_mut() {
            story.holder = None;
        }
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..20 => self.send(),
            20..50 => self.commit(),
            50..70 => self.deliver(),
            70..85 => self.settle(),
            85..89 => self.reconnect(),
            89..97 => {
                let ms = i64::try_from(self.random.below(30)).expect("small");
                self.tick(ms);
            }
            97 => self.tick(2 * LOCK_MS),
            98 => self.purge(),
            _ => self.kill(),
        }
        let alive = self.checker.alive.len();
        assert_eq!(self.queue.len(), alive, "the queue holds what has not ended");
        assert!(alive <= DEPTH_MAX);
    }
}

#[test]
fn every_accepted_message_ends_once_in_order_and_in_one_hand_at_a_time() {
    let mut ended = 0;
    for seed in 1..=500_u64 {
        let mut world = World::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        for _ in 0..2_000 {
            world.step();
        }
        ended += world.checker.ended.len();
        // Whatever is left ends by its time alone.
        for _ in 0..1_000 {
            world.tick(TTL_MS);
            while !world.uncommitted.is_empty() {
                world.commit();
            }
        }
        assert!(world.checker.alive.is_empty(), "seed {seed}: {:?}", world.checker.alive);
        assert!(world.queue.is_empty(), "seed {seed}: an empty queue costs nothing");
    }
    assert!(ended > 50_000, "too little happened: {ended}");
}
