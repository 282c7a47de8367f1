//! Hubs come, change and go while the executors run.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ringhub_core::id::{HubId, HubPartition, PartitionId};
use ringhub_core::limits::{HUBS_MAX, PARTITIONS_MAX};

/// How often a waiting call looks whether its executor is still there.
const LOOK_AT_EXECUTOR: Duration = Duration::from_millis(100);

/// A hub as its partitions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HubLog {
    /// The hub.
    pub hub: HubId,
    /// Number of its partitions, 1 to 128; fixed when the hub is made.
    pub partition_count: u16,
    /// How long its events are kept at least.
    pub retention: Duration,
}

impl HubLog {
    /// Its partitions.
    pub(super) fn places(self) -> impl Iterator<Item = HubPartition> {
        let Self { hub, partition_count, .. } = self;
        (0..partition_count).map(move |n| HubPartition { hub, partition: PartitionId(n) })
    }
}

/// Why a hub is not added, changed or removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HubRefused {
    /// It has no partition, or more than a hub may have.
    #[error("a hub has 1 to {PARTITIONS_MAX} partitions, not {0}")]
    PartitionCount(u16),
    /// It is there already.
    #[error("hub {} is there already", .0.0)]
    Exists(HubId),
    /// It was removed before: what it has left in the logs would become the new hub's.
    #[error("hub {} was removed, and its number is not used again", .0.0)]
    Used(HubId),
    /// There is no such hub.
    #[error("there is no hub {}", .0.0)]
    Unknown(HubId),
    /// The hub of the configuration file is there as long as the process.
    #[error("hub {} is the configured one and cannot be removed", .0.0)]
    Configured(HubId),
    /// As many hubs as may be are there.
    #[error("the process has its {HUBS_MAX} hubs")]
    TooManyHubs,
    /// A commit log has as many partitions as it may have.
    #[error("the commit logs have as many partitions as they may have, {0} each")]
    TooManyPartitions(usize),
    /// The executors have ended.
    #[error("the commit logs are closed")]
    Stopped,
}

/// What an executor is told about a hub.
#[derive(Clone, Copy, Debug)]
pub(super) enum HubChange {
    Add(HubLog),
    SetRetention(HubId, Duration),
    Remove(HubId),
}

/// A change on its way, and where the answer goes.
#[derive(Debug)]
pub(super) struct HubOrder {
    pub(super) change: HubChange,
    pub(super) done: flume::Sender<Result<(), HubRefused>>,
}

/// One executor as hubs are told to it.
#[derive(Debug)]
pub(super) struct ExecutorDoor {
    pub(super) orders: flume::Sender<HubOrder>,
}

/// Adds, changes and removes hubs, from any thread. Every call blocks until all executors have it,
/// which takes a turn of each; changes take their turns. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct HubPartitions {
    doors: Arc<Mutex<Vec<ExecutorDoor>>>,
}

impl HubPartitions {
    pub(super) fn new(doors: Vec<ExecutorDoor>) -> Self {
        Self { doors: Arc::new(Mutex::new(doors)) }
    }

    /// Makes the partitions of a new hub. Afterwards its records are taken and it can be read. An
    /// empty hub takes no disk space.
    ///
    /// # Errors
    /// [`HubRefused`]: no executor has it.
    pub fn add(
        &self,
        hub: HubId,
        partition_count: u16,
        retention: Duration,
    ) -> Result<(), HubRefused> {
        if !(1..=PARTITIONS_MAX).contains(&usize::from(partition_count)) {
            return Err(HubRefused::PartitionCount(partition_count));
        }
        let log = HubLog { hub, partition_count, retention };
        self.tell_all(HubChange::Add(log), Some(HubChange::Remove(hub)))
    }

    /// Changes how long events of a hub are kept. Events that are too old by a shorter time become
    /// invisible with the next look at the segments.
    ///
    /// # Errors
    /// [`HubRefused::Unknown`] or [`HubRefused::Stopped`].
    pub fn set_retention(&self, hub: HubId, retention: Duration) -> Result<(), HubRefused> {
        self.tell_all(HubChange::SetRetention(hub, retention), None)
    }

    /// Takes a hub away for good. Afterwards its readers have ended, nothing of it can be read, and
    /// records of it that come out of the rings are dropped. Its disk space is given back later, in
    /// the background, and after a restart if one comes first.
    ///
    /// The hub must be gone from the registry already, durably: a start takes every hub that it is
    /// not given for a removed one.
    ///
    /// # Errors
    /// [`HubRefused::Unknown`], [`HubRefused::Configured`] or [`HubRefused::Stopped`].
    pub fn remove(&self, hub: HubId) -> Result<(), HubRefused> {
        self.tell_all(HubChange::Remove(hub), None)
    }

    /// Tells one executor after the other; if one refuses, those before it are told `undo`.
    fn tell_all(&self, change: HubChange, undo: Option<HubChange>) -> Result<(), HubRefused> {
        let doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        for (told, door) in doors.iter().enumerate() {
            if let Err(refused) = door.tell(change) {
                for door in undo.iter().flat_map(|_| &doors[..told]) {
                    let _ = undo.map(|undo| door.tell(undo));
                }
                return Err(refused);
            }
        }
        Ok(())
    }
}

impl ExecutorDoor {
    fn tell(&self, change: HubChange) -> Result<(), HubRefused> {
        let (done, answer) = flume::bounded(1);
        let order = HubOrder { change, done };
        self.orders.send(order).map_err(|_| HubRefused::Stopped)?;
        loop {
            match answer.recv_timeout(LOOK_AT_EXECUTOR) {
                Ok(outcome) => return outcome,
                // An executor that has ended may leave the order where nobody takes it.
                Err(flume::RecvTimeoutError::Timeout) if !self.orders.is_disconnected() => {}
                Err(_) => return Err(HubRefused::Stopped),
            }
        }
    }
}
