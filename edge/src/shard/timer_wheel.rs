//! Deadlines of a shard's connections: a hierarchical timing wheel.

use ringhub_core::id::ConnectionId;
use ringhub_core::time::Timestamp;

/// Nanoseconds per tick as a power of two: 8.4 ms.
const TICK_BITS: u32 = 23;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// Spans of the levels: 0.5 s, 34 s, 37 min, 39 h, 104 days.
const LEVELS: usize = 5;
const SPAN_TICKS: u64 = 1 << (SLOT_BITS * LEVELS as u32);

/// A deadline as it was set. Whoever set it decides on expiry whether it still counts, so moving a
/// deadline to a later time costs nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deadline {
    pub(super) at: Timestamp,
    pub(super) connection: ConnectionId,
}

#[derive(Debug)]
struct Level {
    occupied: u64,
    slots: [Vec<Deadline>; SLOTS],
}

/// Inserting and expiring are constant in the number of deadlines. A deadline expires up to one
/// tick late, and one further away than the span of the wheel expires early, once per span.
#[derive(Debug)]
pub(super) struct TimerWheel {
    /// Tick up to which everything has expired.
    elapsed: u64,
    levels: Box<[Level; LEVELS]>,
    expired: Vec<Deadline>,
}

impl TimerWheel {
    pub(super) fn new(now: Timestamp) -> Self {
        let level = |_| Level { occupied: 0, slots: std::array::from_fn(|_| Vec::new()) };
        Self {
            elapsed: now.as_nanos() >> TICK_BITS,
            levels: Box::new(std::array::from_fn(level)),
            expired: Vec::new(),
        }
    }

    pub(super) fn insert(&mut self, deadline: Deadline) {
        let tick = deadline.at.as_nanos().div_ceil(1 << TICK_BITS);
        if tick <= self.elapsed {
            self.expired.push(deadline);
            return;
        }
        let tick = tick.min(self.elapsed + SPAN_TICKS - 1);
        let differing = (self.elapsed ^ tick) | (SLOTS as u64 - 1);
        let level = ((63 - differing.leading_zeros()) / SLOT_BITS).min(LEVELS as u32 - 1);
        let slot = (tick >> (SLOT_BITS * level)) as usize % SLOTS;
        let level = &mut self.levels[level as usize];
        level.occupied |= 1 << slot;
        level.slots[slot].push(deadline);
    }

    /// Forgets deadlines of connections that are not `wanted`, and gives up their room. Linear in
    /// all deadlines.
    pub(super) fn retain(&mut self, wanted: impl Fn(ConnectionId) -> bool) {
        self.expired.retain(|deadline| wanted(deadline.connection));
        for level in &mut *self.levels {
            for (number, slot) in level.slots.iter_mut().enumerate() {
                slot.retain(|deadline| wanted(deadline.connection));
                slot.shrink_to(2 * slot.len());
                if slot.is_empty() {
                    level.occupied &= !(1 << number);
                }
            }
        }
    }

