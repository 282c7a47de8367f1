//! What a shard has taken ahead, to use it without any other thread.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Day, Usage};

/// Bits of the messages, and of the sends above them; those above are of the day.
const MESSAGE_BITS: u32 = 32;
const SEND_BITS: u32 = 16;
const MESSAGE_MAX: u64 = (1 << MESSAGE_BITS) - 1;
const SEND_MAX: u64 = (1 << SEND_BITS) - 1;

/// Sends, and messages of a day, that are paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stock {
    pub(super) sends: u64,
    pub(super) of_day: Usage,
}

impl Stock {
    fn of(packed: u64) -> Self {
        let day = Day(u32::from((packed >> (MESSAGE_BITS + SEND_BITS)) as u16));
        let sends = packed >> MESSAGE_BITS & SEND_MAX;
        Self { sends, of_day: Usage { day, messages: packed & MESSAGE_MAX } }
    }

    fn pack(self) -> u64 {
        u64::from(short(self.of_day.day)) << (MESSAGE_BITS + SEND_BITS)
            | self.sends.min(SEND_MAX) << MESSAGE_BITS
            | self.of_day.messages.min(MESSAGE_MAX)
    }
}

/// The part of a day that a lease knows: a lease does not outlive the 65,536 days that it tells
/// apart.
const fn short(day: Day) -> u16 {
    day.0 as u16
}

/// A stock in one number, on a cache line of its own.
///
/// One shard uses it, so that its operations meet no other thread; others take its messages when
/// the day has no more.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Lease(AtomicU64);

impl Lease {
    /// Uses a send and so many messages of `today`, if they are there.
    #[inline]
    pub(super) fn spend(&self, today: Day, messages: u32) -> bool {
        let mut packed = self.0.load(Relaxed);
        loop {
            let Stock { sends, of_day } = Stock::of(packed);
            let is_there = sends > 0
                && of_day.messages >= u64::from(messages)
                && short(of_day.day) == short(today);
            if !is_there {
                return false;
            }
            let rest = packed - (1 << MESSAGE_BITS) - u64::from(messages);
            match self.0.compare_exchange_weak(packed, rest, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(other) => packed = other,
            }
        }
    }

    /// Takes all of it out; messages of another day than `today` are worth nothing any more.
    pub(super) fn empty(&self, today: Day) -> Stock {
        valid(Stock::of(self.0.swap(0, Relaxed)), today)
    }

    /// Takes the messages of `today` out and leaves the sends.
    pub(super) fn take_messages(&self, today: Day) -> u64 {
        let mut packed = self.0.load(Relaxed);
        loop {
            let messages = valid(Stock::of(packed), today).of_day.messages;
            if messages == 0 {
                return 0;
            }
            match self.0.compare_exchange_weak(packed, packed - messages, Relaxed, Relaxed) {
                Ok(_) => return messages,
                Err(other) => packed = other,
            }
        }
    }

    /// Adds to it; what it has of another day goes.
    pub(super) fn put(&self, stock: Stock) {
        let mut packed = self.0.load(Relaxed);
        loop {
            let before = valid(Stock::of(packed), stock.of_day.day);
            let messages = before.of_day.messages + stock.of_day.messages;
            let sends = before.sends + stock.sends;
            let after = Stock { sends, of_day: Usage { messages, ..stock.of_day } }.pack();
            match self.0.compare_exchange_weak(packed, after, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(other) => packed = other,
            }
        }
    }

    /// Messages of `today` in it.
    pub(super) fn messages(&self, today: Day) -> u64 {
        valid(Stock::of(self.0.load(Relaxed)), today).of_day.messages
    }
}

/// A stock without what is of another day.
fn valid(stock: Stock, today: Day) -> Stock {
    let is_of_today = short(stock.of_day.day) == short(today);
    let messages = if is_of_today { stock.of_day.messages } else { 0 };
    Stock { of_day: Usage { day: today, messages }, ..stock }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_spent_on_its_day_alone() {
        let (today, tomorrow) = (Day(70_000), Day(70_001));
        let lease = Lease::default();
        assert!(!lease.spend(today, 1));
        lease.put(Stock { sends: 3, of_day: Usage { day: today, messages: 4 } });
        assert!(lease.spend(today, 3));
        assert!(!lease.spend(today, 2), "one message is left");
        assert!(!lease.spend(tomorrow, 1));
        lease.put(Stock { sends: 0, of_day: Usage { day: today, messages: 1 } });
        assert_eq!(lease.take_messages(today), 2);
        assert!(!lease.spend(today, 1), "the sends alone are left");
        lease.put(Stock { sends: 1, of_day: Usage { day: tomorrow, messages: 1 } });
        assert_eq!((lease.messages(today), lease.messages(tomorrow)), (0, 1));
        let left = Stock { sends: 3, of_day: Usage { day: tomorrow, messages: 1 } };
        assert_eq!(lease.empty(tomorrow), left);
        assert_eq!(lease.empty(tomorrow).sends, 0);
    }
}
