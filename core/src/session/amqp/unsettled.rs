//! Deliveries of ours that wait for their outcome.

use std::collections::VecDeque;

use super::link::LinkId;
use crate::codec::amqp::performative::Disposition;

/// Entries whose room is kept when the list is empty.
const KEPT_ENTRIES: usize = 64;

/// The deliveries of a session without outcome, in the order of their numbers.
///
/// Numbers wrap around, so they are compared by their distance from the first one.
#[derive(Debug, Default)]
pub(super) struct UnsettledList {
    entries: VecDeque<Unsettled>,
}

#[derive(Clone, Copy, Debug)]
struct Unsettled {
    number: u32,
    link: LinkId,
    /// Whether the driver knows the outcome already and the peer waits for our settlement.
    reported: bool,
}

impl UnsettledList {
    /// Takes a delivery in whose number is above all others.
    pub(super) fn push(&mut self, number: u32, link: LinkId) {
        self.entries.push_back(Unsettled { number, link, reported: false });
    }

    /// Where the first delivery stands that is not below `number`.
    fn place_from(&self, number: u32) -> usize {
        let Some(first) = self.entries.front().map(|entry| entry.number) else { return 0 };
        let distance = number.wrapping_sub(first);
        if distance > u32::MAX / 2 {
            return 0;
        }
        self.entries.partition_point(|entry| entry.number.wrapping_sub(first) < distance)
    }

    /// Forgets a delivery; its link.
    pub(super) fn remove(&mut self, number: u32) -> Option<LinkId> {
        let place = self.place_from(number);
        self.entries.get(place).filter(|entry| entry.number == number)?;
        let entry = self.entries.remove(place)?;
        self.give_room_back();
        Some(entry.link)
    }

    /// Forgets the deliveries of a link.
    pub(super) fn remove_link(&mut self, link: LinkId) {
        self.entries.retain(|entry| entry.link != link);
        self.give_room_back();
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.give_room_back();
    }

    /// The next delivery at or after `from` that a disposition tells news about: its number and its
    /// link. It is forgotten if the disposition settles it.
    pub(super) fn apply(
        &mut self,
        disposition: &Disposition<'_>,
        from: u32,
    ) -> Option<(u32, LinkId)> {
        let span = disposition.last.wrapping_sub(disposition.first);
        let is_within = |number: u32| number.wrapping_sub(disposition.first) <= span;
        let mut place = self.place_from(from);
        loop {
            let entry = self.entries.get_mut(place).filter(|entry| is_within(entry.number))?;
            let (number, link) = (entry.number, entry.link);
            if disposition.settled {
                self.remove(number);
                return Some((number, link));
            }
            if !core::mem::replace(&mut entry.reported, true) {
                return Some((number, link));
            }
            place += 1;
        }
    }

    fn give_room_back(&mut self) {
        if self.entries.is_empty() && self.entries.capacity() > KEPT_ENTRIES {
            self.entries = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::amqp::performative::{DeliveryState, Role};

    const A: LinkId = LinkId { slot: 0, generation: 0 };
    const B: LinkId = LinkId { slot: 1, generation: 1 };

    fn disposition(first: u32, last: u32, settled: bool) -> Disposition<'static> {
        let state = Some(DeliveryState::Accepted);
        Disposition { role: Role::Receiver, first, last, settled, state }
    }

    /// Numbers that a disposition tells news about.
    fn told(list: &mut UnsettledList, disposition: &Disposition<'_>) -> Vec<u32> {
        let mut from = disposition.first;
        let next = || {
            let (number, _) = list.apply(disposition, from)?;
            from = number.wrapping_add(1);
            Some(number)
        };
        core::iter::from_fn(next).collect()
    }

    #[test]
    fn ranges_hold_what_was_sent_also_where_numbers_wrap() {
        for first in [0, 7, u32::MAX - 4] {
            let number = |n: u32| first.wrapping_add(n);
            let mut list = UnsettledList::default();
            for n in [0, 1, 3, 5, 8] {
                list.push(number(n), if n == 3 { B } else { A });
            }
            assert_eq!(list.remove(number(2)), None);
            assert_eq!(list.remove(number(3)), Some(B));
            let unsettled = disposition(number(1), number(6), false);
            assert_eq!(told(&mut list, &unsettled), [number(1), number(5)]);
            assert!(told(&mut list, &unsettled).is_empty(), "they were told");
            let settled = disposition(number(1), number(6), true);
            assert_eq!(told(&mut list, &settled), [number(1), number(5)]);
            assert!(told(&mut list, &settled).is_empty());
            let all = disposition(number(0).wrapping_sub(3), number(100), true);
            assert_eq!(told(&mut list, &all), [number(0), number(8)]);
        }
    }

    #[test]
    fn the_deliveries_of_a_link_go_with_it() {
        let mut list = UnsettledList::default();
        for number in 0..1000 {
            list.push(number, if number % 3 == 0 { A } else { B });
        }
        list.remove_link(B);
        assert_eq!(told(&mut list, &disposition(0, 5, true)), [0, 3]);
        list.remove_link(A);
        assert_eq!(list.entries.capacity(), 0, "room is given up");
    }
}
