//! A reading second by second.

use std::time::Duration;

use super::account::Account;
use crate::history::{History, Moment, Together};
use crate::latency::{Brief, Latency};
use crate::process::Usage;

/// What stood at one moment, and what came since the moment before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// Time since the beginning.
    pub(crate) at_s: f64,
    /// Time since the moment before.
    pub(crate) took_s: f64,
    pub(crate) events_per_s: f64,
    pub(crate) bytes_per_s: f64,
    /// From enqueued to received, of what came meanwhile.
    pub(crate) lag: Option<Brief>,
    /// Own delay meanwhile.
    pub(crate) delay: Option<Brief>,
    /// Events by which all partitions were ahead.
    pub(crate) behind: u64,
    /// Part of a core that this program used.
    pub(crate) own_cores: f64,
    pub(crate) own_bytes: u64,
    pub(crate) server_cores: Option<f64>,
    pub(crate) server_bytes: Option<u64>,
}

/// The moments of a run, about a second apart.
#[derive(Debug)]
pub(crate) struct Timeline {
    points: History<Point>,
    last: Counted,
}

/// What was counted up to one moment.
#[derive(Debug)]
struct Counted {
    at: Duration,
    events: u64,
    bytes: u64,
    lag: Latency,
    delay: Latency,
    own: Usage,
    server: Option<Usage>,
}

impl Timeline {
    /// Begins with what both processes have used so far.
    pub(super) fn new(own: Usage, server: Option<Usage>) -> Self {
        let (lag, delay) = (Latency::default(), Latency::default());
        let last = Counted { at: Duration::ZERO, events: 0, bytes: 0, lag, delay, own, server };
        Self { points: History::default(), last }
    }

    /// Takes note of what was counted up to now.
    pub(super) fn push(
        &mut self,
        at: Duration,
        account: &Account,
        own: Usage,
        server: Option<Usage>,
    ) {
        let before = &self.last;
        let took_s = at.saturating_sub(before.at).as_secs_f64().max(1e-3);
        let cores =
            |now: Usage, then: Usage| now.cpu.saturating_sub(then.cpu).as_secs_f64() / took_s;
        self.points.push(Point {
            at_s: at.as_secs_f64(),
            took_s,
            events_per_s: account.events.saturating_sub(before.events) as f64 / took_s,
            bytes_per_s: account.bytes.saturating_sub(before.bytes) as f64 / took_s,
            lag: account.lag.since(&before.lag).brief(),
            delay: account.delay.since(&before.delay).brief(),
            behind: account.behind(),
            own_cores: cores(own, before.own),
            own_bytes: own.resident_bytes,
            server_cores: server.zip(before.server).map(|(now, then)| cores(now, then)),
            server_bytes: server.map(|usage| usage.resident_bytes),
        });
        let Account { events, bytes, lag, delay, .. } = account;
        let (lag, delay) = (lag.clone(), delay.clone());
        self.last = Counted { at, events: *events, bytes: *bytes, lag, delay, own, server };
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
            events_per_s: both.rate(self.events_per_s, later.events_per_s),
            bytes_per_s: both.rate(self.bytes_per_s, later.bytes_per_s),
            lag: Brief::worse_of(self.lag, later.lag),
            delay: Brief::worse_of(self.delay, later.delay),
            behind: later.behind,
            own_cores: both.rate(self.own_cores, later.own_cores),
            own_bytes: later.own_bytes,
            server_cores: both.known_rate(self.server_cores, later.server_cores),
            server_bytes: later.server_bytes,
        }
    }
}
