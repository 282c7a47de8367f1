//! What the connections of the simulated hub share: tenures, mail, and rings with their commits.

use std::collections::VecDeque;

use ringhub_core::id::{ExecutorId, SeatId, ShardId};
use ringhub_core::position::{RingPosition, Ticket};
use ringhub_core::session::takeover::Tenure;

use crate::history::History;

pub(crate) const SHARDS: u16 = 4;
pub(crate) const EXECUTORS: u16 = 2;
/// Records that a ring has room for.
const RING_RECORDS: usize = 6;
/// Records that a commit takes out of a ring.
const COMMIT_RECORDS: usize = 3;

pub(crate) enum Mail {
    Evict(SeatId),
    PredecessorsGone(SeatId),
}

impl Mail {
    pub(crate) fn seat(&self) -> SeatId {
        match self {
            Self::Evict(seat) | Self::PredecessorsGone(seat) => *seat,
        }
    }
}

pub(crate) enum Record {
    Message(u64),
    /// The hub sends wills, and their place among what the device sends is not defined.
    Will,
}

/// Records of one shard on their way to one executor.
#[derive(Default)]
struct Ring {
    records: VecDeque<Record>,
    pushed: u64,
    committed: u64,
    /// Until when its commits take their time.
    stalled_until: u64,
}

#[derive(Default)]
pub(crate) struct Hub {
    pub(crate) now: u64,
    pub(crate) history: History,
    /// How often a ring had no room.
    pub(crate) full: u64,
    tenures: Vec<Tenure>,
    mail: Vec<VecDeque<Mail>>,
    rings: Vec<Ring>,
}

impl Hub {
    pub(crate) fn new(devices: usize) -> Self {
        Self {
            tenures: vec![Tenure::default(); devices],
            mail: (0..SHARDS).map(|_| VecDeque::new()).collect(),
            rings: (0..SHARDS * EXECUTORS).map(|_| Ring::default()).collect(),
            ..Self::default()
        }
    }

    pub(crate) fn tenure(&mut self, device: usize) -> &mut Tenure {
        &mut self.tenures[device]
    }

    pub(crate) fn post(&mut self, mail: Mail) {
        self.mail[usize::from(mail.seat().connection.shard.0)].push_back(mail);
    }

    pub(crate) fn take_mail(&mut self, shard: ShardId) -> Option<Mail> {
        self.mail[usize::from(shard.0)].pop_front()
    }

    fn ring(&mut self, shard: ShardId, executor: ExecutorId) -> &mut Ring {
        &mut self.rings[place_of(shard, executor)]
    }

    /// Puts a record of a device into the ring of a shard; `None` if that is full.
    pub(crate) fn push(&mut self, shard: ShardId, device: usize, record: Record) -> Option<Ticket> {
        let executor = executor_of(device);
        let ring = self.ring(shard, executor);
        if ring.records.len() >= RING_RECORDS {
            self.full += 1;
            return None;
        }
        ring.records.push_back(record);
        ring.pushed += 1;
        Some(Ticket { shard, executor, position: RingPosition(ring.pushed) })
    }

    pub(crate) fn is_committed(&self, ticket: Ticket) -> bool {
        is_committed(&self.rings, ticket)
    }

    pub(crate) fn commit(&mut self, shard: ShardId, executor: ExecutorId) {
        let now = self.now;
        let ring = &mut self.rings[place_of(shard, executor)];
        if ring.stalled_until > now {
            return;
        }
        let count = ring.records.len().min(COMMIT_RECORDS);
        ring.committed += count as u64;
        for record in ring.records.drain(..count) {
            if let Record::Message(message) = record {
                self.history.store(message);
            }
        }
    }

    /// Lets the commits of a ring take long.
    pub(crate) fn stall(&mut self, shard: ShardId, executor: ExecutorId, until: u64) {
        self.ring(shard, executor).stalled_until = until;
    }

    /// A visit ends as the directory ends it.
    pub(crate) fn end_visit(&mut self, device: usize, last: Ticket) {
        let Self { tenures, rings, .. } = self;
        tenures[device].visit(last, |ticket| is_committed(rings, ticket));
    }
}

fn is_committed(rings: &[Ring], ticket: Ticket) -> bool {
    rings[place_of(ticket.shard, ticket.executor)].committed >= ticket.position.0
}

/// All records of a device are for one executor, as it has one partition.
fn executor_of(device: usize) -> ExecutorId {
    let executors = usize::from(EXECUTORS);
    ExecutorId(u16::try_from(device % executors).expect("an executor"))
}

fn place_of(shard: ShardId, executor: ExecutorId) -> usize {
    usize::from(shard.0 * EXECUTORS + executor.0)
}
