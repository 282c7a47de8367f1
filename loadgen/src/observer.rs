//! What the server costs, seen from outside.

use std::time::Duration;

use serde_json::{Value, json};

use crate::error::Error;
use crate::outcome::Spent;
use crate::process::Usage;
use crate::report::progress;
use crate::tally::Tally;
use crate::timeline::Timeline;
use crate::view::{View, picture};

/// Looks at the process of the server at the points of a run.
#[derive(Debug)]
pub(crate) struct Observer {
    pid: Option<u32>,
    /// Processes that work for this one.
    workers: Vec<u32>,
    view: View,
    seen: Vec<Usage>,
    timeline: Timeline,
}

impl Observer {
    /// Checks that the process is there, if one is named.
    pub(crate) fn new(pid: Option<u32>, view: View) -> Result<Self, Error> {
        if let Some(pid) = pid.filter(|pid| Usage::of(*pid).is_none()) {
            return Err(Error::NoServer(pid));
        }
        let (workers, seen, timeline) = (Vec::new(), Vec::new(), Timeline::default());
        Ok(Self { pid, workers, view, seen, timeline })
    }

    /// The last moment was shown.
    pub(crate) fn end_view(&mut self) {
        self.view.end();
    }

    /// Counts what these processes use as what this program uses.
    pub(crate) fn follow(&mut self, workers: impl Iterator<Item = u32>) {
        self.workers = workers.collect();
    }

    /// Says what is to be done.
    pub(crate) fn say(&self, line: &str) {
        self.view.say(line);
    }

    /// Takes note of what the server has used so far.
    pub(crate) fn look(&mut self) {
        self.seen.extend(self.pid.and_then(Usage::of));
    }

    /// Shows and keeps what was counted up to now.
    pub(crate) fn note(&mut self, elapsed: Duration, tally: &Tally) {
        let workers = self.workers.iter().filter_map(|pid| Usage::of(*pid));
        let own = workers.fold(Usage::of_self(), Usage::and);
        self.timeline.push(elapsed, tally, own, self.pid.and_then(Usage::of));
        let points = self.timeline.points();
        self.view.show(|| progress(elapsed, tally), || picture(elapsed, tally, points));
    }

    /// The run second by second.
    pub(crate) fn take_timeline(&mut self) -> Timeline {
        std::mem::take(&mut self.timeline)
    }

    /// What was seen, from the points: the beginning, all connected, and the end of a load.
    pub(crate) fn server_cost(&self) -> Option<ServerCost> {
        let (first, last) = (*self.seen.first()?, *self.seen.last()?);
        let connected = *self.seen.get(1)?;
        Some(ServerCost {
            ramp: Spent::between(first, connected),
            steady: Spent::between(connected, last),
            bytes_before: first.resident_bytes,
            bytes_connected: connected.resident_bytes,
            bytes_after: last.resident_bytes,
        })
    }
}

/// What the server cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerCost {
    /// While connections were opened, and held if they were for that.
    pub(crate) ramp: Spent,
    /// While messages were sent.
    pub(crate) steady: Spent,
    /// Resident memory before the first connection.
    pub(crate) bytes_before: u64,
    /// With all connections.
    pub(crate) bytes_connected: u64,
    /// Before the first goodbye.
    pub(crate) bytes_after: u64,
}

impl ServerCost {
    pub(crate) fn to_json(self) -> Value {
        json!({
            "ramp_cpu_s": self.ramp.cpu_s,
            "load_cpu_s": self.steady.cpu_s,
            "resident_bytes_before": self.bytes_before,
            "resident_bytes_connected": self.bytes_connected,
            "resident_bytes": self.bytes_after,
        })
    }
}
