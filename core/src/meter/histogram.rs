//! How often which values came, with a bound on the relative error.
//!
//! Buckets are log-linear, as in HdrHistogram: sixteen steps for each doubling, so that a bucket is
//! at most one sixteenth of its value wide, from 1 to 2^40 (18 minutes in nanoseconds).
//!
//! ```text
//!  1, 2, 3 … 16 │ 17, 18 … 32 │ 33-34 … 63-64 │ 65-68 … 125-128 │ …
//! ```

use super::Counter;

/// Steps for each doubling, as a power of two.
const STEP_BITS: u32 = 4;
const STEPS: usize = 1 << STEP_BITS;

/// Values above two to the power of this share the last bucket.
const VALUE_BITS: u32 = 40;

/// Number of buckets.
pub const BUCKETS: usize = (VALUE_BITS - STEP_BITS + 1) as usize * STEPS;

/// The largest value that falls into a bucket.
#[must_use]
pub const fn bucket_end(bucket: usize) -> u64 {
    let (doubling, step) = (bucket / STEPS, (bucket % STEPS) as u64);
    match doubling {
        0 => step + 1,
        _ => (STEPS as u64 + step + 1) << (doubling - 1),
    }
}

/// The bucket whose end is the first that is not below `value`.
fn bucket_of(value: u64) -> usize {
    let before = value.saturating_sub(1).min((1 << VALUE_BITS) - 1);
    let Some(doubling) = before.checked_ilog2().and_then(|log| log.checked_sub(STEP_BITS)) else {
        return before as usize;
    };
    // The topmost bits of a value: the one that is always set, and the step.
    let steps = (before >> doubling) as usize;
    doubling as usize * STEPS + steps
}

/// A histogram with one writer and any number of readers. Takes 5 KB.
#[derive(Debug)]
pub struct Histogram {
    buckets: [Counter; BUCKETS],
    sum: Counter,
    max: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = core::array::from_fn(|_| Counter::default());
        Self { buckets, sum: Counter::default(), max: Counter::default() }
    }
}

impl Histogram {
    /// Notes that `value` came `times` times. Constant time, three words written. The owner alone
    /// calls this.
    pub fn record(&self, value: u64, times: u64) {
        self.buckets[bucket_of(value)].add(times);
        self.sum.add(value.wrapping_mul(times));
        self.max.set_max(value);
    }

    /// Adds what has come so far to `snapshot`.
    pub fn add_to(&self, snapshot: &mut Snapshot) {
        for (total, bucket) in snapshot.counts.iter_mut().zip(&self.buckets) {
            *total += bucket.read();
        }
        snapshot.sum = snapshot.sum.wrapping_add(self.sum.read());
        snapshot.max = snapshot.max.max(self.max.read());
    }
}

/// What histograms held when they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    counts: Vec<u64>,
    /// Sum of all values.
    pub sum: u64,
    /// The largest value.
    pub max: u64,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], sum: 0, max: 0 }
    }
}

impl Snapshot {
    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Ends of the chosen buckets, each with the number of values up to it. `step` says how many
    /// buckets make one of these, beginning after the bucket `from`.
    pub fn cumulative(
        &self,
        from: usize,
        to: usize,
        step: usize,
    ) -> impl Iterator<Item = (u64, u64)> {
        let mut total = 0;
        let to = to.min(BUCKETS);
        self.counts[..to].iter().enumerate().filter_map(move |(bucket, count)| {
            total += count;
            let is_end = bucket >= from && (bucket + 1).is_multiple_of(step);
            is_end.then(|| (bucket_end(bucket), total))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_a_bucket_that_ends_within_a_sixteenth_of_it() {
        let near = |value: u64| [value.saturating_sub(1), value, value + 1];
        for value in (0..VALUE_BITS).flat_map(|bits| near(1 << bits)).chain(0..10_000) {
            let bucket = bucket_of(value);
            let end = bucket_end(bucket);
            assert!(value <= end, "{value} is beyond the end {end} of its bucket");
            assert!(bucket == 0 || bucket_end(bucket - 1) < value, "{value} fits an earlier one");
            assert!(end - value <= value / 16 + 1, "{value} is far from {end}");
        }
        assert_eq!((bucket_of(u64::MAX), bucket_end(BUCKETS - 1)), (BUCKETS - 1, 1 << VALUE_BITS));
    }

    #[test]
    fn doublings_end_at_powers_of_two() {
        let histogram = Histogram::default();
        for (value, times) in [(1, 1), (1024, 2), (1025, 3), (1536, 4), (u64::MAX, 5)] {
            histogram.record(value, times);
        }
        let mut snapshot = Snapshot::default();
        histogram.add_to(&mut snapshot);
        histogram.add_to(&mut snapshot);
        assert_eq!((snapshot.count(), snapshot.max), (30, u64::MAX));
        let halves: Vec<_> = snapshot.cumulative(bucket_of(1024), bucket_of(2048) + 1, 8).collect();
        assert_eq!(halves, [(1024, 6), (1536, 20), (2048, 20)]);
    }
}
