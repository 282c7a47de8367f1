//! When each connection is due.

use std::time::Duration;

/// Evenly spaced arrivals that wait for nobody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// Arrivals per second, not zero.
    pub(crate) rate: u32,
    /// Number of arrivals.
    pub(crate) count: u32,
}

impl Schedule {
    /// When arrival `number` is due after the start.
    pub(crate) fn due(self, number: u32) -> Duration {
        let nanos = u64::from(number) * 1_000_000_000 / u64::from(self.rate);
        Duration::from_nanos(nanos)
    }

    /// When the last arrival is due.
    pub(crate) fn last(self) -> Duration {
        self.due(self.count.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_evenly_spaced_without_drift() {
        let schedule = Schedule { rate: 3, count: 3_000_001 };
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(1), Duration::from_nanos(333_333_333));
        assert_eq!(schedule.last(), Duration::from_secs(1_000_000));
    }

    #[test]
    fn no_arrivals_end_at_once() {
        assert_eq!(Schedule { rate: 1, count: 0 }.last(), Duration::ZERO);
    }
}
