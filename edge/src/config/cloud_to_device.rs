//! `[cloud_to_device]`: messages to devices and the feedback on them.

use std::time::Duration;

use ringhub_control_plane::c2d as control;
use ringhub_core::c2d::BatchLimits;
use serde::Deserialize;

/// Bounds of queues and feedback. Changes count for what comes after them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudToDevice {
    /// Messages that may wait for one device or module; one more is refused.
    pub queue_depth: u16,
    /// Life of a message whose sender sets no expiry.
    #[serde(with = "humantime_serde")]
    pub default_ttl: Duration,
    /// How often a device may abandon a message before it is dead-lettered.
    pub max_delivery_count: u32,
    /// Life of feedback that no back end fetches.
    #[serde(with = "humantime_serde")]
    pub feedback_ttl: Duration,
    /// Time that a back end may keep a batch of feedback without a verdict.
    #[serde(with = "humantime_serde")]
    pub feedback_lock_duration: Duration,
    /// How often a back end may abandon a batch of feedback.
    pub feedback_max_delivery_count: u32,
}

impl CloudToDevice {
    /// As the control plane takes it.
    #[must_use]
    pub fn settings(&self) -> control::CloudToDevice {
        control::CloudToDevice {
            queue_depth: self.queue_depth,
            default_ttl: self.default_ttl,
            max_delivery_count: self.max_delivery_count,
            feedback: BatchLimits {
                ttl: self.feedback_ttl,
                lock_time: self.feedback_lock_duration,
                delivery_count_max: self.feedback_max_delivery_count,
            },
        }
    }
}
