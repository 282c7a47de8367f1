//! A run second by second.

use std::time::Duration;

use crate::latency::Latency;
use crate::process::Usage;
use crate::tally::Tally;

/// What stood at one moment, and what came since the moment before.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    /// Time since the start of the run.
    pub(crate) at_s: f64,
    /// Connections that stand.
    pub(crate) open: u64,
    /// Connections accepted per second.
    pub(crate) accepted_per_s: f64,
    /// Connections that failed or were lost, per second.
    pub(crate) failed_per_s: f64,
    /// Messages per second.
    pub(crate) sent_per_s: f64,
    /// PUBACKs of the measured part per second.
    pub(crate) acknowledged_per_s: f64,
    /// Times to CONNACK of what was accepted meanwhile.
    pub(crate) connect: Latency,
    /// Times to PUBACK of what was acknowledged meanwhile.
    pub(crate) puback: Latency,
    /// Resident memory of the server.
    pub(crate) server_bytes: Option<u64>,
    /// Cores that the server used.
    pub(crate) server_cores: Option<f64>,
}

/// The moments of a run, about a second apart.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    points: Vec<Point>,
    last: Option<(Duration, Tally, Option<Usage>)>,
}

impl Timeline {
    /// Takes note of what was counted up to now, and of the server.
    pub(crate) fn push(&mut self, at: Duration, tally: &Tally, server: Option<Usage>) {
        let (before_at, before, before_server) = self.last.take().unwrap_or_default();
        let took_s = at.saturating_sub(before_at).as_secs_f64().max(1e-3);
        let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / took_s;
        let cpu = |usage: Option<Usage>| usage.map(|usage| usage.cpu);
        let cores = cpu(server)
            .zip(cpu(before_server))
            .map(|(now, then)| now.saturating_sub(then).as_secs_f64() / took_s);
        let mut connect = tally.connect.since(&before.connect);
        connect.add(&tally.reconnect.since(&before.reconnect));
        let (now, then) = (&tally.telemetry, &before.telemetry);
        self.points.push(Point {
            at_s: at.as_secs_f64(),
            open: tally.open,
            accepted_per_s: rate(tally.accepted, before.accepted),
            failed_per_s: rate(tally.failed(), before.failed()),
            sent_per_s: rate(now.sent_in_all, then.sent_in_all),
            acknowledged_per_s: rate(now.acknowledged_meanwhile, then.acknowledged_meanwhile),
            connect,
            puback: now.latency.since(&then.latency),
            server_bytes: server.map(|usage| usage.resident_bytes),
            server_cores: cores,
        });
        self.last = Some((at, tally.clone(), server));
    }

    pub(crate) fn points(&self) -> &[Point] {
        &self.points
    }
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
        let mut tally = Tally { attempted: 30, ..Tally::default() };
        (0..10).for_each(|_| tally.accept(&wave, Duration::from_millis(5)));
        timeline.push(Duration::from_secs(1), &tally, None);
        (0..20).for_each(|_| tally.accept(&wave, Duration::from_millis(80)));
        tally.telemetry.sent_in_all = 300;
        timeline.push(Duration::from_secs(3), &tally, None);
        let [first, second] = timeline.points() else { panic!("{timeline:?}") };
        assert_eq!((first.open, second.open), (10, 30));
        assert_eq!((first.accepted_per_s, second.accepted_per_s), (10.0, 10.0));
        assert_eq!((first.sent_per_s, second.sent_per_s), (0.0, 150.0));
        assert!((first.connect.at_ms(1.0) - 5.0).abs() < 0.1);
        assert!((second.connect.at_ms(0.01) - 80.0).abs() < 0.1, "none of those before");
        assert!(second.puback.is_empty() && second.server_cores.is_none());
    }
}
