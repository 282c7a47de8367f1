//! Which partition a device's events go to.

use crc_fast::{CrcAlgorithm, checksum};

use crate::id::{DeviceId, PartitionId};

/// Chooses the partition of a device: the same for as long as the hub has `partition_count`
/// partitions.
///
/// Modules follow their device, so that a device's own events and those of its modules stay in one
/// order. The hash is CRC-64/NVME of the id's bytes; it is part of the disk format, because a hub
/// that is started with another hash would continue a device in another partition.
///
/// # Panics
/// When `partition_count` is zero, which no valid configuration has.
#[must_use]
pub fn partition_of(device: &DeviceId, partition_count: u16) -> PartitionId {
    assert!(partition_count > 0, "a hub has at least two partitions");
    let hash = checksum(CrcAlgorithm::Crc64Nvme, device.as_str().as_bytes());
    let index = hash % u64::from(partition_count);
    PartitionId(u16::try_from(index).expect("a remainder is below its divisor, which is a u16"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_never_changes() {
        let of = |id: &str| partition_of(&DeviceId::parse(id).expect("valid"), 4).0;
        assert_eq!([of("cooler-7"), of("device-1"), of("device-2"), of("a")], [0, 0, 3, 0]);
    }

    #[test]
    fn devices_spread_evenly() {
        let mut counts = [0_u32; 32];
        for n in 0..32_000 {
            let device = DeviceId::parse(&format!("device-{n}")).expect("valid");
            counts[usize::from(partition_of(&device, 32).0)] += 1;
        }
        assert!(counts.iter().all(|&c| (850..1150).contains(&c)), "{counts:?}");
    }
}
