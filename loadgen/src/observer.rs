//! What the server costs, seen from outside.

use std::time::Duration;

use serde_json::{Value, json};

use crate::conversation::service::Service;
use crate::conversation::talk::Talk;
use crate::error::Error;
use crate::outcome::Spent;
use crate::process::Usage;
use crate::report::progress;
use crate::tally::Tally;
use crate::timeline::Timeline;
use crate::view::{View, picture};

/// Point of a run at which the load begins, counted from one.
const LOAD: u32 = 2;

/// Looks at the process of the server at the points of a run, and lets the back end take part.
#[derive(Debug)]
pub(crate) struct Observer {
    pid: Option<u32>,
    /// Processes that work for this one.
    workers: Vec<u32>,
    view: View,
    seen: Vec<Usage>,
    /// Points that have come.
    points: u32,
    service: Option<Service>,
    timeline: Timeline,
}

impl Observer {
    /// Checks that the process is there, if one is named.
    pub(crate) fn new(pid: Option<u32>, view: View) -> Result<Self, Error> {
        if let Some(pid) = pid.filter(|pid| Usage::of(*pid).is_none()) {
            return Err(Error::NoServer(pid));
        }
        let (workers, seen, timeline) = (Vec::new(), Vec::new(), Timeline::default());
        Ok(Self { pid, workers, view, seen, points: 0, service: None, timeline })
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

    /// Lets a back end take part, if there is one, from the beginning of the load on.
    pub(crate) fn invite(&mut self, service: Option<Service>) {
        self.service = service;
    }

    /// A point of the run has come: takes note of what the server has used so far.
    pub(crate) fn look(&mut self) {
        self.seen.extend(self.pid.and_then(Usage::of));
        self.points += 1;
        if let Some(service) = self.service.as_ref().filter(|_| self.points == LOAD) {
            service.begin();
        }
    }

    /// Whether the next point must wait for the back end.
    pub(crate) fn is_held(&self) -> bool {
        self.points == LOAD && self.service.as_ref().is_some_and(|service| !service.is_done())
    }

    /// Devices have heard messages.
    pub(crate) fn hear(&self, heard: &[(u64, u64)]) {
        if let Some(service) = &self.service {
            service.hear(heard);
        }
    }

    /// What the back end has seen, which ends with this.
    pub(crate) fn take_talk(&mut self) -> Talk {
        self.service.take().map(Service::finish).unwrap_or_default()
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
