//! What a hub is wanted for, and what that takes.

/// Bytes of user memory of an idle MQTT connection over TLS 1.3 (`benches/README.md`, memory).
const CONNECTION_BYTES: u64 = 5_209;

/// Bytes of kernel memory of the hub's end of an idle connection: half of 7.5 KB for a pair of
/// sockets, and a pending poll.
const SOCKET_BYTES: u64 = 4_096;

/// Bytes of a registered device, caches of the store included (`benches/README.md`, memory).
const DEVICE_BYTES: u64 = 574;

/// Descriptors of a shard that are no connections: standard streams, listeners, ring, eventfds of
/// executors and other threads.
const DESCRIPTORS_RESERVED: u64 = 128;

/// What the hub is wanted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Connections at the same time, if somebody has said so.
    pub connections: Option<u64>,
}

impl Demand {
    /// Descriptors that the fullest of `shards` shards needs; 0 without a number of connections.
    ///
    /// The kernel spreads connections by a hash of their addresses: the fullest shard has some
    /// standard deviations more than the mean.
    pub(super) fn descriptors_per_shard(self, shards: u64) -> u64 {
        let Some(connections) = self.connections else { return 0 };
        let shards = shards.max(1);
        let mean = connections.div_ceil(shards);
        let spread = if shards == 1 { 0 } else { 4 * mean.isqrt() };
        let eventfds_of_shards = shards;
        (mean + spread).min(connections) + DESCRIPTORS_RESERVED + eventfds_of_shards
    }

    /// The least number of shards that hold all connections when each may have `descriptors`;
    /// `None` if more than `shards_max` would be needed.
    pub(super) fn shards_least(self, descriptors: u64, shards_max: u64) -> Option<u64> {
        (1..=shards_max).find(|shards| self.descriptors_per_shard(*shards) <= descriptors)
    }

    /// Bytes of memory that the connections and their devices take, of user and kernel.
    pub(super) fn memory_bytes(self) -> u64 {
        let each = CONNECTION_BYTES + SOCKET_BYTES + DEVICE_BYTES;
        self.connections.unwrap_or_default().saturating_mul(each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_shards_hold_more_until_their_own_descriptors_outgrow_that() {
        let demand = |connections| Demand { connections: Some(connections) };
        assert_eq!(demand(1000).shards_least(1129, 1024), Some(1));
        assert_eq!(demand(1000).shards_least(1128, 1024), Some(2));
        assert_eq!(demand(100_000).shards_least(20_000, 1024), Some(6));
        assert_eq!(demand(100_000).shards_least(130, 1024), None);
        assert_eq!(Demand::default().shards_least(0, 1024), Some(1));
        assert_eq!(demand(1_000_000).memory_bytes(), 9_879_000_000);
    }
}
