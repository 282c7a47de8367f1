//! Where a shard notes what it does, and what its messages wait for.
//!
//! Nothing here reads a clock per message: a message only adds to the tally of its turn, and the
//! turn has its times anyway. Each receive costs one comparison; every sixteenth is timed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use ringhub_core::id::ExecutorId;
use ringhub_core::position::{Committed, RingPosition, Ticket};
use ringhub_core::time::Timestamp;

use super::clock::Clock;
use super::counters::ShardCounters;

/// One receive in so many is timed.
const RECEIVES_PER_SAMPLE: u32 = 16;

/// Publications that are followed to their commit, per ring. More are under way only when the disk
/// hangs, and then the oldest tell enough.
const PUBLICATIONS_MAX: usize = 4096;

/// A part of the handling of one receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// `recv`.
    Listener,
    /// Everything that is done with the bytes.
    Tls,
    /// The part of that which is the protocol's.
    Protocol,
    /// The part of that which finds packets.
    Codec,
}

/// Messages pushed into one ring in one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Publication {
    /// Position after the last of them.
    pub(super) upto: RingPosition,
    /// When the first of them was read.
    pub(super) since: Timestamp,
    pub(super) messages: u64,
}

/// The notes of one shard; lives on its thread.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) counters: Arc<ShardCounters>,
    clock: Clock,
    receives_to_sample: u32,
    /// Nanoseconds of each part of the receive that is timed.
    sample: Option<[u64; 4]>,
    /// By executor: what was pushed this turn.
    turn: Vec<Option<Publication>>,
    /// By executor: what is not committed yet.
    awaited: Vec<VecDeque<Publication>>,
    /// When each message to a device that is sent this turn reached the shard.
    delivered: Vec<Timestamp>,
}

impl Recorder {
    pub(super) fn new(counters: Arc<ShardCounters>, clock: Clock) -> Self {
        Self {
            counters,
            clock,
            receives_to_sample: 0,
            sample: None,
            turn: Vec::new(),
            awaited: Vec::new(),
            delivered: Vec::new(),
        }
    }

    /// A message to a device, durable since `stored`, reached the shard at `arrived` and stands in
    /// the output.
    pub(super) fn deliver(&mut self, stored: Instant, arrived: Timestamp) {
        let waited = self.clock.instant(arrived).saturating_duration_since(stored);
        let waited = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        self.counters.stages.c2d_route.record(waited, 1);
        self.delivered.push(arrived);
    }

    /// A message is in the ring that `ticket` names; it was read at `since`.
    pub(super) fn accept(&mut self, ticket: Ticket, record_bytes: usize, since: Timestamp) {
        self.counters.d2c_messages.add(1);
        self.counters.d2c_bytes.add(record_bytes as u64);
        let executor = usize::from(ticket.executor.0);
        if self.turn.len() <= executor {
            self.turn.resize(executor + 1, None);
            self.awaited.resize_with(executor + 1, VecDeque::new);
        }
        let tally = self.turn[executor].get_or_insert(Publication {
            upto: ticket.position,
            since,
            messages: 0,
        });
        tally.upto = ticket.position;
        tally.messages += 1;
    }

    /// Gives what was pushed this turn to `mark`, ring by ring, and follows it to its commit.
    pub(super) fn publish(&mut self, mut mark: impl FnMut(ExecutorId, Publication)) {
        for (number, (tally, awaited)) in (0..).zip(self.turn.iter_mut().zip(&mut self.awaited)) {
            let Some(publication) = tally.take() else { continue };
            mark(ExecutorId(number), publication);
            if awaited.len() < PUBLICATIONS_MAX {
                awaited.push_back(publication);
            }
        }
    }

    /// The turn is over at `now`: what `committed` tells to be durable has been acknowledged.
    pub(super) fn end_turn(
        &mut self,
        now: Timestamp,
        committed: impl Fn(ExecutorId) -> Committed<RingPosition>,
    ) {
        for arrived in self.delivered.drain(..) {
            self.counters.stages.c2d_deliver.record(nanos(arrived, now), 1);
        }
        for (number, awaited) in (0..).zip(&mut self.awaited) {
            if awaited.is_empty() {
                continue;
            }
            let Committed(upto) = committed(ExecutorId(number));
            while let Some(publication) = awaited.pop_front_if(|first| first.upto <= upto) {
                let waited = nanos(publication.since, now);
                self.counters.stages.accepted.record(waited, publication.messages);
            }
        }
    }