    /// When to call [`poll_expired`](Self::poll_expired) next; `None` with no deadline set.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        if !self.expired.is_empty() {
            return Some(Timestamp::from_nanos(self.elapsed << TICK_BITS));
        }
        self.next_slot().map(|(tick, ..)| Timestamp::from_nanos(tick << TICK_BITS))
    }

    /// Takes one deadline that is over at `now`.
    pub(super) fn poll_expired(&mut self, now: Timestamp) -> Option<Deadline> {
        let now = now.as_nanos() >> TICK_BITS;
        while self.expired.is_empty() {
            let next = self.next_slot().filter(|&(tick, ..)| tick <= now);
            let Some((tick, level, slot)) = next else {
                self.elapsed = self.elapsed.max(now);
                return None;
            };
            self.elapsed = tick;
            let level = &mut self.levels[level];
            level.occupied &= !(1 << slot);
            for deadline in std::mem::take(&mut level.slots[slot]) {
                self.insert(deadline);
            }
        }
        self.expired.pop()
    }

    /// First occupied slot in time: the tick at which it begins, its level and number.
    fn next_slot(&self) -> Option<(u64, usize, usize)> {
        (0..LEVELS).find_map(|number| {
            let level = &self.levels[number];
            if level.occupied == 0 {
                return None;
            }
            let shift = SLOT_BITS * number as u32;
            let present = (self.elapsed >> shift) % SLOTS as u64;
            let ahead = level.occupied.rotate_right(present as u32).trailing_zeros();
            let slot = (present as usize + ahead as usize) % SLOTS;
            let span = 1 << (shift + SLOT_BITS);
            let tick = (self.elapsed & !(span - 1)) + ((slot as u64) << shift);
            // Only the top level wraps around: a slot at or before the present one belongs to the
            // next round.
            let tick = if tick <= self.elapsed { tick + span } else { tick };
            Some((tick, number, slot))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ringhub_core::id::ShardId;

    use super::*;

    fn deadline(at: Timestamp, slot: u32) -> Deadline {
        Deadline { at, connection: ConnectionId { shard: ShardId(0), slot, generation: 0 } }
    }

    #[test]
    fn every_deadline_expires_once_never_early_and_at_most_a_tick_late() {
        let tick = Duration::from_nanos(1 << TICK_BITS);
        let start = Timestamp::from_nanos(123_456_789_012);
        let mut wheel = TimerWheel::new(start);
        let delays_ms: Vec<u64> =
            vec![0, 1, 8, 9, 500, 537, 538, 1_000, 34_000, 35_000, 90_000, 1_767_000, 90_000_000];
        for (delay, slot) in delays_ms.iter().zip(0..) {
            wheel.insert(deadline(start + Duration::from_millis(*delay), slot));
        }
        let mut seen = 0;
        while let Some(wake) = wheel.next_wake() {
            let wake = wake.max(start);
            while let Some(expired) = wheel.poll_expired(wake) {
                seen += 1;
                assert!(expired.at <= wake, "{expired:?} expired early at {wake:?}");
                assert!(wake.since(expired.at) <= tick * 2, "{expired:?} expired late at {wake:?}");
            }
        }
        assert_eq!(seen, delays_ms.len());
    }

    #[test]
    fn what_nobody_wants_never_expires() {
        let mut wheel = TimerWheel::new(Timestamp::ZERO);
        for slot in 0..1000 {
            wheel.insert(deadline(Timestamp::ZERO + Duration::from_millis(u64::from(slot)), slot));
        }
        wheel.retain(|connection| connection.slot % 100 == 7);
        let now = Timestamp::ZERO + Duration::from_secs(2);
        let expired = std::iter::from_fn(|| wheel.poll_expired(now));
        let mut slots: Vec<u32> = expired.map(|deadline| deadline.connection.slot).collect();
        slots.sort_unstable();
        assert_eq!(slots, (0..10).map(|number| number * 100 + 7).collect::<Vec<_>>());
        wheel.retain(|_| false);
        assert_eq!(wheel.next_wake(), None);
    }

    #[test]
    fn a_late_caller_gets_everything_that_is_over() {
        let mut wheel = TimerWheel::new(Timestamp::ZERO);
        for slot in 0..1000 {
            wheel.insert(deadline(
                Timestamp::ZERO + Duration::from_millis(u64::from(slot) * 70),
                slot,
            ));
        }
        let now = Timestamp::ZERO + Duration::from_secs(35);
        let mut slots: Vec<u32> =
            std::iter::from_fn(|| wheel.poll_expired(now)).map(|d| d.connection.slot).collect();
        slots.sort_unstable();
        assert_eq!(slots, (0..500).collect::<Vec<_>>());
        assert!(wheel.next_wake().expect("more to come") > now);
    }
}
