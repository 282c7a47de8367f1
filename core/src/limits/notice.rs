//! Bounds of what hubs tell back ends: feedback on messages to devices, and news of files.

use core::time::Duration;

/// Records of one feedback batch. Full: the batch is ready at once.
///
/// Source: service-endpoints reference, "Delivery feedback".
pub const FEEDBACK_BATCH_RECORDS_MAX: usize = 64;

/// Time between two feedback batches that are not full.
///
/// Source: service-endpoints reference, "Delivery feedback".
pub const FEEDBACK_BATCH_INTERVAL: Duration = Duration::from_secs(15);

/// Feedback records of one hub that wait for a back end. More: the oldest expire early.
pub const FEEDBACK_RECORDS_MAX: usize = 64 * 1024;

/// Feedback batches or file notifications that one link may hold at a time, whatever its credit.
pub const NOTICES_HELD_MAX: usize = 64;

/// File notifications of one hub that wait for a back end. More: the oldest expire early.
pub const FILE_NOTIFICATIONS_MAX: usize = 16 * 1024;
