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

/// Times in microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Latency(Histogram<u64>);

impl Default for Latency {
    fn default() -> Self {
        Self(
            Histogram::new_with_bounds(1, MAX_US, DIGITS)
                .expect("the bounds are constants that fit each other"),
        )
    }
}

impl Latency {
    pub(crate) fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    /// What came after `earlier`, which is the same histogram as it was before.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut later = self.clone();
        later.0.subtract(&earlier.0).expect("the later one has all that the earlier one has");
        later
    }

    /// Part of all times, and the milliseconds that it does not exceed.
    pub(crate) fn distribution(&self) -> Vec<(f64, f64)> {
        let steps = self.0.iter_quantiles(TICKS_PER_HALF);
        let steps = steps.filter(|step| step.quantile_iterated_to() < 1.0);
        steps.map(|step| (step.quantile_iterated_to(), ms(step.value_iterated_to()))).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that this part of all times does not exceed, in milliseconds.
    pub(crate) fn at_ms(&self, quantile: f64) -> f64 {
        ms(self.0.value_at_quantile(quantile))
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

    /// The percentile distribution in milliseconds, as plotters of HDR histograms read it.
    pub(crate) fn to_hgrm(&self) -> String {
        let mut text = format!(
            "{:>12} {:>14} {:>10} {:>14}\n\n",
            "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
        );
        for step in self.0.iter_quantiles(TICKS_PER_HALF) {
            let (value, part) = (step.value_iterated_to(), step.quantile_iterated_to());
            let count = self.0.count_between(0, value);
            let rest =
                if part < 1.0 { format!("{:14.2}", 1.0 / (1.0 - part)) } else { "inf".to_owned() };
            // Writing to a String does not fail.
            let _ = writeln!(text, "{:12.3} {part:14.9} {count:10} {rest:>14}", ms(value));
        }
        let (mean, deviation) = (self.0.mean() / 1e3, self.0.stdev() / 1e3);
        let (max, total) = (self.at_ms(1.0), self.0.len());
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
        let steps = self.0.iter_recorded();
        serializer.collect_seq(steps.map(|step| (step.value_iterated_to(), step.count_at_value())))
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pairs = Vec::<(u64, u64)>::deserialize(deserializer)?;
        let mut latency = Self::default();
        pairs.into_iter().for_each(|(value, count)| latency.0.saturating_record_n(value, count));
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
