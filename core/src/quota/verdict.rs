//! What becomes of an operation.

use core::time::Duration;

use crate::time::Timestamp;

/// Whether an operation goes on, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation that is delayed or refused must not go on"]
pub enum Verdict {
    /// At once.
    Pass,
    /// At this time, for which it has its place; it is not to be asked for again.
    Delayed(Timestamp),
    /// Not at all; nothing was used up.
    Refused(QuotaRefusal),
}

/// Why an operation is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaRefusal {
    /// It would wait for too long (429001).
    #[error("Throttled")]
    Throttled {
        /// When another try may succeed.
        after: Duration,
    },
    /// The messages of the day are used up (403002).
    #[error("Total number of messages on IotHub exceeded the allocated quota")]
    DailyQuota,
    /// Hubs of the tier do not have such operations (403010).
    #[error("The tier of the hub does not have this operation")]
    Tier,
}
