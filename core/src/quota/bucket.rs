//! The rate of one class.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;

use super::{Rate, Shaping};
use crate::time::Timestamp;

/// A part of the room of a bucket that may be taken ahead at a time.
const SPARE_PART: u64 = 64;

/// What becomes of operations that ask a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booking {
    /// They happen now, and so many more may happen later without another question.
    Now {
        /// Operations that are paid for ahead.
        spare: u64,
    },
    /// They happen at this time, and are paid for.
    At(Timestamp),
    /// They would wait for too long; another try may succeed after this time.
    Refused(Duration),
}

/// A token bucket as one number: the time up to which the rate is used up, which each operation
/// moves on by its share. It lies behind the present after a rest, by which the bucket is full, and
/// at most a burst and the longest wait before it.
///
/// Any number of threads may ask at once, without a lock: what they get together is the burst and
/// what the rate has given since, never more.
#[derive(Debug)]
pub struct Bucket {
    booked_ns: AtomicU64,
    /// Time between two operations; 0 is no limit.
    interval_ns: AtomicU64,
    burst_ns: AtomicU64,
    wait_ns: AtomicU64,
    delayed: AtomicU64,
    refused: AtomicU64,
}

impl Bucket {
    /// A full bucket; without a rate it lets all through.
    #[must_use]
    pub fn new(rate: Option<Rate>, shaping: Shaping) -> Self {
        let bucket = Self {
            booked_ns: AtomicU64::new(0),
            interval_ns: AtomicU64::new(0),
            burst_ns: AtomicU64::new(0),
            wait_ns: AtomicU64::new(0),
            delayed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        };
        bucket.set(rate, shaping);
        bucket
    }

    /// Another rate from now on.
    pub(super) fn set(&self, rate: Option<Rate>, shaping: Shaping) {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let interval_ns = rate.map_or(0, Rate::interval_ns);
        // One operation always fits.
        self.burst_ns.store(nanos(shaping.burst).max(interval_ns), Relaxed);
        self.wait_ns.store(nanos(shaping.wait_max), Relaxed);
        self.interval_ns.store(interval_ns, Relaxed);
    }

    /// Takes `units` at once, and up to `spare_max` more while there is plenty: never of the last
    /// part of a burst, so that nobody waits for what another has taken ahead.
    ///
    /// More units than a burst has wait until the bucket is full.
    pub fn book(&self, units: u64, spare_max: u64, now: Timestamp) -> Booking {
        let interval_ns = self.interval_ns.load(Relaxed);
        if interval_ns == 0 {
            return Booking::Now { spare: spare_max };
        }
        let (burst_ns, wait_max_ns) = (self.burst_ns.load(Relaxed), self.wait_ns.load(Relaxed));
        let now_ns = now.as_nanos();
        let cost_ns = units.saturating_mul(interval_ns);
        let mut booked_ns = self.booked_ns.load(Relaxed);
        loop {
            let from_ns = booked_ns.max(now_ns);
            let ahead_ns = (from_ns - now_ns).saturating_add(cost_ns.min(burst_ns));
            let wait_ns = ahead_ns.saturating_sub(burst_ns);
            if wait_ns > wait_max_ns {
                self.refused.fetch_add(1, Relaxed);
                return Booking::Refused(Duration::from_nanos(wait_ns - wait_max_ns));
            }
            let room = burst_ns.saturating_sub(ahead_ns) / interval_ns;
            let spare = if wait_ns == 0 { spare_max.min(room / SPARE_PART) } else { 0 };
            let upto_ns =
                from_ns.saturating_add(cost_ns).saturating_add(spare.saturating_mul(interval_ns));
            let moved = self.booked_ns.compare_exchange_weak(booked_ns, upto_ns, Relaxed, Relaxed);
            match moved {
                Ok(_) if wait_ns == 0 => return Booking::Now { spare },
                Ok(_) => {
                    self.delayed.fetch_add(1, Relaxed);
                    return Booking::At(now + Duration::from_nanos(wait_ns));
                }
                Err(other_ns) => booked_ns = other_ns,
            }
        }
    }

    /// Bookings that had to wait, since the start.
    #[must_use]
    pub fn delayed(&self) -> u64 {
        self.delayed.load(Relaxed)
    }

    /// Bookings that were refused, since the start.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TEN: Option<Rate> = Some(Rate::per_second(10));

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_nanos(millis * 1_000_000)
    }

    fn bucket(burst: Duration, wait_max: Duration) -> Bucket {
        Bucket::new(TEN, Shaping { burst, wait_max })
    }

    #[test]
    fn a_burst_passes_then_operations_wait_in_a_row_and_the_next_is_refused() {
        let bucket = bucket(SECOND, Duration::from_millis(500));
        let ask = || bucket.book(1, 0, at(5000));
        for _ in 0..10 {
            assert_eq!(ask(), Booking::Now { spare: 0 });
        }
        for place in 1..=5 {
            assert_eq!(ask(), Booking::At(at(5000 + 100 * place)));
        }
        assert_eq!(ask(), Booking::Refused(Duration::from_millis(100)));
        assert_eq!(ask(), Booking::Refused(Duration::from_millis(100)), "a refusal costs nothing");
        assert_eq!(bucket.book(1, 0, at(5100)), Booking::At(at(5600)), "as the refusal had said");
        assert_eq!((bucket.delayed(), bucket.refused()), (6, 2));
        // A rest fills the bucket, and nothing beyond that.
        let passed = (0..20).filter(|_| bucket.book(1, 0, at(60_000)) == Booking::Now { spare: 0 });
        assert_eq!(passed.count(), 10);
    }

    #[test]
    fn more_units_than_a_burst_wait_for_a_full_bucket_and_are_paid_for() {
        let bucket = bucket(SECOND, SECOND);
        assert_eq!(bucket.book(25, 0, at(1000)), Booking::Now { spare: 0 });
        assert_eq!(bucket.book(1, 0, at(1000)), Booking::Refused(Duration::from_millis(600)));
        assert_eq!(bucket.book(1, 0, at(3500)), Booking::Now { spare: 0 });
    }

    #[test]
    fn ahead_is_taken_only_while_there_is_plenty() {
        let bucket = bucket(Duration::from_secs(128), SECOND);
        assert_eq!(bucket.book(1, 64, at(1000)), Booking::Now { spare: 19 });
        assert_eq!(bucket.book(1200, 64, at(1000)), Booking::Now { spare: 0 });
        let unlimited = Bucket::new(None, Shaping::default());
        assert_eq!(unlimited.book(1 << 40, 64, at(0)), Booking::Now { spare: 64 });
    }

    #[test]
    fn threads_get_together_what_one_would() {
        let bucket = bucket(Duration::from_secs(1000), Duration::ZERO);
        let passed = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut refused = 0;
                    while refused < 1000 {
                        match bucket.book(1, 16, at(1)) {
                            Booking::Now { spare } => {
                                passed.fetch_add(1 + spare, Relaxed);
                            }
                            _ => refused += 1,
                        }
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), 10_000);
    }
}
