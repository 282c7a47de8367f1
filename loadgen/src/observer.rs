//! What the server costs, seen from outside.

use serde_json::{Value, json};

use crate::error::Error;
use crate::outcome::Spent;
use crate::process::Usage;

/// Looks at the process of the server at the points of a run.
#[derive(Debug)]
pub(crate) struct Observer {
    pid: Option<u32>,
    seen: Vec<Usage>,
}

impl Observer {
    /// Checks that the process is there, if one is named.
    pub(crate) fn new(pid: Option<u32>) -> Result<Self, Error> {
        match pid {
            Some(pid) if Usage::of(pid).is_none() => Err(Error::NoServer(pid)),
            _ => Ok(Self { pid, seen: Vec::new() }),
        }
    }

    /// Takes note of what the server has used so far.
    pub(crate) fn look(&mut self) {
        self.seen.extend(self.pid.and_then(Usage::of));
    }

    /// What was seen, from the points: the beginning, all connected if there is a load, the end.
    pub(crate) fn into_server_cost(self) -> Option<ServerCost> {
        let (first, last) = (*self.seen.first()?, *self.seen.last()?);
        let connected = self.seen[self.seen.len().saturating_sub(2)];
        Some(ServerCost {
            whole: Spent::between(first, last),
            steady: Spent::between(connected, last),
            resident_bytes: (first.resident_bytes, last.resident_bytes),
        })
    }
}

/// What the server cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerCost {
    pub(crate) whole: Spent,
    /// From the time at which all were connected, where messages were sent.
    pub(crate) steady: Spent,
    /// Resident memory before the first connection, and before the first goodbye.
    pub(crate) resident_bytes: (u64, u64),
}

impl ServerCost {
    pub(crate) fn to_json(self) -> Value {
        json!({
            "cpu_s": self.whole.cpu_s,
            "load_cpu_s": self.steady.cpu_s,
            "resident_bytes_before": self.resident_bytes.0,
            "resident_bytes": self.resident_bytes.1,
        })
    }
}
