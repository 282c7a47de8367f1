//! A run second by second.

use std::time::Duration;

use crate::history::{History, Moment, Together};
use crate::latency::{Brief, Latency};
use crate::process::Usage;
use crate::tally::Tally;

/// What stood at one moment, and what came since the moment before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// Time since the start of the run.
    pub(crate) at_s: f64,
    /// Time since the moment before.
    pub(crate) took_s: f64,
    /// Connections that stand.
    pub(crate) open: u64,
    /// Connections accepted per second.
    pub(crate) accepted_per_s: f64,
    /// Connections that failed or were lost, per second.
    pub(crate) failed_per_s: f64,
    /// Messages per second.
    pub(crate) sent_per_s: f64,
    /// Acknowledgements per second.
    pub(crate) acknowledged_per_s: f64,
    /// Times to CONNACK, or what stands for it, of what was accepted meanwhile.
    pub(crate) connect: Option<Brief>,
    /// Times to PUBACK, or what stands for it, of what was acknowledged meanwhile, in the measured
    /// part.
    pub(crate) puback: Option<Brief>,
    /// Own delay in connecting and sending meanwhile.
    pub(crate) delay: Option<Brief>,
    /// Cores that all processes of this program used.
    pub(crate) own_cores: f64,
    /// Their resident memory.
    pub(crate) own_bytes: u64,
    /// Resident memory of the server.
    pub(crate) server_bytes: Option<u64>,
    /// Cores that the server used.
    pub(crate) server_cores: Option<f64>,
}

/// The moments of a run, about a second apart.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    points: History<Point>,
    last: Option<Counted>,
}

/// What was counted up to one moment.
#[derive(Debug)]
struct Counted {
    at: Duration,
    tally: Tally,
    own: Option<Usage>,
    server: Option<Usage>,
}

impl Timeline {
    /// Takes note of what was counted up to now, of this program and of the server.
    pub(crate) fn push(&mut self, at: Duration, tally: &Tally, own: Usage, server: Option<Usage>) {
        let none =
            || Counted { at: Duration::ZERO, tally: Tally::default(), own: None, server: None };
        let before = self.last.take().unwrap_or_else(none);
        let took_s = at.saturating_sub(before.at).as_secs_f64().max(1e-3);
        let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / took_s;
        let cores = |now: Option<Usage>, then: Option<Usage>| {
            let used = now.zip(then).map(|(now, then)| now.cpu.saturating_sub(then.cpu));
            used.map(|used| used.as_secs_f64() / took_s)
        };
        let (now, then) = (&tally.telemetry, &before.tally.telemetry);
        self.points.push(Point {
            at_s: at.as_secs_f64(),
            took_s,
            open: tally.open,
            accepted_per_s: rate(tally.accepted, before.tally.accepted),
            failed_per_s: rate(tally.failed(), before.tally.failed()),
            sent_per_s: rate(now.sent_in_all, then.sent_in_all),
            acknowledged_per_s: rate(now.acknowledged_in_all, then.acknowledged_in_all),
            connect: meanwhile(tally, &before.tally, &[|t| &t.connect, |t| &t.reconnect]),
            puback: meanwhile(tally, &before.tally, &[|t| &t.telemetry.latency]),
            delay: meanwhile(
                tally,
                &before.tally,
                &[|t| &t.connect_lag, |t| &t.reconnect_lag, |t| &t.telemetry.lag],
            ),
            own_cores: cores(Some(own), before.own).unwrap_or(0.0),
            own_bytes: own.resident_bytes,
            server_bytes: server.map(|usage| usage.resident_bytes),
            server_cores: cores(server, before.server),
        });
        self.last = Some(Counted { at, tally: tally.clone(), own: Some(own), server });
    }

    pub(crate) fn points(&self) -> &[Point] {
        self.points.moments()
    }
}

impl Moment for Point {
    /// Of percentiles the worse ones: those of both are not known any more.
    fn until(self, later: Self) -> Self {
        let both = Together::new(self.took_s, later.took_s);
        Self {
            at_s: later.at_s,
            took_s: both.took_s(),
            open: later.open,
            accepted_per_s: both.rate(self.accepted_per_s, later.accepted_per_s),
            failed_per_s: both.rate(self.failed_per_s, later.failed_per_s),
            sent_per_s: both.rate(self.sent_per_s, later.sent_per_s),
            acknowledged_per_s: both.rate(self.acknowledged_per_s, later.acknowledged_per_s),
            connect: Brief::worse_of(self.connect, later.connect),
            puback: Brief::worse_of(self.puback, later.puback),
            delay: Brief::worse_of(self.delay, later.delay),
            own_cores: both.rate(self.own_cores, later.own_cores),
            own_bytes: later.own_bytes,
            server_bytes: later.server_bytes,
            server_cores: both.known_rate(self.server_cores, later.server_cores),
        }
    }
}

/// Percentiles of what these latencies of a tally have got since an earlier one.
fn meanwhile(now: &Tally, before: &Tally, of: &[fn(&Tally) -> &Latency]) -> Option<Brief> {
    let mut sum = Latency::default();
    of.iter().for_each(|of| sum.add(&of(now).since(of(before))));
    sum.brief()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::storm::Wave;

    #[test]
    fn each_point_is_about_what_came_since_the_one_before() {
        let wave = Wave { start: Instant::now(), is_return: false };
        let mut timeline = Timeline::default();
        let mut tally = Tally { attempted: 50, ..Tally::default() };
        (0..30).for_each(|_| tally.accept(&wave, Duration::from_millis(5)));
        timeline.push(Duration::from_secs(1), &tally, Usage::of_self(), None);
        (0..20).for_each(|_| tally.accept(&wave, Duration::from_millis(80)));
        (tally.telemetry.sent_in_all, tally.telemetry.acknowledged_in_all) = (300, 200);
        timeline.push(Duration::from_secs(3), &tally, Usage::of_self(), None);
        let [first, second] = timeline.points() else { panic!("{timeline:?}") };
        assert_eq!((first.open, second.open), (30, 50));
        assert_eq!((first.accepted_per_s, second.accepted_per_s), (30.0, 10.0));
        assert_eq!((first.sent_per_s, second.sent_per_s), (0.0, 150.0));
        assert_eq!(second.acknowledged_per_s, 100.0);
        assert!((first.connect.unwrap().max_ms - 5.0).abs() < 0.1);
        assert!((second.connect.unwrap().p50_ms - 80.0).abs() < 0.1, "none of those before");
        assert!(second.puback.is_none() && second.server_cores.is_none());
        assert!(second.own_bytes > 100_000);
        let both = first.until(*second);
        assert_eq!((both.at_s, both.took_s, both.open), (3.0, 3.0, 50));
        assert!((both.accepted_per_s - 50.0 / 3.0).abs() < 1e-9 && both.sent_per_s == 100.0);
        assert!((both.connect.unwrap().max_ms - 80.0).abs() < 0.1, "the worse one");
    }
}
