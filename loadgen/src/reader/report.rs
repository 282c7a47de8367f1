//! The result, for people and for programs.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::account::Account;
use super::engine::End;
use super::timeline::{Point, Timeline};
use super::verdict::busy;
use crate::html;
use crate::latency::Latency;
use crate::outcome::Spent;
use crate::output::Findings;
use crate::process::Usage;
use crate::report::{MIB, command, percentiles, write_latency};
use crate::verdict::Verdict;

/// A process before and after.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    pub(super) before: Usage,
    pub(super) after: Usage,
}

impl Cost {
    fn cpu_s(self) -> f64 {
        Spent::between(self.before, self.after).cpu_s
    }
}

/// Result of a reading.
#[derive(Debug)]
pub struct ReaderReport {
    pub(super) account: Account,
    pub(super) end: End,
    pub(super) elapsed: Duration,
    pub(super) own: Cost,
    pub(super) server: Option<Cost>,
    pub(super) timeline: Timeline,
    pub(super) verdict: Verdict,
}

impl ReaderReport {
    /// What it is worth.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    pub(crate) fn timeline(&self) -> &[Point] {
        self.timeline.points()
    }

    pub(crate) fn lag(&self) -> &Latency {
        &self.account.lag
    }

    pub(crate) fn delay(&self) -> &Latency {
        &self.account.delay
    }

    fn per_s(&self, count: u64) -> f64 {
        count as f64 / self.elapsed.as_secs_f64().max(1e-3)
    }

    /// Processor time of the server per event, all that it did meanwhile included.
    fn server_us_per_event(&self) -> Option<f64> {
        let events = self.account.events;
        (events > 0).then_some(())?;
        self.server.map(|server| server.cpu_s() * 1e6 / events as f64)
    }

    fn write_partitions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "partition              events      missing   disordered  lag, events, max")?;
        for partition in &self.account.partitions {
            writeln!(
                f,
                "  {:<14} {:>12} {:>12} {:>12} {:>17}",
                partition.id,
                partition.events,
                partition.missing,
                partition.disordered,
                partition.behind_max
            )?;
        }
        Ok(())
    }

    fn write_costs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "elapsed          {:>12.1} s", self.elapsed.as_secs_f64())?;
        writeln!(f, "own CPU          {:>12.2} s", self.own.cpu_s())?;
        writeln!(f, "  busy           {:>12.0} %", busy(&self.account, self.elapsed) * 100.0)?;
        writeln!(f, "own memory       {:>12.1} MiB", self.own.after.resident_bytes as f64 / MIB)?;
        let Some(server) = self.server else { return Ok(()) };
        writeln!(f, "server CPU       {:>12.2} s", server.cpu_s())?;
        if let Some(us) = self.server_us_per_event() {
            writeln!(f, "  per event      {us:>12.2} us")?;
        }
        writeln!(f, "server memory    {:>12.1} MiB", server.after.resident_bytes as f64 / MIB)
    }
}

impl Findings for ReaderReport {
    fn to_json(&self) -> Value {
        let Self { account, verdict, .. } = self;
        let partitions: Vec<Value> = account
            .partitions
            .iter()
            .map(|partition| {
                json!({
                    "id": partition.id,
                    "events": partition.events,
                    "missing": partition.missing,
                    "disordered": partition.disordered,
                    "newest": partition.newest,
                    "lag_events": partition.behind,
                    "lag_events_max": partition.behind_max,
                })
            })
            .collect();
        json!({
            "interrupted": matches!(self.end, End::Interrupted),
            "valid": verdict.is_valid(),
            "invalid_because": verdict.invalid,
            "clean": verdict.is_clean(),
            "failed_because": verdict.failed,
            "elapsed_s": self.elapsed.as_secs_f64(),
            "events": account.events,
            "bytes": account.bytes,
            "events_per_s": self.per_s(account.events),
            "bytes_per_s": self.per_s(account.bytes),
            "missing": account.missing(),
            "disordered": account.disordered(),
            "partitions": partitions,
            "devices": account.devices.as_ref().map(|devices| json!({
                "count": devices.count(),
                "missing": devices.missing,
                "disordered": devices.disordered,
                "unnumbered": devices.unnumbered,
            })),
            "lag_ms": percentiles(&account.lag),
            "lag_events_max": account.behind_max(),
            "own_delay_ms": percentiles(&account.delay),
            "busy": busy(account, self.elapsed),
            "cpu_s": self.own.cpu_s(),
            "resident_bytes": self.own.after.resident_bytes,
            "server": self.server.map(|server| json!({
                "cpu_s": server.cpu_s(),
                "resident_bytes_before": server.before.resident_bytes,
                "resident_bytes": server.after.resident_bytes,
            })),
            "server_us_per_event": self.server_us_per_event(),
        })
    }

    fn latencies(&self) -> Vec<(&'static str, &Latency)> {
        vec![("read-lag", &self.account.lag), ("read-delay", &self.account.delay)]
    }

    fn to_page(&self) -> String {
        html::reader_page(self, &command(std::env::args()))
    }
}

impl fmt::Display for ReaderReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account = &self.account;
        if matches!(self.end, End::Interrupted) {
            writeln!(f, "interrupted: what was measured until then")?;
        }
        writeln!(f, "events           {:>12}", account.events)?;
        writeln!(f, "  per second     {:>12.0}", self.per_s(account.events))?;
        writeln!(f, "  MiB per second {:>12.1}", self.per_s(account.bytes) / MIB)?;
        self.write_partitions(f)?;
        if let Some(devices) = &account.devices {
            writeln!(f, "devices          {:>12}", devices.count())?;
            writeln!(f, "  missing        {:>12}", devices.missing)?;
            writeln!(f, "  disordered     {:>12}", devices.disordered)?;
        }
        let what =
            "from enqueued to received, by the clock that hub and reader share on one machine";
        write_latency(f, what, &account.lag)?;
        write_latency(f, "own delay, at most", &account.delay)?;
        self.write_costs(f)?;
        self.verdict.write(f)
    }
}
