//! How fast jobs may begin with devices.

use ringhub_core::time::UnixMillis;

/// Longest wait, in microseconds: far above that after the largest turn.
const WAIT_US_MAX: i64 = 1_000_000;

/// Spreads devices over time: after some of them the next ones wait for as long as these may take.
/// Nothing is saved up while there is nothing to do.
#[derive(Debug)]
pub(super) struct Pace {
    devices_per_second: u32,
    /// In microseconds since the Unix epoch.
    next_us: i64,
}

impl Pace {
    pub(super) const fn new(devices_per_second: u32) -> Self {
        Self { devices_per_second, next_us: 0 }
    }

    /// When the next devices may begin. A clock that is set back must not stop all jobs until it
    /// is there again.
    pub(super) fn next(&self, now: UnixMillis) -> UnixMillis {
        let now_us = now.as_millis().saturating_mul(1000);
        let is_far = self.next_us > now_us.saturating_add(WAIT_US_MAX);
        if is_far { now } else { UnixMillis::from_millis(self.next_us.div_euclid(1000)) }
    }

    /// So many devices begin now.
    pub(super) fn take(&mut self, devices: usize, now: UnixMillis) {
        let devices = i64::try_from(devices).unwrap_or(i64::MAX);
        let takes_us =
            devices.saturating_mul(1_000_000) / i64::from(self.devices_per_second.max(1));
        let now_us = now.as_millis().saturating_mul(1000);
        let from_us = self.next_us.clamp(now_us, now_us.saturating_add(WAIT_US_MAX));
        self.next_us = from_us.saturating_add(takes_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: i64) -> UnixMillis {
        UnixMillis::from_millis(1_700_000_000_000 + millis)
    }

    #[test]
    fn devices_begin_at_the_rate_and_no_burst_follows_a_rest() {
        for rate in [100, 2000, 50_000] {
            let mut pace = Pace::new(rate);
            let mut begun = 0;
            for now in 0..1000 {
                while pace.next(millis(now)) <= millis(now) {
                    pace.take(8, millis(now));
                    begun += 8;
                }
            }
            // Within one millisecond there is no waiting.
            assert!((rate..rate + rate / 1000 + 16).contains(&begun), "{begun} at {rate}");
            pace.take(8, millis(60_000));
            assert!(pace.next(millis(60_000)) >= millis(60_000), "a rest gives no credit");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let mut pace = Pace::new(2000);
        pace.take(100, millis(3_600_000));
        assert_eq!(pace.next(millis(0)), millis(0));
        pace.take(1, millis(0));
        assert!(pace.next(millis(0)) <= millis(1001));
    }
}
