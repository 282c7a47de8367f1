//! The messages of a day.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::time::UnixMillis;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Bits of the number that count messages; those above are the day.
const COUNT_BITS: u32 = 40;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

/// A day of UTC, counted from 1970-01-01 on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub u32);

impl Day {
    /// The day of a time.
    #[must_use]
    #[inline]
    pub fn of(time: UnixMillis) -> Self {
        Self(u32::try_from(time.as_millis().max(0) / DAY_MS).unwrap_or(u32::MAX) & 0x00ff_ffff)
    }
}

/// What was used of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The day.
    pub day: Day,
    /// Messages.
    pub messages: u64,
}

impl Usage {
    fn of(packed: u64) -> Self {
        // The day has the 24 bits above the count.
        let day = Day((packed >> COUNT_BITS) as u32);
        Self { day, messages: packed & COUNT_MAX }
    }

    fn pack(self) -> u64 {
        u64::from(self.day.0) << COUNT_BITS | self.messages.min(COUNT_MAX)
    }

    /// What counts on `today`. A clock that is set back gives nobody messages anew: by a day at
    /// most, the day stays the later one, and beyond that what was used of it is used of today.
    fn on(self, today: Day) -> Self {
        match self.day {
            day if day < today => Self { day: today, messages: 0 },
            day if day.0 - today.0 <= 1 => self,
            _ => Self { day: today, ..self },
        }
    }
}

/// Counts the messages of a day, by any number of threads, and never beyond a limit.
#[derive(Debug, Default)]
pub struct DailyCount(AtomicU64);

impl DailyCount {
    /// What is used of `today`.
    pub fn read(&self, today: Day) -> Usage {
        Usage::of(self.0.load(Relaxed)).on(today)
    }

    /// Puts another usage in place.
    pub fn restore(&self, usage: Usage) {
        self.0.store(usage.pack(), Relaxed);
    }

    /// Uses `messages`, and up to `spare_max` more that are to be used later, fewer when the day
    /// has few left. `None` when it has not so many left; otherwise the day that was charged, and
    /// how many more.
    pub fn take(&self, today: Day, messages: u64, spare_max: u64, limit: u64) -> Option<Usage> {
        self.change(today, |used| {
            let left = limit.saturating_sub(used).checked_sub(messages)?;
            let spare = spare_max.min(left / 128);
            Some((used + messages + spare, spare))
        })
    }

    /// Uses as many of `messages` as the day has left.
    pub fn take_up_to(&self, today: Day, messages: u64, limit: u64) {
        let add = |used: u64| Some((used.saturating_add(messages).min(limit.max(used)), 0));
        self.change(today, add);
    }

    /// Gives back what was taken and not used, if that was on the same day.
    pub fn give_back(&self, taken: Usage, today: Day) {
        let back = |used: u64| Some((used.saturating_sub(taken.messages), 0));
        if self.read(today).day == taken.day {
            self.change(today, back);
        }
    }

    /// Moves the count of the day that counts on `today` from one value to another.
    fn change(&self, today: Day, next: impl Fn(u64) -> Option<(u64, u64)>) -> Option<Usage> {
        let mut packed = self.0.load(Relaxed);
        loop {
            let now = Usage::of(packed).on(today);
            let Some((messages, extra)) = next(now.messages) else {
                // What is used of a day that a clock has named by mistake is used of today alone.
                if now.day != Usage::of(packed).day {
                    let _ = self.0.compare_exchange(packed, now.pack(), Relaxed, Relaxed);
                }
                return None;
            };
            let then = Usage { day: now.day, messages }.pack();
            match self.0.compare_exchange_weak(packed, then, Relaxed, Relaxed) {
                Ok(_) => return Some(Usage { day: now.day, messages: extra }),
                Err(other) => packed = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONDAY: Day = Day(20_000);
    const TUESDAY: Day = Day(20_001);

    #[test]
    fn a_day_has_its_messages_and_the_next_one_new_ones() {
        let count = DailyCount::default();
        let take = |day, messages| count.take(day, messages, 0, 10).map(|taken| taken.day);
        assert_eq!(take(MONDAY, 8), Some(MONDAY));
        assert_eq!(take(MONDAY, 3), None, "all of it or nothing");
        assert_eq!(take(MONDAY, 2), Some(MONDAY));
        assert_eq!(take(MONDAY, 1), None);
        assert_eq!(take(TUESDAY, 1), Some(TUESDAY));
        count.give_back(Usage { day: MONDAY, messages: 5 }, TUESDAY);
        assert_eq!(count.read(TUESDAY).messages, 1, "yesterday's are not today's");
        count.take_up_to(TUESDAY, 100, 10);
        assert_eq!(count.read(TUESDAY).messages, 10);
        count.take_up_to(TUESDAY, 1, 5);
        assert_eq!(count.read(TUESDAY).messages, 10, "a lower limit takes nothing back");
    }

    #[test]
    fn a_clock_that_is_set_back_gives_no_messages_anew() {
        let count = DailyCount::default();
        assert!(count.take(TUESDAY, 10, 0, 10).is_some());
        assert_eq!(count.take(MONDAY, 1, 0, 10), None, "by a day");
        assert_eq!(count.take(Day(100), 1, 0, 10), None, "by years");
        assert!(count.take(Day(101), 1, 0, 10).is_some(), "which are no time to wait for");
    }

    #[test]
    fn days_begin_at_midnight_of_utc() {
        let day = |millis| Day::of(UnixMillis::from_millis(millis));
        assert_eq!(
            [day(-1), day(0), day(86_399_999), day(86_400_000)].map(|day| day.0),
            [0, 0, 0, 1]
        );
    }
}
