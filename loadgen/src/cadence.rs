//! When devices publish: an even beat that waits for nobody.

use std::time::Duration;

/// Segments of all devices of all workers, evenly spaced, one device after the other.
///
/// A segment is what a device sends at once: one or more messages in one TLS record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cadence {
    /// Devices of all workers.
    pub(crate) devices: u32,
    /// Messages per second of all devices; not zero.
    pub(crate) per_second: u32,
    /// Messages of a segment; not zero.
    pub(crate) per_segment: u32,
}

impl Cadence {
    /// When device `device` is to send its segment number `round`, after the start of the load.
    pub(crate) fn due(self, round: u64, device: u32) -> Duration {
        let segment = u128::from(round) * u128::from(self.devices) + u128::from(device);
        let nanos = segment * u128::from(self.per_segment) * 1_000_000_000;
        Duration::from_nanos(u64::try_from(nanos / u128::from(self.per_second)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_evenly_spaced_over_devices_and_rounds() {
        let cadence = Cadence { devices: 4, per_second: 100, per_segment: 5 };
        let ms = Duration::from_millis;
        assert_eq!(cadence.due(0, 0), ms(0));
        assert_eq!(cadence.due(0, 3), ms(150));
        assert_eq!(cadence.due(1, 0), ms(200));
        assert_eq!(cadence.due(1_000_000, 1), ms(200_000_050));
    }
}
