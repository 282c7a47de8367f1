//! Times that were measured, as a histogram.

use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest time that is told apart from longer ones, in microseconds: ten minutes.
const MAX_US: u64 = 600_000_000;
/// Digits of a time that are kept.
const DIGITS: u8 = 3;
/// Steps of the percentile table between one half of the rest and the next.
const TICKS_PER_HALF: u32 = 5;

/// Percentiles that are shown.
pub(crate) const PERCENTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999), ("max", 1.0)];

/// A few percentiles, where the whole would take too much room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Brief {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl Brief {
    /// The worse of each.
    pub(crate) fn worse(self, other: Self) -> Self {
        Self {
            p50_ms: self.p50_ms.max(other.p50_ms),
            p99_ms: self.p99_ms.max(other.p99_ms),
            max_ms: self.max_ms.max(other.max_ms),
        }
    }

    /// The worse of each, where there is anything.
    pub(crate) fn worse_of(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        [one, other].into_iter().flatten().reduce(Self::worse)
    }
}

/// Times in microseconds.
///
/// Most of the many that a run has stay empty, and own nothing; the others grow with their longest
/// time: 16 KiB, and 8 KiB more with each doubling from 2 ms on, up to 168 KiB.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latency(Option<Histogram<u64>>);

impl Latency {
    pub(crate) fn record(&mut self, time: Duration) {
        self.record_us(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), 1);
    }

    fn record_us(&mut self, us: u64, count: u64) {
        let recorded = self.histogram().record_n(us.min(MAX_US), count);
        recorded.expect("it grows to any time up to the longest one");
    }

    fn histogram(&mut self) -> &mut Histogram<u64> {
        let new = || Histogram::new(DIGITS).expect("so many digits can be kept");
        self.0.get_or_insert_with(new)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        if let Some(other) = &other.0 {
            self.histogram().add(other).expect("it grows to what the other has");
        }
    }

    /// What came after `earlier`, which is the same histogram as it was before.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut later = self.clone();
        if let (Some(later), Some(earlier)) = (&mut later.0, &earlier.0) {
            later.subtract(earlier).expect("the later one has all that the earlier one has");
        }
        later
    }

    /// Part of all times, and the milliseconds that it does not exceed.
    pub(crate) fn distribution(&self) -> Vec<(f64, f64)> {
        let steps = self.0.iter().flat_map(|times| times.iter_quantiles(TICKS_PER_HALF));
        let steps = steps.filter(|step| step.quantile_iterated_to() < 1.0);
        steps.map(|step| (step.quantile_iterated_to(), ms(step.value_iterated_to()))).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    /// The time that this part of all times does not exceed, in milliseconds.
    pub(crate) fn at_ms(&self, quantile: f64) -> f64 {
        ms(self.0.as_ref().map_or(0, |times| times.value_at_quantile(quantile)))
    }

    /// A few percentiles; `None` when nothing was recorded.
    pub(crate) fn brief(&self) -> Option<Brief> {
        let at = |part| self.at_ms(part);
        let brief = || Brief { p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1.0) };
        (!self.is_empty()).then(brief)
    }

    /// Names and milliseconds of the percentiles that are shown.
    pub(crate) fn percentiles_ms(&self) -> impl Iterator<Item = (&'static str, f64)> {
        PERCENTILES.into_iter().map(|(name, part)| (name, self.at_ms(part)))
    }

    /// The percentile distribution in milliseconds, as plotters of HDR histograms read it; nothing
    /// when nothing was recorded.
    pub(crate) fn to_hgrm(&self) -> String {
        let Some(times) = &self.0 else { return String::new() };
        let mut text = format!(
            "{:>12} {:>14} {:>10} {:>14}\n\n",
            "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
        );
        for step in times.iter_quantiles(TICKS_PER_HALF) {
            let (value, part) = (step.value_iterated_to(), step.quantile_iterated_to());
            let count = times.count_between(0, value);
            let rest =
                if part < 1.0 { format!("{:14.2}", 1.0 / (1.0 - part)) } else { "inf".to_owned() };
            // Writing to a String does not fail.
            let _ = writeln!(text, "{:12.3} {part:14.9} {count:10} {rest:>14}", ms(value));
        }
        let (mean, deviation) = (times.mean() / 1e3, times.stdev() / 1e3);
        let (max, total) = (self.at_ms(1.0), times.len());
        let _ = writeln!(text, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]");
        let _ = writeln!(text, "#[Max     = {max:12.3}, Total count    = {total:12}]");
        text
    }
}

fn ms(us: u64) -> f64 {
    us as f64 / 1e3
}

/// As pairs of value and count; what is not recorded takes no room.
impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let steps = self.0.iter().flat_map(Histogram::iter_recorded);
        serializer.collect_seq(steps.map(|step| (step.value_iterated_to(), step.count_at_value())))
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pairs = Vec::<(u64, u64)>::deserialize(deserializer)?;
        let mut latency = Self::default();
        pairs.into_iter().for_each(|(us, count)| latency.record_us(us, count));
        Ok(latency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distribution_is_text_for_plotters() {
        let mut latency = Latency::default();
        (1..=1000).for_each(|ms| latency.record(Duration::from_millis(ms)));
        let text = latency.to_hgrm();
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|cell| cell.parse().unwrap()).collect())
            .collect();
        assert!(rows.iter().all(|row| row.len() == 4), "{text}");
        let median = rows.iter().find(|row| (row[1] - 0.5).abs() < 1e-9).expect("a row of it");
        assert!((median[0] - 500.0).abs() < 1.0 && (median[2] - 500.0).abs() <= 1.0, "{median:?}");
        assert!((rows.last().unwrap()[2] - 1000.0).abs() < 0.5);
        assert!(text.contains("Total count    =         1000"), "{text}");
    }

    #[test]
    fn what_was_never_recorded_owns_nothing() {
        let mut sum = Latency::default();
        sum.add(&Latency::default());
        assert!(sum.0.is_none() && sum.brief().is_none() && sum.distribution().is_empty());
        assert!(sum.since(&Latency::default()).is_empty());
        sum.record(Duration::from_millis(1));
        let times = sum.0.as_ref().expect("one was recorded");
        assert_eq!(times.distinct_values() * size_of::<u64>(), 16 << 10);
        sum.record(Duration::MAX);
        let times = sum.0.as_ref().expect("two were recorded");
        assert_eq!(times.distinct_values() * size_of::<u64>(), 168 << 10);
        assert_eq!(sum.at_ms(0.5), 1.0);
    }

    #[test]
    fn times_survive_their_text() {
        let mut latency = Latency::default();
        for us in [1, 1, 800, 123_456, u64::MAX / 1000] {
            latency.record(Duration::from_micros(us));
        }
        let text = serde_json::to_string(&latency).unwrap();
        let back: Latency = serde_json::from_str(&text).unwrap();
        assert_eq!(back.0, latency.0);
    }
}
