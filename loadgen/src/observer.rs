//! What the server costs, seen from outside.

use std::time::Duration;

use serde_json::{Value, json};

use crate::error::Error;
use crate::outcome::Spent;
use crate::process::Usage;
use crate::report::progress;
use crate::tally::Tally;
use crate::timeline::Timeline;

/// Looks at the process of the server at the points of a run.
#[derive(Debug)]
pub(crate) struct Observer {
    pid: Option<u32>,
    seen: Vec<Usage>,
    timeline: Timeline,
}

impl Observer {
    /// Checks that the process is there, if one is named.
    pub(crate) fn new(pid: Option<u32>) -> Result<Self, Error> {
        match pid {
            Some(pid) if Usage::of(pid).is_none() => Err(Error::NoServer(pid)),
            _ => Ok(Self { pid, seen: Vec::new(), timeline: Timeline::default() }),
        }
    }

    /// Takes note of what the server has used so far.
    pub(crate) fn look(&mut self) {
        self.seen.extend(self.pid.and_then(Usage::of));
    }

    /// Shows and keeps what was counted up to now.
    pub(crate) fn note(&mut self, elapsed: Duration, tally: &Tally) {
        eprintln!("{}", progress(elapsed, tally));
        self.timeline.push(elapsed, tally, self.pid.and_then(Usage::of));
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