    /// A receive begins: decides whether it is timed.
    pub(super) fn begin_receive(&mut self) {
        self.sample = None;
        if self.receives_to_sample == 0 {
            self.receives_to_sample = RECEIVES_PER_SAMPLE;
            self.sample = Some([0; 4]);
        }
        self.receives_to_sample -= 1;
    }

    /// Now, if the receive is timed.
    pub(super) fn start(&self) -> Option<Timestamp> {
        self.sample.map(|_| self.clock.now())
    }

    /// Notes the time since `start` for `part`.
    pub(super) fn stop(&mut self, part: Part, started: Option<Timestamp>) {
        if let (Some(sample), Some(started)) = (&mut self.sample, started) {
            sample[part as usize] += nanos(started, self.clock.now());
        }
    }

    /// The receive is over. One without anything for the protocol is forgotten: a handshake would
    /// drown everything else.
    pub(super) fn end_receive(&mut self) {
        let Some([listener, tls, protocol, codec]) = self.sample.take() else { return };
        if protocol == 0 {
            return;
        }
        let stages = &self.counters.stages;
        stages.listener.record(listener, 1);
        stages.tls.record(tls.saturating_sub(protocol), 1);
        stages.session.record(protocol.saturating_sub(codec), 1);
        if codec > 0 {
            stages.codec.record(codec, 1);
        }
    }

    /// For those who deliver to readers.
    pub(super) fn deliveries(&self) -> DeliveryRecorder {
        DeliveryRecorder { counters: Arc::clone(&self.counters), clock: self.clock }
    }
}

/// Notes what is delivered to readers, on the thread of their shard.
#[derive(Clone, Debug)]
pub(crate) struct DeliveryRecorder {
    counters: Arc<ShardCounters>,
    clock: Clock,
}

impl DeliveryRecorder {
    /// All of an executor's answer of `answered` stands in the output.
    pub(crate) fn delivered(&self, answered: Timestamp, messages: u64, bytes: u64) {
        self.counters.reader_messages.add(messages);
        self.counters.reader_bytes.add(bytes);
        self.counters.stages.reader.record(nanos(answered, self.clock.now()), 1);
    }
}

/// Nanoseconds between two times, 0 if they are the other way round.
pub(super) fn nanos(since: Timestamp, now: Timestamp) -> u64 {
    now.as_nanos().saturating_sub(since.as_nanos())
}

#[cfg(test)]
mod tests {
    use ringhub_core::id::ShardId;
    use ringhub_core::meter::Snapshot;

    use super::*;

    fn at(nanos: u64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    fn ticket(executor: u16, position: u64) -> Ticket {
        let position = RingPosition(position);
        Ticket { shard: ShardId(0), executor: ExecutorId(executor), position }
    }

    #[test]
    fn messages_of_a_turn_are_followed_to_the_flush_after_their_commit() {
        let mut recorder = Recorder::new(Arc::default(), Clock::start());
        recorder.accept(ticket(1, 100), 80, at(1000));
        recorder.accept(ticket(1, 200), 80, at(1500));
        let mut marked = Vec::new();
        recorder.publish(|executor, publication| marked.push((executor, publication)));
        let expected = Publication { upto: RingPosition(200), since: at(1000), messages: 2 };
        assert_eq!(marked, [(ExecutorId(1), expected)]);
        recorder.publish(|_, _| panic!("nothing was pushed since"));

        let waited = |recorder: &Recorder| {
            let mut snapshot = Snapshot::default();
            recorder.counters.stages.accepted.add_to(&mut snapshot);
            (snapshot.count(), snapshot.max)
        };
        recorder.end_turn(at(3000), |_| Committed(RingPosition(199)));
        assert_eq!(waited(&recorder), (0, 0));
        recorder.end_turn(at(5000), |_| Committed(RingPosition(200)));
        assert_eq!(waited(&recorder), (2, 4000));
        assert_eq!(recorder.counters.d2c_bytes.read(), 160);
    }
}
