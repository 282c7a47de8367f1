//! What a hub may do, as numbers.

use core::time::Duration;

use super::OperationClass;
use crate::limits::{QUOTA_BURST, QUOTA_WAIT_MAX};

/// So many operations in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Operations, at least one.
    pub count: u64,
    /// The time.
    pub per: Duration,
}

impl Rate {
    /// So many a second.
    #[must_use]
    pub const fn per_second(count: u64) -> Self {
        Self { count, per: Duration::from_secs(1) }
    }

    /// So many a minute.
    #[must_use]
    pub const fn per_minute(count: u64) -> Self {
        Self { count, per: Duration::from_secs(60) }
    }

    /// Time between two operations in nanoseconds, rounded up and at least one.
    #[must_use]
    pub(super) fn interval_ns(self) -> u64 {
        let per_ns = u64::try_from(self.per.as_nanos()).unwrap_or(u64::MAX);
        per_ns.div_ceil(self.count.max(1)).max(1)
    }
}

/// What becomes of operations that come faster than their rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shaping {
    /// How much of the rate may be used at once.
    pub burst: Duration,
    /// The longest wait.
    pub wait_max: Duration,
}

impl Default for Shaping {
    fn default() -> Self {
        Self { burst: QUOTA_BURST, wait_max: QUOTA_WAIT_MAX }
    }
}

/// Limits of one hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaLimits {
    /// By the number of the class; `None` is no limit.
    pub rates: [Option<Rate>; OperationClass::COUNT],
    /// Messages in a day of UTC; `None` is no limit.
    pub messages_per_day: Option<u64>,
    /// A message is charged for each so many bytes of its body; a power of two.
    pub message_bytes: u32,
    /// The hub is of a basic tier, without what those do not have.
    pub is_basic: bool,
    /// What becomes of operations that come too fast.
    pub shaping: Shaping,
}

impl QuotaLimits {
    /// No limit at all; messages are counted in steps of 4 KB.
    pub const NONE: Self = Self {
        rates: [None; OperationClass::COUNT],
        messages_per_day: None,
        message_bytes: 4096,
        is_basic: false,
        shaping: Shaping { burst: QUOTA_BURST, wait_max: QUOTA_WAIT_MAX },
    };

    /// Whether there is any limit.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.is_basic || self.messages_per_day.is_some() || self.rates.iter().any(Option::is_some)
    }
}
