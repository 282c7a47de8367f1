//! The clocks of the process.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ringhub_core::time::{Timestamp, UnixMillis};

/// Reads both clocks. Copies share one origin, so their timestamps compare.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Starts a monotonic clock at [`Timestamp::ZERO`].
    #[must_use]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Monotonic time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.origin.elapsed()
    }

    /// Wall-clock time now; a clock before 1970 reads as 1970.
    #[must_use]
    pub fn wall(&self) -> UnixMillis {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        UnixMillis::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    /// The standard library's name for `at`.
    pub(super) fn instant(&self, at: Timestamp) -> Instant {
        self.origin + at.since(Timestamp::ZERO)
    }
}
