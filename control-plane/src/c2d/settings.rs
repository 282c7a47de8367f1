//! What a hub's configuration says about C2D.

use std::time::Duration;

use ringhub_core::c2d::BatchLimits;

/// Bounds of a hub's queues and feedback. The configuration checks the ranges.
///
/// Source: device-endpoints reference, "Cloud-to-device queue"; service-endpoints reference,
/// "Delivery feedback".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloudToDevice {
    /// Messages that wait for one device or module, locked ones included.
    pub queue_depth: u16,
    /// Life of a message whose sender says nothing about it.
    pub default_ttl: Duration,
    /// How often a message may be abandoned.
    pub max_delivery_count: u32,
    /// Life, lock and count of feedback.
    pub feedback: BatchLimits,
}

impl Default for CloudToDevice {
    /// The values of the real service.
    fn default() -> Self {
        Self {
            queue_depth: 50,
            default_ttl: Duration::from_hours(1),
            max_delivery_count: 10,
            feedback: BatchLimits {
                ttl: Duration::from_hours(1),
                lock_time: Duration::from_secs(60),
                delivery_count_max: 10,
            },
        }
    }
}
