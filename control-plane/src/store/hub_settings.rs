//! What may be changed of a hub, as JSON in its row.

use std::time::Duration;

use ringhub_core::c2d::BatchLimits;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::c2d::CloudToDevice;
use crate::directory::HubProperties;

/// Members that are not there have the value that new hubs have.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    retention_ms: u64,
    queue_depth: u16,
    default_ttl_ms: u64,
    max_delivery_count: u32,
    feedback_ttl_ms: u64,
    feedback_lock_ms: u64,
    feedback_max_delivery_count: u32,
}

impl Settings {
    fn new(retention: Duration, cloud_to_device: CloudToDevice) -> Self {
        let CloudToDevice { queue_depth, default_ttl, max_delivery_count, feedback } =
            cloud_to_device;
        Self {
            retention_ms: millis(retention),
            queue_depth,
            default_ttl_ms: millis(default_ttl),
            max_delivery_count,
            feedback_ttl_ms: millis(feedback.ttl),
            feedback_lock_ms: millis(feedback.lock_time),
            feedback_max_delivery_count: feedback.delivery_count_max,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new(Duration::from_hours(24), CloudToDevice::default())
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn settings_text(properties: &HubProperties) -> String {
    let settings = Settings::new(properties.retention, properties.cloud_to_device);
    // Numbers can always be written.
    serde_json::to_string(&settings).unwrap_or_default()
}

pub(super) fn settings_of(text: &str) -> Result<(Duration, CloudToDevice), StoreError> {
    let read: Settings =
        serde_json::from_str(text).map_err(|_| StoreError::Column("settings of a hub"))?;
    let cloud_to_device = CloudToDevice {
        queue_depth: read.queue_depth,
        default_ttl: Duration::from_millis(read.default_ttl_ms),
        max_delivery_count: read.max_delivery_count,
        feedback: BatchLimits {
            ttl: Duration::from_millis(read.feedback_ttl_ms),
            lock_time: Duration::from_millis(read.feedback_lock_ms),
            delivery_count_max: read.feedback_max_delivery_count,
        },
    };
    Ok((Duration::from_millis(read.retention_ms), cloud_to_device))
}
