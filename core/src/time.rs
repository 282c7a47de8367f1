//! The two clocks that the hub knows, as values handed in by drivers.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

use time::OffsetDateTime;
use time::macros::format_description;

/// A point on the monotonic clock of one process, in nanoseconds since an origin of the driver's
/// choice.
///
/// Deadlines are of this type. It is never stored and never sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The origin of the clock.
    pub const ZERO: Self = Self(0);

    /// Makes a timestamp from nanoseconds since the origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time passed since `earlier`, zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    /// Saturates: a deadline beyond 584 years never comes.
    fn add(self, after: Duration) -> Self {
        let nanos = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, before: Duration) -> Self {
        let nanos = u64::try_from(before.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(nanos))
    }
}

/// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z, as it is stored and sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(i64);

impl UnixMillis {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// Makes a wall-clock time from milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The time in UTC, with as many digits of the fraction as are not zero; `None` beyond the year
    /// 9999.
    ///
    /// Source: control-plane reference, "JSON, timestamps, enum case".
    #[must_use]
    pub fn to_iso8601(self) -> Option<String> {
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
        let date = OffsetDateTime::from_unix_timestamp(self.as_secs()).ok()?;
        let seconds = date.format(format).ok()?;
        let fraction = format!(".{:03}", self.0.rem_euclid(1000));
        let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
        Some(format!("{seconds}{fraction}Z"))
    }
}

impl Add<Duration> for UnixMillis {
    type Output = Self;

    /// Saturates.
    fn add(self, after: Duration) -> Self {
        let millis = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

impl Sub<Duration> for UnixMillis {
    type Output = Self;

    /// Saturates.
    fn sub(self, before: Duration) -> Self {
        let millis = i64::try_from(before.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis))
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}
