//! What a reader has counted and measured.

use std::time::Duration;

use super::devices::Devices;
use super::partition::Partition;
use crate::latency::Latency;

/// Counts of one run.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    pub(super) events: u64,
    /// Of the messages as they came: sections with annotations and properties.
    pub(super) bytes: u64,
    pub(super) partitions: Vec<Partition>,
    /// Partitions of which something is still to come that was there at the beginning.
    pub(super) to_catch_up: usize,
    /// What has come of each device, where that is looked at.
    pub(super) devices: Option<Devices>,
    /// From enqueued to received, of events that were enqueued since the beginning.
    pub(super) lag: Latency,
    /// Longest time for which what was received can have waited for this program.
    pub(super) delay: Latency,
    /// Time in which there was nothing to do.
    pub(super) idle: Duration,
}

impl Account {
    pub(super) fn new(partitions: Vec<Partition>, is_numbered: bool) -> Self {
        let to_catch_up = partitions.iter().filter(|partition| partition.has_goal()).count();
        let devices = is_numbered.then(Devices::default);
        Self { partitions, to_catch_up, devices, ..Self::default() }
    }

    /// Counts an event of the partition in this place.
    pub(super) fn handle_event(&mut self, place: usize, sequence_number: i64, message: &[u8]) {
        self.events += 1;
        self.bytes += message.len() as u64;
        if let Some(devices) = &mut self.devices {
            devices.handle_message(message);
        }
        if self.partitions[place].handle_event(sequence_number) {
            self.to_catch_up -= 1;
        }
    }

    pub(super) fn missing(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.missing).sum()
    }

    pub(super) fn disordered(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.disordered).sum()
    }

    /// Events by which all partitions were ahead when they were last looked at.
    pub(super) fn behind(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.behind).sum()
    }

    /// Most events by which one partition was ahead.
    pub(super) fn behind_max(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.behind_max).max().unwrap_or(0)
    }
}
