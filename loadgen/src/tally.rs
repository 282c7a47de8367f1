//! What has been counted and measured.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::device::Failure;

/// Longest latency that is told apart from longer ones, in microseconds: ten minutes.
const LATENCY_MAX_US: u64 = 600_000_000;
/// Digits of a latency that are kept.
const LATENCY_DIGITS: u8 = 3;

/// Counts of one run.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) attempted: u32,
    pub(crate) accepted: u32,
    pub(crate) failed: u32,
    /// Connections that stand.
    pub(crate) open: u32,
    pub(crate) failures: BTreeMap<String, u32>,
    /// From the time a connection was due to its CONNACK, in microseconds.
    pub(crate) latency_us: Histogram<u64>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let latency_us = Histogram::new_with_bounds(1, LATENCY_MAX_US, LATENCY_DIGITS)
            .expect("the bounds are constants that fit each other");
        let failures = BTreeMap::new();
        Self { attempted: 0, accepted: 0, failed: 0, open: 0, failures, latency_us }
    }

    pub(crate) fn accept(&mut self, latency: Duration) {
        self.accepted += 1;
        self.open += 1;
        self.latency_us.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts a connection that never stood.
    pub(crate) fn refuse(&mut self, failure: &Failure) {
        self.failed += 1;
        *self.failures.entry(failure.to_string()).or_default() += 1;
    }

    /// Counts a connection that stood and is gone.
    pub(crate) fn lose(&mut self, failure: &Failure) {
        self.open -= 1;
        self.refuse(failure);
    }

    /// Attempts without an outcome yet.
    pub(crate) fn under_way(&self) -> u32 {
        let refused = self.failed - (self.accepted - self.open);
        self.attempted - self.accepted - refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attempt_is_under_way_open_or_failed() {
        let mut tally = Tally::new();
        tally.attempted = 5;
        tally.accept(Duration::from_millis(3));
        tally.accept(Duration::from_secs(7_000));
        tally.refuse(&Failure::Timeout);
        tally.refuse(&Failure::Timeout);
        assert_eq!((tally.open, tally.failed, tally.under_way()), (2, 2, 1));
        tally.lose(&Failure::Closed);
        assert_eq!((tally.open, tally.failed, tally.under_way()), (1, 3, 1));
        assert_eq!(tally.failures["no CONNACK in time"], 2);
        assert_eq!(tally.latency_us.len(), 2);
    }
}
