//! What hubs have beside the registry in this process: the partitions of their logs.

use std::io;
use std::time::Duration;

use ringhub_control_plane::HubParts;
use ringhub_control_plane::directory::Hub;
use ringhub_core::id::HubId;
use tracing::warn;

use crate::partition::{HubLog, HubPartitions, HubRefused};

/// A hub as its logs know it.
pub(crate) fn hub_log(hub: &Hub) -> HubLog {
    let retention = hub.properties().retention;
    HubLog { hub: hub.id, partition_count: hub.partition_count, retention }
}

/// Makes and removes logs as hubs come and go.
#[derive(Debug)]
pub(crate) struct EdgeParts {
    partitions: HubPartitions,
}

impl EdgeParts {
    pub(crate) fn new(partitions: HubPartitions) -> Self {
        Self { partitions }
    }
}

impl HubParts for EdgeParts {
    fn add(&self, hub: &Hub) -> io::Result<()> {
        let HubLog { hub, partition_count, retention } = hub_log(hub);
        self.partitions.add(hub, partition_count, retention).map_err(io::Error::other)
    }

    fn set_retention(&self, hub: HubId, retention: Duration) {
        if let Err(reason) = self.partitions.set_retention(hub, retention) {
            warn!(number = hub.0, %reason, "events are kept for the former time until a restart");
        }
    }

    fn remove(&self, hub: HubId, _: &str) -> io::Result<()> {
        match self.partitions.remove(hub) {
            Ok(()) | Err(HubRefused::Unknown(_) | HubRefused::Used(_)) => Ok(()),
            Err(refused) => Err(io::Error::other(refused)),
        }
    }
}
