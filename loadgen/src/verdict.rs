//! What a result is worth.

use std::fmt;
use std::time::Duration;

use crate::latency::Latency;
use crate::outcome::{Cost, End, Spent};
use crate::tally::Tally;

/// Part of a core from which on a process of this program is taken for the bottleneck.
pub(crate) const BUSY_MAX: f64 = 0.95;
/// Shortest part of a run over which that can be told.
pub(crate) const BUSY_TIME_MIN_S: f64 = 1.0;
/// Own delay, at the 99th percentile, that is never too much.
const LAG_MIN_MS: f64 = 2.0;
/// Own delay, at the 99th percentile, that is too much where no latency is measured: with QoS 0.
const LAG_ALONE_MAX_MS: f64 = 20.0;
/// Part of the measured time, at the 99th percentile, that may be own delay.
const LAG_PART_MAX: f64 = 0.5;

/// What must hold beside that nothing fails.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Thresholds {
    /// Connections that may fail.
    pub(crate) failures_max: u64,
    /// 99th percentile of the time to CONNACK.
    pub(crate) connect_p99_max: Option<Duration>,
    /// 99th percentile of the time to PUBACK.
    pub(crate) puback_p99_max: Option<Duration>,
    /// 99th percentile of the time to the answer of a method.
    pub(crate) method_p99_max: Option<Duration>,
    /// 99th percentile of the time to the response to a patch.
    pub(crate) patch_p99_max: Option<Duration>,
    /// 99th percentile of the time from an accepted message to its device.
    pub(crate) c2d_p99_max: Option<Duration>,
}

/// What is wrong with a run, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What the server did not do.
    pub(crate) failed: Vec<String>,
    /// Why the numbers are those of this program and not those of the server.
    pub(crate) invalid: Vec<String>,
}

impl Verdict {
    /// Whether the server did all that was asked for.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.failed.is_empty()
    }

    /// Whether the numbers are those of the server, not those of this program.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        self.invalid.is_empty()
    }

    pub(crate) fn of(tally: &Tally, end: End, costs: &[Cost], thresholds: Thresholds) -> Self {
        let mut verdict = Self::default();
        verdict.judge_server(tally, end, thresholds);
        verdict.judge_self(tally, costs);
        verdict
    }

    /// Writes a line for each fault.
    pub(crate) fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for reason in &self.failed {
            writeln!(f, "FAILED: {reason}")?;
        }
        for reason in &self.invalid {
            writeln!(f, "INVALID: {reason}")?;
        }
        Ok(())
    }

    fn judge_server(&mut self, tally: &Tally, end: End, thresholds: Thresholds) {
        if end == End::GaveUp {
            self.failed.push("gave up: no connection stood any more".to_owned());
        }
        let Thresholds { failures_max, connect_p99_max, puback_p99_max, .. } = thresholds;
        if tally.failed() > failures_max {
            let text = format!("{} connections failed, {failures_max} may", tally.failed());
            self.failed.push(text);
        }
        if end == End::Complete {
            self.judge_messages(tally);
            self.judge_turns(tally);
            self.judge_talk(tally);
        }
        let telemetry = &tally.telemetry;
        let is_storm = !tally.reconnect.is_empty();
        let connects = if is_storm { &tally.reconnect } else { &tally.connect };
        let talk = &tally.talk;
        for (name, limit, latency) in [
            (tally.protocol.connected(), connect_p99_max, connects),
            (tally.protocol.acknowledged(), puback_p99_max, &telemetry.latency),
            ("the answer of a method", thresholds.method_p99_max, &talk.methods.latency),
            ("the response to a patch", thresholds.patch_p99_max, &talk.patches.latency),
            ("a message at its device", thresholds.c2d_p99_max, &talk.messages.latency),
        ] {
            let Some(limit_ms) = limit.map(|limit| limit.as_secs_f64() * 1e3) else { continue };
            let p99_ms = latency.at_ms(0.99);
            if p99_ms > limit_ms || latency.is_empty() {
                let text =
                    format!("time to {name}, p99: {p99_ms:.1} ms, and {limit_ms:.1} ms may be");
                self.failed.push(text);
            }
        }
    }

    fn judge_messages(&mut self, tally: &Tally) {
        let telemetry = &tally.telemetry;
        let unsent = telemetry.due.saturating_sub(telemetry.sent);
        if unsent > 0 {
            self.failed.push(format!(
                "{unsent} messages were due and never sent: the in-flight windows were full, or \
                 connections lost; lower --per-second or raise --inflight"
            ));
        }
        let missing = telemetry.sent.saturating_sub(telemetry.acknowledged);
        if telemetry.is_acknowledged && missing > 0 {
            self.failed.push(format!("{missing} messages were never acknowledged"));
        }
    }

    fn judge_turns(&mut self, tally: &Tally) {
        let missed = tally.turns.missed;
        if missed > 0 {
            self.failed.push(format!(
                "{missed} times a device was to leave and was not connected, or had not left from \
                 the time before: lower --churn, or give more --connections"
            ));
        }
    }

    fn judge_talk(&mut self, tally: &Tally) {
        for (_, what, exchange) in tally.talk.exchanges() {
            let failed: u64 = exchange.failures.values().sum();
            let missing = failed.max(exchange.due.saturating_sub(exchange.done));
            if missing > 0 {
                let reasons: Vec<&str> = exchange.failures.keys().map(String::as_str).collect();
                let reasons = if failed > 0 { reasons.join("; ") } else { "no answer".to_owned() };
                self.failed.push(format!("{missing} failed of {what}: {reasons}"));
            }
        }
    }

    fn judge_self(&mut self, tally: &Tally, costs: &[Cost]) {
        let telemetry = &tally.telemetry;
        let has_load = telemetry.sent_in_all > 0;
        let is_storm = !tally.reconnect.is_empty();
        let part = |cost: &Cost| if has_load || is_storm { cost.steady } else { cost.ramp };
        let is_busy =
            |spent: &Spent| spent.elapsed_s >= BUSY_TIME_MIN_S && spent.busy() >= BUSY_MAX;
        let busy = costs.iter().map(part).filter(is_busy).count();
        if busy > 0 {
            self.invalid.push(format!(
                "{busy} of {} processes of this generator used a whole core: give it more with \
                 --workers, or ask for less",
                costs.len()
            ));
        }
        let (lag, latency) = match (has_load, is_storm) {
            (true, _) => (&telemetry.lag, &telemetry.latency),
            (false, true) => (&tally.reconnect_lag, &tally.reconnect),
            (false, false) => (&tally.connect_lag, &tally.connect),
        };
        if is_late(lag, latency) {
            self.invalid.push(format!(
                "this generator was late itself: p99 {:.1} ms; give it processors of its own, or \
                 ask for less",
                lag.at_ms(0.99)
            ));
        }
    }
}

