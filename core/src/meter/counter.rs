//! A number that one thread writes.

use core::sync::atomic::{AtomicU64, Ordering};

/// A number with one writer and any number of readers.
///
/// Writing is a plain load and store, which cost a nanosecond together: no other thread writes, so
/// nothing is lost between the two.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The value at some recent moment.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds; wraps after 2^64. The owner alone calls this.
    pub fn add(&self, amount: u64) {
        self.set(self.read().wrapping_add(amount));
    }

    /// Takes away, down to zero. The owner alone calls this.
    pub fn sub(&self, amount: u64) {
        self.set(self.read().saturating_sub(amount));
    }

    /// Puts another value in place. The owner alone calls this.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Keeps the larger one. The owner alone calls this.
    pub fn set_max(&self, value: u64) {
        if value > self.read() {
            self.set(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_goes_down_to_zero_and_a_maximum_never_does() {
        let gauge = Counter::default();
        gauge.add(2);
        gauge.sub(3);
        assert_eq!(gauge.read(), 0);
        let max = Counter::default();
        max.set_max(7);
        max.set_max(3);
        assert_eq!(max.read(), 7);
    }
}
