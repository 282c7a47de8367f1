//! The result, for people and for programs.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::process;
use crate::tally::Tally;

/// Percentiles that are shown.
const PERCENTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As planned.
    Complete,
    /// By a signal.
    Interrupted,
}

/// Result of a run.
#[derive(Debug)]
pub struct Report {
    tally: Tally,
    end: End,
    elapsed: Duration,
    cpu: Option<Duration>,
    resident_bytes: Option<u64>,
}

impl Report {
    /// Takes what was counted, and the cost of this process while the connections stood.
    pub(crate) const fn new(
        tally: Tally,
        end: End,
        elapsed: Duration,
        resident_bytes: Option<u64>,
        cpu: Option<Duration>,
    ) -> Self {
        Self { tally, end, elapsed, cpu, resident_bytes }
    }

    /// Whether every attempt was accepted and held.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.tally.failed == 0 && self.tally.under_way() == 0
    }

    fn percentiles_ms(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let latency = &self.tally.latency_us;
        PERCENTILES.into_iter().map(|(name, part)| (name, millis(latency.value_at_quantile(part))))
    }

    /// The report as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let latency: serde_json::Map<_, _> =
            self.percentiles_ms().map(|(name, value)| (name.to_owned(), value.into())).collect();
        json!({
            "interrupted": self.end == End::Interrupted,
            "elapsed_s": self.elapsed.as_secs_f64(),
            "attempted": self.tally.attempted,
            "accepted": self.tally.accepted,
            "failed": self.tally.failed,
            "unfinished": self.tally.under_way(),
            "failures": self.tally.failures,
            "connect_latency_ms": latency,
            "cpu_s": self.cpu.map(|cpu| cpu.as_secs_f64()),
            "resident_bytes": self.resident_bytes,
        })
    }
}

fn millis(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64() * 1e3
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = &self.tally;
        if self.end == End::Interrupted {
            writeln!(f, "interrupted: what was measured until then")?;
        }
        writeln!(f, "attempted        {:>12}", tally.attempted)?;
        writeln!(f, "accepted         {:>12}", tally.accepted)?;
        writeln!(f, "failed           {:>12}", tally.failed)?;
        for (reason, count) in &tally.failures {
            writeln!(f, "  {count:>8}  {reason}")?;
        }
        if tally.under_way() > 0 {
            writeln!(f, "unfinished       {:>12}", tally.under_way())?;
        }
        if !tally.latency_us.is_empty() {
            writeln!(f, "connect latency, from the time each was due")?;
            for (name, value) in self.percentiles_ms() {
                writeln!(f, "  {name:<14} {value:>12.2} ms")?;
            }
        }
        writeln!(f, "elapsed          {:>12.1} s", self.elapsed.as_secs_f64())?;
        if let Some(cpu) = self.cpu {
            writeln!(f, "own CPU          {:>12.2} s", cpu.as_secs_f64())?;
        }
        if let Some(bytes) = self.resident_bytes {
            writeln!(f, "own memory       {:>12.1} MiB", bytes as f64 / 1_048_576.0)?;
        }
        Ok(())
    }
}

/// One line about a run under way.
pub(crate) fn progress(elapsed: Duration, tally: &Tally) -> String {
    format!(
        "{:>6} s  attempted {}  open {}  under way {}  failed {}  p99 {:.1} ms  {:.1} MiB",
        elapsed.as_secs(),
        tally.attempted,
        tally.open,
        tally.under_way(),
        tally.failed,
        millis(tally.latency_us.value_at_quantile(0.99)),
        process::resident_bytes().unwrap_or(0) as f64 / 1_048_576.0,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Failure;

    fn report(end: End) -> Report {
        let mut tally = Tally::new();
        tally.attempted = 3;
        tally.accept(Duration::from_millis(10));
        tally.refuse(&Failure::Timeout);
        Report::new(tally, end, Duration::from_secs(2), Some(1 << 20), Some(Duration::from_secs(1)))
    }

    #[test]
    fn the_table_names_reasons_and_what_is_unfinished() {
        let text = report(End::Interrupted).to_string();
        for line in ["interrupted", "1  no CONNACK in time", "unfinished", "p99.9", "1.0 MiB"] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        assert!(!report(End::Complete).is_clean());
    }

    #[test]
    fn json_has_the_same_numbers() {
        let json = report(End::Complete).to_json();
        assert_eq!(json["failures"]["no CONNACK in time"], 1);
        assert_eq!(json["unfinished"], 1);
        assert_eq!(json["resident_bytes"], 1 << 20);
        assert!((json["connect_latency_ms"]["p50"].as_f64().unwrap() - 10.0).abs() < 0.1);
    }
}
