//! Which seats wait for which ring positions.

use std::collections::VecDeque;

use ringhub_core::id::{ConnectionId, ExecutorId, SeatId, ShardId};
use ringhub_core::position::{Committed, RingPosition};

use crate::partition::Ticket;

/// Waiters by ring, so that a turn looks at the first of each ring and not at all seats.
///
/// Bounded by the records that the rings hold: each has at most one waiter.
#[derive(Debug)]
pub(super) struct CommitQueue {
    shard: ShardId,
    /// By executor, sorted by position; pushes come in order save after a takeover within the
    /// shard.
    own: Vec<VecDeque<(RingPosition, SeatId)>>,
    /// Positions of other shards' rings: successors in a takeover, few and short.
    foreign: Vec<(Ticket, SeatId)>,
}

impl CommitQueue {
    pub(super) fn new(shard: ShardId) -> Self {
        Self { shard, own: Vec::new(), foreign: Vec::new() }
    }

    pub(super) fn push(&mut self, ticket: Ticket, seat: SeatId) {
        if ticket.shard != self.shard {
            self.foreign.push((ticket, seat));
            return;
        }
        let executor = usize::from(ticket.executor.0);
        if self.own.len() <= executor {
            self.own.resize_with(executor + 1, VecDeque::new);
        }
        let queue = &mut self.own[executor];
        let place = match queue.back() {
            Some((last, _)) if *last > ticket.position => {
                queue.partition_point(|(position, _)| *position <= ticket.position)
            }
            _ => queue.len(),
        };
        queue.insert(place, (ticket.position, seat));
    }

    /// True when nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.foreign.is_empty() && self.own.iter().all(VecDeque::is_empty)
    }

    /// True when somebody waits for another shard's ring, whose executor does not ring this shard's
    /// bell.
    pub(super) fn waits_for_foreign(&self) -> bool {
        !self.foreign.is_empty()
    }

    /// Takes one waiter whose position is durable, of any connection or of `connection`, and the
    /// ring's position as `committed` tells it.
    pub(super) fn poll_committed(
        &mut self,
        connection: Option<ConnectionId>,
        mut committed: impl FnMut(ShardId, ExecutorId) -> Committed<RingPosition>,
    ) -> Option<(SeatId, Committed<Ticket>)> {
        let is_asked_for = |seat: SeatId| connection.is_none_or(|of| of == seat.connection);
        let shard = self.shard;
        for (queue, number) in self.own.iter_mut().zip(0_u16..) {
            let first = queue.front().copied();
            let Some((first, seat)) = first.filter(|(_, seat)| is_asked_for(*seat)) else {
                continue;
            };
            let executor = ExecutorId(number);
            let Committed(position) = committed(shard, executor);
            if first <= position {
                drop_passed(queue, position, seat);
                return Some((seat, Committed(Ticket { shard, executor, position })));
            }
        }
        let foreign = self.foreign.iter().enumerate();
        let mut foreign = foreign.filter(|(_, (_, seat))| is_asked_for(*seat));
        let found = foreign.find_map(|(index, (ticket, _))| {
            let Committed(position) = committed(ticket.shard, ticket.executor);
            (ticket.position <= position).then_some((index, position))
        });
        let (index, position) = found?;
        let (ticket, seat) = self.foreign.swap_remove(index);
        Some((seat, Committed(Ticket { position, ..ticket })))
    }
}

/// One call tells a seat about all its records up to `position`: drops its entries that
/// follow each other.
fn drop_passed(queue: &mut VecDeque<(RingPosition, SeatId)>, position: RingPosition, seat: SeatId) {
    while let Some(&(first, waiter)) = queue.front() {
        if first > position || waiter != seat {
            break;
        }
        queue.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: ShardId = ShardId(1);

    fn ticket(shard: ShardId, executor: u16, position: u64) -> Ticket {
        Ticket { shard, executor: ExecutorId(executor), position: RingPosition(position) }
    }

    /// Several seats share a connection.
    fn seat(number: u32) -> SeatId {
        SeatId { connection: ConnectionId { shard: OWN, slot: 0, generation: 0 }, number }
    }

    /// Seats that are released at the given positions of (executor 0, executor 1, foreign ring).
    fn released(queue: &mut CommitQueue, positions: [u64; 3]) -> Vec<u32> {
        let committed = |shard: ShardId, executor: ExecutorId| {
            let ring = if shard == OWN { usize::from(executor.0) } else { 2 };
            Committed(RingPosition(positions[ring]))
        };
        std::iter::from_fn(|| queue.poll_committed(None, committed))
            .map(|(seat, _)| seat.number)
            .collect()
    }

    #[test]
    fn releases_in_order_of_position_and_tells_each_seat_once_per_run() {
        let mut queue = CommitQueue::new(OWN);
        for (position, number) in [(10, 1), (20, 1), (30, 2), (40, 1), (50, 3)] {
            queue.push(ticket(OWN, 0, position), seat(number));
        }
        queue.push(ticket(OWN, 1, 15), seat(9));
        assert!(released(&mut queue, [9, 14, 0]).is_empty());
        assert_eq!(released(&mut queue, [40, 14, 0]), [1, 2, 1]);
        assert_eq!(released(&mut queue, [50, 15, 0]), [3, 9]);
        assert!(queue.is_empty());
    }

    #[test]
    fn the_seats_of_a_connection_are_released_alone_as_long_as_they_follow_each_other() {
        let other = ConnectionId { shard: OWN, slot: 1, generation: 0 };
        let mut queue = CommitQueue::new(OWN);
        queue.push(ticket(OWN, 0, 10), seat(1));
        queue.push(ticket(OWN, 0, 20), SeatId { connection: other, number: 5 });
        queue.push(ticket(OWN, 0, 30), seat(2));
        queue.push(ticket(ShardId(0), 0, 5), seat(3));
        let mut poll = |connection| {
            let next = queue.poll_committed(connection, |_, _| Committed(RingPosition(100)));
            next.map(|(seat, _)| seat.number)
        };
        let gateway = Some(seat(0).connection);
        assert_eq!([poll(gateway), poll(gateway), poll(gateway)], [Some(1), Some(3), None]);
        assert_eq!([poll(None), poll(gateway), poll(None)], [Some(5), Some(2), None]);
    }

    #[test]
    fn a_position_from_before_a_takeover_is_sorted_in() {
        let mut queue = CommitQueue::new(OWN);
        queue.push(ticket(OWN, 0, 100), seat(1));
        queue.push(ticket(OWN, 0, 50), seat(2));
        assert_eq!(released(&mut queue, [60, 0, 0]), [2]);
        assert_eq!(released(&mut queue, [100, 0, 0]), [1]);
    }

    #[test]
    fn waits_for_the_ring_of_another_shard() {
        let mut queue = CommitQueue::new(OWN);
        queue.push(ticket(ShardId(0), 0, 70), seat(4));
        assert!(queue.waits_for_foreign());
        assert!(released(&mut queue, [1000, 1000, 69]).is_empty());
        assert_eq!(released(&mut queue, [0, 0, 70]), [4]);
        assert!(!queue.waits_for_foreign());
    }
}