/// Whether the own delay makes too much of the latency.
pub(crate) fn is_late(lag: &Latency, latency: &Latency) -> bool {
    let lag_ms = lag.at_ms(0.99);
    match latency.is_empty() {
        true => lag_ms > LAG_ALONE_MAX_MS,
        false => lag_ms > LAG_MIN_MS && lag_ms > LAG_PART_MAX * latency.at_ms(0.99),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn loaded(lag: Duration, latency: Duration) -> Tally {
        let mut tally = Tally::default();
        tally.telemetry.sent_in_all = 1;
        tally.telemetry.lag.record(lag);
        tally.telemetry.latency.record(latency);
        tally
    }

    fn verdict(tally: &Tally, cost: Cost, thresholds: Thresholds) -> Verdict {
        Verdict::of(tally, End::Complete, &[cost], thresholds)
    }

    #[test]
    fn the_generator_tells_on_itself() {
        let is_invalid =
            |tally: &Tally, cost| !verdict(tally, cost, Thresholds::default()).invalid.is_empty();
        let idle = Cost::default();
        let steady = Spent { cpu_s: 9.8, elapsed_s: 10.0 };
        assert!(!is_invalid(&loaded(ms(1), ms(1)), idle));
        assert!(!is_invalid(&loaded(ms(30), ms(100)), idle));
        assert!(is_invalid(&loaded(ms(60), ms(100)), idle));
        assert!(is_invalid(&loaded(ms(0), ms(100)), Cost { steady, ..idle }));
        assert!(!is_invalid(&loaded(ms(0), ms(100)), Cost { ramp: steady, ..idle }));
    }

    #[test]
    fn what_was_promised_and_not_kept_is_said() {
        let mut tally = loaded(ms(0), ms(80));
        (tally.telemetry.due, tally.telemetry.sent) = (10, 9);
        tally.telemetry.is_acknowledged = true;
        tally.telemetry.acknowledged = 7;
        tally.refused = 1;
        let thresholds = Thresholds { puback_p99_max: Some(ms(50)), ..Thresholds::default() };
        let failed = verdict(&tally, Cost::default(), thresholds).failed.join("\n");
        for text in
            ["1 connections failed", "1 messages were due", "2 messages were never", "PUBACK"]
        {
            assert!(failed.contains(text), "{text} in {failed}");
        }
    }

    #[test]
    fn a_turn_that_was_missed_is_said() {
        let mut tally = Tally::default();
        tally.turns.missed = 3;
        let failed = verdict(&tally, Cost::default(), Thresholds::default()).failed.join("\n");
        assert!(failed.starts_with("3 times a device") && failed.contains("--churn"), "{failed}");
    }

    #[test]
    fn what_was_not_answered_is_said() {
        let mut tally = Tally::default();
        (tally.talk.methods.due, tally.talk.messages.due) = (2, 1);
        tally.talk.methods.succeed(ms(20));
        tally.talk.methods.fail("504".to_owned());
        let thresholds = Thresholds { method_p99_max: Some(ms(10)), ..Thresholds::default() };
        let failed = verdict(&tally, Cost::default(), thresholds).failed.join("\n");
        for text in ["1 failed of methods", ": 504", "to PUBLISH: no answer", "20.0 ms, and 10.0"] {
            assert!(failed.contains(text), "{text} in {failed}");
        }
    }

    #[test]
    fn thresholds_make_room() {
        let mut tally = loaded(ms(0), ms(80));
        tally.refused = 1;
        let thresholds =
            Thresholds { failures_max: 1, puback_p99_max: Some(ms(90)), ..Thresholds::default() };
        assert_eq!(verdict(&tally, Cost::default(), thresholds), Verdict::default());
    }
}
