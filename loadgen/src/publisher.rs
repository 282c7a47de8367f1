//! What one device has published, and when its next segment is due.

use std::time::Duration;

use crate::cadence::Cadence;

/// One device of a load.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// Its number among the devices of all workers.
    device: u32,
    pub(crate) topic: Box<str>,
    /// Segments that were sent.
    sent: u64,
}

impl Publisher {
    pub(crate) fn new(device: u32, topic: String) -> Self {
        Self { device, topic: topic.into(), sent: 0 }
    }

    /// When the next segment is due, after the start of the load.
    pub(crate) fn next_due(&self, cadence: Cadence) -> Duration {
        cadence.due(self.sent, self.device)
    }

    /// Number of the first message of the next segment among all of this device.
    pub(crate) fn next_number(&self, per_segment: u32) -> u64 {
        self.sent * u64::from(per_segment)
    }

    /// The next segment was sent.
    pub(crate) fn handle_sent(&mut self) {
        self.sent += 1;
    }
}
