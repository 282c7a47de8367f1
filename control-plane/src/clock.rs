//! The wall clock of the control plane's own threads.

use std::time::{SystemTime, UNIX_EPOCH};

use ringhub_core::time::UnixMillis;

/// Now, in milliseconds. A clock before 1970 reads as 1970.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
