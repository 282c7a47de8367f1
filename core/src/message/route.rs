//! Which partition a device's events go to.

use crc_fast::{CrcAlgorithm, checksum};

use super::partition_key::partition_of_key;
use crate::id::{DeviceId, PartitionId};

/// How the partition of a device follows from its id.
///
/// It belongs to a hub for good: with another one, a device would go on in another partition and
/// its events would be in two orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartitionMapping {
    /// CRC-64/NVME of the id's bytes, modulo the number of partitions: hubs that were made before
    /// there was a choice.
    Crc64,
    /// That of the partition keys of Event Hubs, with the id as the key: what tools expect that
    /// read one partition and look for a device there.
    #[default]
    PartitionKey,
}

impl PartitionMapping {
    /// Chooses the partition of a device: the same for as long as the hub has `partition_count`
    /// partitions.
    ///
    /// Modules follow their device, so that a device's own events and those of its modules stay in
    /// one order. Costs a hash of the id; allocates nothing.
    ///
    /// # Panics
    /// When `partition_count` is zero, which no valid configuration has.
    #[must_use]
    pub fn partition_of(self, device: &DeviceId, partition_count: u16) -> PartitionId {
        assert!(partition_count > 0, "a hub has at least two partitions");
        let id = device.as_str().as_bytes();
        PartitionId(match self {
            Self::Crc64 => {
                let index = checksum(CrcAlgorithm::Crc64Nvme, id) % u64::from(partition_count);
                u16::try_from(index).expect("a remainder is below its divisor, which is a u16")
            }
            Self::PartitionKey => partition_of_key(id, partition_count),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_never_changes() {
        let of = |mapping: PartitionMapping| {
            ["cooler-7", "device-1", "device-2", "a"]
                .map(|id| mapping.partition_of(&DeviceId::parse(id).expect("valid"), 4).0)
        };
        assert_eq!(of(PartitionMapping::Crc64), [0, 0, 3, 0]);
        assert_eq!(of(PartitionMapping::PartitionKey), [3, 3, 1, 1]);
    }

    #[test]
    fn devices_spread_evenly() {
        for mapping in [PartitionMapping::Crc64, PartitionMapping::PartitionKey] {
            let mut counts = [0_u32; 32];
            for n in 0..32_000 {
                let device = DeviceId::parse(&format!("device-{n}")).expect("valid");
                counts[usize::from(mapping.partition_of(&device, 32).0)] += 1;
            }
            assert!(counts.iter().all(|&c| (850..1150).contains(&c)), "{mapping:?}: {counts:?}");
        }
    }
}
