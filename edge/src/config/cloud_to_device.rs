//! `[cloud_to_device]`: messages to devices and the feedback on them.

use std::time::Duration;

use ringhub_control_plane::c2d as control;
use ringhub_core::c2d::FeedbackLimits;
use serde::Deserialize;

/// Bounds of queues and feedback. Changes count for what comes after them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CloudToDevice {
    /// Messages that may wait for one device or module, those in its hands included; one more is
    /// refused. Default 50, range 1 to 100. All queues together hold at most 256 MiB in memory.
    pub queue_depth: u16,
    /// Life of a message whose sender sets no expiry. Default `1h`, range 1 minute to 2 days.
    #[serde(with = "humantime_serde")]
    pub default_ttl: Duration,
    /// How often a device may abandon a message before it is dead-lettered. Default 10, range 1 to
    /// 100. Locks that lapse do not count.
    pub max_delivery_count: u32,
    /// Life of feedback that no back end fetches. Default `1h`, range 1 minute to 2 days.
    #[serde(with = "humantime_serde")]
    pub feedback_ttl: Duration,
    /// Time that a back end may keep a batch of feedback without a verdict. Default `1min`, range 5
    /// s to 5 min.
    #[serde(with = "humantime_serde")]
    pub feedback_lock_duration: Duration,
    /// How often a back end may abandon a batch of feedback. Default 10, range 1 to 100.
    pub feedback_max_delivery_count: u32,
}

impl Default for CloudToDevice {
    fn default() -> Self {
        let control::CloudToDevice { queue_depth, default_ttl, max_delivery_count, feedback } =
            control::CloudToDevice::default();
        Self {
            queue_depth,
            default_ttl,
            max_delivery_count,
            feedback_ttl: feedback.ttl,
            feedback_lock_duration: feedback.lock_time,
            feedback_max_delivery_count: feedback.delivery_count_max,
        }
    }
}

impl CloudToDevice {
    /// As the control plane takes it.
    #[must_use]
    pub fn settings(&self) -> control::CloudToDevice {
        control::CloudToDevice {
            queue_depth: self.queue_depth,
            default_ttl: self.default_ttl,
            max_delivery_count: self.max_delivery_count,
            feedback: FeedbackLimits {
                ttl: self.feedback_ttl,
                lock_time: self.feedback_lock_duration,
                delivery_count_max: self.feedback_max_delivery_count,
            },
        }
    }
}
