//! Which partition a reader is attached to.

use ringhub_core::auth::Segment;
use ringhub_core::id::{ConsumerGroup, HubId, HubPartition, PartitionId};

/// A partition as one consumer group sees it.
#[derive(Clone, Debug)]
pub(crate) struct PartitionPlace {
    /// Hub of the partition.
    pub(crate) hub: HubId,
    /// Its host name, as log lines name it.
    pub(crate) host_name: String,
    /// The consumer group.
    pub(crate) group: ConsumerGroup,
    /// The partition.
    pub(crate) partition: PartitionId,
}

/// As logs name it: consumer group and partition.
impl std::fmt::Display for PartitionPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.group.as_str(), self.partition.0)
    }
}

impl PartitionPlace {
    /// The partition, whoever reads it.
    pub(crate) fn place(&self) -> HubPartition {
        HubPartition { hub: self.hub, partition: self.partition }
    }

    /// Calls `check` with the resource that a claim must cover.
    pub(crate) fn with_resource<R>(
        &self,
        entity: &str,
        check: impl FnOnce(&[Segment<'_>]) -> R,
    ) -> R {
        let partition = self.partition.0.to_string();
        let path =
            [entity, "ConsumerGroups", self.group.as_str(), "Partitions", partition.as_str()];
        check(&path.map(Segment::Literal))
    }
}
